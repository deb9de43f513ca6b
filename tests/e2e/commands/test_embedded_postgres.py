"""The private PostgreSQL: shared, adopted, recovered; as root and as an ordinary user."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from api import embedded, server_placement
from api.embedded import EmbeddedPostgres, EmbeddedPostgresError
from api.server_placement import ACCOUNT, SHARED_ACCOUNT, PlacementError, is_passable
from migrations import runner
from tests import ROOT
from tests.e2e.support import kill, server_pids
from tests.support import databases
from tests.support.memory import session_directory
from tests.support.processes import eventually
from tests.support.slow import slow


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Give a directory in memory, if possible: `initdb` waits long for a disk that others use."""
    with session_directory() as directory:
        yield directory


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Give a data directory; nothing runs there afterwards."""
    directory = tmp_path / "data"
    yield directory
    kill(server_pids(directory))


def _count(url: str) -> int:
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS marks (at timestamptz DEFAULT clock_timestamp())"
        )
        connection.execute("INSERT INTO marks DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM marks").fetchone()
    assert row is not None
    return int(row[0])


def test_users_share_one_server_and_the_last_stops_it(data_dir: Path) -> None:
    users = [EmbeddedPostgres(data_dir) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(lambda user: user.start(), users))
    assert len(urls) == 1
    for user in users[:-1]:
        user.stop()
        assert server_pids(data_dir)
    assert _count(urls.pop()) == 1
    users[-1].stop()
    assert not server_pids(data_dir)


@pytest.mark.parametrize("limit", [1, slow(server_placement.SOCKET_PATH_LIMIT)])
def test_a_killed_server_is_started_again_with_its_data_and_address(
    data_dir: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_placement, "SOCKET_PATH_LIMIT", limit)
    user = EmbeddedPostgres(data_dir)
    url = user.start()
    assert _count(url) == 1
    killed = server_pids(data_dir)
    kill(killed)
    eventually(lambda: set(server_pids(data_dir)) - set(killed), what="a new server")
    assert eventually(lambda: _count_if_up(url), what="the new server answering") == 2
    user.stop()


def test_what_only_answered_late_is_not_prepared_again(data_dir: Path) -> None:
    user = EmbeddedPostgres(data_dir)
    url = user.start()
    assert _count(url) == 1
    # As in the second in which a server recovers: the service's role was refused, the superuser
    # is not any more.
    with databases.superuser(data_dir) as connection:
        user._cluster._prepare(connection.info.host)
    assert _count(url) == 2
    user.stop()


def _count_if_up(url: str) -> int | None:
    try:
        return _count(url)
    except psycopg.OperationalError:
        return None


def test_a_server_that_outlived_its_users_is_adopted_and_later_stopped(data_dir: Path) -> None:
    script = (
        "import sys, os; from pathlib import Path;"
        " from api.embedded import EmbeddedPostgres;"
        "EmbeddedPostgres(Path(sys.argv[1])).start(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(data_dir)], check=False, timeout=120)
    orphaned = server_pids(data_dir)
    assert orphaned
    user = EmbeddedPostgres(data_dir)
    _count(user.start())
    assert set(orphaned) & set(server_pids(data_dir))
    user.stop()
    assert not server_pids(data_dir)


def test_a_stale_pid_file_is_no_running_server(data_dir: Path) -> None:
    user = EmbeddedPostgres(data_dir)
    assert _count(user.start()) == 1
    for count, pid in enumerate(("1", str(os.getpid()), "999999999", "nonsense"), 2):
        pid_file = (data_dir / "postgres").resolve() / "data" / "postmaster.pid"
        _, *lines = pid_file.read_text().splitlines()
        kill(server_pids(data_dir))
        user.stop()
        pid_file.write_text("\n".join([pid, *lines]))
        user = EmbeddedPostgres(data_dir)
        assert _count(user.start()) == count, pid
    user.stop()


@pytest.mark.slow
def test_a_frozen_server_is_named_instead_of_waited_for_without_end(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = EmbeddedPostgres(data_dir)
    user.start()
    postmaster = _postmaster(data_dir)
    os.kill(postmaster, signal.SIGSTOP)
    monkeypatch.setattr("api.embedded.START_TIMEOUT_S", 1.0)
    with pytest.raises(EmbeddedPostgresError, match=r"process \d+\) holds"):
        EmbeddedPostgres(data_dir).start()
    os.kill(postmaster, signal.SIGCONT)
    user.stop()


def _postmaster(data_dir: Path) -> int:
    return int(
        ((data_dir / "postgres").resolve() / "data" / "postmaster.pid").read_text().splitlines()[0]
    )


def test_secrets_are_readable_by_their_owner_alone(data_dir: Path) -> None:
    user = EmbeddedPostgres(data_dir)
    socket = Path(str(conninfo_to_dict(user.start())["host"]))
    assert stat.S_IMODE((data_dir / "postgres.password").stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    user.stop()


def _python_for_everybody() -> str:
    """Return an interpreter of this version that other users may run; skip where there is none."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (
        Path(sys.executable).resolve(),
        Path("/usr/bin") / version,
        Path("/usr/local/bin") / version,
    ):
        if candidate.exists() and is_passable(candidate.parent):
            return str(candidate)
    pytest.skip("no interpreter of this version that other users may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_works_as_an_ordinary_user_too() -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        script = (
            "import sys; from pathlib import Path; import psycopg;"
            " from api.embedded import EmbeddedPostgres;"
            "user = EmbeddedPostgres(Path(sys.argv[1])); url = user.start();"
            "print(psycopg.connect(url).execute('SELECT 42').fetchone()[0]); user.stop()"
        )
        done = subprocess.run(
            [_python_for_everybody(), "-c", script, f"{directory}/data"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            env={
                "PATH": os.defpath,
                "HOME": directory,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
            },
        )
        assert done.stdout == "42\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's server runs as that user")
def test_root_opens_no_directory_but_its_own(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    user = EmbeddedPostgres(closed / "data")
    _count(user.start())
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert Path(f"/proc/{_postmaster(closed / 'data')}").stat().st_uid != 0
    user.stop()
    shutil.rmtree((closed / "data" / "postgres").resolve())


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root lends its server to an account"
)


def _write_rules_as(name: str, rules: Path) -> "subprocess.CompletedProcess[bytes]":
    """Let a process of this account try to let itself in as the superuser."""
    entry = pwd.getpwnam(name)
    return subprocess.run(
        ["/bin/sh", "-c", 'echo "local all all trust" >>"$0"', rules],
        check=False,
        capture_output=True,
        cwd="/",
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=[],
    )


def _rules(data_dir: Path) -> Path:
    return (data_dir / "postgres").resolve() / "data" / "pg_hba.conf"


@needs_root
def test_no_process_of_an_account_of_others_can_write_the_servers_files(data_dir: Path) -> None:
    user = EmbeddedPostgres(data_dir)
    _count(user.start())
    before = _rules(data_dir).read_bytes()
    assert b"denied" in _write_rules_as(SHARED_ACCOUNT, _rules(data_dir)).stderr
    assert _rules(data_dir).read_bytes() == before
    runs_as = Path(f"/proc/{_postmaster(data_dir)}").stat().st_uid
    assert runs_as == pwd.getpwnam(ACCOUNT).pw_uid
    user.stop()


@needs_root
def test_files_of_the_account_of_earlier_versions_are_handed_over_and_no_others(
    data_dir: Path, tmp_path: Path
) -> None:
    user = EmbeddedPostgres(data_dir)
    assert _count(user.start()) == 1
    user.stop()
    home = (data_dir / "postgres").resolve()
    former = pwd.getpwnam(SHARED_ACCOUNT)
    for path in (home, *home.rglob("*")):
        os.chown(path, former.pw_uid, former.pw_gid, follow_symlinks=False)
    theirs = tmp_path / "theirs"
    theirs.write_text("root's")
    (home / "linked").hardlink_to(theirs)
    (home / "leading").symlink_to(tmp_path)
    os.chown(home / "leading", former.pw_uid, -1, follow_symlinks=False)
    again = EmbeddedPostgres(data_dir)
    assert _count(again.start()) == 2
    assert b"denied" in _write_rules_as(SHARED_ACCOUNT, _rules(data_dir)).stderr
    assert theirs.stat().st_uid == tmp_path.stat().st_uid == 0
    again.stop()


@needs_root
def test_a_server_for_which_there_is_no_account_is_refused_with_what_to_do(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, reason in (
        ("apphub-missing", "useradd --system apphub-missing"),
        (SHARED_ACCOUNT, "leave the option out"),
        ("root", "leave the option out"),
    ):
        with pytest.raises(PlacementError, match=reason):
            EmbeddedPostgres(data_dir, account=name)
    monkeypatch.setattr(server_placement, "ACCOUNT", "apphub-unmade")
    monkeypatch.setattr(server_placement, "_MAKE_COMMANDS", (("false",),))
    with pytest.raises(PlacementError, match="--postgres-account"):
        EmbeddedPostgres(data_dir)
    assert not data_dir.exists()


@needs_root
def test_files_of_an_ordinary_user_are_not_taken(data_dir: Path) -> None:
    user = EmbeddedPostgres(data_dir)
    user.start()
    user.stop()
    home = (data_dir / "postgres").resolve()
    os.chown(home, 4_321, 4_321)
    with pytest.raises(PlacementError, match=f"chown -R {ACCOUNT} {home}"):
        EmbeddedPostgres(data_dir).start()
    assert home.stat().st_uid == 4_321


@needs_root
def test_all_who_need_the_account_at_the_same_time_get_the_same_one() -> None:
    name = f"apphub-{os.getpid()}"
    try:
        with ThreadPoolExecutor(8) as pool:
            accounts = set(pool.map(server_placement.ensure_account, [name] * 8))
        assert len(accounts) == 1
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)


def _make_old(data_dir: Path) -> None:
    """Bring a server to the state of older versions, whose services were its superuser."""
    password = (data_dir / "postgres.password").read_text()
    with databases.superuser(data_dir) as connection:
        for statement in (
            f"ALTER ROLE {embedded.SUPERUSER} PASSWORD '{password}'",
            f"ALTER DATABASE {embedded.DATABASE} OWNER TO {embedded.SUPERUSER}",
            "CREATE ROLE apphub_jobs_archivist NOLOGIN",
        ):
            connection.execute(statement.encode())
    with databases.superuser(data_dir, embedded.DATABASE) as connection:
        for statement in (
            f"REASSIGN OWNED BY {embedded.SERVICE} TO {embedded.SUPERUSER}",
            f"DROP OWNED BY {embedded.SERVICE}",
            f"DROP ROLE {embedded.SERVICE}",
        ):
            connection.execute(statement.encode())


_OWNERS = """
    SELECT relname, relowner::regrole::text FROM pg_class
    WHERE oid >= 16384 AND relnamespace = 'public'::regnamespace
    UNION ALL SELECT proname, proowner::regrole::text FROM pg_proc WHERE oid >= 16384
"""


@pytest.mark.slow
def test_a_server_of_an_older_version_is_handed_over_to_a_role_that_is_no_superuser(
    data_dir: Path,
) -> None:
    user = EmbeddedPostgres(data_dir)
    runner.upgrade(user.start())
    _make_old(data_dir)
    user.stop()
    again = EmbeddedPostgres(data_dir)
    url = again.start()
    with psycopg.connect(url) as connection:
        owners = connection.execute(_OWNERS).fetchall()
        assert len(owners) > 30
        assert {owner for _, owner in owners} == {embedded.SERVICE}
        mine = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(mine).fetchone() == (False,)
        connection.execute("SET ROLE apphub_jobs_archivist")
    as_before = url.replace(f"//{embedded.SERVICE}:", f"//{embedded.SUPERUSER}:")
    rules = (data_dir / "postgres").resolve() / "data" / "pg_hba.conf"
    rules.write_text(rules.read_text().removeprefix(databases.TRUSTING))
    os.kill(_postmaster(data_dir), signal.SIGHUP)
    eventually(lambda: not _can_connect(as_before), what="the superuser being refused")
    runner.downgrade(url, "0011")
    runner.upgrade(url)
    again.stop()


def _can_connect(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
