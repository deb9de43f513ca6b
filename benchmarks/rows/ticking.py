"""How late the last of many schedules ticks that are due in one minute, in one process.

    python -m benchmarks.rows.ticking [--quick] [--rounds N] [--json FILE]

Each of their ticks launches a run. They tick twice, for the second time each has a run that has not
ended; the second one is timed. The clock passes as others do, from some seconds before each.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from time import perf_counter

import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.results import Bench, Row
from benchmarks.harness.systems import OURS, site
from domain.commands.schedules import Schedules
from domain.schedules.calendar import ScheduleSpec
from eventlog.pending_work import Ticks
from tests.support.logs import TESTER, Parts, parts, query, registered
from worker.ticker import Ticker

SCHEDULES = 10_000

AT_FULL_EFFORT = 333_333
"""The effort's `runs` at which there are as many schedules as said above."""

CREATORS = 64

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

BEFORE_S = 16.0

LAUNCHED = "SELECT count(*) FROM job_runs"


def measure(bench: Bench) -> list[Row]:
    """Measure once."""
    share = bench.effort.runs / AT_FULL_EFFORT
    schedules = max(1, round(SCHEDULES * share))
    row = Row(
        name="ticks",
        title=f"the last of {schedules} schedules of one minute has ticked",
        unit="s",
        rounds=[_last_is_late_s(bench, schedules)],
        lower_is_better=True,
        limit=1.0,
        notes=["ticks: decided by one process, on a database without other work; once"],
    )
    return [row]


def _last_is_late_s(bench: Bench, schedules: int) -> float:
    with site(bench, OURS) as own, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_tick(own.url, schedules))


async def _tick(url: str, schedules: int) -> float:
    async with parts(url) as part:
        await registered(part.jobs)
        part.jobs.clock = lambda: BEGIN
        await _create(part, schedules)
        late_s = 0.0
        for minute in (1, 2):
            due_at = BEGIN + timedelta(minutes=minute)
            late_s = await _tick_all(part, due_at)
            assert query(url, LAUNCHED) == [(minute * schedules,)]
    return late_s


async def _create(part: Parts, schedules: int) -> None:
    """Create schedules that tick each minute, and whose runs may overlap."""
    commands = Schedules(part.jobs)
    spec = ScheduleSpec(job="job", cron="* * * * *", overlap="allow_all")
    names = iter([f"schedule-{number}" for number in range(schedules)])

    async def create(names: Iterator[str]) -> None:
        for name in names:
            await commands.create(name, spec, TESTER)

    await asyncio.gather(*(create(names) for _ in range(CREATORS)))


async def _tick_all(part: Parts, due_at: datetime) -> float:
    """Return how many seconds after they are due no tick is due any more.

    The ticker begins some seconds before, as one that has nothing else to do.
    """
    began_s = perf_counter() + BEFORE_S

    def clock() -> datetime:
        return due_at + timedelta(seconds=perf_counter() - began_s)

    part.jobs.clock = clock
    ticks = Ticks(part.pool, part.jobs.quarantine)
    ticker = Ticker(Schedules(part.jobs), ticks, clock, SystemRandom())
    while clock() < due_at or await ticks.due(clock(), 1):
        again_in_s = await ticker.step()
        await asyncio.sleep(again_in_s)
    return perf_counter() - began_s


if __name__ == "__main__":
    run_alone(measure, __doc__)
