"""SQL that reads events of the log, with the types of the rows that it returns."""

from collections.abc import Sequence

from typing_extensions import ReadOnly, TypedDict

from eventlog.database.sql import (
    ARCHIVE_MARK,
    ARCHIVED_TO,
    ENVELOPE_COLUMNS,
    EVENTS_TABLE,
    IDS,
    NO_ARCHIVE_MARK,
)
from projections.envelope import EventRow
from projections.tables import TABLES

READ_SUBJECTS = f"""
    SELECT {ENVELOPE_COLUMNS}, {NO_ARCHIVE_MARK}
    FROM (SELECT DISTINCT unnest({IDS})) AS aggregate (id)
    CROSS JOIN LATERAL (
        SELECT * FROM {EVENTS_TABLE} WHERE originator_id = aggregate.id OFFSET 0
    ) AS event
    UNION ALL {ARCHIVE_MARK} WHERE id = ANY({IDS}::uuid[])
    ORDER BY originator_id, originator_version
"""


class StoredRow(EventRow):
    """An event of the log, with the last archived position; None without archives."""

    archived_to: ReadOnly[int | None]


def first_where(condition: str, order: str = "notification_id") -> str:
    """Return the query of the first events that match a condition, as `StoredRow`s.

    It returns `limit` events at most, and ends with the event whose state reaches `max_bytes`.

    Args:
        condition: SQL.
        order: the column by which PostgreSQL searches; for the events of one aggregate, their
            version gives the same order as their position, by an index of the aggregate's own.
    """
    return f"""
        SELECT {ENVELOPE_COLUMNS}, {ARCHIVED_TO} AS archived_to FROM (
            SELECT *,
                sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state)
                    AS bytes_before
            FROM (
                SELECT {ENVELOPE_COLUMNS} FROM {EVENTS_TABLE}
                WHERE {condition} ORDER BY {order} LIMIT %(limit)s
            ) AS next
        ) AS measured
        WHERE bytes_before < %(max_bytes)s ORDER BY notification_id
    """


def may_be_cut(rows: Sequence[EventRow], limit: int, max_bytes: int) -> bool:
    """Return whether a query of `first_where` may have left out events because of its limits."""
    return len(rows) == limit or is_full(rows, max_bytes)


def is_full(rows: Sequence[EventRow], max_bytes: int) -> bool:
    """Return whether the events' states have `max_bytes` or more."""
    return sum([len(row["state"]) for row in rows]) >= max_bytes


READ_AFTER = first_where("notification_id > %(after)s")


class LastRow(TypedDict):
    """The log's last event."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    notification_id: ReadOnly[int]
    digest: ReadOnly[bytes]


LAST = f"""
    SELECT originator_id, originator_version, notification_id, sha256(state) AS digest
    FROM {EVENTS_TABLE} ORDER BY notification_id DESC LIMIT 1
"""


class NewestRow(EventRow):
    """An event of the log, and the number of rows that matched: at most the limit plus one."""

    rows_read: ReadOnly[int]


NEWEST = f"""
    SELECT {ENVELOPE_COLUMNS}, rows_read FROM (
        SELECT *, count(*) OVER () AS rows_read, row_number() OVER newest AS number,
            sum(octet_length(state)) OVER newest - octet_length(state) AS bytes_before
        FROM (
            SELECT {ENVELOPE_COLUMNS} FROM {EVENTS_TABLE}
            WHERE originator_id = %(id)s AND originator_version < %(before)s
                AND topic = ANY(%(topics)s)
            ORDER BY originator_version DESC LIMIT %(limit)s + 1
        ) AS next
        WINDOW newest AS (ORDER BY originator_version DESC)
    ) AS measured
    WHERE number <= %(limit)s AND bytes_before < %(max_bytes)s
    ORDER BY originator_version DESC
"""
"""An aggregate's last events of some topics before a version; archived ones are left out."""


class EventPosition(TypedDict):
    """The position of an event, and when it was recorded."""

    notification_id: ReadOnly[int]
    recorded_at: ReadOnly[str]


class StoredPosition(EventPosition):
    """The same of an event in the log, with the last archived position; None without archives."""

    archived_to: ReadOnly[int | None]


LAST_UP_TO = f"""
    SELECT notification_id, recorded_at, {ARCHIVED_TO} AS archived_to FROM {EVENTS_TABLE}
    WHERE notification_id <= %(position)s ORDER BY notification_id DESC LIMIT 1
"""


LAST_VERSION = f"""
    SELECT coalesce(max(originator_version), 0) AS version FROM {EVENTS_TABLE}
    WHERE originator_id = %(id)s
"""

IS_UP_TO = f"""
    SELECT EXISTS (
        SELECT FROM {EVENTS_TABLE}
        WHERE originator_id = %(id)s AND originator_version = %(version)s
            AND notification_id <= %(position)s
    )
"""
"""Whether an event of an aggregate lies at a position or before."""


NTH_AFTER = f"""
    (SELECT notification_id AS position FROM {EVENTS_TABLE}
     WHERE notification_id > %(after)s ORDER BY notification_id OFFSET %(skipped)s LIMIT 1)
    UNION ALL
    (SELECT first_position FROM archived_blocks
     WHERE first_position > %(after)s ORDER BY first_position OFFSET %(skipped_blocks)s LIMIT 1)
    ORDER BY position LIMIT 1
"""


class AggregateName(TypedDict):
    """An aggregate's id and its name."""

    id: ReadOnly[str]
    name: ReadOnly[str]


def names_sql() -> str:
    """Return the query of `AggregateName` rows, of all tables that have a label."""
    selects = [
        f"SELECT {table.key} AS id, {table.label} AS name"
        f" FROM {table.name} WHERE {table.key} = ANY(%(ids)s)"
        for table in TABLES
        if table.label is not None
    ]
    return " UNION ALL ".join(selects)
