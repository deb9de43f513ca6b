"""What an attempt costs on a cluster of Ray, beside a no-op task of Ray, and an attempt at home.

    python -m benchmarks.executors.on_ray [--quick] [--rounds N] [--json FILE]

The cluster is this host alone, started for the purpose. Attempts are measured one after the other,
and then as many at a time as there are processors; before that, so many are run that all processes
are warm.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter
from typing import Any

from benchmarks.harness.alone import run_alone
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from tests.support.handlers.tasks import task_of
from tests.support.packages import package_of
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Executor
from worker.executors.ray.executor import RayCluster, RayExecutor

AT_A_TIME = os.cpu_count() or 1

WARM = 40

TRIES = 5
"""How often an attempt may find no place on the cluster."""

HANDLERS = "tests.support.handlers"

ON_RAY = "an attempt on Ray"
AT_HOME = "an attempt at home"
TASK = "a no-op task of Ray"

TASKS = "from benchmarks.executors import on_ray; on_ray.tell_of_tasks()"
"""A program of its own: a process can be the driver of one cluster."""

One = Callable[[], Awaitable[object]]

Figures = tuple[float, float]
"""How many ms one takes, and how many there are in a second, several at a time."""


def measure(bench: Bench) -> list[Row]:
    """Measure all in turns; nothing where Ray is not installed."""
    if find_spec("ray") is None:
        bench.say("Ray is not installed here, so no attempt is measured on it")
        return []
    count = bench.effort.samples
    per_second: dict[str, list[float]] = {ON_RAY: [], AT_HOME: [], TASK: []}

    def single(label: str, measured: Callable[[int], Figures]) -> float:
        single_ms, a_second = measured(count)
        per_second[label].append(a_second)
        return single_ms

    figures = in_turns(
        bench,
        {
            TASK: partial(single, TASK, _tasks_elsewhere),
            ON_RAY: partial(single, ON_RAY, _on_ray),
            AT_HOME: partial(single, AT_HOME, _at_home),
        },
    )
    row = Row(
        name="ray",
        title="an attempt on a cluster of Ray, one after the other",
        unit="ms",
        rounds=figures[ON_RAY],
        references=[Reference(TASK, figures[TASK]), Reference(AT_HOME, figures[AT_HOME])],
        lower_is_better=True,
        more={f"{label}, a second": median(rates) for label, rates in per_second.items()},
    )
    return [row]


def tell_of_tasks() -> None:
    """Measure so many of Ray's own tasks as the command line says, and print the figures."""
    count = int(sys.argv[1])
    print(json.dumps(asyncio.run(_tasks(count))))


def _tasks_elsewhere(count: int) -> Figures:
    output = subprocess.check_output([sys.executable, "-c", TASKS, str(count)])
    single_ms, a_second = json.loads(output.splitlines()[-1])
    return single_ms, a_second


async def _tasks(count: int) -> Figures:
    ray: Any = import_module("ray")
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    noop = ray.remote(_noop)

    async def one() -> None:
        await noop.remote()

    return await _measured(one, count)


def _noop() -> None:
    pass


def _on_ray(count: int) -> Figures:
    async def measured() -> Figures:
        cluster = RayCluster("local")
        async with aclosing(RayExecutor(package_of(HANDLERS), cluster, AT_A_TIME)) as where:
            await where.start()
            return await _attempts(where, count)

    return asyncio.run(measured())


def _at_home(count: int) -> Figures:
    async def measured() -> Figures:
        async with aclosing(ProcessExecutor(package_of(HANDLERS), AT_A_TIME)) as where:
            return await _attempts(where, count)

    return asyncio.run(measured())


async def _attempts(where: Executor, count: int) -> Figures:
    with TemporaryDirectory() as directory:
        task = task_of("noop", Path(directory) / "log")

        async def one() -> None:
            # A cluster that has just come up may have no place in time, on a busy machine; a run
            # would be handed back then, and claimed again.
            for _ in range(TRIES):
                attempt = await where.submit(task, print, monotonic() + 600)
                outcome = await attempt.outcome()
                if outcome.kind != "stopped":
                    break
            if outcome.kind != "result":
                raise RuntimeError(str(outcome))

        return await _measured(one, count)


async def _measured(one: One, count: int) -> Figures:
    await _many(one, WARM)
    began = perf_counter()
    for _ in range(count):
        await one()
    single_ms = (perf_counter() - began) / count * 1_000
    began = perf_counter()
    await _many(one, count)
    return single_ms, count / (perf_counter() - began)


async def _many(one: One, count: int) -> None:
    left = iter(range(count))

    async def go_on() -> None:
        for _ in left:
            await one()

    await asyncio.gather(*(go_on() for _ in range(AT_A_TIME)))


if __name__ == "__main__":
    run_alone(measure, __doc__)
