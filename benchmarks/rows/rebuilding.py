"""Folding a log of a million events and comparing the table with it, against COPY.

    python -m benchmarks.rows.rebuilding [--quick] [--rounds N] [--json FILE]

`verify` and `rebuild` do so. `benchmarks.rows.rebuild` measures the same in other sizes. The
library's runner reads a short sample of its own log.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.against.library_runner import runner_rate
from benchmarks.harness.alone import run_alone
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import OURS
from benchmarks.rows.rebuild import copy_rows, export_rows, measure_verify
from runtime.process import collect_garbage_seldom
from tests.support import databases
from tests.support.sample_logs.big_logs import fill

COPY = "COPY of as many rows"

LIBRARY = "the library's runner"

FLAT = 1.25
"""A tenfold log may need this many times the memory: room for noise, not for kept rows."""


def measure(bench: Bench) -> list[Row]:
    """Measure the memory for a small log first, then all in turns for a big one."""
    small = _peak_of_small_log(bench)
    peaks: list[float] = []

    def ours(url: str) -> float:
        rate, peak_mb = _verify_alone(url)
        peaks.append(peak_mb)
        return rate

    runs, lines = bench.effort.runs, bench.directory / "rows"
    with databases.clone(bench.server, databases.template(bench.server, bench.directory)) as url:
        bench.say(f"filling a log of {3 * runs:,} events")
        asyncio.run(fill(url, runs, succeeded=True))
        export_rows(url, lines)
        measures: dict[str, Callable[[], float]] = {
            COPY: partial(copy_rows, url, lines),
            OURS.label: partial(ours, url),
            LIBRARY: partial(runner_rate, bench),
        }
        figures = in_turns(bench, measures)
    references = [Reference(COPY, figures[COPY], goal=0.5), Reference(LIBRARY, figures[LIBRARY])]
    title = f"fold and compare {3 * runs:,} events".replace(",", " ")
    return [
        Row(
            "rebuild",
            title,
            "/s",
            figures[OURS.label],
            references,
            notes=["the library's runner: a short sample"],
        ),
        Row(
            name="rebuild-memory",
            title="its memory, at most",
            unit="MB",
            rounds=peaks,
            references=[Reference("for a tenth of the events", [small] * len(peaks), goal=FLAT)],
            lower_is_better=True,
        ),
    ]


def _peak_of_small_log(bench: Bench) -> float:
    with databases.clone(bench.server, databases.template(bench.server, bench.directory)) as url:
        asyncio.run(fill(url, max(10, bench.effort.runs // 10), succeeded=True))
        return _verify_alone(url)[1]


def _verify_alone(url: str) -> tuple[float, float]:
    """Verify in a process of its own, which has no memory but the fold's.

    Return events a second and the peak in MB.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_verify, url).result()


def _verify(url: str) -> tuple[float, float]:
    collect_garbage_seldom()  # As the command line does.
    rate = measure_verify(url)[1]
    return rate, _peak_mb()


def _peak_mb() -> float:
    """Return the most that this process has held, without what it was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    run_alone(measure, __doc__)
