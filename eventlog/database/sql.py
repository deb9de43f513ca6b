"""SQL that all parts of the log share: the table's name, the append lock, statements, arrays."""

from collections.abc import Iterable

EVENTS_TABLE = "jobs_events"
"""The library's own name for the events of an application called Jobs."""

CHANNEL = "jobs_events"
"""The channel on which each append is announced. A hint only: listeners also read at intervals."""

APPEND_LOCK = 7_203_118_305_110_542_671
"""Key of the advisory lock that makes the order of commits the order of positions. The log's
trigger takes it, too."""

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""No stronger level: its snapshot would be taken before the wait for the append lock, and would
lack what the holder of the lock commits."""

_CLOCK_S = "extract(epoch FROM clock_timestamp())::float8"

TABLE_WAIT_MS = 100
"""Longest wait for a table or row while the append lock is held, for which all appends wait. While
something locks a table for longer (`VACUUM FULL`, a migration), appends fail instead of waiting."""

LOCK = f"""
    SELECT {_CLOCK_S} AS requested_s, pg_advisory_xact_lock({APPEND_LOCK}),
        {_CLOCK_S} AS acquired_s,
        set_config('enable_seqscan', 'off', true),
        set_config('lock_timeout', '{TABLE_WAIT_MS}ms', true)
"""
"""Returns the times at which the lock was requested and acquired, in seconds: PostgreSQL evaluates
the columns in order.

Sequential scans are off, because sessions keep their plans: a plan that was made while a table had
one page would still scan the table when it has thousands, until the next ANALYZE."""

BEGIN_LOCKED = f"{BEGIN}; {LOCK}"

NOW = "SELECT clock_timestamp() AS now"

ARCHIVED_TO = "(SELECT max(last_position) FROM log_archives)"
"""The last position that is archived, NULL without archives.

Use it in the statement that reads the log. The log always holds a later event, the one that records
the archive."""

IDS = "(SELECT %(ids)s::uuid[])"
"""A list of ids whose length the planner does not see. If it did, it would make a new plan at each
execution, for that length, which takes longer than most of these statements."""


PENDING = " pending"
"""The suffix of an announcement of events that have made runs pending."""

ENVELOPE_COLUMNS = """originator_id, originator_version, notification_id, topic, state,
    recorded_at, actor, correlation_id, causation_id"""

NO_ARCHIVE_MARK = "NULL::bigint AS archive, NULL::bigint[] AS positions"

ARCHIVE_MARK = """
    SELECT id AS originator_id, NULL::bigint AS originator_version,
        NULL::bigint AS notification_id, NULL AS topic, NULL::bytea AS state,
        NULL::timestamptz AS recorded_at, NULL AS actor, NULL::uuid AS correlation_id,
        NULL::uuid AS causation_id, archive, positions
    FROM archived_runs
"""
"""A run whose history is archived, as one row that stands for all its events; see
`eventlog.archive.reading.resolve_marks`."""


HEAD = f"SELECT coalesce(max(notification_id), 0) AS head FROM {EVENTS_TABLE}"
"""Archives hold no later event: the event that records an archive stays in the log."""


LOG_ID = "SELECT id FROM log_identity"


MOMENT = f"SELECT {_CLOCK_S} AS s"
"""The server's clock in seconds, to measure how long a lock was held."""


def text_array(texts: Iterable[str]) -> str:
    """Return texts as PostgreSQL writes an array of them, in order."""
    return "{" + ",".join(map(_quoted, sorted(texts))) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
