"""Executing a backlog: a worker, no API and no launches beside; runs that do nothing.

Ours with a process each and sharing one, and the peers, in turns.

    python -m benchmarks.rows.backlog [--quick] [--rounds N] [--seconds S] [--json FILE]

Runs are launched without HTTP and analysed, then a worker starts. What the tables show as succeeded
is counted.
"""

import asyncio
from functools import partial
from time import perf_counter, sleep

import psycopg
import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import READY_S, BrokenError
from benchmarks.harness.processors import A_SECOND, ALL, WORKER, Rounds, medians, meter
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import (
    OURS,
    PGQUEUER,
    SHARED,
    LaunchOne,
    Site,
    System,
    installed_peers,
    site,
)

CALLERS = 64

LOOK_EVERY_S = 0.2

FIRST = 20
"""Runs that a worker executes before the clock starts, at least. Ours then still starts most of its
processes, for seconds; the clock waits for that, unless a quarter of a backlog has gone by then."""

GOALS = {PGQUEUER.label: 0.25}

SHARED_GOALS = {PGQUEUER.label: 0.6}

MAX_WORKER_US, MAX_US = 250.0, 500.0


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    used: Rounds = {}
    systems = (OURS, SHARED, *installed_peers(bench))
    figures = in_turns(
        bench, {system.label: partial(_backlog, bench, system, used) for system in systems}
    )

    def references(goals: dict[str, float]) -> list[Reference]:
        peers = (label for label in figures if label not in {OURS.label, SHARED.label})
        return [Reference(label, figures[label], goals.get(label)) for label in peers]

    shared = used[SHARED.label]
    return [
        Row(
            "backlog",
            "no-op runs of a backlog, a process each",
            "/s",
            figures[OURS.label],
            references(GOALS),
            processor=medians(used),
        ),
        Row(
            "shared-backlog",
            "no-op runs of a backlog, sharing a process",
            "/s",
            figures[SHARED.label],
            references(SHARED_GOALS),
        ),
        Row(
            "shared-worker",
            "processor of the worker for such a run that shares a process",
            "µs",
            [each[WORKER] for each in shared],
            lower_is_better=True,
            limit=MAX_WORKER_US,
        ),
        Row(
            "shared-all",
            "processor of worker, handlers and PostgreSQL for it",
            "µs",
            [each[ALL] for each in shared],
            lower_is_better=True,
            limit=MAX_US,
        ),
    ]


def _backlog(bench: Bench, system: System, used: Rounds) -> float:
    """Return how many runs a second a worker ends of those that were launched before."""
    effort = bench.effort
    launches = max(500, round(system.executes * (effort.seconds + effort.start_up_s)))
    with site(bench, system) as own:
        launch_backlog(own, launches)
        with own.worker(), meter(own.url, own.pids) as metering:
            own.wait_for_completed(FIRST)
            before = _wait(own, metering.session, effort.start_up_s, launches // 4)
            metering.restart()
            done = _wait(own, metering.session, effort.seconds, launches) - before
            read = metering.read(done)
    used.setdefault(system.label, []).append(read)
    return read[A_SECOND]


def _wait(own: Site, session: psycopg.Connection, seconds: float, most: int) -> int:
    """Wait until the time is over, or so many runs have ended; return how many have."""
    began, before = perf_counter(), own.completed(session)
    while True:
        sleep(min(LOOK_EVERY_S, seconds))
        took, completed = perf_counter() - began, own.completed(session)
        if completed >= most or (took >= seconds and completed > before):
            return completed
        if took > seconds + READY_S:
            raise BrokenError(f"{own.system.label} executed nothing in {took:.0f} s")


def launch_backlog(own: Site, launches: int) -> None:
    """Launch this many, by all callers together."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_launch(own, launches))


async def _launch(own: Site, launches: int) -> None:
    left = iter(range(launches))

    async def call(launch: LaunchOne) -> None:
        for _ in left:
            await launch()

    async with own.system.launching(own.url) as launch:
        await asyncio.gather(*(call(launch) for _ in range(CALLERS)))
    async with await psycopg.AsyncConnection.connect(own.url, autocommit=True) as connection:
        # The planner knows the tables, as in a service that has run for a while.
        await connection.execute("ANALYZE")


if __name__ == "__main__":
    run_alone(measure, __doc__)
