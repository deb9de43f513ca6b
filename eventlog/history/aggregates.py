"""Aggregates as their events in the log make them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from eventlog.archive.reading import HistoryRow, resolved
from eventlog.history import statements
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import plain_states
from projections.rows import Connection, read_rows

Histories = dict[UUID, list[StoredEvent]]
"""The events of aggregates, in order."""


async def read_histories(
    connection: Connection, files: LogFiles, ids: Iterable[UUID]
) -> Histories:
    """Return the events of each of these aggregates in order, decrypted.

    The ids keep the order they were asked in; an aggregate without events is left out.
    """
    wanted = list(ids)
    values = {"ids": wanted}
    rows = await read_rows(connection, HistoryRow, statements.READ_SUBJECTS, values)
    return await histories_of(connection, files, wanted, rows)


async def histories_of(
    connection: Connection,
    files: LogFiles,
    ids: Iterable[UUID],
    rows: Sequence[HistoryRow],
) -> Histories:
    """Return the same, by the rows of `READ_SUBJECTS`."""
    histories: Histories = {aggregate_id: [] for aggregate_id in ids}
    for row in await resolved(connection, files.archive, rows):
        aggregate_id = UUID(row["originator_id"])
        event = StoredEvent(
            originator_id=aggregate_id,
            originator_version=row["originator_version"],
            topic=row["topic"],
            state=row["state"],
        )
        histories[aggregate_id].append(event)
    found: Histories = {}
    firsts: list[tuple[UUID, int, bytes]] = []
    for aggregate_id, history in histories.items():
        if not history:
            continue
        found[aggregate_id] = history
        first = history[0]
        stored = (aggregate_id, first.originator_version, first.state)
        firsts.append(stored)
    plain = await plain_states(connection, files.master_keys, firsts)
    for aggregate_id, state in plain.items():
        history = found[aggregate_id]
        first = history[0]
        history[0] = replace(first, state=state)
    return found
