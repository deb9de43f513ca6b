"""How fast `verify`, `verify --histories` and `rebuild` are, beside a bare COPY in the same run.

    python -m benchmarks.rows.rebuild [--runs 333333] [--random-ids] [--rounds 3]

Three events a run. The goals: events folded and compared a second >= 0.5 x rows copied a
second; 100 000 events a second and more by `verify --histories`.
"""

import argparse
import asyncio
import resource
from collections.abc import Coroutine
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar

import psycopg
import uvloop

from eventlog.database.connection import Database
from eventlog.rebuild import staging
from eventlog.rebuild.histories import check_histories
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from projections.job_runs import TABLE
from tests.support import databases
from tests.support.sample_logs.big_logs import fill

T = TypeVar("T")

BLOCK = 1 << 16


def _run(main: Coroutine[Any, Any, T]) -> T:
    """Run as the commands do."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


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


def export_rows(url: str, lines: Path) -> None:
    """Write the table's rows to a file."""
    command = f"COPY {TABLE.name} ({', '.join(TABLE.columns)}) TO STDOUT"
    with (
        psycopg.connect(url) as connection,
        connection.cursor().copy(command) as copy,
        lines.open("wb") as target,
    ):
        target.writelines(copy)


def measure_verify(url: str) -> tuple[float, float]:
    """Verify the table; return the events a second, in the fold alone and in all."""
    folded_s = 0.0
    last = started = perf_counter()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal folded_s, last
        now = perf_counter()
        if what.endswith("folding"):
            folded_s += now - last
        last = now
        del done, total

    [checked] = _run(verify(Database(url), [TABLE], print, progress))
    return checked.events / folded_s, checked.events / (perf_counter() - started)


def measure_histories(url: str) -> float:
    """Check the promises of the state machine; return the events a second."""
    started = perf_counter()
    checked = _run(check_histories(Database(url), (), print, lambda *_: None))
    return checked.events / (perf_counter() - started)


def measure_repair(url: str) -> None:
    """Empty the table, and let a rebuild fill it again under the append lock."""
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {TABLE.name}")
    started = perf_counter()
    rebuilt = _run(rebuild(Database(url), TABLE, print, lambda *_: None))
    print(f"rebuild of an empty table: {rebuilt.repaired} rows in {perf_counter() - started:.1f} s")
    print(f"longest hold of the append lock: {rebuilt.longest_hold_ms:.1f} ms")


def measure(url: str, directory: Path, rounds: int) -> None:
    """Measure all and print it."""
    lines = directory / "rows"
    export_rows(url, lines)
    copied, folds, wholes = [], [], []
    for _ in range(rounds):
        copied.append(copy_rows(url, lines))
        fold, whole = measure_verify(url)
        folds.append(fold)
        wholes.append(whole)
        print(
            f"COPY {copied[-1]:9,.0f} rows/s   fold {fold:9,.0f} events/s   "
            f"fold and compare {whole:9,.0f} events/s"
        )
    ratios = [
        median(rate / copy for rate, copy in zip(rates, copied, strict=True))
        for rates in (folds, wholes)
    ]
    print(f"median ratio to COPY: fold {ratios[0]:.2f}, fold and compare {ratios[1]:.2f}")
    histories = [measure_histories(url) for _ in range(rounds)]
    print(f"verify --histories: {median(histories):9,.0f} events/s")
    print(
        f"memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB"
    )
    measure_repair(url)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=333_333)
    parser.add_argument("--random-ids", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with databases.scratch() as url:
        asyncio.run(
            fill(url, arguments.runs, time_ordered=not arguments.random_ids, succeeded=True)
        )
        with TemporaryDirectory() as directory:
            measure(url, Path(directory), arguments.rounds)


if __name__ == "__main__":
    main()
