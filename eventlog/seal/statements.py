"""The SQL of the seals."""

from eventlog.database.sql import LOG_ID

SEAL_LOCK = 4_870_226_913_547_350_918
"""Key of the advisory lock that lets one process seal at a time. It has nothing to do with the
append lock."""


TRY_SEAL_LOCK = f"SELECT pg_try_advisory_xact_lock({SEAL_LOCK}) AS held"


SEAL_COLUMNS = "number, size, position, head, signature, runs, leaves, peaks"


INSERT_SEAL = (
    f"INSERT INTO log_seals ({SEAL_COLUMNS}) VALUES (%s, %s, %s, %s, %b, %s, %b, %b)"
)


LAST_SEAL = f"SELECT {SEAL_COLUMNS} FROM log_seals ORDER BY number DESC LIMIT 1"


TIP = f"""
    SELECT number, head, signature, peaks, ({LOG_ID}) AS log_id
    FROM log_seals ORDER BY number DESC LIMIT 1
"""


SEALED_HEAD = "SELECT head FROM log_seals WHERE number = %s"


SEALS = f"SELECT {SEAL_COLUMNS} FROM log_seals ORDER BY number"


SEAL_COVERING = f"""
    SELECT {SEAL_COLUMNS} FROM log_seals WHERE position >= %s ORDER BY position LIMIT 1
"""


SEALED_EVENTS = """
    SELECT coalesce((SELECT size FROM log_seals ORDER BY number DESC LIMIT 1), 0) AS events
"""
