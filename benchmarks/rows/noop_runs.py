"""Runs that do nothing, from launch to success: ours and peers'.

Each of ours has its full history; and a process to itself, or shares one, in turns.

    python -m benchmarks.rows.noop_runs [--quick] [--rounds N] [--seconds S] [--json FILE]

Twice: a worker works off what was launched before; and a worker works while runs are launched,
always enough of them that some wait. 64 callers launch them without HTTP, one at a time, as a
service would. What the tables show as succeeded is counted.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from time import perf_counter, sleep
from typing import TypeVar

import psycopg
import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import READY_S, BrokenError
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import (
    OURS,
    PGQUEUER,
    PROCRASTINATE,
    SHARED,
    LaunchOne,
    Site,
    System,
    installed_peers,
    site,
)
from domain.errors import LogUnavailableError

T = TypeVar("T")

Figure = Callable[[Bench, System], float]

Figures = Mapping[str, Sequence[float]]
"""By system, of each round."""

ALONE_GOALS = {PROCRASTINATE.label: 2.5}

SHARED_BACKLOG_GOALS = {PROCRASTINATE.label: 5.0, PGQUEUER.label: 0.4}

SHARED_GOALS = {PROCRASTINATE.label: 5.0, PGQUEUER.label: 1.3}

ALONE = "a process each"

BACKLOG_A_SECOND = 2_500
"""More than any of them executes."""

WAITING = 500
"""Beyond these nobody launches; enough for a look at the tables ten times a second to be often
enough."""

CALLERS = 64

LOOK_EVERY_S = 0.1

FIRST = 20
"""Runs that a worker executes before the clock starts, at least. Ours then still starts most of its
processes, for seconds; the clock waits for that, unless a quarter of a backlog has gone by then."""


def measure(bench: Bench) -> list[Row]:
    """Measure both, all in turns."""
    before = _figures(bench, "no-op runs, launched before", backlog)
    during = _figures(bench, "no-op runs, launched meanwhile", meanwhile)
    return [
        _alone("backlog", "no-op runs, launched before", before),
        _alone("noop", "no-op runs, launched meanwhile", during),
        _shared(
            "shared-backlog",
            "no-op runs that share a process, launched before",
            before,
            SHARED_BACKLOG_GOALS,
        ),
        _shared(
            "shared", "no-op runs that share a process, launched meanwhile", during, SHARED_GOALS
        ),
    ]


def _figures(bench: Bench, title: str, figure: Figure) -> Figures:
    bench.say(title)
    systems = (OURS, SHARED, *installed_peers(bench))
    measured = {system.label: partial(figure, bench, system) for system in systems}
    return in_turns(bench, measured)


def _alone(name: str, title: str, figures: Figures) -> Row:
    references = _of_peers(figures, ALONE_GOALS)
    return Row(name, title, "/s", figures[OURS.label], references)


def _shared(name: str, title: str, figures: Figures, goals: Mapping[str, float]) -> Row:
    alone = Reference(ALONE, figures[OURS.label])
    references = [alone, *_of_peers(figures, goals)]
    return Row(name, title, "/s", figures[SHARED.label], references)


def _of_peers(figures: Figures, goals: Mapping[str, float]) -> list[Reference]:
    return [
        Reference(label, rounds, goals.get(label))
        for label, rounds in figures.items()
        if label not in {OURS.label, SHARED.label}
    ]


def backlog(bench: Bench, system: System) -> float:
    """Return how many runs a second a worker ends of those that were launched before."""
    counted_s = bench.effort.seconds
    start_up_s = bench.effort.start_up_s
    launches = max(200, round(BACKLOG_A_SECOND * (counted_s + start_up_s)))
    with site(bench, system) as own:
        _run(_launch(own.url, system, launches))
        _analyze(own.url)
        with own.worker():
            own.wait_for_completed(FIRST)
            if start_up_s:
                _watch(own, start_up_s, launches // 4)
            return _watch(own, counted_s, launches)


def _analyze(url: str) -> None:
    """Let the planner know the tables, as it does in a service that has run for a while."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _watch(own: Site, seconds: float, launches: int) -> float:
    """Return how many runs end a second, until the time is over or all have ended."""
    with psycopg.connect(own.url, autocommit=True) as connection:
        began, before = perf_counter(), _completed(connection, own.system)
        while True:
            sleep(LOOK_EVERY_S)
            now, completed = perf_counter(), _completed(connection, own.system)
            if (
                _is_enough(own.system, now - began, seconds, completed - before)
                or completed >= launches
            ):
                return (completed - before) / (now - began)


def _is_enough(system: System, took: float, seconds: float, completed: int) -> bool:
    """Return whether the time is over; a rate needs two runs at least, however slow the machine."""
    if took > seconds + READY_S:
        raise BrokenError(f"{system.label} executed nothing in {took:.0f} s")
    return took >= seconds and completed > 0


def _completed(connection: psycopg.Connection, system: System) -> int:
    row = connection.execute(system.completed.encode()).fetchone()
    return 0 if row is None else int(row[0])


async def _launch(url: str, system: System, launches: int) -> None:
    async with system.launching(url) as launch:
        await _launch_more(launch, launches)


async def _launch_more(launch: LaunchOne, launches: int) -> None:
    """Launch this many, by all callers together."""
    left = iter(range(launches))

    async def call() -> None:
        for _ in left:
            await launch()

    await asyncio.gather(*(call() for _ in range(CALLERS)))


def meanwhile(bench: Bench, system: System) -> float:
    """Return how many runs end a second while others are launched."""
    with site(bench, system) as own, own.worker():
        effort = bench.effort
        return _run(_launch_and_watch(own, effort.seconds, effort.start_up_s))


async def _launch_and_watch(own: Site, seconds: float, start_up_s: float) -> float:
    """Keep some waiting; return how many end a second."""
    async with own.system.launching(own.url) as launch:
        launched = completed = 0
        stopped = False

        async def call() -> None:
            nonlocal launched
            while not stopped:
                if launched - completed < WAITING:
                    launched += 1
                    try:
                        await launch()
                    except LogUnavailableError:
                        # Nothing was launched; on a machine that is very busy that may happen.
                        launched -= 1
                else:
                    await asyncio.sleep(LOOK_EVERY_S / 10)

        callers = asyncio.gather(*(call() for _ in range(CALLERS)))
        begun_at: float | None = None
        start: tuple[float, int] | None = None
        async with await psycopg.AsyncConnection.connect(own.url, autocommit=True) as connection:
            while True:
                await asyncio.wait({callers}, timeout=LOOK_EVERY_S)
                if callers.done():
                    await callers
                cursor = await connection.execute(own.system.completed.encode())
                row = await cursor.fetchone()
                now, completed = perf_counter(), 0 if row is None else int(row[0])
                if begun_at is None:
                    begun_at = now if completed >= FIRST else None
                elif start is None:
                    start = (now, completed) if now - begun_at >= start_up_s else None
                elif _is_enough(own.system, now - start[0], seconds, completed - start[1]):
                    break
        stopped = True
        await callers
        return (completed - start[1]) / (now - start[0])


def _run(main: Coroutine[None, None, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


if __name__ == "__main__":
    run_alone(measure, __doc__)
