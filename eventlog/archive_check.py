"""Are the archives what was written? And: their events beside those of the log, for who folds all of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.json_values import JsonObject
from eventlog import schema
from eventlog.archive_files import ArchiveError, file_problem
from eventlog.archived import events_between
from eventlog.connection import Database, archive_of
from projections.envelope import decode_state
from projections.table import Connection, fetch_rows


@dataclass(frozen=True)
class CheckedArchive:
    """What came out for an archive.

    Attributes:
        problem: what is wrong, None if it is what was written.
    """

    file: str
    events: int
    runs: int
    problem: str | None

    def present(self) -> JsonObject:
        """Return it for programs."""
        return {"kind": "archive", **vars(self)}


_ARCHIVES = f"""
    SELECT archive.*, event.topic, event.state FROM log_archives AS archive
    LEFT JOIN {schema.EVENTS_TABLE} AS event ON event.originator_id = archive.id AND event.originator_version = 1
    ORDER BY number
"""


async def check_archives(database: Database) -> AsyncGenerator[CheckedArchive]:
    """Compare each archive's file and entry with what the log's event says of them. Use it in `aclosing`."""
    async with await database.connect() as connection:
        rows: list[dict[str, Any]] = await fetch_rows(connection, _ARCHIVES, {})
        for row in rows:
            yield CheckedArchive(row["file"], row["events"], row["runs"], await _problem(connection, row))


async def _problem(connection: Connection, row: dict[str, Any]) -> str | None:
    if row["topic"] is None:
        return f"archive file {row['file']}: the log has no event that records it"
    recorded = decode_state(row["topic"], row["state"])
    names = {"bytes": "size_bytes"}
    told = ("number", "file", "sha256", "bytes", "events", "runs", "first_position", "last_position")
    for name in told:
        if row[name] != recorded.get(names.get(name, name)):
            return f"archive file {row['file']}: the index's {name} is not what the log's event says"
    directory = archive_of(connection)
    found = await asyncio.to_thread(file_problem, directory, row["file"], row["bytes"], row["sha256"])
    return None if found is None else str(found)


async def lay_out_archives(connection: Connection) -> None:
    """Fill the session's temporary table `unarchived` with all archived events, those of its snapshot.

    Raises:
        ArchiveError: an archive cannot be read.
    """
    [told] = await fetch_rows(connection, "SELECT coalesce(sum(events), 0)::bigint AS events FROM log_archives", {})
    if not told["events"]:
        return
    laid = 0
    # Chunks are read first: a session does one thing at a time, and COPY is one thing.
    async with aclosing(events_between(connection, 0)) as chunks:
        async for chunk in chunks:
            async with connection.cursor().copy(schema.COPY_UNARCHIVED) as copy:
                for event in chunk:
                    state = event["state"].encode()
                    key = (UUID(event["aggregateId"]), event["version"], event["position"])
                    await copy.write_row((*key, event["topic"], state))
            laid += len(chunk)
    if laid != told["events"]:
        raise ArchiveError("index", f"leads to {laid} of {told['events']} archived events: it was edited")
    await connection.execute("ANALYZE unarchived")
