"""One scenario: a new database, an API and a worker, full load, somebody in the way."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter

import psycopg

from benchmarks.harness.processes import ready_url, running
from benchmarks.harness.results import Bench
from benchmarks.harness.systems import BODY, OURS, PATH, Site, register, site
from benchmarks.pressure import measuring
from benchmarks.pressure.launching import Clients, Launched
from benchmarks.pressure.measuring import Counters, Ended, quantile, server_pid
from benchmarks.pressure.scenarios import BURST_EVERY_S, CONNECTIONS, WAITING, Scenario

START_WITHIN_S = 120.0

WARM_UP_S = 5.0

LOOK_EVERY_S = 0.05

STOP_WITHIN_S = 60.0


@dataclass(frozen=True)
class Figures:
    """What came out of a scenario.

    Attributes:
        rate: runs a second, over all of the time in which some waited.
        first_rate: over the first fifth of it.
        last_rate: over the last fifth.
        processor_us: of PostgreSQL, a run.
        lost: launches that were accepted and are not in the table.
        stop_s: how long API and worker took to stop, under all of this.
    """

    rate: float
    first_rate: float
    last_rate: float
    processor_us: float
    dead_rows: int
    wal_bytes: float
    commits: float
    accepted: int
    refused: int
    unanswered: int
    p50_s: float
    p99_s: float
    max_s: float
    lost: int
    stop_s: float


def run(bench: Bench, scenario: Scenario, seconds: float) -> Figures:
    """Run it for so long."""
    with site(bench, OURS) as own, _api(own) as (api, url):
        register(url, "noop", "bench.noop")
        with _worker(own) as worker, _session(own) as session:
            load = _Load(own, url, session, scenario)
            asyncio.run(load.run(seconds, [api, worker]))
            return load.figures()


@contextmanager
def _api(own: Site) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    log = own.directory / "api.log"
    with running(OURS.api, own.env, log) as api:
        yield api, ready_url(log, api, START_WITHIN_S)


@contextmanager
def _worker(own: Site) -> Iterator[subprocess.Popen[bytes]]:
    with running(OURS.worker, own.env, own.directory / "worker.log") as worker:
        yield worker


@contextmanager
def _session(own: Site) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own.url, autocommit=True) as connection:
        yield connection


@dataclass(frozen=True)
class Seen:
    """How many runs had been launched and had ended at a moment."""

    at: float
    completed: int
    accepted: int


class _Load:
    """The load of one scenario, and what is counted meanwhile."""

    def __init__(
        self, own: Site, url: str, session: psycopg.Connection, scenario: Scenario
    ) -> None:
        self._own = own
        self._url = url
        self._session = session
        self._scenario = scenario
        self._ended = Ended(session)
        self._launched = Launched()
        self._server_pid = server_pid(session)
        self._counters: list[Counters] = []
        self._seen: list[Seen] = []
        self._stop_s = 0.0

    async def run(self, seconds: float, processes: list[subprocess.Popen[bytes]]) -> None:
        """Load, disturb, count, and stop the processes under it all."""
        clients = Clients(self._url + PATH, BODY, CONNECTIONS, self._launched)
        await clients.start()
        await self._first_runs()
        await self._watch(WARM_UP_S)
        self._launched.answers_s.clear()
        self._launched.refused = 0
        self._launched.unanswered = 0
        self._seen.clear()
        async with self._scenario.disturbing(self._own.url, self._url):
            self._note()
            await self._watch(seconds)
            self._note()
            # The worker is stopped in the middle of its work; the API answers what it was asked.
            api, worker = processes
            await asyncio.to_thread(self._stop, worker)
            await clients.stop()
            await asyncio.to_thread(self._stop, api)

    async def _first_runs(self) -> None:
        """Wait until the worker works."""
        self._launched.allowed = WAITING
        async with asyncio.timeout(START_WITHIN_S):
            ended = 0
            while not ended:
                await asyncio.sleep(LOOK_EVERY_S)
                ended = await asyncio.to_thread(self._ended.look)

    async def _watch(self, seconds: float) -> None:
        began = perf_counter()
        launched = self._launched
        while (now := perf_counter()) - began < seconds:
            completed = await asyncio.to_thread(self._ended.look)
            self._seen.append(Seen(now, completed, launched.accepted))
            launched.allowed = self._allowed(completed, now - began)
            await asyncio.sleep(LOOK_EVERY_S)

    def _allowed(self, completed: int, after_s: float) -> int:
        """Return how many launches there may have been by now."""
        burst = self._scenario.burst
        if burst is None:
            return completed + WAITING
        bursts = 1 + int(after_s / BURST_EVERY_S)
        return max(bursts * burst, self._launched.allowed)

    def _note(self) -> None:
        now = measuring.counters(self._session, self._server_pid)
        self._counters.append(now)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        began = perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_WITHIN_S)
        self._stop_s = max(self._stop_s, perf_counter() - began)

    def figures(self) -> Figures:
        """Return what came out."""
        before, after = self._counters
        runs = self._seen[-1].completed - self._seen[0].completed
        fifth = max(len(self._seen) // 5, 2)
        answers_s = self._launched.answers_s
        return Figures(
            rate=_rate(self._seen),
            first_rate=_rate(self._seen[:fifth]),
            last_rate=_rate(self._seen[-fifth:]),
            processor_us=1e6 * (after.processor_s - before.processor_s) / runs,
            dead_rows=after.dead_rows,
            wal_bytes=(after.wal_bytes - before.wal_bytes) / runs,
            commits=(after.commits - before.commits) / runs,
            accepted=self._launched.accepted,
            refused=self._launched.refused,
            unanswered=self._launched.unanswered,
            p50_s=quantile(answers_s, 0.5),
            p99_s=quantile(answers_s, 0.99),
            max_s=quantile(answers_s, 1.0),
            lost=self._launched.accepted - self._own.launched(),
            stop_s=self._stop_s,
        )


def _rate(seen: Sequence[Seen]) -> float:
    """Return how many runs end a second while any wait."""
    busy_s = 0.0
    for before, after in pairwise(seen):
        if before.completed < before.accepted:
            busy_s += after.at - before.at
    ended = seen[-1].completed - seen[0].completed
    return ended / max(busy_s, LOOK_EVERY_S)
