"""Counts what a reader meets on five ways through the code: python -m docs.code_paths [-v].

A launch, a claim, a success, a tick of a schedule, and an event on its way to a socket are made by
the service in this process, on a PostgreSQL of its own. What of the product is entered meanwhile is
counted by file and by function. Each way is gone several times: what was not entered every time
belongs to the background, and does not count. `-v` lists the functions.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from uuid import uuid4

import httpx
import orjson
import uvicorn
from psycopg import AsyncConnection
from websockets.asyncio.client import connect

from api.app import build_app
from api.bootstrap.service import Service
from api.bootstrap.settings import Settings
from api.embedded import EmbeddedPostgres
from api.http.protocols import ServerConfig
from catalog.api_extension import EXTENSION
from cli.composition import FOLLOWERS
from domain.jobs.run_events import Report
from domain.workers import Registration
from migrations import runner

ROOT = Path(__file__).parent.parent
FLOORS = ("apphub_jobs", "runtime", "domain", "projections", "eventlog", "worker", "catalog", "api")
TIMES = 7
LEASE_MS = 600_000
JOB: dict[str, object] = {"slug": "job", "name": "Job", "type": "batch", "entryPoint": "any.job"}

Function = tuple[str, str]
"""A file of the product, and the qualified name of a function in it."""


class Profiler:
    """Notes which functions of the product are entered, in all threads, while it records."""

    def __init__(self) -> None:
        self._entered: set[Function] | None = None
        self._product = tuple(f"{ROOT / floor}/" for floor in FLOORS)
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if self._entered is None or event != "call":
            return
        code = frame.f_code
        if code.co_filename.startswith(self._product) and code.co_name != "<module>":
            file = str(Path(code.co_filename).relative_to(ROOT))
            self._entered.add((file, code.co_qualname.replace(".<locals>", "")))

    @contextmanager
    def recording(self) -> Iterator[set[Function]]:
        """Record; give what is entered."""
        entered: set[Function] = set()
        self._entered = entered
        try:
            yield entered
        finally:
            self._entered = None


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Service, str]]:
    """Serve the API in this loop; give the service and its URL."""
    closing = asyncio.Event()
    app = build_app(settings, closing, FOLLOWERS, (EXTENSION,))
    server = uvicorn.Server(ServerConfig(app, port=0))
    async with app.router.lifespan_context(app):
        server.config.lifespan = "off"
        running = asyncio.create_task(server._serve())  # noqa: SLF001 - leaves signals alone
        while not server.started:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()
        try:
            yield app.state.service, f"http://{host}:{port}"
        finally:
            closing.set()
            server.should_exit = True
            await running


class Ways:
    """The five ways; each returns what was entered between its beginning and its end."""

    def __init__(self, profiler: Profiler, service: Service, url: str) -> None:
        self._recording = profiler.recording
        self._service = service
        self._url = url
        self._worker_id = uuid4().hex

    async def prepare(self) -> None:
        """Register a job and a worker."""
        await post(f"{self._url}/jobs", JOB)
        registration = Registration(host="here", pid=1, slots=4, lease_ms=LEASE_MS)
        await self._service.heartbeats.register(self._worker_id, registration)

    async def launch(self) -> set[Function]:
        """POST /jobs/{slug}/run, from the request to the answer."""
        with self._recording() as entered:
            await post(f"{self._url}/jobs/job/run", {"parameters": {}})
        return entered

    async def claim(self) -> set[Function]:
        """A worker claims a run that waits."""
        await post(f"{self._url}/jobs/job/run", {"parameters": {}})
        with self._recording() as entered:
            assert await self._service.executions.claim(self._worker_id, 1)
        return entered

    async def success(self) -> set[Function]:
        """A worker reports a result."""
        await post(f"{self._url}/jobs/job/run", {"parameters": {}})
        executions = self._service.executions
        [claim] = await executions.claim(self._worker_id, 1)
        with self._recording() as entered:
            await executions.succeed(claim.run.id, claim.holder, {"rows": 1}, Report())
        return entered

    async def tick(self) -> set[Function]:
        """A schedule is due, and its run is in the log."""
        slug = f"every-{uuid4().hex[:8]}"
        await post(f"{self._url}/schedules", {"id": slug, "job": "job", "everyMs": 1_000})
        url = self._service.settings.database_url
        async with await AsyncConnection.connect(url, autocommit=True) as database:
            before = await count_of_runs(database)
            with self._recording() as entered:
                while await count_of_runs(database) == before:  # noqa: ASYNC110 - a table
                    await asyncio.sleep(0.02)
        async with httpx.AsyncClient() as client:
            await client.delete(f"{self._url}/schedules/{slug}")
        return entered

    async def event_to_socket(self, other_url: str) -> set[Function]:
        """An event that another process appended reaches a client of /ws."""
        async with connect(f"{self._url.replace('http', 'ws')}/ws") as socket:
            await asyncio.sleep(0.5)  # Until what it is greeted with has been sent.
            with self._recording() as entered:
                await post(f"{other_url}/jobs/job/run", {"parameters": {}})
                while orjson.loads(await socket.recv())["type"] != "job.run.pending":
                    pass
        return entered


async def post(url: str, body: dict[str, object]) -> None:
    """Send a request from outside of the product."""
    async with httpx.AsyncClient() as client:
        (await client.post(url, json=body)).raise_for_status()


async def count_of_runs(database: AsyncConnection) -> int:
    """Return how many runs there are, without the product's help."""
    [count] = await (await database.execute("SELECT count(*) FROM job_runs")).fetchone() or [0]
    return int(count)


@asynccontextmanager
async def other_process(database_url: str, data_dir: Path) -> AsyncIterator[str]:
    """Serve the same log in another process; give its URL."""
    command = (sys.executable, "-m", "cli", "serve", "--port", "0", "--data-dir", str(data_dir))
    process = await asyncio.create_subprocess_exec(
        *command, "--database-url", database_url, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        while not (line := (await process.stdout.readline()).decode()).startswith("ready "):
            assert line, "the other process did not start"
        yield line.split()[1]
    finally:
        process.terminate()
        await process.wait()


async def measured(database_url: str, directory: Path) -> AsyncIterator[tuple[str, set[Function]]]:
    """Yield what each way enters every time."""
    profiler = Profiler()
    async with serving(Settings(database_url, directory)) as (service, url):
        ways = Ways(profiler, service, url)
        await ways.prepare()
        for way in (ways.launch, ways.claim, ways.success, ways.tick):
            yield way.__name__, set.intersection(*[await way() for _ in range(TIMES)])
        async with other_process(database_url, directory) as other_url:
            entered = [await ways.event_to_socket(other_url) for _ in range(TIMES)]
            yield "event_to_socket", set.intersection(*entered)


async def show(database_url: str, directory: Path, *, lists: bool) -> None:
    """Print a line for each way, and its functions if they are asked for."""
    async for name, entered in measured(database_url, directory):
        files = {file for file, _ in entered}
        print(f"{name:16} {len(files):4} files {len(entered):5} functions")
        if lists:
            print("".join(f"    {file}: {function}\n" for file, function in sorted(entered)))


def main(*, lists: bool) -> None:
    """Measure on a PostgreSQL that is made for it, and removed."""
    with TemporaryDirectory(prefix="apphub-code-paths-") as directory:
        Path(directory).chmod(0o711)
        data_dir = Path(directory) / "data"
        postgres = EmbeddedPostgres(data_dir)
        url = postgres.start()
        try:
            runner.upgrade(url)
            asyncio.run(show(url, data_dir, lists=lists))
        finally:
            postgres.stop()


if __name__ == "__main__":
    main(lists="-v" in sys.argv[1:])
