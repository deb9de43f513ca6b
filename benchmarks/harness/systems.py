"""The systems that are compared: how each is installed, served, worked for, and asked."""

import importlib
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.against.serving import STARTS_FILE
from benchmarks.harness.processes import (
    BrokenError,
    count,
    libpq_variables,
    program,
    python,
    ready_url,
    run,
    running,
    wait_for_count,
)
from benchmarks.harness.processors import API, WORKER
from benchmarks.harness.results import Bench
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from tests.support import databases
from tests.support.logs import TESTER, parts

PATH = "/jobs/noop/run"

BODY = b'{"parameters":{"number":1}}'

SLOTS = 32
"""Attempts at a time: tuned, as the peers are. The default, 4, suits tasks that work; these wait
for the log."""

SHARED_SLOTS = 128
"""Attempts at a time that share a process: tuned, too."""

LaunchOne = Callable[[], Awaitable[Any]]

Launching = Callable[[str], AbstractAsyncContextManager[LaunchOne]]
"""What launches without HTTP, in the database of a URL."""


@dataclass(frozen=True)
class System:
    """One of those that are compared.

    Attributes:
        package: what must be installed for it.
        install: commands that make its tables; ours come from the template of the tests.
        launched: counts what was launched.
        completed: counts what was executed with success.
        launching: gives, without HTTP, what launches one run in the environment's database.
        executes: runs in a second, about or more: for so many of each second a backlog is made.
        job: what is registered with our API.
    """

    label: str
    package: str
    install: Sequence[Sequence[str]]
    api: Sequence[str]
    worker: Sequence[str]
    launched: str
    completed: str
    launching: Launching
    executes: int
    job: JobSpec | None = None

    @property
    def is_ours(self) -> bool:
        """Return whether it is this service, however it is set up."""
        return self.package == OURS.package


def _of_module(name: str) -> Launching:
    @asynccontextmanager
    async def launching(url: str) -> AsyncIterator[LaunchOne]:
        with patch.dict("os.environ", libpq_variables(url)):
            async with importlib.import_module(name).launching() as launch:
                yield launch

    return launching


NOOP = JobSpec(name="noop", type="batch", entry_point="bench.noop")

IDLE = replace(NOOP, entry_point="bench.idle", isolation="shared")
"""The same as a coroutine, whose attempts share a process."""


def launching(job: JobSpec, parameters: JsonObject) -> Launching:
    """Return what launches runs of a job of ours, without HTTP."""

    @asynccontextmanager
    async def begun(url: str) -> AsyncIterator[LaunchOne]:
        launch = Launch(parameters=parameters)
        async with parts(url) as part:
            await part.jobs.register_job("noop", job, 1, TESTER)
            yield lambda: part.jobs.launch("noop", launch, TESTER)

    return begun


OURS = System(
    label="AppHub Jobs",
    package="fastapi",
    install=(),
    api=python("cli", "serve", "--port", "0"),
    worker=python("cli", "worker", "--handlers", "benchmarks.handlers", "--slots", str(SLOTS)),
    launched="SELECT count(*) FROM job_runs",
    completed="SELECT count(*) FROM job_runs WHERE status = 'succeeded'",
    launching=launching(NOOP, {"number": 1}),
    executes=3_000,
    job=NOOP,
)

SHARED = replace(
    OURS,
    label="isolation shared",
    worker=python(
        "cli", "worker", "--handlers", "benchmarks.handlers", "--shared-slots", str(SHARED_SLOTS)
    ),
    launching=launching(IDLE, {"number": 1}),
    job=IDLE,
)
"""The service set up so that attempts share a process."""

_CONCURRENCY = 5
"""Tasks at a time of Procrastinate's worker: the fastest of those tried, 1 (its default), 5, 10 and
30."""

_PROCRASTINATE = program("procrastinate", "--app", "benchmarks.against.procrastinate_app.queue")

PROCRASTINATE = System(
    label="Procrastinate",
    package="procrastinate",
    install=[[*_PROCRASTINATE, "schema", "--apply"]],
    api=python("benchmarks.against.procrastinate_app"),
    worker=[*_PROCRASTINATE, "worker", "--concurrency", str(_CONCURRENCY)],
    launched="SELECT count(*) FROM procrastinate_jobs",
    completed="SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
    launching=_of_module("benchmarks.against.procrastinate_app"),
    executes=600,
)

PGQUEUER = System(
    label="PgQueuer",
    package="pgqueuer",
    install=[program("pgq", "install"), program("pgq", "autovac")],
    api=python("benchmarks.against.pgqueuer_app"),
    worker=python("benchmarks.against.pgqueuer_app", "work"),
    launched="SELECT count(DISTINCT job_id) FROM pgqueuer_log",
    completed="SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'",
    launching=_of_module("benchmarks.against.pgqueuer_app"),
    executes=4_000,
)


def installed_peers(bench: Bench) -> list[System]:
    """Return the peers that this environment has; say which are missing."""
    peers = [PROCRASTINATE, PGQUEUER]
    for peer in peers:
        if find_spec(peer.package) is None:
            bench.say(
                f"{peer.label} is not installed, so nothing is compared with it;"
                " `make bench` installs it"
            )
    return [peer for peer in peers if find_spec(peer.package) is not None]


@dataclass(frozen=True)
class Site:
    """A system with a database of its own.

    Attributes:
        pids: what runs of it, by what it is.
    """

    system: System
    url: str
    directory: Path
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of the system's processes."""
        ours = {"APPHUB_DATABASE_URL": self.url, "APPHUB_DATA_DIR": str(self.directory / "data")}
        if self.system.is_ours:
            return ours
        return {**libpq_variables(self.url), STARTS_FILE: str(self.starts_file)}

    @property
    def starts_file(self) -> Path:
        """Return where a peer's tasks tell when they started."""
        return self.directory / "starts"

    @contextmanager
    def api(self) -> Iterator[str]:
        """Serve the endpoint; give its URL."""
        log = self.directory / "api.log"
        with running(self.system.api, self.env, log) as process:
            url = ready_url(log, process)
            if self.system.job is not None:
                register(url, "noop", self.system.job)
            self.pids[API] = process.pid
            yield url + PATH

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run a worker."""
        with running(self.system.worker, self.env, self.directory / "worker.log") as process:
            self.pids[WORKER] = process.pid
            yield

    def launched(self) -> int:
        """Return how many runs were launched."""
        return count(self.url, self.system.launched)

    def completed(self, session: psycopg.Connection) -> int:
        """Return how many runs were executed."""
        row = session.execute(self.system.completed.encode()).fetchone()
        return 0 if row is None else int(row[0])

    def wait_for_completed(self, at_least: int) -> None:
        """Wait until this many runs were executed."""
        try:
            wait_for_count(self.url, self.system.completed, at_least)
        except BrokenError as error:
            log = self.directory / "worker.log"
            raise BrokenError(f"{error}; the worker said: {log.read_text()}") from error


@contextmanager
def site(bench: Bench, system: System) -> Iterator[Site]:
    """Give a system a new database, which is gone afterwards."""
    directory = bench.directory / uuid4().hex
    directory.mkdir(parents=True)
    with databases.clone(bench.server, _template(bench, system)) as url:
        yield Site(system, url, directory)


def _template(bench: Bench, system: System) -> str:
    """Return the name of a database with the system's tables, made once."""
    if system.is_ours:
        return databases.template(bench.server, bench.directory)
    name = f"template_{system.package}"
    made = bench.directory / f"{name}.made"
    if not made.exists():
        url = make_conninfo(bench.server, dbname=name)
        with psycopg.connect(bench.server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())
            connection.execute(f"CREATE DATABASE {name}".encode())
        for command in system.install:
            run(command, libpq_variables(url))
        made.touch()
    return name


def register(url: str, slug: str, job: JobSpec) -> None:
    """Register a job with our API."""
    definition = {"slug": slug, "name": slug, "type": job.type, "entryPoint": job.entry_point}
    post(f"{url}/jobs", json.dumps({**definition, "isolation": job.isolation}).encode())


def post(url: str, body: bytes = BODY) -> Any:
    """Post one request; return the answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
