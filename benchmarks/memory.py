"""How much memory the API and a worker hold while a million events stream past.

    python -m benchmarks.memory [--events 1000000] [--json FILE]

Both are started as users start them. Three events a run are appended, as fast as the clients of the
stream take them: two follow everything, one a filter that nothing passes. Then the whole log is
read by `GET /events`, page by page, and replayed to a client from its beginning. Printed is the
resident memory of each process: the API's goal is at most 150 MB, and as much at the end as after
the first tenth.
"""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from uuid import UUID

import httpx
import psycopg
from websockets.asyncio.client import connect

from benchmarks.harness.results import Row, to_json
from tests.support import databases
from tests.support.processes import Process, descendants, started
from tests.support.sample_logs.big_logs import ended_run, multiply

EVENTS = 1_000_000

EVENTS_A_RUN = 3

RUNS_AT_ONCE = 2_000

TENTHS = 10

GOAL_MB = 150

FOLLOWERS = ("", "", "&types=repository.updated")

NOTE = "resident memory of the process that `apphub-jobs serve` is; three clients follow the stream"

_POSITION = re.compile(r'"position":(\d+)')

_HEAD = "SELECT max(notification_id) FROM jobs_events"


@dataclass
class Memory:
    """What processes held, in MB, moment by moment."""

    pids: dict[str, int]
    moments: list[tuple[str, dict[str, float]]] = field(default_factory=list)

    def note(self, moment: str) -> None:
        """Look now."""
        held = {name: resident_mb(pid) for name, pid in self.pids.items()}
        held["the worker's children"] = sum(
            resident_mb(pid) for pid in descendants(self.pids["worker"])
        )
        self.moments.append((moment, held))
        print(
            f"{moment:28}" + "   ".join(f"{name} {mb:6.1f} MB" for name, mb in held.items()),
            flush=True,
        )

    def growth(self) -> dict[str, float]:
        """Return by what factor each process has grown since the first tenth of the events."""
        settled, last = self.moments[1][1], self.moments[-1][1]
        return {name: round(last[name] / settled[name], 3) for name in self.pids}

    def row(self, events: int) -> Row:
        """Return all of it, as a row of the table of benchmarks."""
        many = f"{events:,}".replace(",", " ")
        more = {
            f"{name}, {moment}": mb for moment, each in self.moments for name, mb in each.items()
        }
        grown = {f"{name}, end over first tenth": by for name, by in self.growth().items()}
        return Row(
            name="memory",
            title=f"memory of the API, the most while {many} events stream past",
            unit="MB",
            rounds=[max(held["API"] for _, held in self.moments)],
            lower_is_better=True,
            limit=GOAL_MB,
            more={**more, **grown},
            notes=[NOTE],
        )


def resident_mb(pid: int) -> float:
    """Return the process's resident memory; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    return round(int(match[1]) / 1024, 1) if match else 0.0


class Follower:
    """A client of the stream that reads what comes and keeps nothing but how far it is."""

    def __init__(self) -> None:
        self.position = 0
        self.messages = 0
        self._news = asyncio.Event()

    async def follow(self, url: str) -> None:
        """Follow for ever."""
        async with connect(url, max_size=None, compression=None, proxy=None) as connection:
            async for text in connection:
                self.messages += 1
                # The message's own position stands behind its data.
                if positions := _POSITION.findall(str(text)[-300:]):
                    self.position = int(positions[-1])
                    self._news.set()

    async def reach(self, position: int, within_s: float = 600) -> None:
        """Wait until it is so far."""
        async with asyncio.timeout(within_s):
            while self.position < position:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def following(base: str, query: str) -> AsyncIterator[Follower]:
    """Let a client follow."""
    follower = Follower()
    task = asyncio.create_task(follower.follow(f"{base.replace('http', 'ws')}/ws?x{query}"))
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def stream_past(url: str, base: str, events: int, memory: Memory) -> None:
    """Append, followed by clients; note the memory at each tenth."""
    original = query_one(url, "SELECT id FROM job_runs LIMIT 1")
    assert isinstance(original, UUID)
    async with AsyncExitStack() as stack:
        first, second, _ = [
            await stack.enter_async_context(following(base, query)) for query in FOLLOWERS
        ]
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        memory.note("clients connected")
        appended, tenth = 0, 1
        while appended < events:
            runs = min(RUNS_AT_ONCE, -(-(events - appended) // EVENTS_A_RUN))
            await asyncio.to_thread(multiply, connection, original, runs)
            appended += runs * EVENTS_A_RUN
            head = query_one(url, _HEAD)
            assert isinstance(head, int)
            await asyncio.gather(first.reach(head), second.reach(head))
            if appended >= events * tenth / TENTHS:
                memory.note(f"{appended:,} events")
                tenth = appended * TENTHS // events + 1
        print(f"{first.messages + second.messages:,} messages to two clients")


async def read_all(base: str) -> int:
    """Read the whole log page by page; return how many events it has."""
    count, after = 0, 0
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        while True:
            page = (
                (await client.get("/events", params={"after": after, "limit": 1_000}))
                .raise_for_status()
                .json()
            )
            count += len(page["data"])
            if page["meta"]["next"] is None:
                return count
            after = page["meta"]["next"]


async def replay(base: str, head: int) -> None:
    """Replay the whole log to a client."""
    async with following(base, "&after=0") as follower:
        await follower.reach(head)


def query_one(url: str, query: str) -> object:
    """Return a query's one value."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


async def watch(url: str, api: Process, worker: Process, events: int) -> Memory:
    """Let everything happen, and look."""
    memory = Memory({"API": api.popen.pid, "worker": worker.popen.pid})
    base, began = api.url(), perf_counter()
    await stream_past(url, base, events, memory)
    print(f"{await read_all(base):,} events read by GET /events")
    memory.note("after GET /events")
    head = query_one(url, _HEAD)
    assert isinstance(head, int)
    await replay(base, head)
    memory.note("after a replay of all")
    print(f"in {perf_counter() - began:.0f} s")
    return memory


def measure(url: str, directory: Path, events: int) -> Memory:
    """Start the processes on a migrated, empty database, and watch them."""
    asyncio.run(ended_run(url, "streamed", succeeded=True))
    data = ("--data-dir", str(directory / "data"))
    with (
        started("serve", "--port", "0", *data, APPHUB_DATABASE_URL=url) as api,
        started(
            "worker", "--handlers", "tests.support.handlers", *data, APPHUB_DATABASE_URL=url
        ) as worker,
    ):
        worker.wait_for_line("is ready with", errors=True)
        return asyncio.run(watch(url, api, worker, events))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with databases.scratch() as url, TemporaryDirectory() as directory:
        memory = measure(url, Path(directory), arguments.events)
    print(
        "grown since the first tenth: "
        + ", ".join(f"{name} x {by}" for name, by in memory.growth().items())
    )
    if arguments.json:
        arguments.json.write_text(to_json([memory.row(arguments.events)]) + "\n")


if __name__ == "__main__":
    main()
