"""The log's SQL, in one place: its table's name, its lock and its statements."""

EVENTS_TABLE = "jobs_events"
"""The library's own name for the events of an application called Jobs."""

CHANNEL = "jobs_events"
"""Where each committed append is announced. Only a hint: listeners also read at intervals."""

APPEND_LOCK = 7_203_118_305_110_542_671
"""Key of the advisory lock that makes commit order the order of positions. The log's trigger takes
it, too."""

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""No stronger level: its snapshot would be taken before the wait for the append lock, and what the
holder of the lock commits would not be seen."""

_CLOCK_S = "extract(epoch FROM clock_timestamp())::float8"

TABLE_WAIT_MS = 100
"""Longest wait for a table or row while the append lock is held: all appends wait meanwhile. What
locks a table for longer (`VACUUM FULL`, a migration) makes appends unavailable, not slow."""

LOCK = f"""
    SELECT {_CLOCK_S} AS requested_s, pg_advisory_xact_lock({APPEND_LOCK}),
        {_CLOCK_S} AS acquired_s,
        set_config('enable_seqscan', 'off', true),
        set_config('lock_timeout', '{TABLE_WAIT_MS}ms', true)
"""
"""The seconds at which the lock was requested and acquired: columns are evaluated in order.

No statement scans a whole table under the lock. A session keeps its plans: one that was made while
a table had one page would still scan it when it has thousands, until the next ANALYZE, a minute or
more later."""

BEGIN_LOCKED = f"{BEGIN}; {LOCK}"

NOW = "SELECT clock_timestamp() AS now"

ARCHIVED_TO = "(SELECT max(last_position) FROM log_archives)"
"""The last position that is archived, NULL without archives.

Use it in the statement that reads the log. The log always holds a later event, the one that records
the archive."""

IDS = "(SELECT %(ids)s::uuid[])"
"""A list of ids whose length the planner does not see. If it did, it would prefer a plan for each
list to the one it keeps, and plan again at every execution, which takes longer than most of
these."""


PENDING = " pending"
"""The end of an announcement of events that have left runs pending for workers; only a hint,
too."""

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
`eventlog.archive.reading.resolved`."""


HEAD = f"SELECT coalesce(max(notification_id), 0) AS head FROM {EVENTS_TABLE}"
"""No archive holds a later event: the one that records it stays in the log."""


LOG_ID = "SELECT id FROM log_identity"


MOMENT = f"SELECT {_CLOCK_S} AS s"
"""The server's clock, in seconds; the difference of two is how long a lock was held."""
