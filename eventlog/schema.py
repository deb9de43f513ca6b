"""The log's SQL, in one place: its table's name, its lock and its statements."""

EVENTS_TABLE = "jobs_events"
"""The library's own name for the events of an application called Jobs."""

CHANNEL = "jobs_events"
"""Where each committed append is announced. Only a hint: whoever listens reads anyway, now and then."""

APPEND_LOCK = 7_203_118_305_110_542_671
"""Key of the advisory lock that makes commit order the order of positions. The log's trigger takes it, too."""

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"

LOCK = f"SELECT pg_advisory_xact_lock({APPEND_LOCK}), set_config('enable_seqscan', 'off', true)"
"""Under the lock nobody reads a whole table. A session keeps its plans, so one that was made while a table had a page
would still read all of it when it has thousands: until the next ANALYZE, which is a minute or more."""

BEGIN_LOCKED = f"{BEGIN}; {LOCK}"

NOW = "SELECT clock_timestamp() AS now"

ARCHIVED_TO = "(SELECT max(last_position) FROM log_archives)"
"""The last position that is archived, NULL without archives: to be asked in the statement that reads the log.

The log always holds a later event, the one that records the archive."""

_IDS = "(SELECT %(ids)s::uuid[])"
"""A list of ids of unknown length. If PostgreSQL knew how long each list is, it would expect more of a plan for just
this one than of the one it keeps, and plan anew at every execution, for longer than most of these take."""

HEADS = f"""
    SELECT head.* FROM unnest({_IDS}) AS wanted (id), LATERAL (
        SELECT originator_id, originator_version, correlation_id
        FROM {EVENTS_TABLE} WHERE originator_id = wanted.id
        ORDER BY originator_version DESC LIMIT 1
    ) AS head
    UNION ALL
    SELECT id, head_version, head_correlation_id FROM archived_runs WHERE id = ANY({_IDS}::uuid[])
"""

POSITION_SEQUENCE = "jobs_events_notification_id_seq"

DRAW_POSITIONS = f"SELECT nextval('{POSITION_SEQUENCE}') AS position FROM generate_series(1, (SELECT %s::integer))"
"""Drawn under the lock, as many as there are events to append, so that rows can be folded before they are written. What
is not used is a gap, as after a rollback."""

INSERT = f"""
    INSERT INTO {EVENTS_TABLE}
        (originator_id, originator_version, notification_id, topic, state, actor, correlation_id, causation_id)
    SELECT id, version, position, topic, convert_to(state, 'UTF8'), actor, correlation_id, causation_id
    FROM json_to_recordset(%s::json) AS new (
        id uuid, version bigint, position bigint, topic text, state text, actor text,
        correlation_id uuid, causation_id uuid)
"""
"""`json`, not `jsonb`: the state is text inside of it, and must come out as the very bytes that went in. One JSON text
costs the writer a quarter of what seven arrays do."""

ANNOUNCE = f"SELECT pg_notify('{CHANNEL}', %s)"

PENDING = " pending"
"""What an announcement ends with whose events have left runs for workers to start: as much a hint as the rest of it."""

ENVELOPE_COLUMNS = """originator_id, originator_version, notification_id, topic, state,
    recorded_at, actor, correlation_id, causation_id"""

_NO_MARK = "NULL::bigint AS archive, NULL::bigint[] AS positions"

_MARK = """
    SELECT id AS originator_id, NULL::bigint AS originator_version, NULL::bigint AS notification_id, NULL AS topic,
        NULL::bytea AS state, NULL::timestamptz AS recorded_at, NULL AS actor, NULL::uuid AS correlation_id,
        NULL::uuid AS causation_id, archive, positions
    FROM archived_runs
"""
"""A run whose history is archived, as one row in the place of all its events; see `archived.resolved`."""

READ_SUBJECTS = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM (SELECT DISTINCT unnest({_IDS})) AS wanted (id)
    CROSS JOIN LATERAL (SELECT * FROM {EVENTS_TABLE} WHERE originator_id = wanted.id OFFSET 0) AS event
    UNION ALL {_MARK} WHERE id = ANY({_IDS}::uuid[])
    ORDER BY originator_id, originator_version
"""

READ_BACK = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM {EVENTS_TABLE}
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS sought (id, version)
      ON originator_id = sought.id AND originator_version = sought.version
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s)
"""

READ_AFTER = f"""
    SELECT {ENVELOPE_COLUMNS}, {ARCHIVED_TO} AS archived_to FROM (
        SELECT *, sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state) AS bytes_before
        FROM (
            SELECT {ENVELOPE_COLUMNS} FROM {EVENTS_TABLE}
            WHERE notification_id > %(after)s ORDER BY notification_id LIMIT %(limit)s
        ) AS next
    ) AS measured
    WHERE bytes_before < %(max_bytes)s ORDER BY notification_id
"""

HISTORIES_UP_TO = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s) AND notification_id <= %(position)s
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s) AND first_position <= %(position)s
    ORDER BY originator_id, originator_version
"""

LAST_UP_TO = f"""
    SELECT notification_id, recorded_at, {ARCHIVED_TO} AS archived_to FROM {EVENTS_TABLE}
    WHERE notification_id <= %(position)s ORDER BY notification_id DESC LIMIT 1
"""

NTH_AFTER = f"""
    (SELECT notification_id AS position FROM {EVENTS_TABLE}
     WHERE notification_id > %(after)s ORDER BY notification_id OFFSET %(skipped)s LIMIT 1)
    UNION ALL
    (SELECT first_position FROM archived_blocks
     WHERE first_position > %(after)s ORDER BY first_position OFFSET %(skipped_blocks)s LIMIT 1)
    ORDER BY position LIMIT 1
"""

READ_PARTS = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK}
    FROM unnest(%(ids)s::uuid[], %(after)s::bigint[], %(before)s::bigint[]) AS wanted (id, after, before),
    LATERAL (
        SELECT * FROM {EVENTS_TABLE}
        WHERE originator_id = wanted.id AND originator_version > wanted.after AND originator_version < wanted.before
        ORDER BY originator_version LIMIT %(limit)s
    ) AS part
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s)
    ORDER BY originator_id, originator_version
"""

HEAD = f"SELECT coalesce(max(notification_id), 0) AS head FROM {EVENTS_TABLE}"
"""No archive holds a later event: the one that records it stays in the log."""

FORGET_CHECKPOINTS = "DELETE FROM run_checkpoints"
"""Not TRUNCATE: those who read in a snapshot go on reading them."""

LOG_ID = "SELECT id FROM log_identity"

_FOLDED = "originator_id, originator_version, notification_id, topic, state"

CREATE_UNARCHIVED = f"CREATE TEMPORARY TABLE unarchived AS SELECT {_FOLDED} FROM {EVENTS_TABLE} LIMIT 0"
"""Where a session that folds the whole log lays the events of the archives beside those of the log."""

COPY_UNARCHIVED = f"COPY unarchived ({_FOLDED}) FROM STDIN"

FOLD_ALL = f"""
    SELECT {_FOLDED} FROM (
        SELECT {_FOLDED} FROM {EVENTS_TABLE} UNION ALL SELECT {_FOLDED} FROM unarchived
    ) AS event
    WHERE topic ^@ %(prefix)s ORDER BY originator_id, originator_version
"""
"""The union stands in a subquery, so that the log can be read in the order of its primary key and the archives merged
in. A union at the top is always sorted: on the disk, and before the first event comes out."""

FOLD_SOME = f"""
    SELECT {_FOLDED}, NULL::bigint AS archive, NULL::bigint[] AS positions, known.version
    FROM {EVENTS_TABLE} JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version)
      ON originator_id = known.id AND originator_version > known.version
    WHERE topic ^@ %(prefix)s
    UNION ALL
    SELECT id, head_version, NULL, NULL, NULL, archive, positions, known.version
    FROM archived_runs JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS known (id, version) USING (id)
    ORDER BY originator_id, originator_version
"""

PLACES = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s::uuid[]) AND topic ^@ %(prefix)s
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s::uuid[])
    ORDER BY originator_id, originator_version
"""

REBUILD_LOCK = 5_518_902_447_613_390_126
"""Key of the advisory lock that a rebuild's session holds, so that there is one at a time."""

SEAL_LOCK = 4_870_226_913_547_350_918
"""Key of the advisory lock that lets one process seal at a time. It has nothing to do with the append lock."""

TRY_SEAL_LOCK = f"SELECT pg_try_advisory_xact_lock({SEAL_LOCK}) AS held"

SEAL_COLUMNS = "number, size, position, head, signature, runs, leaves, peaks"

INSERT_SEAL = f"INSERT INTO log_seals ({SEAL_COLUMNS}) VALUES (%s, %s, %s, %s, %b, %s, %b, %b)"

LAST_SEAL = f"SELECT {SEAL_COLUMNS} FROM log_seals ORDER BY number DESC LIMIT 1"

TIP = f"SELECT number, head, signature, peaks, ({LOG_ID}) AS log_id FROM log_seals ORDER BY number DESC LIMIT 1"

SEALED_HEAD = "SELECT head FROM log_seals WHERE number = %s"

SEALS = f"SELECT {SEAL_COLUMNS} FROM log_seals ORDER BY number"

SEAL_COVERING = f"SELECT {SEAL_COLUMNS} FROM log_seals WHERE position >= %s ORDER BY position LIMIT 1"

SEALED_EVENTS = "SELECT coalesce((SELECT size FROM log_seals ORDER BY number DESC LIMIT 1), 0) AS events"

SUBJECT_KEYS = "SELECT key_id, wrapped, master FROM subject_keys WHERE key_id = ANY(%(ids)s::uuid[])"

SUBJECT_KEYS_PAGE = "SELECT key_id, wrapped, master FROM subject_keys LIMIT %(limit)s"

MASTER = "SELECT id FROM subject_master"

INSERT_MASTER = "INSERT INTO subject_master (id) VALUES (%s) ON CONFLICT DO NOTHING"

FIND_SUBJECT_KEY = f"""
    SELECT ({MASTER}) AS present, found.* FROM (VALUES (1)) AS one
    LEFT JOIN (
        SELECT key_id, wrapped, master FROM subject_keys WHERE lookup = ANY(%(lookups)s::bytea[])
    ) AS found ON true
"""
"""One statement, and so one moment: a rotation changes master key and look-ups."""

INSERT_SUBJECT_KEY = """
    INSERT INTO subject_keys (key_id, lookup, wrapped, master) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""

DELETE_SUBJECT_KEY = "DELETE FROM subject_keys WHERE key_id = %s"

UNFINISHED_RUNS_OF = """
    SELECT id FROM job_runs WHERE personal ? %(key_id)s::text AND status IN ('pending', 'running')
    ORDER BY created_position
"""

ERASE_ROWS = """
    UPDATE job_runs SET parameters = parameters || (
        SELECT jsonb_object_agg(name, %(erased)s::text)
        FROM jsonb_array_elements_text(personal -> %(key_id)s::text) AS name
    )
    WHERE personal ? %(key_id)s::text
"""
"""What the fold makes of these rows' events once the key is gone. A test holds the two together."""

FIRST_ENCRYPTED = f"""
    SELECT originator_id, originator_version, state FROM {EVENTS_TABLE}
    WHERE originator_id = ANY(%(ids)s) AND originator_version = 1
        AND substring(state FOR octet_length(%(mark)s::bytea)) = %(mark)s::bytea
"""

ROTATION_LOCK = 6_114_930_287_745_016_233
"""Key of the advisory lock of the session that changes the master key."""

CHANGE_MASTER = "UPDATE subject_master SET id = %s"

WRAPPED_BY_OTHERS = """
    SELECT key_id, wrapped, master FROM subject_keys WHERE master <> %(master)s LIMIT %(limit)s FOR UPDATE
"""

WRAP_ANEW = "UPDATE subject_keys SET lookup = %s, wrapped = %s, master = %s WHERE key_id = %s"
