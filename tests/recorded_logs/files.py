"""A recorded log on disk: `events.jsonl`, the stored columns, and `rows.jsonl`, what follows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg

from domain.ports import Row
from eventlog.database.connection import Database
from projections.rows import read_rows
from projections.table import ProjectedRow, Table
from projections.tables import TABLES

HERE = Path(__file__).parent

COLUMNS = (
    "notification_id",
    "originator_id",
    "originator_version",
    "topic",
    "state",
    "recorded_at",
    "actor",
    "correlation_id",
    "causation_id",
)


def recordings() -> list[Path]:
    """Return the directories of all recorded logs."""
    return sorted(path.parent for path in HERE.glob("*/events.jsonl"))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file."""
    with path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def write_lines(path: Path, objects: Iterator[dict[str, Any]]) -> None:
    """Write a JSON Lines file."""
    path.write_bytes(
        b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in objects)
    )


def events_in(url: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a database's log; `state` is the stored text, byte for byte."""
    query = f"SELECT {', '.join(COLUMNS)} FROM jobs_events ORDER BY notification_id"
    with psycopg.connect(url) as connection:
        for row in connection.execute(query):
            values = dict(zip(COLUMNS, row, strict=True))
            texts = {name: None if value is None else str(value) for name, value in values.items()}
            yield {
                **values,
                **texts,
                "notification_id": row[0],
                "originator_version": row[2],
                "state": row[4].decode(),
            }


def load(url: str, recording: Path) -> int:
    """Write a recorded log into a migrated, empty database, as a restored export.

    Return how many events it has.
    """
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY jobs_events ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            count = 0
            for event in read_lines(recording / "events.jsonl"):
                copy.write_row(
                    [event[name].encode() if name == "state" else event[name] for name in COLUMNS]
                )
                count += 1
        sequence = "pg_get_serial_sequence('jobs_events', 'notification_id')"
        cursor.execute(f"SELECT setval({sequence}, max(notification_id)) FROM jobs_events")
    return count


async def rows_in(url: str) -> dict[str, list[Row]]:
    """Return every projected table's rows, ordered by key, as the service reads them."""
    rows: dict[str, list[Row]] = {}
    async with await Database(url).connect() as connection:
        for table in TABLES:
            query = f"SELECT * FROM {table.name} ORDER BY {table.key}"
            rows[table.name] = [*await read_rows(connection, ProjectedRow, query)]
    return rows


def recorded_rows(recording: Path) -> dict[str, list[Row]]:
    """Return the rows that the recording promises."""
    rows: dict[str, list[Row]] = {table.name: [] for table in TABLES}
    for line in read_lines(recording / "rows.jsonl"):
        rows[line["table"]].append(line["row"])
    return rows


def recorded_version(recording: Path, table: Table) -> int | None:
    """Return which version of the fold made the table's recorded rows; None where it has none."""
    lines = read_lines(recording / "rows.jsonl")
    return next((line["version"] for line in lines if line["table"] == table.name), None)


def write_rows(recording: Path, rows: dict[str, list[Row]]) -> None:
    """Write the rows that the recording shall promise."""
    lines = (
        {"table": table.name, "version": table.version, "row": row}
        for table in TABLES
        for row in rows[table.name]
    )
    write_lines(recording / "rows.jsonl", lines)
