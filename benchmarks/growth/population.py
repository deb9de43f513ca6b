"""A population of runs: events of many lives in the order of time, and the rows that follow.

The rows are made by the service's own fold, so log and tables agree, which `verify` shows.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from time import perf_counter

import orjson
import psycopg

from benchmarks.growth import lives
from benchmarks.growth.lives import Author, Change, Step, iso
from domain.identifiers import event_id
from domain.json_values import JsonObject
from domain.ports import Row
from eventlog.database.sql import EVENTS_TABLE
from eventlog.rebuild import staging
from projections.envelope import bare_envelope
from projections.table import Table
from projections.tables import BY_SUBJECT, TABLES

SPAN_MS = 100 * lives.DAY_MS
"""How long it takes all of them to happen, however many they are."""

EVENT_COLUMNS = (
    "originator_id, originator_version, topic, state, notification_id, recorded_at, actor,"
    " correlation_id, causation_id"
)


@dataclass(frozen=True, slots=True)
class Written:
    """A line of COPY for the log, and a row whose aggregate has no further events."""

    line: str
    finished: tuple[Table, Row] | None = None


@dataclass
class Population:
    """So many runs, up to a moment; the same numbers make the same population.

    Attributes:
        end_ms: what would happen later has not happened.
        pending_share: see `Author`.
        position: the log's last one.
        counts: of runs by status, in the end.
        parameters: sizes of some runs' parameters.
    """

    runs: int
    end_ms: int
    pending_share: float = 0.0
    position: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    parameters: list[int] = field(default_factory=list)
    _coming: list[tuple[int, int, list[Step]]] = field(default_factory=list)

    def written(self) -> Iterator[Written]:
        """Yield the events in log order, then the rows of what is still under way."""
        author = Author(Random(self.runs), self.runs, self.pending_share)
        start_ms = self.end_ms - SPAN_MS
        for step in author.catalog(start_ms):
            yield from self._step(step, is_last=True)
        for number in range(self.runs):
            steps = author.run(number, start_ms + 1 + number * SPAN_MS // self.runs)
            yield from self._until(steps[0].at_ms)
            heappush(self._coming, (steps[0].at_ms, number, steps))
            if not number % 1_000:
                self.parameters.append(len(orjson.dumps(steps[0].changes[0].state["parameters"])))
        yield from self._until(self.end_ms)
        subjects = {
            id(change.subject): change.subject
            for _, _, [step, *_] in self._coming
            for change in step.changes
        }
        for subject in subjects.values():
            if subject.row is not None:
                yield Written("", self._finished(BY_SUBJECT[subject.kind], subject.row))

    def described(self) -> JsonObject:
        """Return what came out, for the results."""
        sizes = sorted(self.parameters)
        quantiles = {f"p{share}": sizes[len(sizes) * share // 100] for share in (10, 50, 90, 99)}
        return {
            "events": self.position,
            "statuses": dict(self.counts),
            "parameters_bytes": {**quantiles},
        }

    def _until(self, now_ms: int) -> Iterator[Written]:
        while self._coming and self._coming[0][0] <= now_ms:
            _, number, steps = heappop(self._coming)
            step = steps.pop(0)
            yield from self._step(step, is_last=not steps)
            if steps:
                heappush(self._coming, (steps[0].at_ms, number, steps))

    def _step(self, step: Step, *, is_last: bool) -> Iterator[Written]:
        at = iso(step.at_ms)
        for change in step.changes:
            line, row = self._event(change, at)
            yield Written(
                line, self._finished(BY_SUBJECT[change.subject.kind], row) if is_last else None
            )

    def _finished(self, table: Table, row: Row) -> tuple[Table, Row]:
        if table.name == "job_runs":
            self.counts[str(row["status"])] += 1
        return table, row

    def _event(self, change: Change, at: str) -> tuple[str, Row]:
        subject = change.subject
        self.position += 1
        subject.version += 1
        state = orjson.dumps({"timestamp": at, **change.state})
        envelope = bare_envelope(subject.id, subject.version, self.position, change.topic, state)
        subject.row = BY_SUBJECT[subject.kind].fold(subject.row, envelope)
        cause = r"\N" if subject.version == 1 else event_id(subject.id, subject.version - 1)
        own_id, correlation_id = subject.words
        line = (
            f"{own_id}\t{subject.version}\t{change.topic}\t\\\\x{state.hex()}\t{self.position}\t{at}\t"
            f"{change.actor}\t{correlation_id}\t{cause}\n"
        )
        return line, subject.row


LINES_A_WRITE = 500

INDEXES = """
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index
    WHERE indrelid IN ('jobs_events'::regclass, 'job_runs'::regclass) AND NOT indisunique
"""

WORKERS = """
    INSERT INTO workers (id, host, pid, slots, lease_ms)
    SELECT DISTINCT worker_id, 'host', 1, 4, 86400000 FROM job_runs WHERE status = 'running'
"""

Progress = Callable[[str], None]


def fill(url: str, population: Population, progress: Progress) -> None:
    """Fill the database, whose tables are empty."""
    started = perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        indexes = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
    _copy(url, population, progress)
    progress(f"copied {population.position} events in {perf_counter() - started:.0f} s")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        for name, definition in indexes:
            connection.execute(definition.encode())
            progress(f"index {name}")
        connection.execute(
            f"SELECT setval('{EVENTS_TABLE}_notification_id_seq', {population.position})".encode()
        )
        connection.execute(WORKERS)
        for table in (EVENTS_TABLE, *(table.name for table in TABLES)):
            connection.execute(f"VACUUM (FREEZE, ANALYZE) {table}".encode())
        connection.execute("CHECKPOINT")
    progress(f"filled in {perf_counter() - started:.0f} s")


def _copy(url: str, population: Population, progress: Progress) -> None:
    """Copy events and rows, each table by a session of its own, all at the same time."""
    lines = {table.name: staging.line_writer(table) for table in TABLES}
    with ExitStack() as stack:
        copies = _Copies(url, stack)
        for number, written in enumerate(population.written()):
            if written.line:
                copies.add(EVENTS_TABLE, written.line)
            if written.finished is not None:
                table, row = written.finished
                copies.add(table.name, lines[table.name](row))
            if number % 500_000 == 499_999:  # noqa: PLR2004 - now and then
                progress(f"{number + 1} events of about {3 * population.runs}")
        copies.flush()


class _Copies:
    """Open COPY commands, one a table; they end with the stack."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        commands = {table.name: staging.copy_sql(table, table.name) for table in TABLES}
        commands[EVENTS_TABLE] = f"COPY {EVENTS_TABLE} ({EVENT_COLUMNS}) FROM STDIN"
        self._copies: dict[str, psycopg.Copy] = {}
        self._waiting: dict[str, list[str]] = {name: [] for name in commands}
        for name, command in commands.items():
            connection = stack.enter_context(psycopg.connect(url, autocommit=True))
            connection.execute("SET synchronous_commit = off")
            self._copies[name] = stack.enter_context(connection.cursor().copy(command.encode()))

    def add(self, table: str, line: str) -> None:
        waiting = self._waiting[table]
        waiting.append(line)
        if len(waiting) >= LINES_A_WRITE:
            self._flush(table)

    def flush(self) -> None:
        for table in self._copies:
            self._flush(table)

    def _flush(self, table: str) -> None:
        self._copies[table].write("".join(self._waiting[table]))
        self._waiting[table].clear()
