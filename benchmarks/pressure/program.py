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

from benchmarks.harness.load import Clients, Launched
from benchmarks.harness.processes import ready_url, running
from benchmarks.harness.processors import server_pid, tree_s
from benchmarks.harness.results import Bench
from benchmarks.harness.systems import BODY, NOOP, OURS, PATH, Site, register, site
from benchmarks.pressure.scenarios import BURST_EVERY_S, WAITING, Scenario

_COUNTERS = """
    SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
        xact_commit,
        (SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables WHERE relname = 'job_runs'),
        (SELECT coalesce(max(notification_id), 0) FROM jobs_events)
    FROM pg_stat_database WHERE datname = current_database()
"""

_ENDED = """
    SELECT count(*) FILTER (WHERE topic = 'job_run.succeeded'), max(notification_id)
    FROM jobs_events WHERE notification_id > %s
"""
"""Counted by position: to count rows by status would be a disturbance of its own."""


@dataclass(frozen=True)
class Counters:
    """What the server and the processes have counted until now.

    Attributes:
        dead_rows: of `job_runs`, by the server's estimate.
        processor_s: of all its processes.
    """

    at: float
    wal_bytes: int
    commits: int
    dead_rows: int
    head: int
    processor_s: float


def counters(connection: psycopg.Connection, server_pid: int) -> Counters:
    """Read them."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(_COUNTERS).fetchone()
    assert row is not None
    wal_bytes, commits, dead_rows, head = row
    return Counters(perf_counter(), wal_bytes, commits, dead_rows or 0, head, tree_s(server_pid))


class Ended:
    """Counts the runs that ended, as the log grows."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._position = 0
        self.runs = 0

    def look(self) -> int:
        """Return how many there are now."""
        row = self._connection.execute(_ENDED, (self._position,)).fetchone()
        assert row is not None
        more, position = row
        if position is not None:
            self._position = position
        self.runs += more
        return self.runs


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of them does not exceed; 0 of none."""
    if not values:
        return 0.0
    in_order = sorted(values)
    index = min(int(len(in_order) * share), len(in_order) - 1)
    return in_order[index]


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
        register(url, "noop", NOOP)
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
        clients = Clients(self._url + PATH, BODY, self._launched)
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
        now = counters(self._session, self._server_pid)
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
