"""What a worker holds: an idle one, and one with many attempts that wait, as for an answer.

    python -m benchmarks.rows.holding [--quick] [--rounds N] [--json FILE]

All wait at a time, in one process. Counted is what the worker, its supervisors and its handlers'
processes hold together; pages that several share are counted in parts (PSS).
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import sleep

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import python, running, wait_for_count
from benchmarks.harness.results import Bench, Row, in_turns
from benchmarks.harness.systems import IDLE, OURS, Site, System, launching, site
from tests.support.processes import descendants, eventually
from worker.executors.local.executor import WARM_PROCESSES

WAITING = 500

WAIT_MS = 600_000

MAX_MB = 150.0

MAX_IDLE_MB = 120.0

SETTLED_AFTER_S = 1.0

RUNNING = "SELECT count(*) FROM job_runs WHERE status = 'running'"


def measure(bench: Bench) -> list[Row]:
    """Measure both."""
    number = min(WAITING, bench.effort.clients)
    title = f"{number} attempts that wait, worker and handlers together"
    bench.say(title)
    figures = in_turns(
        bench, {"idle": partial(_idle_mb, bench), "waiting": partial(_held_mb, bench, number)}
    )
    idle = Row(
        name="idle-worker",
        title="an idle worker with its default slots, all its processes together",
        unit="MB",
        rounds=figures["idle"],
        lower_is_better=True,
        limit=MAX_IDLE_MB,
    )
    waiting = Row(
        name="waiting",
        title=title,
        unit="MB",
        rounds=figures["waiting"],
        lower_is_better=True,
        limit=MAX_MB,
        more={"attempts": number},
        notes=["attempts that wait: beside the default slots; memory is PSS"],
    )
    return [idle, waiting]


def _idle_mb(bench: Bench) -> float:
    with site(bench, _system()) as own, _working(own) as pid:
        # A supervisor and its process each.
        eventually(lambda: len(descendants(pid)) == 2 * WARM_PROCESSES, 60, "idle processes")
        return _settled_mb(pid)


def _held_mb(bench: Bench, number: int) -> float:
    wait = launching(replace(IDLE, entry_point="bench.wait"), {"forMs": WAIT_MS})
    system = replace(_system("--shared-slots", str(number)), launching=wait)
    with site(bench, system) as own:
        asyncio.run(_launch(own, number))
        with _working(own) as pid:
            wait_for_count(own.url, RUNNING, number)
            return _settled_mb(pid)


def _system(*options: str) -> System:
    handlers = ("--handlers", "benchmarks.handlers")
    return replace(OURS, worker=python("cli", "worker", *handlers, *options))


async def _launch(own: Site, number: int) -> None:
    async with own.system.launching(own.url) as launch:
        await asyncio.gather(*(launch() for _ in range(number)))


@contextmanager
def _working(own: Site) -> Iterator[int]:
    """Run the worker; give its number."""
    log = own.directory / "worker.log"
    with running(own.system.worker, own.env, log) as process:
        yield process.pid


def _settled_mb(pid: int) -> float:
    """Return what they hold once they have imported all, and hold no more than a second before."""
    before, held = 0.0, _all_mb(pid)
    while held > before:
        sleep(SETTLED_AFTER_S)
        before, held = held, _all_mb(pid)
    return held


def _all_mb(pid: int) -> float:
    return sum(map(_pss_mb, (pid, *descendants(pid))))


def _pss_mb(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    [line] = [line for line in rollup.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    run_alone(measure, __doc__)
