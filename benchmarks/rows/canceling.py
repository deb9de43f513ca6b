"""How long a bulk operation takes that cancels many runs, and for how long it holds the lock.

    python -m benchmarks.rows.canceling [--quick] [--rounds N] [--json FILE]

One process goes through the runs, on a database without other work. The longest batches are those
at which PostgreSQL makes another file for its write-ahead log, as it does while it is new.
"""

import asyncio
from collections.abc import Sequence
from statistics import median, quantiles
from time import perf_counter

import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.results import Bench, Row
from benchmarks.harness.systems import OURS, site
from domain.bulk import Order
from domain.commands.bulk import BulkOperations, BulkSteps
from domain.jobs.launching import Launch
from domain.ports import Saved, Unit
from eventlog.history.as_of import PastRunSelector
from eventlog.history.run_changes import Checkpoints
from tests.support.logs import TESTER, Parts, parts, query, registered

RUNS = 100_000

AT_FULL_EFFORT = 333_333
"""The effort's `runs` at which as many are canceled as said above."""

LAUNCHERS = 64

CANCELED = "SELECT count(*) FROM job_runs WHERE status = 'canceled'"

NEVER = Launch(delay_ms=86_400_000)


def measure(bench: Bench) -> list[Row]:
    """Measure once."""
    runs = max(1, round(RUNS * bench.effort.runs / AT_FULL_EFFORT))
    held_ms: list[float] = []
    took_s = _canceled_s(bench, runs, held_ms)
    return [
        Row(
            name="bulk",
            title=f"{runs} runs canceled by one order",
            unit="s",
            rounds=[took_s],
            lower_is_better=True,
            limit=60.0,
            notes=["measured once"],
        ),
        Row(
            name="bulk-lock",
            title="the append lock held for a batch of it, 99 % of them",
            unit="ms",
            rounds=[_percentile(held_ms, 99)],
            lower_is_better=True,
            limit=20.0,
            more={"median, ms": median(held_ms), "longest, ms": max(held_ms)},
        ),
    ]


def _percentile(figures: Sequence[float], percent: int) -> float:
    if len(figures) == 1:
        return figures[0]
    return quantiles(figures, n=100, method="inclusive")[percent - 1]


def _canceled_s(bench: Bench, runs: int, held_ms: list[float]) -> float:
    with site(bench, OURS) as own, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_cancel(own.url, runs, held_ms))


async def _cancel(url: str, runs: int, held_ms: list[float]) -> float:
    async with parts(url) as part:
        await registered(part.jobs)
        await _launch(part, runs)
        await _write_checkpoints(part)
        selected = PastRunSelector(part.pool, part.files)
        order = Order(action="cancel", filter=["job=job"], reason="no longer needed")
        _note_held(part, held_ms)
        began = perf_counter()
        started = await BulkOperations(part.jobs, selected).start(order, TESTER)
        steps = BulkSteps(part.jobs, selected)
        while await steps.process_next(started.operation_id) is not None:
            pass
        took_s = perf_counter() - began
        assert query(url, CANCELED) == [(runs,)]
    return took_s


async def _launch(part: Parts, runs: int) -> None:
    """Launch runs that wait."""
    left = iter(range(runs))

    async def launch() -> None:
        for _ in left:
            await part.jobs.launch("job", NEVER, TESTER)

    await asyncio.gather(*(launch() for _ in range(LAUNCHERS)))


async def _write_checkpoints(part: Parts) -> None:
    """Write what each service writes meanwhile of which runs wait."""
    checkpoints = Checkpoints(part.pool, part.files)
    while await checkpoints.write_if_due():
        pass


def _note_held(part: Parts, held_ms: list[float]) -> None:
    """Note for how long each unit holds the lock from now on."""
    append = part.jobs.log_port.append

    async def noting(unit: Unit) -> Saved:
        saved = await append(unit)
        held_ms.append(saved.held_ms)
        return saved

    part.jobs.log_port.append = noting  # type: ignore[method-assign]


if __name__ == "__main__":
    run_alone(measure, __doc__)
