"""The log's SQL, in one place: its table's name, its lock and its statements."""

EVENTS_TABLE = "jobs_events"
"""The library's own name for the events of an application called Jobs."""

CHANNEL = "jobs_events"
"""Where each committed append is announced. Only a hint: whoever listens reads anyway, now and
then."""

APPEND_LOCK = 7_203_118_305_110_542_671
"""Key of the advisory lock that makes commit order the order of positions. The log's trigger takes
it, too."""

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"

_CLOCK_S = "extract(epoch FROM clock_timestamp())::float8"

TABLE_WAIT_MS = 100
"""Longest wait for a table or row while the append lock is held: everybody else waits as well. What
locks a table for longer (`VACUUM FULL`, a migration) makes appends unavailable, not slow."""

LOCK = f"""
    SELECT {_CLOCK_S} AS asked_s, pg_advisory_xact_lock({APPEND_LOCK}), {_CLOCK_S} AS got_s,
        set_config('enable_seqscan', 'off', true),
        set_config('lock_timeout', '{TABLE_WAIT_MS}ms', true)
"""
"""Tells when the lock was asked for and when it was had: what is selected is evaluated in order.

Under the lock nobody reads a whole table. A session keeps its plans, so one that was made while
a table had a page would still read all of it when it has thousands: until the next ANALYZE, which
is a minute or more."""

BEGIN_LOCKED = f"{BEGIN}; {LOCK}"

NOW = "SELECT clock_timestamp() AS now"

ARCHIVED_TO = "(SELECT max(last_position) FROM log_archives)"
"""The last position that is archived, NULL without archives.

To be asked in the statement that reads the log. The log always holds a later event, the one that
records the archive."""

_IDS = "(SELECT %(ids)s::uuid[])"
"""A list of ids of unknown length. If PostgreSQL knew how long each list is, it would expect more
of a plan for just this one than of the one it keeps, and plan anew at every execution, for longer
than most of these take."""


PENDING = " pending"
"""What an announcement ends with whose events have left runs for workers to start: as much a hint
as the rest of it."""

ENVELOPE_COLUMNS = """originator_id, originator_version, notification_id, topic, state,
    recorded_at, actor, correlation_id, causation_id"""

_NO_MARK = "NULL::bigint AS archive, NULL::bigint[] AS positions"

_MARK = """
    SELECT id AS originator_id, NULL::bigint AS originator_version,
        NULL::bigint AS notification_id, NULL AS topic, NULL::bytea AS state,
        NULL::timestamptz AS recorded_at, NULL AS actor, NULL::uuid AS correlation_id,
        NULL::uuid AS causation_id, archive, positions
    FROM archived_runs
"""
"""A run whose history is archived, as one row in the place of all its events; see
`eventlog.archive.reading.resolved`."""


HEAD = f"SELECT coalesce(max(notification_id), 0) AS head FROM {EVENTS_TABLE}"
"""No archive holds a later event: the one that records it stays in the log."""


LOG_ID = "SELECT id FROM log_identity"


MOMENT = f"SELECT {_CLOCK_S} AS s"
"""The server's clock, in seconds: how long a lock was held is the difference of two."""
