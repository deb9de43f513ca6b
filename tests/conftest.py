"""Fixtures: each test has a database of its own, cloned from a template that was migrated once."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import httpx
import pytest

from apphub_jobs.client.http import certificate_check
from cli import composition  # noqa: F401 - the core, with the catalog
from tests.support import databases, s3
from tests.support.logs import Parts, parts
from tests.support.memory import own_root, session_directory
from tests.support.processes import Process, started

SOONER_S = 5.0

PYTESTS_ROOT = "PYTEST_DEBUG_TEMPROOT"
"""The variable that says where pytest keeps temporary directories."""

FIRST = ("e2e/dashboard", "e2e/daily")
"""Folders whose tests share a service that takes seconds to start."""

SERVER = pytest.StashKey[str]()
"""The directory of the database server, which all of pytest's workers share."""


def pytest_configure(config: pytest.Config) -> None:
    """Choose the directory of the database server, once for the session."""
    # Shells let what they start in the background ignore these, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.stash[SERVER] = workerinput["server"]
        return
    stack = ExitStack()
    if os.geteuid() == 0 and PYTESTS_ROOT not in os.environ:
        os.environ[PYTESTS_ROOT] = str(stack.enter_context(own_root()))
    config.stash[SERVER] = str(stack.enter_context(session_directory()) / "server")
    config.add_cleanup(stack.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let a worker of xdist hear of it."""
    node.workerinput["server"] = node.config.stash[SERVER]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector the thousands of tests, which stay whatever it looks for."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose tests share a service.

    A worker of xdist that has nothing left to do takes over the last half of another's tests, and
    would start the service once more for what it gets of such a folder.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = "/".join(item.path.relative_to(Path(__file__).parent).parts[:2])
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


@pytest.fixture(scope="session", autouse=True)
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run each async test, with its async fixtures, on a loop of its own of the service's kind."""
    return "asyncio", {"use_uvloop": True}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """End a coroutine that hangs from within, a little before its time limit.

    pytest-timeout's signal does not end it: its exception gets lost in uvloop.
    """
    test = pyfuncitem.obj
    if not iscoroutinefunction(test):
        return

    @wraps(test)
    async def limited(**fixtures: object) -> None:
        limit_s = _limit_s(pyfuncitem)
        async with asyncio.timeout(limit_s - SOONER_S if limit_s else None):
            await test(**fixtures)

    pyfuncitem.obj = limited


def _limit_s(item: pytest.Function) -> float:
    """Return the test's time limit as pytest-timeout sees it; 0 means none."""
    marker = item.get_closest_marker("timeout")
    if marker is not None:
        return float(marker.args[0])
    return float(item.config.getoption("timeout") or item.config.getini("timeout"))


@pytest.fixture(scope="session", autouse=True)
def shared_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a directory that all of pytest's workers share."""
    base = tmp_path_factory.getbasetemp()
    # Each start of pytest closes the directory above its own to others, such as our server; those
    # that tests start have theirs elsewhere.
    os.environ[PYTESTS_ROOT] = str(base)
    # Root's servers run as nobody, who must be able to pass; nothing can be listed thereby.
    if os.geteuid() == 0:
        for directory in (base, base.parent, base.parent.parent):
            if directory.name.startswith(("pytest-", "popen-")):
                directory.chmod(0o711)
    return base if worker_id == "master" else base.parent


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """Return pytest's directory, which root's servers may pass: they live and vanish with it."""
    if os.geteuid() == 0:
        tmp_path.chmod(0o711)
    return tmp_path


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty directory, as an attempt of a run does."""
    own = tmp_path / "attempt"
    own.mkdir()
    monkeypatch.chdir(own)
    return own


@pytest.fixture(scope="session")
def database_server(pytestconfig: pytest.Config) -> Iterator[str]:
    """Give the URL of the PostgreSQL server."""
    with databases.quick_server(Path(pytestconfig.stash[SERVER])) as url:
        yield url


@pytest.fixture
def database_url(database_server: str, shared_dir: Path) -> Iterator[str]:
    """Give the URL of a migrated database of this test's own."""
    with databases.clone(database_server, databases.template(database_server, shared_dir)) as url:
        yield url


@pytest.fixture
async def part(database_url: str) -> AsyncIterator[Parts]:
    """Give the service's inner parts at work on this test's database."""
    async with parts(database_url) as part:
        yield part


@pytest.fixture
def filled(database_server: str, shared_dir: Path) -> Iterator[databases.Filled]:
    """Give a way to a database of this test's own with contents that are made once for all tests.

    It takes what the contents are called and what fills a migrated database with them.
    """
    with ExitStack() as stack:

        async def clone(name: str, fill: databases.Fill) -> str:
            template = await databases.filled_template(database_server, shared_dir, name, fill)
            return stack.enter_context(databases.clone(database_server, template))

        yield clone


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """Give the URL of a database without any table."""
    with databases.clone(database_server, None) as url:
        yield url


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Process]:
    """Run the API alone."""
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    with started(*arguments, APPHUB_DATABASE_URL=database_url) as process:
        process.url()
        yield process


@pytest.fixture
def client(api: Process) -> Iterator[httpx.Client]:
    """Give an HTTP client of the API."""
    url = api.url()
    with httpx.Client(base_url=url, verify=certificate_check(url), timeout=90) as client:
        yield client


@pytest.fixture
def worker(api: Process, database_url: str, tmp_path: Path) -> Iterator[Process]:
    """Run a worker with the tests' handlers beside the API."""
    del api
    arguments = (
        "worker",
        "--data-dir",
        str(tmp_path / "data"),
        "--handlers",
        "tests.support.handlers",
        "--no-handler-after-s",
        "5",
    )
    with started(*arguments, APPHUB_DATABASE_URL=database_url) as process:
        process.wait_for_line("is ready with", errors=True)
        yield process


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of an S3 server."""
    with s3.server(tmp_path_factory.mktemp("s3") / "server") as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """Return the name of pytest's worker: xdist's, or `master` without it."""
    workerinput = getattr(request.config, "workerinput", None)
    return "master" if workerinput is None else str(workerinput["workerid"])
