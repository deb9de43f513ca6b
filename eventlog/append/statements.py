"""The SQL of an append."""

from collections.abc import Callable, Iterable, Sequence

import orjson
from typing_extensions import ReadOnly, TypedDict

from eventlog.database.sql import (
    _IDS,
    _MARK,
    _NO_MARK,
    CHANNEL,
    ENVELOPE_COLUMNS,
    EVENTS_TABLE,
    HEAD,
)
from projections.table import Changes, Table

HEADS = f"""
    SELECT head.* FROM unnest({_IDS}) AS wanted (id), LATERAL (
        SELECT originator_id, originator_version, notification_id AS position, correlation_id
        FROM {EVENTS_TABLE} WHERE originator_id = wanted.id
        ORDER BY originator_version DESC LIMIT 1
    ) AS head
    UNION ALL
    SELECT id, head_version, last_position, head_correlation_id FROM archived_runs
    WHERE id = ANY({_IDS}::uuid[])
"""


class HeadRow(TypedDict):
    """Where an aggregate's history ends."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    position: ReadOnly[int]
    correlation_id: ReadOnly[str | None]


POSITION_SEQUENCE = "jobs_events_notification_id_seq"


DRAW_POSITIONS = f"""
    SELECT nextval('{POSITION_SEQUENCE}') AS position, ({HEAD}) AS head
    FROM generate_series(1, (SELECT %s::integer))
"""
"""Drawn under the lock, as many as there are events to append, so that rows can be folded before
they are written. What is not used is a gap, as after a rollback. Beside them stands the head:
a copy of a log need not have its sequence (logical replication copies none)."""


class PositionRow(TypedDict):
    """A place in the log that was drawn, and the last one that is taken."""

    position: ReadOnly[int]
    head: ReadOnly[int]


INSERT = f"""
    INSERT INTO {EVENTS_TABLE}
        (originator_id, originator_version, notification_id, topic, state, actor,
         correlation_id, causation_id)
    SELECT id, version, position, topic, convert_to(state, 'UTF8'), actor,
        correlation_id, causation_id
    FROM json_to_recordset(%s::json) AS new (
        id uuid, version bigint, position bigint, topic text, state text, actor text,
        correlation_id uuid, causation_id uuid)
"""
"""`json`, not `jsonb`: the state is text inside of it, and must come out as the very bytes that
went in. One JSON text costs the writer a quarter of what seven arrays do."""


ANNOUNCE = f"SELECT pg_notify('{CHANNEL}', %s)"


READ_BACK = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM {EVENTS_TABLE}
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS sought (id, version)
      ON originator_id = sought.id AND originator_version = sought.version
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s)
"""


def by_columns(
    table: Table,
    rows: Iterable[Changes],
    statement_of: Callable[[Table, Sequence[str]], str],
) -> list[tuple[str, str]]:
    """Write rows that say the same columns together: return the SQL, each with its parameter."""
    alike: dict[tuple[str, ...], list[Changes]] = {}
    for row in rows:
        columns = tuple(row)
        alike.setdefault(columns, []).append(row)
    written: list[tuple[str, str]] = []
    for columns, together in alike.items():
        statement = statement_of(table, sorted(columns))
        parameter = orjson.dumps(together).decode()
        written.append((statement, parameter))
    return written
