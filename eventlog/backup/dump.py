"""Writes the log into a set, in one snapshot, while the service continues to work.

`LOG_TABLES` are copied. All other tables are left out: those that follow from the log are computed
again when the set is restored, and those about running processes would be wrong by then
(`NOT_COPIED`).
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson
from psycopg.sql import SQL, Identifier
from typing_extensions import ReadOnly, TypedDict

from eventlog import encoding
from eventlog.archive.files import file_problem
from eventlog.backup.backup_set import (
    ARCHIVES,
    SEAL_HEAD,
    BackupError,
    CopiedTable,
    LastSeal,
    SetWriter,
)
from eventlog.database import sql
from eventlog.database.connection import Progress
from eventlog.seal.seal import FORMAT, last_seal
from projections.rows import Connection, read_rows, read_texts, read_value
from projections.table import Table

LOG_TABLES = {
    "log_identity": "id",
    sql.EVENTS_TABLE: "notification_id",
    "log_archives": "number",
    "archived_blocks": "archive",
    "archived_runs": "archive",
    "log_seals": "position",
}
"""The log's tables, each with the column that is the first in its file, and by which it is ordered.
"""

KEY_TABLES = ("subject_keys", "subject_master")
"""These are in no set; see `subject_keys.py`."""

NOT_COPIED = (
    "alembic_version",
    "projection_versions",
    "repository_count_changes",
    "repository_counts",
    "retention_marks",
    "run_checkpoints",
    "run_statistics",
    "run_statistics_progress",
    "schedule_watch",
    "workers",
)
"""Tables of counts that are computed again, and of processes that have ended when a set is
restored."""

BEGIN = f"""
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    {encoding.UTF8}
"""
"""No timeout while the session is idle: a slow disk must not end the snapshot."""

_COLUMNS = """
    SELECT attname::text FROM pg_attribute
    WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped
    ORDER BY attname <> %(first)s, attnum
"""

_ESTIMATE = """
    SELECT greatest(reltuples, 0)::bigint AS rows FROM pg_class WHERE oid = to_regclass(%(table)s)
"""

DRAWN = f"""
    SELECT coalesce(pg_sequence_last_value(
        pg_get_serial_sequence('{sql.EVENTS_TABLE}', 'notification_id')::regclass
    ), 0) AS drawn
"""

BYTES_AT_ONCE = 262_144


class _NamedFile(TypedDict):
    file: ReadOnly[str]
    bytes: ReadOnly[int]
    sha256: ReadOnly[str]


async def dump_tables(
    session: Connection, writer: SetWriter, progress: Progress
) -> list[CopiedTable]:
    """Copy the log's tables as the session's snapshot sees them."""
    return [
        await _dump_table(session, table, first, writer, progress)
        for table, first in LOG_TABLES.items()
    ]


async def _dump_table(
    session: Connection, table: str, first: str, writer: SetWriter, progress: Progress
) -> CopiedTable:
    columns = await read_texts(session, _COLUMNS, {"table": table, "first": first})
    total = await read_value(session, int, _ESTIMATE, {"table": table})
    statement = SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(
        SQL(", ").join(map(Identifier, columns)), Identifier(table), Identifier(first)
    )
    rows = 0
    lines = bytearray()
    with writer.compressed(CopiedTable(table, columns, rows).file) as file:
        async with session.cursor().copy(statement) as copy:
            async for line in copy:  # The server sends each row by itself.
                rows += 1
                lines += line
                if len(lines) >= BYTES_AT_ONCE:
                    await asyncio.to_thread(file.write, bytes(lines))
                    lines.clear()
                    progress(f"{table}: copying", rows, max(rows, total))
        file.write(bytes(lines))
    return CopiedTable(table, columns, rows)


async def dump_archives(
    session: Connection, directory: Path | None, writer: SetWriter, progress: Progress
) -> int:
    """Copy the archive files that the snapshot names; return their number. They never change.

    Raises:
        BackupError: a file is missing or damaged.
    """
    rows = await read_rows(
        session, _NamedFile, "SELECT file, bytes, sha256 FROM log_archives ORDER BY number"
    )
    for number, row in enumerate(rows):
        progress("archive: copying", number, len(rows))
        if directory is None or not (directory / row["file"]).exists():
            problem = file_problem(directory, row["file"], row["bytes"], row["sha256"])
            raise BackupError(problem)
        source = directory / row["file"]
        copied = await asyncio.to_thread(writer.copy, source, f"{ARCHIVES}/{row['file']}")
        if (copied.size_bytes, copied.sha256) != (row["bytes"], row["sha256"]):
            raise BackupError(file_problem(directory, row["file"], row["bytes"], row["sha256"]))
        writer.files.append(copied)
    return len(rows)


async def count_rows(session: Connection, tables: Sequence[Table]) -> dict[str, int]:
    """Return the number of rows of tables that follow from the log."""
    counts: dict[str, int] = {}
    for table in tables:
        counts[table.name] = await read_value(session, int, f"SELECT count(*) FROM {table.name}")
    return counts


async def dump_seal(session: Connection, writer: SetWriter) -> LastSeal | None:
    """Write the head of the last seal into a file, and return the manifest's entry for it."""
    row = await last_seal(session)
    if row is None:
        return None
    # It is not checked here: a restore checks it, by a key that the operator trusts.
    head = orjson.loads(row.head)
    document = {"format": FORMAT, "head": head, "signature": row.signature.hex()}
    writer.write(SEAL_HEAD, orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    return LastSeal(row.number, row.position, head["key"])
