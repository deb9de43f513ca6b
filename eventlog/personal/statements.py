"""The SQL of personal data: the keys of subjects, and the rows that an erasure changes."""

from eventlog.database.sql import EVENTS_TABLE
from projections.job_runs import IS_UNFINISHED

SUBJECT_KEYS = """
    SELECT key_id, wrapped, master FROM subject_keys WHERE key_id = ANY(%(ids)s::uuid[])
"""


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
    INSERT INTO subject_keys (key_id, lookup, wrapped, master) VALUES (%s, %s, %s, %s)
    ON CONFLICT DO NOTHING
"""


DELETE_SUBJECT_KEY = "DELETE FROM subject_keys WHERE key_id = %s"


UNFINISHED_RUNS_OF = f"""
    SELECT id FROM job_runs WHERE personal ? %(key_id)s::text AND {IS_UNFINISHED}
    ORDER BY created_position
"""


SCHEDULES_OF = """
    SELECT aggregate_id AS id, array_agg(marked.key ORDER BY marked.key) AS names
    FROM job_definitions JOIN schedules ON lower(schedules.job) = lower(job_definitions.slug),
    LATERAL jsonb_each(
        CASE WHEN jsonb_typeof(parameters_schema -> 'properties') = 'object'
        THEN parameters_schema -> 'properties' END
    ) AS marked
    WHERE parameters -> marked.key NOT IN ('null', to_jsonb(%(erased)s::text))
        AND parameters ->> (marked.value ->> %(mark)s) = %(subject)s
    GROUP BY aggregate_id
"""


ERASE_ROWS = """
    UPDATE job_runs SET parameters = parameters || (
        SELECT jsonb_object_agg(name, %(erased)s::text)
        FROM jsonb_array_elements_text(personal -> %(key_id)s::text) AS name
    ), request_digest = CASE WHEN request_digest IS NOT NULL THEN %(erased)s::text END
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
    SELECT key_id, wrapped, master FROM subject_keys WHERE master <> %(master)s
    LIMIT %(limit)s FOR UPDATE
"""


WRAP_ANEW = (
    "UPDATE subject_keys SET lookup = %s, wrapped = %s, master = %s WHERE key_id = %s"
)
