"""Saves of runs with their rows by 64 concurrent callers, without HTTP.

Compared with bare INSERTs.

    python -m benchmarks.rows.saves [--quick] [--rounds N] [--seconds S] [--json FILE]

The bare INSERTs write the very events and rows that our round before has written, into the same
tables with the same indexes and triggers, in transactions as large as ours became on average: no
decision, no fold, no heads read, nobody told.
"""

import asyncio
from collections.abc import Callable
from statistics import median
from time import perf_counter

import uvloop

from benchmarks.against.bare_inserts import Written, insert_all, read_written
from benchmarks.harness.alone import run_alone
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import OURS, LaunchOne, site

CALLERS = 64

BARE = "bare INSERTs of the same events and rows"


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns."""
    written: list[Written] = []

    def ours() -> float:
        with site(bench, OURS) as own:
            figure = _our_rate(own.url, bench)
            written.append(read_written(own.url))
            return figure

    def bare() -> float:
        if not written:  # Rounds may begin with this one.
            ours()
        with site(bench, OURS) as own:
            return insert_all(own.url, written[-1], bench.effort.seconds)

    measures: dict[str, Callable[[], float]] = {OURS.label: ours, BARE: bare}
    figures = in_turns(bench, measures)
    batch = median(each.batch for each in written)
    row = Row(
        name="saves",
        title=f"saves with rows, {CALLERS} callers, no HTTP",
        unit="/s",
        rounds=figures[OURS.label],
        references=[Reference(BARE, figures[BARE], goal=0.5)],
        more={"runs in a transaction of ours, and of the bare INSERTs": batch},
    )
    return [row]


def _our_rate(url: str, bench: Bench) -> float:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_save_for(url, bench))


async def _save_for(url: str, bench: Bench) -> float:
    async with OURS.launching(url) as launch:
        await _call(launch, bench.effort.warm_up_s)
        began = perf_counter()
        launched = await _call(launch, bench.effort.seconds)
        return launched / (perf_counter() - began)


async def _call(launch: LaunchOne, seconds: float) -> int:
    """Let all callers launch for some seconds; return how often they did."""
    until = perf_counter() + seconds

    async def call() -> int:
        launched = 0
        while perf_counter() < until:
            await launch()
            launched += 1
        return launched

    return sum(await asyncio.gather(*(call() for _ in range(CALLERS))))


if __name__ == "__main__":
    run_alone(measure, __doc__)
