"""What a run costs a database and the processors, and where one append lock ends.

    python -m benchmarks.capacity [--seconds S] [--rounds N]

First runs that do nothing, a process each and sharing one: each is launched over HTTP and executed
by a worker, once as fast as it goes, once one after the other. Printed is what they leave on the
disk and in the write-ahead log, by `pg_waldump`, and for how long the append lock was held. Then
one, two and four API processes launch together in one database, in turns. `docs/capacity.md` keeps
what came out.
"""

import argparse
import re
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import sleep

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from api.server_placement import binaries, server_user
from benchmarks.harness.alone import effort_of, own_directory
from benchmarks.harness.load import CONNECTIONS, post_for
from benchmarks.harness.processes import ready_url, running
from benchmarks.harness.processors import API, HANDLERS, IDLE, POSTGRESQL, WORKER, Meter, meter
from benchmarks.harness.results import Bench, in_turns
from benchmarks.harness.systems import BODY, OURS, PATH, SHARED, Site, System, post, register, site
from cli.process.sockets import bind
from tests.support import databases

ONE_BY_ONE = 100

POLL_S = 0.02


@dataclass(frozen=True)
class Kept:
    """What a database holds, in bytes.

    Attributes:
        log: the events, as PostgreSQL stores them, without their indexes.
        wal_at: the position of the write-ahead log.
    """

    events: int
    event_bytes: int
    log: int
    log_indexes: int
    tables: int
    table_indexes: int
    wal_at: str


_KEPT = """
    SELECT count(*), coalesce(sum(pg_column_size(events.*)), 0)::bigint,
        (SELECT array_agg(ARRAY[pg_table_size(oid), pg_indexes_size(oid)]
            ORDER BY relname <> 'jobs_events')
         FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace),
        pg_current_wal_flush_lsn()::text
    FROM jobs_events AS events
"""


def kept(session: psycopg.Connection) -> Kept:
    """Return what the database holds now."""
    row = session.execute(_KEPT).fetchone()
    assert row is not None
    events, event_bytes, [log, *others], wal_at = row
    tables, indexes = (sum(each) for each in zip(*others, strict=True))
    return Kept(events, event_bytes, log[0], log[1], tables, indexes, wal_at)


WAL_KINDS = {"Heap": "rows", "Heap2": "rows", "Btree": "indexes", "Gin": "indexes"}
"""What writes a record of the write-ahead log; all else is `rest`."""

_WAL_LINE = re.compile(r"^(\w+)/(\S+)\s+(\d+) \([^)]*\)\s+(\d+) \([^)]*\)\s+(\d+) \(", re.MULTILINE)

PAGES = "whole pages"
"""Written when a page changes for the first time after a checkpoint."""

COMMITS = "commits"


def wal(bench: Bench, begin: str, end: str) -> Counter[str]:
    """Return the bytes between two positions of the write-ahead log by kind, and the commits."""
    files = (bench.directory / "postgres" / "postgres").resolve() / "data" / "pg_wal"
    program = binaries(server_user()) / "pg_waldump"
    command = [str(program), "-p", str(files), "-s", begin, "-e", end, "--stats=record"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    amounts: Counter[str] = Counter()
    for manager, record, number, record_bytes, page_bytes in _WAL_LINE.findall(done.stdout):
        amounts[WAL_KINDS.get(manager, "rest")] += int(record_bytes)
        amounts[PAGES] += int(page_bytes)
        if (manager, record) == ("Transaction", "COMMIT"):
            amounts[COMMITS] += int(number)
    return amounts


def metrics(url: str) -> dict[str, float]:
    """Return a process's metrics without labels, by name."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if not sample.labels
    }


HELD, GROUPS = "apphub_lock_hold_seconds_sum", "apphub_lock_hold_seconds_count"


@dataclass(frozen=True)
class Service:
    """A database with an API and a worker.

    Attributes:
        path: the URL that launches.
        metrics_at: the URLs of both processes' metrics.
        metering: counts processor time; its session reads the tables as well.
    """

    site: Site
    path: str
    metrics_at: Sequence[str]
    metering: Meter

    @property
    def session(self) -> psycopg.Connection:
        """Return the session that reads the tables."""
        return self.metering.session

    def held_s(self) -> float:
        """Return for how long both have held the append lock."""
        return sum(metrics(url)[HELD] for url in self.metrics_at)

    def wait_for(self, runs: int) -> None:
        """Wait until so many runs were executed."""
        while self.site.completed(self.session) < runs:
            sleep(POLL_S)


@contextmanager
def service(bench: Bench, system: System) -> Iterator[Service]:
    """Give a system a database, an API and a worker."""
    with site(bench, system) as own, own.api() as path:
        with bind("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
        command = [*system.worker, "--metrics-port", str(port)]
        with running(command, own.env, own.directory / "worker.log") as worker:
            pids = {**own.pids, WORKER: worker.pid}
            with meter(own.url, pids) as metering:
                metrics_at = (path.removesuffix(PATH), f"http://127.0.0.1:{port}")
                at = Service(own, path, metrics_at, metering)
                post(path)
                at.wait_for(1)
                yield at


_CONNECTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def costs(bench: Bench, system: System, *, at_a_time: bool) -> dict[str, float]:
    """Return what a run of a system costs.

    Args:
        bench: where to measure.
        system: ours, in one of its ways.
        at_a_time: whether each run waits for the end of the one before.
    """
    with service(bench, system) as own:
        own.session.execute("CHECKPOINT")
        before, held_before = kept(own.session), own.held_s()
        own.metering.restart()
        first = own.site.launched()
        if at_a_time:
            for number in range(ONE_BY_ONE):
                post(own.path)
                own.wait_for(first + number + 1)
        else:
            post_for(bench.effort.seconds, own.path, BODY)
            own.wait_for(own.site.launched())
        runs = own.site.launched() - first
        used = own.metering.read(runs)
        [connections] = own.session.execute(_CONNECTIONS).fetchone() or (0,)
        after, held_after = kept(own.session), own.held_s()
        written = wal(bench, before.wal_at, after.wal_at)
    per_run: dict[str, float] = {
        name.replace("_", " "): (getattr(after, name) - getattr(before, name)) / runs
        for name in ("events", "event_bytes", "log", "log_indexes", "tables", "table_indexes")
    }
    wal_per_run = {
        f"WAL: {name}": written[name] / runs for name in ("rows", "indexes", "rest", PAGES)
    }
    return {
        "runs": runs,
        **per_run,
        **wal_per_run,
        COMMITS: written[COMMITS] / runs,
        **{f"µs: {name}": used[name] for name in (API, WORKER, HANDLERS, POSTGRESQL)},
        "µs: append lock held": 1e6 * (held_after - held_before) / runs,
        "connections": connections,
    }


def launch_together(bench: Bench, number: int, rounds: list[dict[str, float]]) -> float:
    """Return how many runs a second so many API processes launch in one database."""
    with site(bench, OURS) as own, ExitStack() as stack:
        urls: list[str] = []
        pids: dict[str, int] = {}
        for index in range(number):
            log = own.directory / f"api-{index}.log"
            process = stack.enter_context(running(OURS.api, own.env, log))
            urls.append(ready_url(log, process))
            pids[f"{API} {index}"] = process.pid
        assert OURS.job is not None
        register(urls[0], "noop", OURS.job)
        threads = stack.enter_context(ThreadPoolExecutor(number))
        metering = stack.enter_context(meter(own.url, pids))
        before = _locks(urls)
        metering.restart()

        def launch(url: str) -> int:
            connections = CONNECTIONS // number
            return post_for(bench.effort.seconds, url + PATH, BODY, connections).number

        launched = sum(threads.map(launch, urls))
        read = metering.read(launched)
        held = _locks(urls) - before
    rounds.append(
        {
            "a second": launched / bench.effort.seconds,
            "µs of the APIs": sum(us for name, us in read.items() if name.startswith(API)),
            "µs of PostgreSQL": read[POSTGRESQL],
            "idle cores": read[IDLE],
            "runs a group": launched / held[GROUPS],
            "µs: append lock held": 1e6 * held[HELD] / launched,
        }
    )
    return rounds[-1]["a second"]


def _locks(urls: Sequence[str]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for url in urls:
        read = metrics(url)
        totals.update({name: read[name] for name in (HELD, GROUPS)})
    return totals


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="how long runs are launched")
    parser.add_argument("--rounds", type=int, default=3, help="of API processes beside each other")
    arguments = parser.parse_args()
    effort = effort_of(quick=False, rounds=arguments.rounds, seconds=arguments.seconds)
    with own_directory() as directory, databases.server(directory / "postgres") as server:
        bench = Bench(server, directory, effort)
        show("of a run", measure_costs(bench))
        show("API processes", measure_lock(bench))


def measure_costs(bench: Bench) -> Mapping[str, Mapping[str, float]]:
    """Return the costs of a run in each way."""
    return {
        f"{label}, {how}": costs(bench, system, at_a_time=at_a_time)
        for label, system in (("a process each", OURS), ("shared", SHARED))
        for how, at_a_time in (("many", False), ("one by one", True))
    }


def measure_lock(bench: Bench) -> Mapping[str, Mapping[str, float]]:
    """Return what one, two and four API processes launch, medians of rounds in turns."""
    rounds: dict[int, list[dict[str, float]]] = {1: [], 2: [], 4: []}
    in_turns(
        bench,
        {str(number): partial(launch_together, bench, number, rounds[number]) for number in rounds},
    )
    return {
        str(number): {name: median(read[name] for read in each) for name in each[0]}
        for number, each in rounds.items()
    }


def show(title: str, columns: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table, a line a figure."""
    print(f"\n| {title} | {' | '.join(columns)} |")
    print("|---|" + "--:|" * len(columns))
    names = next(iter(columns.values()))
    for name in names:
        cells = (f"{figures[name]:,.4g}" for figures in columns.values())
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
