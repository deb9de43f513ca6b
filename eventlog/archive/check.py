"""Whether the archives are what was written."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.json_values import JsonObject
from eventlog.archive.files import file_problem
from eventlog.database import sql
from eventlog.database.connection import Database
from projections.envelope import decode_state
from projections.rows import fetch_rows


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


_FIELDS = {
    "number": "number",
    "file": "file",
    "sha256": "sha256",
    "bytes": "size_bytes",
    "events": "events",
    "runs": "runs",
    "first_position": "first_position",
    "last_position": "last_position",
}
"""The index's columns, and the fields of the log's event that say the same."""


async def check_archives(database: Database) -> AsyncGenerator[CheckedArchive]:
    """Compare each archive's file and entry with what the log's event says of them.

    Use it in `aclosing`.
    """
    async with await database.connect() as connection:
        rows: list[dict[str, Any]] = await fetch_rows(connection, _ARCHIVES, {})
        for row in rows:
            problem = await _problem(database.files.archive, row)
            yield CheckedArchive(row["file"], row["events"], row["runs"], problem)


async def _problem(directory: Path | None, row: dict[str, Any]) -> str | None:
    if row["topic"] is None:
        return f"archive file {row['file']}: the log has no event that records it"
    recorded = decode_state(row["topic"], row["state"])
    for column, field in _FIELDS.items():
        if row[column] != recorded.get(field):
            return (
                f"archive file {row['file']}: the index's {column} is not what the log's event says"
            )
    found = await asyncio.to_thread(
        file_problem, directory, row["file"], row["bytes"], row["sha256"]
    )
    if found is None:
        return None
    return str(found)
