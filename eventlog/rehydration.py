"""Aggregates for commands: their histories, part by part, or their states from rows.

First histories, which may be longer than memory: a part ends after a number of events or bytes, and
has at least one event if any is left. Then states: the rows of aggregates, with the last events of
their histories, by which an outdated row is noticed.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from typing_extensions import ReadOnly

from domain.jobs.run_events import RUN_TOPIC
from domain.personal import ERASED, erased_from
from domain.ports import Row, State
from eventlog.archive.reading import HistoryRow, first_at, take_bytes
from eventlog.database.sql import ARCHIVE_MARK, ENVELOPE_COLUMNS, EVENTS_TABLE, IDS, NO_ARCHIVE_MARK
from eventlog.keys import LogFiles
from eventlog.personal import plain_states
from projections.envelope import EventRow
from projections.job_runs import RunRow
from projections.rows import Connection, read_rows
from projections.table import Table
from projections.tables import BY_SUBJECT

EVENTS_A_PART = 500

BYTES_A_PART = 4_194_304

_OWN = "originator_id = %(id)s AND originator_version > %(after)s"

_ALL = f"SELECT {ENVELOPE_COLUMNS} FROM {EVENTS_TABLE} WHERE {_OWN}"

_LANDMARKS = f"""
    SELECT event.* FROM (
        SELECT originator_version AS version, topic,
            lead(topic) OVER (ORDER BY originator_version) AS next_topic
        FROM {EVENTS_TABLE} WHERE {_OWN}
    ) AS own JOIN {EVENTS_TABLE} AS event
        ON originator_id = %(id)s AND originator_version = own.version
    WHERE own.topic <> 'job_run.progressed'
        OR own.next_topic IS DISTINCT FROM 'job_run.progressed'
"""
"""Of consecutive progress reports only the last one: the list of attempts shows nothing of them but
the log's address, which each report has."""


def _first_of(events: str) -> str:
    return f"""
        SELECT {ENVELOPE_COLUMNS}, {NO_ARCHIVE_MARK}, (
            SELECT max(originator_version) FROM {EVENTS_TABLE} WHERE originator_id = %(id)s
        ) AS last_version FROM (
            SELECT *, sum(octet_length(state)) OVER (ORDER BY originator_version)
                - octet_length(state) AS bytes_before
            FROM ({events} ORDER BY originator_version LIMIT %(limit)s) AS next
        ) AS measured WHERE bytes_before < %(max_bytes)s
        UNION ALL SELECT *, NULL FROM ({ARCHIVE_MARK} WHERE id = %(id)s) AS mark
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
        files: the log's files, which have the archived events.
        aggregate_id: the aggregate.
        after: the version of the last event that the caller has.
        limit: number of events.
        landmarks: whether to leave out progress reports that the list of attempts does not show.
    """
    values = {"id": aggregate_id, "after": after, "limit": limit, "max_bytes": BYTES_A_PART}
    query = LANDMARKS if landmarks else EVENTS
    stored = await read_rows(connection, _Row, query, values)
    if not stored:
        return Part((), None)
    first = stored[0]
    last_version = first["last_version"]
    rows: Sequence[EventRow] = stored
    if first["archive"] is not None:
        positions = first["positions"]
        last_version = len(positions)
        rows = await _archived(
            connection, files, first["archive"], positions[after : after + limit]
        )
    if not rows or rows[-1]["originator_version"] == last_version:
        return Part(rows, None)
    return Part(rows, rows[-1]["originator_version"])


async def _archived(
    connection: Connection, files: LogFiles, archive: int, positions: Sequence[int]
) -> list[EventRow]:
    """Return the first archived events at these positions, up to a part's size."""
    rows = await first_at(connection, files.archive, {archive: positions}, BYTES_A_PART)
    return take_bytes(rows, BYTES_A_PART)


END = 2**62
"""A version, or a position, beyond every one that exists."""

_PARTS = f"""
    SELECT {ENVELOPE_COLUMNS}, {NO_ARCHIVE_MARK} FROM (
        SELECT part.*, sum(octet_length(state)) OVER in_turn - octet_length(state) AS bytes_before
        FROM unnest(%(ids)s::uuid[], %(after)s::bigint[], %(before)s::bigint[])
            WITH ORDINALITY AS bounds (id, after, before, number),
        LATERAL (
            SELECT * FROM {EVENTS_TABLE}
            WHERE originator_id = bounds.id
                AND originator_version > bounds.after AND originator_version < bounds.before
                AND notification_id <= %(position)s
            ORDER BY originator_version LIMIT %(limit)s
        ) AS part
        WINDOW in_turn AS (ORDER BY number, originator_version)
    ) AS measured WHERE bytes_before < %(max_bytes)s
    UNION ALL {ARCHIVE_MARK} WHERE id = ANY(%(ids)s) AND first_position <= %(position)s
    ORDER BY originator_id, originator_version
"""


@dataclass(frozen=True)
class Parts:
    """Some events of several histories.

    Attributes:
        rows: the events of one aggregate after those of the other, each in order.
        ended: the aggregates that have no further events in their range.
    """

    rows: Sequence[EventRow]
    ended: Collection[UUID]


async def read_parts(
    connection: Connection,
    files: LogFiles,
    ranges: Mapping[UUID, tuple[int, int]],
    position: int = END,
) -> Parts:
    """Return the next events of several aggregates: some of each, a limited number together.

    Args:
        connection: to the database.
        files: the log's files, which have the archived events.
        ranges: by aggregate, the version after which to begin and the version before which to end.
        position: the last position; later events are left out.
    """
    limit = max(1, EVENTS_A_PART // len(ranges))
    bounds = list(ranges.values())
    values = {
        "ids": list(ranges),
        "after": [after for after, _ in bounds],
        "before": [before for _, before in bounds],
        "position": position,
        "limit": limit,
        "max_bytes": BYTES_A_PART,
    }
    counts = dict.fromkeys(ranges, 0)
    rows: list[EventRow] = []
    size = 0
    unread: set[UUID] = set()
    for row in await read_rows(connection, HistoryRow, _PARTS, values):
        aggregate_id = UUID(row["originator_id"])
        if row["archive"] is None:
            rows.append(row)
            size += len(row["state"])
            counts[aggregate_id] += 1
            continue
        if size >= BYTES_A_PART:
            continue
        after, before = ranges[aggregate_id]
        positions = row["positions"][: before - 1]
        del positions[bisect_right(positions, position) :]
        archived = await _archived(
            connection, files, row["archive"], positions[after : after + limit]
        )
        rows += archived
        size += sum(len(event["state"]) for event in archived)
        if after + len(archived) < len(positions):
            unread.add(aggregate_id)
    if size >= BYTES_A_PART:
        unread.update(ranges)
    unread.update(aggregate_id for aggregate_id, count in counts.items() if count == limit)
    return Parts(rows, ranges.keys() - unread)


async def next_events(
    connection: Connection, files: LogFiles, aggregate_id: UUID, after: int
) -> list[StoredEvent]:
    """Return the next events of an aggregate, decrypted, for its commands to decide by."""
    part = await read_part(connection, files, aggregate_id, after)
    events = [_stored(aggregate_id, row) for row in part.rows]
    stored = [(aggregate_id, event.originator_version, event.state) for event in events[:1]]
    plain = await plain_states(connection, files.master_keys, stored)
    if aggregate_id in plain:
        events[0] = replace(events[0], state=plain[aggregate_id])
    return events


_OF_TOPICS = f"""
    SELECT {ENVELOPE_COLUMNS}, {NO_ARCHIVE_MARK} FROM (
        SELECT part.*, sum(octet_length(state)) OVER in_turn - octet_length(state) AS bytes_before
        FROM (
            SELECT * FROM {EVENTS_TABLE}
            WHERE originator_id = %(id)s AND originator_version > %(after)s
                AND topic = ANY(%(topics)s)
            ORDER BY originator_version LIMIT %(limit)s
        ) AS part
        WINDOW in_turn AS (ORDER BY originator_version)
    ) AS measured WHERE bytes_before < %(max_bytes)s ORDER BY originator_version
"""


async def next_of_topics(
    connection: Connection, aggregate_id: UUID, after: int, topics: Collection[str]
) -> list[StoredEvent]:
    """Return the next events of an aggregate that have these topics; archived ones are left out."""
    values = {
        "id": aggregate_id,
        "after": after,
        "topics": list(topics),
        "limit": EVENTS_A_PART,
        "max_bytes": BYTES_A_PART,
    }
    rows = await read_rows(connection, HistoryRow, _OF_TOPICS, values)
    return [_stored(aggregate_id, row) for row in rows]


def _stored(aggregate_id: UUID, row: EventRow) -> StoredEvent:
    return StoredEvent(
        originator_id=aggregate_id,
        originator_version=row["originator_version"],
        topic=row["topic"],
        state=row["state"],
    )


# States of aggregates: their rows, if they are up to date.
#
# A row is used only if it reflects the last event of the log, and if the version of the program
# that wrote it recorded everything that decisions need. It then replaces the history, and costs two
# look-ups however long the history is.

MAX_BYTES = 1_048_576
"""Bytes that rows which are read together may take in the table, where they are compressed. The
first row is read in any case."""

_COMPRESSIBLE = ("jsonb", "text")

_LOST_KEYS = """
    CASE WHEN jsonb_typeof(personal) = 'object' THEN ARRAY(
        SELECT name FROM jsonb_object_keys(personal) AS name
        WHERE NOT EXISTS (
            SELECT 1 FROM subject_keys WHERE key_id = CASE
                WHEN name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN name::uuid END
        )
    ) END AS lost_keys
"""
"""The keys of a run's personal data that no longer exist. The checks of types are for edited rows,
which must not break a statement that reads other rows, too."""

_ARCHIVED = """
    UNION ALL SELECT head_version, last_position, head_correlation_id
    FROM archived_runs WHERE id = requested_id
"""


@dataclass(frozen=True)
class StoredState:
    """An aggregate's row and the last event of its history.

    Attributes:
        state: its state for decisions.
        row: its row in the table, even if that is outdated; None if it has none.
        position: position of its last event.
        correlation_id: correlation id of its last event.
    """

    state: State
    row: Row | None
    position: int
    correlation_id: UUID | None


@cache
def states_sql(kind: str) -> str:
    """Return the statement that reads the states of aggregates of a kind, by the parameter `ids`.

    Its columns are the row's, and `requested_id`, `head_version`, `head_position` and
    `head_correlation_id`; of runs, also `lost_keys`.
    """
    table = BY_SUBJECT[kind]
    columns = table.decided_on
    sizes = ["0", *(f"coalesce(pg_column_size({name}), 0)" for name in _large(table))]
    archived = lost_keys = ""
    if kind == RUN_TOPIC:
        archived = _ARCHIVED
        lost_keys = f", {_LOST_KEYS}"
    return f"""
        SELECT {", ".join(["requested_id", *columns])}, head.* {lost_keys} FROM (
            SELECT *, sum(coalesce(bytes, 0)) OVER (ORDER BY number) - coalesce(bytes, 0) AS before
            FROM unnest({IDS}) WITH ORDINALITY AS requested (requested_id, number)
            LEFT JOIN LATERAL (
                SELECT {", ".join(columns)}, {" + ".join(sizes)} AS bytes FROM {table.name}
                WHERE {table.key} = requested_id LIMIT 1
            ) AS row ON true
        ) AS measured CROSS JOIN LATERAL (
            (SELECT originator_version AS head_version, notification_id AS head_position,
                correlation_id AS head_correlation_id
             FROM {EVENTS_TABLE} WHERE originator_id = requested_id
             ORDER BY originator_version DESC LIMIT 1)
            {archived}
        ) AS head
        WHERE before < {MAX_BYTES} ORDER BY number
    """


def _large(table: Table) -> list[str]:
    return [
        name
        for name in table.decided_on
        if table.columns[name] in _COMPRESSIBLE and name != table.key
    ]


def states_in(kind: str, rows: Iterable[dict[str, Any]]) -> dict[UUID, StoredState]:
    """Return the states in rows of `states_sql`, by aggregate, in their order.

    The rows are changed: only the table's columns remain.
    """
    table = BY_SUBJECT[kind]
    states: dict[UUID, StoredState] = {}
    for row in rows:
        aggregate_id = UUID(row.pop("requested_id"))
        version = row.pop("head_version")
        position = row.pop("head_position")
        correlation_id = row.pop("head_correlation_id")
        lost_keys = row.pop("lost_keys", None)
        if correlation_id is not None:
            correlation_id = UUID(correlation_id)
        table_row: Row | None = None if row[table.key] is None else row
        decisive_row: Row | None = None
        if table_row is not None and _is_decisive(table, table_row, version, position):
            decisive_row = _without_erased(table_row, lost_keys)
        state = State(version, decisive_row)
        states[aggregate_id] = StoredState(state, table_row, position, correlation_id)
    return states


def _is_decisive(table: Table, row: Row, version: int, position: int) -> bool:
    is_current = (row["aggregate_version"], row["position"]) == (version, position)
    return is_current and table.is_decisive(row)


def _without_erased(row: Row, lost_keys: Sequence[str] | None) -> Row | None:
    """Return a run's row as its events fold to it once these keys are destroyed.

    It is None if the row was edited and does not show the erased parameters.
    """
    if not lost_keys:
        return row
    run = cast("RunRow", row)
    personal = run["personal"] or {}
    erased: list[str] = []
    for key_id in lost_keys:
        names: object = personal[key_id]
        if not isinstance(names, list):
            return None
        if set(names) - run["parameters"].keys():
            return None
        erased += names
    erased.sort()
    changed = {"parameters": erased_from(run["parameters"], erased), "erased": erased}
    if run["request_digest"] is not None:
        changed["request_digest"] = ERASED
    return {**row, **changed}


async def read_states(connection: Connection, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
    """Return the states of these aggregates, as `domain.ports.Log.states_of` says."""
    cursor = await connection.execute(states_sql(kind), {"ids": list(ids)})
    states = states_in(kind, await cursor.fetchall())
    return {aggregate_id: stored.state for aggregate_id, stored in states.items()}
