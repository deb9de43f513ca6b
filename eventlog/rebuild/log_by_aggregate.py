"""Reads the whole log for a fold: aggregate by aggregate, archived events among the others.

Archived events are first copied into the temporary table `unarchived` of the session, with which
`EVENTS_FROM` merges the log.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import cast
from uuid import UUID

from psycopg.rows import tuple_row
from typing_extensions import TypedDict

from eventlog.archive.files import ArchiveError
from eventlog.archive.reading import events_between
from eventlog.database.sql import EVENTS_TABLE
from projections.rows import Connection, read_one, read_value
from projections.table import Table
from projections.tables import Stored, topic_prefix

BYTES_A_READ = 500_000
MAX_READ = 2_000
INITIAL_READ = 50
"""About `BYTES_A_READ` bytes of events are read at a time, to bound memory, since an event may have
a megabyte. The number of events is estimated by the sizes of those before."""

FIRST_ID = UUID(int=0)

FOLD_COLUMNS = "originator_id, originator_version, notification_id, topic, state"


CREATE_UNARCHIVED = (
    f"CREATE TEMPORARY TABLE unarchived AS SELECT {FOLD_COLUMNS} FROM {EVENTS_TABLE} LIMIT 0"
)


COUNT_ARCHIVED = "SELECT coalesce(sum(events), 0)::bigint FROM log_archives"


COPY_UNARCHIVED = f"COPY unarchived ({FOLD_COLUMNS}) FROM STDIN"


ORDER_UNARCHIVED = """
    CREATE INDEX IF NOT EXISTS unarchived_order ON unarchived (originator_id, originator_version);
    ANALYZE unarchived
"""


EVENTS_FROM = f"""
    SELECT {FOLD_COLUMNS} FROM (
        SELECT {FOLD_COLUMNS} FROM {EVENTS_TABLE}
        UNION ALL SELECT {FOLD_COLUMNS} FROM unarchived
    ) AS event
    WHERE topic ^@ %(prefix)s AND originator_id >= %(first)s::uuid
    ORDER BY originator_id, originator_version
"""
"""A table's events from an aggregate on. The union is in a subquery, so that PostgreSQL reads the
log in the order of its primary key, and merges the archives in. A union at the top would be sorted:
on the disk, before the first row."""


async def copy_archives(session: Connection, archive: Path | None) -> int:
    """Fill the table `unarchived` with all archived events; return their number.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    expected = await read_value(session, int, COUNT_ARCHIVED)
    await session.execute("TRUNCATE unarchived")
    copied = 0
    async with aclosing(events_between(session, archive, 0)) as chunks:
        # Each chunk is read before its COPY: a session executes one statement at a time.
        async for chunk in chunks:
            async with session.cursor().copy(COPY_UNARCHIVED) as copy:
                for event in chunk:
                    row = (
                        UUID(event["aggregateId"]),
                        event["version"],
                        event["position"],
                        event["topic"],
                        event["state"].encode(),
                    )
                    await copy.write_row(row)
            copied += len(chunk)
    # If more events were archived meanwhile, the next snapshot has another number than was copied.
    if copied != expected and expected == await read_value(session, int, COUNT_ARCHIVED):
        problem = f"leads to {copied} of {expected} archived events: it was edited"
        raise ArchiveError("index", problem)
    if copied:
        await session.execute(ORDER_UNARCHIVED)
    return copied


_ExplainRow = TypedDict("_ExplainRow", {"QUERY PLAN": list[dict[str, dict[str, int]]]})
"""The JSON of EXPLAIN."""


async def estimate_events(session: Connection, table: Table) -> int:
    """Return the planner's estimate of a table's events: to count them would take seconds."""
    values = {"prefix": topic_prefix(table), "first": FIRST_ID}
    row = await read_one(session, _ExplainRow, f"EXPLAIN (FORMAT JSON) {EVENTS_FROM}", values)
    [plan] = row["QUERY PLAN"]
    return plan["Plan"]["Plan Rows"]


async def read_chunks(
    session: Connection, table: Table, first: UUID
) -> AsyncGenerator[list[Stored]]:
    """Yield a table's events from an aggregate on, in chunks; the server reads ahead by one.

    Use it in `aclosing`.
    """
    async with session.cursor("events", row_factory=tuple_row) as cursor:
        values = {"prefix": topic_prefix(table), "first": first}
        await cursor.execute(EVENTS_FROM, values, binary=True)
        # Each task is awaited below, so that no error is lost.
        fetching = asyncio.create_task(cursor.fetchmany(INITIAL_READ))
        try:
            while records := await fetching:
                chunk = cast("list[Stored]", records)
                mean_bytes = max(sum(len(state) for *_, state in chunk) // len(chunk), 1)
                size = min(max(BYTES_A_READ // mean_bytes, 1), MAX_READ)
                # `sleep` lets the task send its request now: the fold of this chunk blocks the
                # loop.
                fetching = asyncio.create_task(cursor.fetchmany(size))
                await asyncio.sleep(0)
                yield chunk
        finally:
            await asyncio.gather(fetching, return_exceptions=True)
