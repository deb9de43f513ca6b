"""Folds the rows of a few aggregates up to now, from an earlier row or from the first event.

The earlier row saves most of the work. Archived events are read from their files, and values of
personal data are decrypted as long as their subjects are not erased.
"""

from collections.abc import Awaitable, Iterable, Mapping
from typing import cast
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from eventlog.archive.reading import first_at
from eventlog.database import sql
from eventlog.keys import LogFiles
from eventlog.personal import CiphertextError, event_of, first_plain_states, plain_states
from eventlog.rebuild.log_by_aggregate import FOLD_COLUMNS
from eventlog.rehydration import BYTES_A_PART
from projections.rows import Connection, as_row
from projections.table import ProjectedRow, Table
from projections.tables import FoldError, folded_on, topic_prefix

_LATER_EVENTS = f"""
    SELECT {FOLD_COLUMNS}, NULL::bigint AS archive, NULL::bigint[] AS positions, folded.version
    FROM {sql.EVENTS_TABLE}
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS folded (id, version)
      ON originator_id = folded.id AND originator_version > folded.version
    WHERE topic ^@ %(prefix)s
    UNION ALL
    SELECT id, head_version, NULL, NULL, NULL, archive, positions, folded.version
    FROM archived_runs
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS folded (id, version) USING (id)
    ORDER BY originator_id, originator_version
"""


class _EventRow(TypedDict):
    """The columns of the log that a fold needs."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    notification_id: ReadOnly[int]
    topic: ReadOnly[str]
    state: ReadOnly[bytes]


class _HistoryRow(_EventRow):
    """An event, or the mark of an archived history; events up to `version` are folded already."""

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]
    version: ReadOnly[int]


async def fold_to_present(
    connection: Connection,
    files: LogFiles,
    table: Table,
    ids: Iterable[UUID],
    rows: Mapping[UUID, ProjectedRow],
) -> dict[UUID, ProjectedRow]:
    """Return the expected rows of aggregates as of now; aggregates without events have none.

    Args:
        connection: to the database.
        files: the log's files.
        table: the table of the rows.
        ids: the aggregates.
        rows: earlier rows of some of them, onto which only later events are folded.

    Raises:
        FoldError: as `Folder.add`.
    """
    master_keys = files.master_keys
    folded_rows = dict(rows)
    versions = dict.fromkeys(ids, 0)
    for aggregate_id, row_before in rows.items():
        versions[aggregate_id] = row_before["aggregate_version"]
    new = [aggregate_id for aggregate_id in versions if aggregate_id not in folded_rows]
    plain = await _decrypted(first_plain_states(connection, master_keys, new))
    values = {
        "ids": list(versions),
        "versions": list(versions.values()),
        "prefix": topic_prefix(table),
    }
    marks: list[tuple[int, _HistoryRow]] = []
    async with connection.cursor() as cursor:
        # Streamed: a run may have reported its progress a hundred thousand times.
        async for record in cursor.stream(_LATER_EVENTS, values):
            row = as_row(_HistoryRow, record)
            archive = row["archive"]
            if archive is None:
                _fold_row(table, folded_rows, row, plain)
            else:
                marks.append((archive, row))
    for archive, mark in marks:
        positions = mark["positions"][mark["version"] :]
        while positions:  # In parts: an archived history may be as long.
            archived = await first_at(connection, files.archive, {archive: positions}, BYTES_A_PART)
            plain = await _decrypted(plain_states(connection, master_keys, map(event_of, archived)))
            for event in archived:
                _fold_row(table, folded_rows, event, plain)
            positions = positions[len(archived) :]
    return folded_rows


async def _decrypted(states: Awaitable[dict[UUID, bytes]]) -> dict[UUID, bytes]:
    try:
        return await states
    except CiphertextError as error:
        raise FoldError(None, f"the log cannot be folded: {error}") from None


def _fold_row(
    table: Table, folded_rows: dict[UUID, ProjectedRow], row: _EventRow, plain: Mapping[UUID, bytes]
) -> None:
    aggregate_id = UUID(row["originator_id"])
    version = row["originator_version"]
    state = row["state"]
    if version == 1:
        state = plain.get(aggregate_id, state)
    event = (aggregate_id, version, row["notification_id"], row["topic"], state)
    before = cast("dict[str, object] | None", folded_rows.get(aggregate_id))
    folded_rows[aggregate_id] = table.own(folded_on(table, before, event))
