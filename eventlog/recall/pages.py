"""One aggregate's history, part by part: nobody knows how long it is.

A part ends after so many events or bytes. It has at least one event where there is any.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from typing_extensions import ReadOnly

from eventlog.archive.reading import HistoryRow, resolved, within
from eventlog.database.sql import _MARK, _NO_MARK, ENVELOPE_COLUMNS, EVENTS_TABLE
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import plain_states
from projections.envelope import EventRow
from projections.rows import Connection, read_rows

EVENTS_A_PART = 500

BYTES_A_PART = 4_194_304

_OWN = "originator_id = %(id)s AND originator_version > %(after)s"

_ALL = f"SELECT {ENVELOPE_COLUMNS} FROM {EVENTS_TABLE} WHERE {_OWN}"

_LANDMARKS = f"""
    SELECT event.* FROM (
        SELECT originator_version AS version, topic,
            lead(topic) OVER (ORDER BY originator_version) AS next_topic
        FROM {EVENTS_TABLE} WHERE {_OWN}
    ) AS known JOIN {EVENTS_TABLE} AS event
        ON originator_id = %(id)s AND originator_version = known.version
    WHERE known.topic <> 'job_run.progressed'
        OR known.next_topic IS DISTINCT FROM 'job_run.progressed'
"""
"""Of reports in a row only the last one: each names the address of the attempt's log, and what else
they say is in no attempt."""


def _first_of(events: str) -> str:
    return f"""
        SELECT {ENVELOPE_COLUMNS}, {_NO_MARK}, (
            SELECT max(originator_version) FROM {EVENTS_TABLE} WHERE originator_id = %(id)s
        ) AS last_version FROM (
            SELECT *, sum(octet_length(state)) OVER (ORDER BY originator_version)
                - octet_length(state) AS bytes_before
            FROM ({events} ORDER BY originator_version LIMIT %(limit)s) AS next
        ) AS measured WHERE bytes_before < %(max_bytes)s
        UNION ALL SELECT *, NULL FROM ({_MARK} WHERE id = %(id)s) AS mark
        ORDER BY originator_version
    """


EVENTS = _first_of(_ALL)

LANDMARKS = _first_of(_LANDMARKS)


class _Row(HistoryRow):
    """An event, or the mark of an archived history; `last_version` is that of the last event."""

    last_version: ReadOnly[int | None]


@dataclass(frozen=True)
class Part:
    """Some events of a history.

    Attributes:
        next: the version after which the next part begins; None at the end.
    """

    rows: Sequence[EventRow]
    next: int | None


async def read_part(  # noqa: PLR0913 - what a part is
    connection: Connection,
    files: LogFiles,
    aggregate_id: UUID,
    after: int,
    limit: int = EVENTS_A_PART,
    *,
    landmarks: bool = False,
) -> Part:
    """Return the events of a history after a version.

    Args:
        connection: to the database.
        files: where archived events are.
        aggregate_id: whose history.
        after: the version of the last event that is known.
        limit: events at most.
        landmarks: whether reports may be left out that attempts do not tell of.
    """
    values = {
        "id": aggregate_id,
        "after": after,
        "limit": limit,
        "max_bytes": BYTES_A_PART,
    }
    query = LANDMARKS if landmarks else EVENTS
    found = await read_rows(connection, _Row, query, values)
    if not found:
        return Part((), None)
    last_version = found[0]["last_version"]
    rows: Sequence[EventRow] = found
    if last_version is None:
        [mark] = found
        last_version = len(mark["positions"])

        def part_of(mark: HistoryRow) -> Sequence[int]:
            return mark["positions"][after : after + limit]

        archived = await resolved(connection, files.archive, found, part_of)
        rows = within(archived, BYTES_A_PART)
    if not rows or rows[-1]["originator_version"] >= last_version:
        return Part(rows, None)
    return Part(rows, rows[-1]["originator_version"])


async def next_events(
    connection: Connection, files: LogFiles, aggregate_id: UUID, after: int
) -> list[StoredEvent]:
    """Return the next events of an aggregate, decrypted, for its commands to decide by."""
    part = await read_part(connection, files, aggregate_id, after)
    events = [
        StoredEvent(
            originator_id=aggregate_id,
            originator_version=row["originator_version"],
            topic=row["topic"],
            state=row["state"],
        )
        for row in part.rows
    ]
    stored = [
        (aggregate_id, event.originator_version, event.state) for event in events[:1]
    ]
    plain = await plain_states(connection, files.master_keys, stored)
    if aggregate_id in plain:
        events[0] = replace(events[0], state=plain[aggregate_id])
    return events
