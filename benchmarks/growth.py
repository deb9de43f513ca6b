"""How long lists, look-ups, launches and claims take at 10 000, 1 000 000 and 5 000 000 runs.

    python -m benchmarks.growth [--sizes 10000,1000000,5000000] [--json FILE] [--plans DIRECTORY]

Each size has a database of its own: filled by COPY with a population of runs as in life (`lives.py` says what is
assumed), held against its log, asked everything that clients and workers ask (`questions.py`), written to, and dropped.
Beside it, a backlog: a fifth as many runs, all of them due. Printed are medians, warm, and the ratio of the largest
size to the smallest; the goal is at most 2. Plans are kept, so that a reader sees what each answer reads.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import Any
from uuid import UUID

import psycopg
import uvloop

from benchmarks import asking, lives, writing
from benchmarks.filling import fill
from benchmarks.population import Population
from benchmarks.questions import Question, backlog_questions, look_around, questions
from domain.json_values import JsonObject
from eventlog.checkpoints import Checkpoints
from eventlog.connection import Database
from eventlog.fold import fold_on
from eventlog.verify import verify
from projections.table import Connection, fetch_rows, rows_by_id
from projections.tables import TABLES
from tests.support import databases
from tests.support.logs import parts

SIZES = "10000,1000000,5000000"

BACKLOG_SHARE = 5

SAMPLE = 2_000
"""Rows of each table that are folded anew from their events where the whole log would take long."""

VERIFIED = 1_000_000
"""Up to so many runs, the whole log is folded."""

GOAL = 2.0


@dataclass
class Results:
    """What came out, by size."""

    sizes: dict[int, JsonObject] = field(default_factory=dict)
    ms: dict[str, dict[int, float]] = field(default_factory=dict)
    grows: dict[str, str] = field(default_factory=dict)
    scanned: dict[str, set[str]] = field(default_factory=dict)

    def note(self, name: str, size: int, took: float, grows: str = "", scanned: Sequence[str] = ()) -> None:
        """Keep a figure."""
        self.ms.setdefault(name, {})[size] = took
        self.grows[name] = grows
        self.scanned.setdefault(name, set()).update(scanned)

    def present(self) -> JsonObject:
        """Return all of it, for other programs."""
        sizes: JsonObject = {str(size): described for size, described in self.sizes.items()}
        rows: list[Any] = [self.row(name) for name in self.ms]
        return {"goal": GOAL, "assumed": lives.assumed(), "sizes": sizes, "rows": rows}

    def row(self, name: str) -> JsonObject:
        """Return what came out for one thing."""
        by_size = self.ms[name]
        return {
            "name": name,
            "ms": {str(size): round(took, 3) for size, took in by_size.items()},
            "ratio": round(by_size[max(by_size)] / by_size[min(by_size)], 2),
            "grows": self.grows[name],
            "scanned": [*sorted(self.scanned[name])],
        }


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """Give the URL of a server with room for what a fill writes, and the name of a migrated template there."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o711)  # The private server may run as another user.
        url = stack.enter_context(databases.server(directory / "postgres"))
        if "APPHUB_TEST_DATABASE_URL" not in os.environ:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET max_wal_size = '8GB'")
                connection.execute("SELECT pg_reload_conf()")
        yield url, databases.template(url, directory)


def measure_size(size: int, where: tuple[str, str], results: Results, kept: Path) -> None:
    """Measure everything at one size."""
    print(f"{size} runs", flush=True)
    now_ms = int(time() * 1_000) - 60_000
    with databases.clone(*where) as url, (kept / f"{size}.txt").open("w") as plans:
        started = perf_counter()
        population = Population(size, now_ms)
        fill(url, population, _say)
        asyncio.run(_prepare(url, size))
        results.sizes[size] = {**population.described(), **_bytes(url), "filled_s": round(perf_counter() - started)}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_ask(url, size, results, plans))
            _say("asked")
            for name, took in runner.run(writing.measure(url)).items():
                results.note(name, size, took)
        results.sizes[size]["unused_indexes"] = _unused(url)
        _say(f"written; indexes that nothing used: {', '.join(_unused(url)) or 'none'}")
    with databases.clone(*where) as url, (kept / f"{size}.txt").open("a") as plans:
        fill(url, Population(size // BACKLOG_SHARE, now_ms, pending_share=1.0), _say)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_ask_backlog(url, size, results, plans))


async def _prepare(url: str, size: int) -> None:
    """Write the checkpoints that a running service would have written, and show that log and tables agree."""
    async with parts(url) as part:
        _say(f"{await Checkpoints(part.pool).recompute()} checkpoints")
    if size <= VERIFIED:
        checked = await verify(Database(url), TABLES, print, lambda *_: None)
        differing = sum(table.differences for table in checked)
        _say(f"verify: {sum(table.rows for table in checked)} rows, {differing} differ")
    else:
        compared, differing = await _verify_sample(url)
        _say(f"verify: {compared} rows of a sample, {differing} differ")
    if differing:
        raise SystemExit("the tables do not agree with the log")


async def _verify_sample(url: str) -> tuple[int, int]:
    compared = differing = 0
    connection: Connection = await Database(url).connect()
    async with connection:
        for table in TABLES:
            query = f"SELECT {table.key} AS key FROM {table.name} ORDER BY md5({table.key}::text) LIMIT {SAMPLE}"
            ids = [UUID(str(row["key"])) for row in await fetch_rows(connection, query, {})]
            held = await rows_by_id(connection, table, ids)
            folded = await fold_on(connection, table, ids, {})
            compared += len(held)
            differing += sum(held[key] != {name: folded[key][name] for name in table.columns} for key in ids)
    return compared, differing


async def _ask(url: str, size: int, results: Results, plans: Any) -> None:
    connection = await asking.recording(url)
    async with connection:
        known = await look_around(connection)
        for question in questions(known, connection):
            await _ask_one(connection, question, size, results, plans)


async def _ask_backlog(url: str, size: int, results: Results, plans: Any) -> None:
    connection = await asking.recording(url)
    async with connection:
        for question in backlog_questions():
            await _ask_one(connection, question, size, results, plans)
        await connection.execute(lives.SPOIL_BACKLOG)
        await connection.execute("VACUUM (ANALYZE) job_runs")
        for question in backlog_questions("full jobs and keys in front"):
            await _ask_one(connection, question, size, results, plans)


async def _ask_one(connection: asking.Recording, question: Question, size: int, results: Results, plans: Any) -> None:
    async def ask() -> object:
        return await question.ask(connection)

    took = await asking.ms(ask)
    found = await asking.plans(connection, question)
    results.note(question.name, size, took, question.grows, asking.scans(found))
    plans.write(f"## {question.name}\n\n" + "\n\n".join(found) + "\n\n")


def _unused(url: str) -> list[Any]:
    """Return the indexes of runs and log that nothing so far has looked into."""
    query = """
        SELECT indexrelname FROM pg_stat_user_indexes
        WHERE relname IN ('job_runs', 'jobs_events') AND idx_scan = 0 ORDER BY 1
    """
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute(query)]


def _bytes(url: str) -> JsonObject:
    query = """
        SELECT pg_total_relation_size('jobs_events'), pg_total_relation_size('job_runs'),
            pg_database_size(current_database())
    """
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return {"log_bytes": row[0], "runs_bytes": row[1], "bytes": row[2]}


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


def show(results: Results) -> None:
    """Print the figures."""
    sizes = list(results.sizes)
    print(f"\n{'median ms, warm':62}" + "".join(f"{size:>12,}" for size in sizes) + f"{'ratio':>8}")
    for name in results.ms:
        row: Any = results.row(name)
        figures = "".join(f"{results.ms[name][size]:12.3f}" for size in sizes)
        remark = f"  grows: {row['grows']}" if row["grows"] else "  > GOAL" if row["ratio"] > GOAL else ""
        scanned = f"  READS ALL OF {', '.join(row['scanned'])}" if row["scanned"] else ""
        print(f"{name:62}{figures}{row['ratio']:8.2f}{remark}{scanned}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plans", type=Path)
    arguments = parser.parse_args()
    results = Results()
    started = perf_counter()
    with TemporaryDirectory() as scratch, server() as where:
        kept: Path = arguments.plans or Path(scratch)
        kept.mkdir(parents=True, exist_ok=True)
        for size in map(int, arguments.sizes.split(",")):
            measure_size(size, where, results, kept)
    show(results)
    print(f"in {(perf_counter() - started) / 60:.0f} minutes")
    if arguments.json:
        arguments.json.write_text(json.dumps(results.present(), indent=1) + "\n")


if __name__ == "__main__":
    main()
