"""What an attempt costs on a cluster of Ray, beside a no-op task of Ray, and an attempt at home.

    python -m benchmarks.executors.on_ray [--attempts 300]

The cluster is this host alone, started for the purpose. Each is measured one after the other, and
as many at a time as there are processors; before that, so many are run that all processes are warm.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter
from typing import Any

from tests.support.handlers.tasks import task_of
from tests.support.packages import package_of
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Executor
from worker.executors.ray.driver_process import RayCluster
from worker.executors.ray.executor import RayExecutor

AT_A_TIME = os.cpu_count() or 1

WARM = 40

HANDLERS = "tests.support.handlers"

One = Callable[[], Awaitable[object]]


async def _measured(one: One, count: int) -> dict[str, float]:
    """Return how long one takes, and how many there are in a second, several at a time."""
    await _many(one, WARM)
    began = perf_counter()
    for _ in range(count):
        await one()
    single_ms = (perf_counter() - began) / count * 1000
    began = perf_counter()
    await _many(one, count)
    return {
        "ms": round(single_ms, 2),
        "perSecond": round(count / (perf_counter() - began)),
    }


async def _many(one: One, count: int) -> None:
    left = iter(range(count))

    async def go_on() -> None:
        for _ in left:
            await one()

    await asyncio.gather(*(go_on() for _ in range(AT_A_TIME)))


async def _attempts(where: Executor, count: int) -> dict[str, float]:
    with TemporaryDirectory() as directory:
        task = task_of("noop", Path(directory) / "log")

        async def one() -> None:
            attempt = await where.submit(task, print, monotonic() + 600)
            outcome = await attempt.outcome()
            if outcome.kind != "result":
                raise RuntimeError(str(outcome))

        return await _measured(one, count)


async def _tasks(count: int) -> dict[str, float]:
    """Return the same of Ray's own tasks, in a process that is their driver."""
    ray: Any = import_module("ray")
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    noop = ray.remote(_noop)

    async def one() -> None:
        await noop.remote()

    return await _measured(one, count)


def _noop() -> None:
    pass


def _tasks_elsewhere(count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.executors.on_ray"]
    output = subprocess.check_output([*command, "--tasks", "--attempts", str(count)])
    measured: dict[str, float] = json.loads(output.splitlines()[-1])
    return measured


async def _compare(count: int) -> None:
    packages = package_of(HANDLERS)
    print("a no-op task of Ray:", await asyncio.to_thread(_tasks_elsewhere, count))
    on_ray = RayExecutor(packages, RayCluster("local"), AT_A_TIME)
    await on_ray.start()
    try:
        print("an attempt on Ray:", await _attempts(on_ray, count))
    finally:
        await on_ray.aclose()
    at_home = ProcessExecutor(packages, AT_A_TIME)
    try:
        print("an attempt at home:", await _attempts(at_home, count))
    finally:
        await at_home.aclose()


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=300)
    parser.add_argument("--tasks", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.tasks:
        print(json.dumps(asyncio.run(_tasks(told.attempts))))
    else:
        asyncio.run(_compare(told.attempts))


if __name__ == "__main__":
    main()
