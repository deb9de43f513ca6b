"""Rows folded on to the present, from what they were or from nothing."""

from collections.abc import Awaitable, Iterable, Mapping
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from eventlog.archive.files import to_row
from eventlog.archive.reading import events_at
from eventlog.keys.log_files import LogFiles
from eventlog.personal.cipher import CiphertextError
from eventlog.personal.reading import event_of, first_plain_states, plain_states
from eventlog.rebuild import statements
from projections.envelope import EventRow
from projections.folder import FoldError, folded_on, topic_prefix
from projections.rows import Connection, as_row
from projections.table import ProjectedRow, Table


class _EventRow(TypedDict):
    """What of a row of the log a fold needs."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    notification_id: ReadOnly[int]
    topic: ReadOnly[str]
    state: ReadOnly[bytes]


class _FoundRow(_EventRow):
    """An event, or the mark of an archived history; `version` is what of it is folded already."""

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]
    version: ReadOnly[int]


async def fold_on(
    connection: Connection,
    files: LogFiles,
    table: Table,
    ids: Iterable[UUID],
    rows: Mapping[UUID, ProjectedRow],
) -> dict[UUID, ProjectedRow]:
    """Return these aggregates' rows as they must be now.

    They are `rows`, carried on by the events that came after them. An aggregate without events has
    no row.

    Raises:
        FoldError: see `Folder.add`.
    """
    master_keys = files.master_keys
    folded = dict(rows)
    versions = dict.fromkeys(ids, 0)
    for aggregate_id, known in rows.items():
        versions[aggregate_id] = known["aggregate_version"]
    new = [aggregate_id for aggregate_id in versions if aggregate_id not in folded]
    first_states = first_plain_states(connection, master_keys, new)
    plain = await _decrypted(first_states)
    values = {
        "ids": list(versions),
        "versions": list(versions.values()),
        "prefix": topic_prefix(table),
    }
    marks: list[_FoundRow] = []
    async with connection.cursor() as cursor:
        # Event by event: a run may have reported its progress a hundred thousand times.
        async for found in cursor.stream(statements.FOLD_SOME, values):
            row = as_row(_FoundRow, found)
            if row["archive"] is None:
                _fold_row(table, folded, row, plain)
            else:
                marks.append(row)
    for mark in marks:
        archived = await _archived_events(connection, files, mark)
        events = map(event_of, archived)
        states = plain_states(connection, master_keys, events)
        plain = await _decrypted(states)
        for event in archived:
            _fold_row(table, folded, event, plain)
    return folded


async def _archived_events(
    connection: Connection, files: LogFiles, mark: _FoundRow
) -> list[EventRow]:
    """Return what of an archived history is not folded yet."""
    archive = mark["archive"]
    if archive is None:
        return []
    folded_already = mark["version"]
    positions = mark["positions"][folded_already:]
    found = await events_at(connection, files.archive, {archive: positions})
    return [to_row(found[position]) for position in positions]


async def _decrypted(states: Awaitable[dict[UUID, bytes]]) -> dict[UUID, bytes]:
    try:
        return await states
    except CiphertextError as error:
        message = f"the log cannot be folded: {error}"
        raise FoldError(None, message) from None


def _fold_row(
    table: Table,
    folded: dict[UUID, ProjectedRow],
    row: _EventRow,
    plain: Mapping[UUID, bytes],
) -> None:
    aggregate_id = UUID(row["originator_id"])
    version = row["originator_version"]
    state = row["state"]
    if version == 1:
        state = plain.get(aggregate_id, state)
    event = (aggregate_id, version, row["notification_id"], row["topic"], state)
    before = folded.get(aggregate_id)
    folded[aggregate_id] = folded_on(table, before, event)
