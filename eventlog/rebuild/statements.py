"""The SQL that folds the whole log, or some of its aggregates."""

from eventlog.database.sql import _MARK, _NO_MARK, ENVELOPE_COLUMNS, EVENTS_TABLE
from eventlog.encoding.columns import COLUMNS

_FOLDED = "originator_id, originator_version, notification_id, topic, state"


CREATE_UNARCHIVED = (
    f"CREATE TEMPORARY TABLE unarchived AS SELECT {_FOLDED} FROM {EVENTS_TABLE} LIMIT 0"
)
"""Where a session that folds the whole log lays the events of the archives beside those of the
log."""


COUNT_ARCHIVED = "SELECT coalesce(sum(events), 0)::bigint FROM log_archives"


COPY_UNARCHIVED = f"COPY unarchived ({_FOLDED}) FROM STDIN"


ORDER_UNARCHIVED = """
    CREATE INDEX IF NOT EXISTS unarchived_order ON unarchived (originator_id, originator_version);
    ANALYZE unarchived
"""


def _fold_all(condition: str) -> str:
    return f"""
        SELECT {_FOLDED} FROM (
            SELECT {_FOLDED} FROM {EVENTS_TABLE} UNION ALL SELECT {_FOLDED} FROM unarchived
        ) AS event
        WHERE topic ^@ %(prefix)s {condition} ORDER BY originator_id, originator_version
    """


FOLD_ALL = _fold_all("")
"""The union stands in a subquery, so that the log can be read in the order of its primary key and
the archives merged in. A union at the top is always sorted: on the disk, and before the first event
comes out."""


FOLD_FROM = _fold_all("AND originator_id >= %(first)s::uuid")
"""The same from an aggregate on; whoever reads it stops somewhere."""


FOLD_SOME = f"""
    SELECT {_FOLDED}, NULL::bigint AS archive, NULL::bigint[] AS positions, known.version
    FROM {EVENTS_TABLE} JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version)
      ON originator_id = known.id AND originator_version > known.version
    WHERE topic ^@ %(prefix)s
    UNION ALL
    SELECT id, head_version, NULL, NULL, NULL, archive, positions, known.version
    FROM archived_runs
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version) USING (id)
    ORDER BY originator_id, originator_version
"""


PLACES = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s::uuid[]) AND topic ^@ %(prefix)s
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s::uuid[])
    ORDER BY originator_id, originator_version
"""


EVENTS_A_RANGE = 4_000
BYTES_A_RANGE = 4_194_304
"""A range ends with whichever comes first: an event may have a megabyte, so this bounds memory."""


def _next_range(columns: str) -> str:
    return f"""
        SELECT {COLUMNS} FROM (
            SELECT *,
                sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state)
                    AS bytes_before
            FROM (
                SELECT {columns} FROM {EVENTS_TABLE}
                WHERE notification_id > %(after)s AND notification_id <= %(until)s
                ORDER BY notification_id LIMIT {EVENTS_A_RANGE}
            ) AS next
        ) AS measured
        WHERE bytes_before < {BYTES_A_RANGE} ORDER BY notification_id
    """


NEXT_RANGE = _next_range(COLUMNS)

NEXT_STATELESS_RANGE = _next_range(COLUMNS.replace("state", "''::bytea AS state"))
"""The same without what events say: enough to find one by its id."""


REBUILD_LOCK = 5_518_902_447_613_390_126
"""Key of the advisory lock that a rebuild's session holds, so that there is one at a time."""
