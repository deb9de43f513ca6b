"""Fills a migrated database with a population by COPY.

Indexes are made afterwards, as in the restoring of a dump.
"""

from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter

import psycopg

from benchmarks.growth.population import EVENT_COLUMNS, Population
from eventlog.database.sql import EVENTS_TABLE
from eventlog.rebuild import staging
from projections.tables import TABLES

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
    lines = {table.name: staging.copy_line(table) for table in TABLES}
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
