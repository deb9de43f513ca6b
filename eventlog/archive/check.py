"""Whether the archives are what was written."""

import asyncio
import builtins
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from domain.ports import Row
from eventlog.archive.files import file_problem
from eventlog.database import sql
from eventlog.database.connection import Database
from projections.envelope import decode_state
from projections.rows import read_rows


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
    LEFT JOIN {sql.EVENTS_TABLE} AS event
        ON event.originator_id = archive.id AND event.originator_version = 1
    ORDER BY number
"""


class _Entry(TypedDict):
    """What the index says of an archive, and the log's event as well."""

    number: ReadOnly[int]
    file: ReadOnly[str]
    sha256: ReadOnly[str]
    bytes: ReadOnly[int]
    events: ReadOnly[int]
    runs: ReadOnly[int]
    first_position: ReadOnly[int]
    last_position: ReadOnly[int]


class _ArchiveRow(_Entry):
    """An entry with the event that records it; its topic is None where there is none."""

    topic: ReadOnly[str | None]
    state: ReadOnly[builtins.bytes]


_FIELDS = {column: column for column in _Entry.__annotations__} | {
    "bytes": "size_bytes"
}
"""The index's columns, and the fields of the log's event that say the same."""


async def check_archives(database: Database) -> AsyncGenerator[CheckedArchive]:
    """Compare each archive's file and entry with what the log's event says of them.

    Use it in `aclosing`.
    """
    async with await database.connect() as connection:
        for row in await read_rows(connection, _ArchiveRow, _ARCHIVES):
            yield CheckedArchive(
                file=row["file"],
                events=row["events"],
                runs=row["runs"],
                problem=await _problem(database.files.archive, row),
            )


async def _problem(directory: Path | None, row: _ArchiveRow) -> str | None:
    if row["topic"] is None:
        return f"archive file {row['file']}: the log has no event that records it"
    recorded = decode_state(row["topic"], row["state"])
    columns: Row = row
    for column, field in _FIELDS.items():
        if columns[column] != recorded.get(field):
            problem = f"the index's {column} is not what the log's event says"
            return f"archive file {row['file']}: {problem}"
    found = await asyncio.to_thread(
        file_problem, directory, row["file"], row["bytes"], row["sha256"]
    )
    if found is None:
        return None
    return str(found)
