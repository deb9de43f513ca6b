"""How long lists, look-ups, launches and claims take at 10 000, 1 000 000 and 5 000 000 runs.

    python -m benchmarks.growth [--sizes 10000,1000000,5000000] [--json FILE] [--plans
    DIRECTORY]

Each size has a database of its own: filled by COPY with a population of runs as in life (`lives.py`
says what is assumed). All are asked everything that clients and workers ask (`questions.py`), then
written to, both in turns, so that what else the machine does meets all alike. Each log is then
verified as a whole, and a table rebuilt from it. Then backlogs: a fifth as many runs, all due.
Printed are medians, warm, the median ratio of the largest size to the smallest, whose goal is at
most 2, and the pages that the answers' plans look at. Plans are kept, so that a reader sees what
each answer reads.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import Any, TypeVar

import psycopg
import uvloop

from benchmarks.growth import lives, timing
from benchmarks.growth.population import Population, fill
from benchmarks.growth.questions import (
    SPOIL_BACKLOG,
    Question,
    backlog_questions,
    look_around,
    questions,
)
from domain.json_values import JsonObject
from eventlog.database.connection import Database
from eventlog.history.run_changes import Checkpoints
from eventlog.rebuild.histories import check_histories
from eventlog.rebuild.rebuild import rebuild
from eventlog.rebuild.verify import verify
from projections import job_runs
from projections.tables import TABLES
from tests.support import databases
from tests.support.logs import parts

GOAL = 2.0

MAX_FOLDED_RUNS = 1_000_000
"""To verify and rebuild larger logs takes more than an hour."""


@dataclass
class Results:
    """What came out, by size."""

    sizes: dict[int, JsonObject] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def note(self, name: str, took: Mapping[int, Sequence[float]], **more: Any) -> None:
        """Keep how long something took, round by round."""
        smallest, largest = took[min(took)], took[max(took)]
        # Of each round, for what disturbs one disturbs both.
        ratio = median(large / small for large, small in zip(largest, smallest, strict=True))
        ms = {str(size): round(median(times), 3) for size, times in took.items()}
        self.rows.append({"name": name, "ms": ms, "ratio": round(ratio, 2), **more})

    def present(self) -> JsonObject:
        """Return all of it, for other programs."""
        sizes: JsonObject = {str(size): described for size, described in self.sizes.items()}
        rows: list[Any] = self.rows
        return {"goal": GOAL, "assumed": lives.assumed(), "sizes": sizes, "rows": rows}


def show(results: Results) -> None:
    """Print the figures."""
    sizes = [str(size) for size in results.sizes]
    print(
        f"\n{'median ms, warm':62}"
        + "".join(f"{int(size):>12,}" for size in sizes)
        + f"{'ratio':>8}   pages"
    )
    for row in results.rows:
        figures = "".join(f"{row['ms'][size]:12.3f}" for size in sizes)
        pages = " ".join(str(count) for count in row.get("pages", {}).values())
        print(f"{row['name']:62}{figures}{row['ratio']:8.2f}   {pages}{_remarks(row)}")
    for size, described in results.sizes.items():
        print(f"{size:,} runs: {described}")


def _remarks(row: Mapping[str, Any]) -> str:
    remarks = ""
    if row.get("grows"):
        remarks = f"  grows: {row['grows']}"
    elif row["ratio"] > GOAL:
        remarks = "  > GOAL"
    if row.get("scanned"):
        remarks += f"  READS ALL OF {', '.join(row['scanned'])}"
    return remarks


T = TypeVar("T")

SIZES = "10000,1000000,5000000"

BACKLOG_SHARE = 5


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """Give the URL of a server with room for a fill, and the name of a migrated template there."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o711)  # The private server may run as another user.
        url = stack.enter_context(databases.server(directory / "postgres"))
        if "APPHUB_TEST_DATABASE_URL" not in os.environ:
            with databases.superuser(directory / "postgres") as connection:
                connection.execute("ALTER SYSTEM SET max_wal_size = '8GB'")
                connection.execute("SELECT pg_reload_conf()")
        yield url, databases.template(url, directory)


def measure(sizes: Sequence[int], where: tuple[str, str], results: Results, kept: Path) -> None:
    """Measure everything at these sizes, in turns."""
    now_ms = int(time() * 1_000) - 60_000
    with ExitStack() as stack:
        urls = {size: stack.enter_context(databases.clone(*where)) for size in sizes}
        for size, url in urls.items():
            started = perf_counter()
            population = Population(size, now_ms)
            fill(url, population, _say)
            asyncio.run(prepare(url))
            results.sizes[size] = {
                **population.described(),
                **_bytes(url),
                "filled_s": round(perf_counter() - started),
            }
        _run(_ask(urls, results, kept))
        for name, took in _run(timing.measure_writes(urls)).items():
            results.note(name, took)
        for size, url in urls.items():
            results.sizes[size]["unused_indexes"] = _unused(url)
            if size <= MAX_FOLDED_RUNS:
                results.sizes[size].update(_run(_fold_whole_log(url)))
    with ExitStack() as stack:
        urls = {size: stack.enter_context(databases.clone(*where)) for size in sizes}
        for size, url in urls.items():
            fill(url, Population(size // BACKLOG_SHARE, now_ms, pending_share=1.0), _say)
        _run(_ask_backlog(urls, results, kept))


def _run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def prepare(url: str) -> None:
    """Write the checkpoints that a running service would have written."""
    async with parts(url) as part:
        _say(f"{await Checkpoints(part.pool, part.files).recompute()} checkpoints")


async def _fold_whole_log(url: str) -> JsonObject:
    """Verify tables and histories, then empty `job_runs` and rebuild it; return the seconds."""
    database = Database(url)
    started = perf_counter()
    checked = await verify(database, TABLES, print, lambda *_: None)
    verified = perf_counter()
    histories = await check_histories(database, (), print, lambda *_: None)
    read = perf_counter()
    async with await database.connect() as connection:
        await connection.execute(f"TRUNCATE {job_runs.TABLE.name}")
    emptied = perf_counter()
    rebuilt = await rebuild(database, job_runs.TABLE, print, lambda *_: None)
    took: JsonObject = {
        "verify_s": round(verified - started, 1),
        "verify_histories_s": round(read - verified, 1),
        "rebuild_of_an_empty_table_s": round(perf_counter() - emptied, 1),
    }
    _say(f"{histories.events:,} events: {took}")
    if any(table.differences for table in (*checked, rebuilt.comparison)):
        raise SystemExit("the tables do not agree with the log")
    if histories.findings:
        raise SystemExit("the made-up lives break rules of the log")
    return took


async def _ask(urls: Mapping[int, str], results: Results, kept: Path) -> None:
    async with AsyncExitStack() as stack:
        connections = {size: await _recording(url, stack) for size, url in urls.items()}
        by_size = {
            size: questions(await look_around(one), one) for size, one in connections.items()
        }
        await _ask_all(connections, by_size, results, kept)


async def _ask_backlog(urls: Mapping[int, str], results: Results, kept: Path) -> None:
    async with AsyncExitStack() as stack:
        connections = {size: await _recording(url, stack) for size, url in urls.items()}
        await _ask_all(connections, {size: backlog_questions() for size in urls}, results, kept)
        for connection in connections.values():
            await connection.execute(SPOIL_BACKLOG)
            await connection.execute("VACUUM (ANALYZE) job_runs")
        spoilt = {size: backlog_questions("full jobs and keys in front") for size in urls}
        await _ask_all(connections, spoilt, results, kept)


async def _recording(url: str, stack: AsyncExitStack) -> timing.Recording:
    return await stack.enter_async_context(await timing.recording(url))


async def _ask_all(
    connections: Mapping[int, timing.Recording],
    questions_by_size: Mapping[int, list[Question]],
    results: Results,
    kept: Path,
) -> None:
    for same in zip(*questions_by_size.values(), strict=True):
        by_size = dict(zip(questions_by_size, same, strict=True))
        asks = {
            size: partial(question.ask, connections[size]) for size, question in by_size.items()
        }
        took = await timing.in_turns(asks)
        scanned: list[str] = []
        pages: dict[str, int] = {}
        for size, question in by_size.items():
            query_plans = await timing.plans(connections[size], question)
            # Of the largest, which comes last: what is small is best read whole.
            scanned = timing.scans(query_plans)
            pages[str(size)] = timing.pages(query_plans)
            with (kept / f"{size}.txt").open("a") as plans:
                plans.write(f"## {question.name}\n\n" + "\n\n".join(query_plans) + "\n\n")
        results.note(same[0].name, took, grows=same[0].grows, scanned=scanned, pages=pages)
    _say(f"asked {len(results.rows)} questions")


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


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plans", type=Path)
    arguments = parser.parse_args()
    results = Results()
    started = perf_counter()
    with TemporaryDirectory() as scratch, server() as where:
        kept: Path = arguments.plans or Path(scratch)
        kept.mkdir(parents=True, exist_ok=True)
        for old in kept.glob("*.txt"):
            old.unlink()
        measure(sorted(int(size) for size in arguments.sizes.split(",")), where, results, kept)
    show(results)
    print(f"in {(perf_counter() - started) / 60:.0f} minutes")
    if arguments.json:
        arguments.json.write_text(json.dumps(results.present(), indent=1) + "\n")


if __name__ == "__main__":
    main()
