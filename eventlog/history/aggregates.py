"""Aggregates as their events in the log make them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from eventlog.archive.reading import resolved
from eventlog.encoding.columns import LogRow
from eventlog.history import statements as history_statements
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import plain_states
from projections.rows import Connection, fetch_rows


async def read_histories(
    connection: Connection, files: LogFiles, ids: Iterable[UUID]
) -> dict[UUID, list[StoredEvent]]:
    """Return the events of each of these aggregates in order, decrypted; the ids keep the order they were asked in."""
    wanted = list(ids)
    return await _histories(
        connection,
        files,
        wanted,
        await fetch_rows(connection, history_statements.READ_SUBJECTS, {"ids": wanted}),
    )


async def _histories(
    connection: Connection, files: LogFiles, ids: Iterable[UUID], rows: Sequence[LogRow]
) -> dict[UUID, list[StoredEvent]]:
    histories: dict[UUID, list[StoredEvent]] = {aggregate_id: [] for aggregate_id in ids}
    for row in await resolved(connection, files.archive, rows):
        aggregate_id = UUID(row["originator_id"])
        event = StoredEvent(
            aggregate_id, row["originator_version"], row["topic"], bytes(row["state"])
        )
        histories[aggregate_id].append(event)
    firsts = (
        (key, history[0].originator_version, history[0].state)
        for key, history in histories.items()
        if history
    )
    for aggregate_id, state in (await plain_states(connection, files.master_keys, firsts)).items():
        histories[aggregate_id][0] = replace(histories[aggregate_id][0], state=state)
    return {aggregate_id: history for aggregate_id, history in histories.items() if history}
