"""Folding a log of a million events and comparing the table with it, as `verify` and `rebuild` do.

    python -m benchmarks.rows.rebuilding [--quick] [--rounds N] [--json FILE]

Held against COPY of as many rows into a bare table, in turns. Each fold is a process of its own, so
that its peak is the fold's alone. Beside it: `verify --histories`, and how long a rebuild of an
empty table holds the append lock.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import psycopg
import uvloop

from benchmarks.harness.alone import run_alone
from benchmarks.harness.processes import BrokenError
from benchmarks.harness.results import Bench, Reference, Row, in_turns
from benchmarks.harness.systems import OURS
from eventlog.database.connection import Database
from eventlog.rebuild import staging
from eventlog.rebuild.histories import check_histories
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from projections.job_runs import TABLE
from runtime.process import collect_garbage_rarely
from tests.support import databases
from tests.support.sample_logs.big_logs import fill

T = TypeVar("T")

BLOCK = 1 << 16

COPY = "COPY of as many rows"

HISTORIES = "verify --histories, events/s"

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
        measures = {COPY: partial(copy_rows, url, lines), OURS.label: partial(ours, url)}
        figures = in_turns(bench, measures)
        histories = _histories_rate(url)
        hold_ms = _longest_hold_ms(url)
    title = f"fold and compare {3 * runs:,} events".replace(",", " ")
    return [
        Row(
            "rebuild",
            title,
            "/s",
            figures[OURS.label],
            [Reference(COPY, figures[COPY], goal=0.6)],
            more={
                HISTORIES: histories,
                "longest hold of the append lock by a rebuild of an empty table, ms": hold_ms,
            },
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


def export_rows(url: str, lines: Path) -> None:
    """Write the table's rows to a file."""
    command = f"COPY {TABLE.name} ({', '.join(TABLE.columns)}) TO STDOUT"
    with (
        psycopg.connect(url) as connection,
        connection.cursor().copy(command) as copy,
        lines.open("wb") as target,
    ):
        target.writelines(copy)


def copy_rows(url: str, lines: Path) -> float:
    """Copy the table's rows from a file into a bare temporary table; return the rows a second."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        lines.open("rb") as source,
    ):
        cursor.execute(staging.create_sql(TABLE))
        started = perf_counter()
        with cursor.copy(staging.copy_sql(TABLE, staging.expected_table(TABLE))) as copy:
            while block := source.read(BLOCK):
                copy.write(block)
        return cursor.rowcount / (perf_counter() - started)


def _peak_of_small_log(bench: Bench) -> float:
    with databases.clone(bench.server, databases.template(bench.server, bench.directory)) as url:
        asyncio.run(fill(url, max(10, bench.effort.runs // 10), succeeded=True))
        return _verify_alone(url)[1]


def _verify_alone(url: str) -> tuple[float, float]:
    """Verify in a process of its own, which has no memory but the fold's.

    Return events a second, and the peak in MB.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_verify, url).result()


def _verify(url: str) -> tuple[float, float]:
    collect_garbage_rarely()  # As the command line does.
    started = perf_counter()
    [checked] = _run(verify(Database(url), [TABLE], print, lambda *_: None))
    took_s = perf_counter() - started
    if not checked.is_equal:
        raise BrokenError("the filled table is not what its events say")
    # The most that this process has held, without what it was forked from.
    status = Path("/proc/self/status").read_text()
    peak_mb = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return checked.events / took_s, peak_mb


def _histories_rate(url: str) -> float:
    started = perf_counter()
    checked = _run(check_histories(Database(url), (), print, lambda *_: None))
    return checked.events / (perf_counter() - started)


def _longest_hold_ms(url: str) -> float:
    """Empty the table, and let a rebuild fill it again under the append lock."""
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {TABLE.name}")
    return _run(rebuild(Database(url), TABLE, print, lambda *_: None)).longest_hold_ms


def _run(main: Coroutine[Any, Any, T]) -> T:
    """Run as the commands do."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


if __name__ == "__main__":
    run_alone(measure, __doc__)
