"""Attempts that share a process, against those that have one to themselves; and many that wait.

    python -m benchmarks.executors.sharing [--quick] [--rounds N] [--seconds S] [--json FILE]

First the no-op runs of `benchmarks.rows.noop_runs`: the same coroutine with `isolation` `shared`
and `process`, in turns. Then runs that wait, as for an answer, all at a time in one worker: what it
and its handlers' processes hold together, pages that several share counted in parts (PSS).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import python, running, wait_for_count
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import OURS, SLOTS, LaunchOne, Site, System, site
from benchmarks.rows.noop_runs import backlog, meanwhile
from domain.jobs.definition import Spec
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from domain.workers.isolation import Isolation
from tests.support.logs import TESTER, parts
from tests.support.processes import descendants

SHARED_SLOTS = 128
"""Attempts at a time that share a process: tuned, as the slots of the others are."""

WAITING = 500

WAIT_MS = 600_000

MOST_MB = 150.0

Launching = Callable[[str], AbstractAsyncContextManager[LaunchOne]]

RUNNING = "SELECT count(*) FROM job_runs WHERE status = 'running'"


def _launching_as(
    entry_point: str, isolation: Isolation, parameters: JsonObject
) -> Launching:
    @asynccontextmanager
    async def launching(url: str) -> AsyncIterator[LaunchOne]:
        spec = Spec(
            name="noop", type="batch", entry_point=entry_point, isolation=isolation
        )
        launch = Launch(parameters=parameters)
        async with parts(url) as part:
            await part.jobs.register_job("noop", spec, 1, TESTER)
            yield lambda: part.jobs.launch("noop", launch, TESTER)

    return launching


def _system(label: str, isolation: Isolation) -> System:
    handlers = ("--handlers", "benchmarks.handlers")
    slots = ("--slots", str(SLOTS), "--shared-slots", str(SHARED_SLOTS))
    return replace(
        OURS,
        label=label,
        worker=python("api.cli", "worker", *handlers, *slots),
        launching=_launching_as("bench.idle", isolation, {"number": 1}),
    )


SHARED = _system("isolation shared", "shared")

ALONE = _system("a process each", "process")


def measure(bench: Bench) -> list[Row]:
    """Measure all."""
    rows: list[Row] = []
    for name, title, figure in (
        ("shared-backlog", "no-op runs that share a process, before", backlog),
        ("shared", "no-op runs that share a process, meanwhile", meanwhile),
    ):
        bench.say(title)
        figures = in_turns(
            bench,
            {one.label: partial(figure, bench, one) for one in (SHARED, ALONE)},
        )
        alone = Reference(ALONE.label, figures[ALONE.label])
        rows.append(Row(name, title, "/s", figures[SHARED.label], [alone]))
    return [*rows, _waiting(bench)]


def _waiting(bench: Bench) -> Row:
    number = min(WAITING, bench.effort.clients)
    title = f"{number} attempts that wait, worker and handlers together"
    bench.say(title)
    figures = in_turns(bench, {OURS.label: partial(_held_mb, bench, number)})
    return Row(
        name="waiting",
        title=title,
        unit="MB",
        rounds=figures[OURS.label],
        lower_is_better=True,
        limit=MOST_MB,
        more={"attempts": number},
        notes=["attempts that wait: beside the default slots; memory is PSS"],
    )


def _held_mb(bench: Bench, number: int) -> float:
    handlers = ("--handlers", "benchmarks.handlers")
    system = replace(
        OURS,
        worker=python("api.cli", "worker", *handlers, "--shared-slots", str(number)),
        launching=_launching_as("bench.wait", "shared", {"forMs": WAIT_MS}),
    )
    with site(bench, system) as own:
        asyncio.run(_launch(own, number))
        with _working(own) as pid:
            wait_for_count(own.url, RUNNING, number)
            return _pss_mb(pid) + sum(map(_pss_mb, descendants(pid)))


async def _launch(own: Site, number: int) -> None:
    async with own.system.launching(own.url) as launch:
        await asyncio.gather(*(launch() for _ in range(number)))


@contextmanager
def _working(own: Site) -> Iterator[int]:
    """Run the worker; give its number."""
    log = own.directory / "worker.log"
    with running(own.system.worker, own.env, log) as process:
        yield process.pid


def _pss_mb(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    [line] = [line for line in rollup.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    run_alone(measure, __doc__)
