"""What differs between the rows that a table must hold, which are staged, and those it holds."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import Json, JsonObject
from eventlog.archive.reading import HistoryRow, resolved
from eventlog.rebuild import staging, statements
from projections.folder import topic_prefix
from projections.rows import Connection, as_rows, read_rows
from projections.table import Table

DIFFERENCES_CHUNK = 50


@dataclass(frozen=True)
class Difference:
    """A row that is not what its events say.

    Attributes:
        key: the aggregate's id.
        columns: what differs, as the database writes it: expected and found; None is SQL's NULL.
            Empty where the row is missing or extra.
        events: position and topic of each event behind it, in order.
        reason: why nothing can be said about the row, where it is unreadable.
    """

    table: str
    key: str
    kind: Literal["missing", "extra", "differs", "unreadable"]
    columns: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    events: Sequence[tuple[int, str]] = ()
    reason: str | None = None

    def present(self) -> JsonObject:
        """Return the difference for programs."""
        columns: JsonObject = {}
        for name, (wanted, held) in self.columns.items():
            columns[name] = {"expected": wanted, "found": held}
        events: list[Json] = []
        for position, topic in self.events:
            events.append({"position": position, "type": topic})
        shown: JsonObject = {
            "table": self.table,
            "key": self.key,
            "kind": self.kind,
            "columns": columns,
            "events": events,
        }
        if self.reason is not None:
            shown["reason"] = self.reason
        return shown


@dataclass(frozen=True)
class KeyRange:
    """Aggregates whose ids are at least the first and, unless that is None, below the next."""

    first: UUID
    next: UUID | None

    @property
    def values(self) -> dict[str, UUID | None]:
        """The parameters of the statements of `staging`."""
        return {"first": self.first, "next": self.next}


class DifferenceRow(TypedDict):
    """A row of `staging.differences_sql`: columns as text, as they must be and as they are."""

    key: ReadOnly[str]
    missing: ReadOnly[bool]
    extra: ReadOnly[bool]
    wanted: ReadOnly[list[str | None]]
    held: ReadOnly[list[str | None]]


async def differences(
    connection: Connection, archive: Path | None, table: Table, within: KeyRange
) -> AsyncIterator[Difference]:
    """Yield what differs between the expected rows, which are staged, and the table's."""
    query = staging.differences_sql(table).encode()
    async with connection.cursor("differences") as cursor:
        await cursor.execute(query, within.values)
        while fetched := await cursor.fetchmany(DIFFERENCES_CHUNK):
            rows = as_rows(DifferenceRow, fetched)
            keys = [row["key"] for row in rows]
            events = await _events_of(connection, archive, table, keys)
            for row in rows:
                of_row = events[row["key"]]
                yield _difference(table, row, of_row)


async def _events_of(
    connection: Connection, archive: Path | None, table: Table, keys: Sequence[str]
) -> dict[str, list[tuple[int, str]]]:
    """Return position and topic of each event of these aggregates."""
    values = {"ids": keys, "prefix": topic_prefix(table)}
    found = await read_rows(connection, HistoryRow, statements.PLACES, values)
    events: dict[str, list[tuple[int, str]]] = {}
    for key in keys:
        events[key] = []
    for event in await resolved(connection, archive, found):
        key = event["originator_id"]
        place = (event["notification_id"], event["topic"])
        events[key].append(place)
    return events


def _difference(
    table: Table, row: DifferenceRow, events: Sequence[tuple[int, str]]
) -> Difference:
    key = row["key"]
    if row["missing"]:
        return Difference(table.name, key, "missing", {}, events)
    if row["extra"]:
        return Difference(table.name, key, "extra", {}, events)
    cells = zip(
        table.columns,
        row["wanted"],
        row["held"],
        strict=True,
    )
    columns: dict[str, tuple[str | None, str | None]] = {}
    for name, wanted, held in cells:
        if wanted != held:
            columns[name] = (wanted, held)
    return Difference(table.name, key, "differs", columns, events)
