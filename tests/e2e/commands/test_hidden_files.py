"""Handlers reach nothing of the service: no environment, no key, no superuser, no log of others."""

import json
import os
import shutil
import stat
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from api import embedded
from api.server_placement import ACCOUNT, find_account
from tests import ROOT
from tests.e2e.catalog.apps import add
from tests.e2e.support import embedded_url, launch, register, wait_for_words
from tests.support.git.git_servers import Server, git_server
from tests.support.git.repositories import repository
from tests.support.handlers import reaching
from tests.support.processes import eventually, started, wait_for_run

TOKEN = "0123456789-a-token"
SECRET = "a-secret-of-the-operator"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that root's PostgreSQL may pass."""
    made = tmp_path_factory.mktemp("hidden")
    made.chmod(0o711)
    return made


@pytest.fixture(scope="module")
def data_dir(directory: Path) -> Path:
    return directory / "data"


@dataclass
class Hesitant:
    """A git server that answers no request before it is told to.

    Attributes:
        server: the server, with what was shown to it.
        requested: set once somebody waits for an answer.
        answers: to be set.
    """

    server: Server
    requested: Event
    answers: Event


@pytest.fixture(scope="module")
def hesitant(directory: Path) -> Iterator[Hesitant]:
    """Give a git server with a repository `shop`, for which one needs the secret."""
    repository(directory, {"README.md": "# Shop"}, "shop")
    requested = Event()
    answers = Event()

    def hesitate() -> None:
        requested.set()
        answers.wait(120)

    with git_server(directory, f"me:{SECRET}", hesitate) as server:
        yield Hesitant(server, requested, answers)
        answers.set()


@pytest.fixture(scope="module")
def named(directory: Path, hesitant: "Hesitant") -> dict[str, str]:
    """Return variables that name files of secrets outside of the data directory."""
    tokens = directory / "tokens.json"
    tokens.write_text(json.dumps({TOKEN: {"principal": "me", "role": "write"}}))
    credentials = directory / "credentials.json"
    entry = {"username": "me", "password": {"env": "GIT_PASSWORD"}}
    credentials.write_text(json.dumps({hesitant.server.address: entry}))
    for path in (tokens, credentials):
        path.chmod(0o600)
    return {
        "APPHUB_TOKENS_FILE": str(tokens),
        "APPHUB_GIT_CREDENTIALS": str(credentials),
        "GIT_PASSWORD": SECRET,
    }


@pytest.fixture(scope="module")
def client(data_dir: Path, named: dict[str, str]) -> Iterator[httpx.Client]:
    """Give a client of a whole service with its private PostgreSQL."""
    handlers = ("--handlers", "tests.support.handlers.reaching")
    arguments = (
        *("up", "--port", "0", "--data-dir", str(data_dir), *handlers),
        *("--allow-private-repositories", "--slots", "6"),
    )
    # Not forked: what is looked for is what a program shows of itself.
    with started(*arguments, module="apphub_jobs", **named) as process:
        _, url = process.wait_for_line("ready ", timeout_s=110).split()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=url, timeout=90, headers=headers) as client:
            for slug in ("reach", "snoop", "write", "wait"):
                register(client, slug, f"reaching.{slug}")
            yield client
        process.stop()
        assert "Traceback" not in "\n".join(process.errors)


def _reached(client: httpx.Client, slug: str = "reach", **parameters: Any) -> dict[str, Any]:
    run = wait_for_run(client, launch(client, slug, parameters=parameters))
    assert run["status"] == "succeeded", run["errorMessage"]
    return dict(run["result"])


def _secret_files(data_dir: Path, named: dict[str, str]) -> list[str]:
    """Return files that this test can read, and no handler shall."""
    paths = [data_dir / name for name in ("postgres.password", "seal.key")]
    paths += (data_dir / "postgres").resolve().glob("data/pg_hba.conf")
    paths += (data_dir / "run-logs").rglob("*.log")
    paths += [Path(path) for path in named.values() if path.startswith("/")]
    readable = [str(path) for path in paths if path.exists()]
    assert all(Path(path).read_bytes() for path in readable)
    return readable


def test_a_handler_finds_no_secret_of_the_service(
    client: httpx.Client, data_dir: Path, named: dict[str, str]
) -> None:
    _reached(client)
    files = _secret_files(data_dir, named)
    assert len(files) >= 5
    seen = _reached(client, files=files)
    assert set(seen["files"].values()) <= {"[FileNotFoundError]", "[PermissionError]", "b''"}
    # Its supervisor, the worker, `up`, this test, and what is above.
    assert len(seen["above"]) >= 4
    for process in seen["above"].values():
        exposed = [process[name] for name in ("environ", "descriptors", "memory")]
        assert {*exposed, *process["root"]} == {"[PermissionError]"}


OTHERS = "the-secret-of-another-attempt"


def _accounts() -> list[int]:
    """Return users that root's handlers may think of becoming."""
    names = ("nobody", ACCOUNT)
    accounts = [find_account(name) for name in names]
    return [entry.pw_uid for entry in accounts if entry is not None]


def test_a_handler_that_snoops_finds_its_own_directory_and_nothing_to_change(
    client: httpx.Client, data_dir: Path, hesitant: Hesitant, directory: Path
) -> None:
    until = directory / "snooped"
    waiting = launch(client, "wait", parameters={"secret": OTHERS, "until": str(until)})
    wait_for_words(client, waiting, "waiting")
    add(client, Path(), id="snooped", repoUrl=f"http://{hesitant.server.address}/shop")
    assert hesitant.requested.wait(60)
    writing = [
        sysconfig.get_path("purelib"),
        *(str(ROOT / name) for name in ("worker", "apphub_jobs")),
        *("/etc", "/etc/cron.d", "/var/spool", "/usr/local/bin", "/var/lib"),
        str(Path.home()),
        *("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"),
    ]
    there = [path for path in writing if Path(path).exists()]
    rules = (data_dir / "postgres").resolve() / "data" / "pg_hba.conf"
    snooped = _reached(
        client,
        "snoop",
        secrets=[OTHERS, SECRET],
        writing=there,
        users=_accounts(),
        rules=str(rules),
    )
    hesitant.answers.set()
    until.touch()
    assert snooped["found"] == snooped["others"] == []
    assert set(snooped["written"].values()) <= {"[OSError]", "[PermissionError]"}
    assert "written" not in snooped["as"].values()
    if os.geteuid() == 0:
        assert snooped["disks"] == []
    assert wait_for_run(client, waiting)["status"] == "succeeded"
    eventually(lambda: any(hesitant.server.authorizations), what="git showing the password")


def test_a_handler_that_may_not_write_somewhere_is_told_who_can_let_it(
    client: httpx.Client,
) -> None:
    parameters = {"path": sysconfig.get_path("purelib")}
    run = wait_for_run(client, launch(client, "write", parameters=parameters))
    assert run["status"] == "failed"
    assert "Read-only file system: " in run["errorMessage"]
    assert "--writable DIRECTORY" in run["errorMessage"]


def test_a_file_that_is_replaced_is_hidden_from_the_next_run(
    client: httpx.Client, named: dict[str, str]
) -> None:
    _reached(client)
    tokens = Path(named["APPHUB_TOKENS_FILE"])
    rotated = tokens.with_suffix(".new")
    shutil.copy(tokens, rotated)
    rotated.replace(tokens)
    seen = _reached(client, files=[str(tokens)])
    assert seen["files"] == {str(tokens): "b''"}


def test_a_handlers_own_environment_tells_nothing_of_the_service(
    client: httpx.Client, named: dict[str, str]
) -> None:
    environment = _reached(client)["environment"]
    as_text = json.dumps(environment)
    assert not [name for name in environment if name.startswith(("APPHUB", "PG", "DATABASE"))]
    assert not [value for value in named.values() if value in as_text]


def test_whoever_knew_the_password_would_be_no_superuser(
    client: httpx.Client, data_dir: Path
) -> None:
    url = embedded_url(data_dir)
    as_superuser = url.replace(f"//{embedded.SERVICE}:", f"//{embedded.SUPERUSER}:")
    without_password = f"postgresql://{embedded.SUPERUSER}@/?{url.partition('?')[2]}"
    urls = [url, as_superuser, without_password]
    # Handlers do not even find the socket.
    refused = "[OperationalError]"
    assert _reached(client, urls=urls)["databases"] == [refused] * 3
    assert [reaching.tried_database(one) for one in urls] == ["False", refused, refused]


def test_only_the_service_itself_can_enter_what_it_keeps(
    client: httpx.Client, data_dir: Path
) -> None:
    run_id = launch(client, "reach")
    wait_for_run(client, run_id)
    # Root's PostgreSQL runs as somebody else, who must be able to pass.
    passing = stat.S_IXOTH if os.geteuid() == 0 else 0
    assert _mode(data_dir) == 0o700 | passing
    assert _mode(data_dir / "run-logs") == 0o700
    for file in ("postgres.log", "postgres.password", "seal.key"):
        assert _mode(data_dir / file) == 0o600


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
