"""Which runs a claim may be given by their times and its offer, and in which order."""

from projections.job_runs import IS_PENDING
from projections.runs.candidates.columns import CANDIDATE, LIMIT

PRESENT = """
    SELECT now, set_config('apphub.now', now::text, true)
    FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) AS present
"""
"""The database's present, kept for the rest of the transaction: what is asked in the same breath
can refer to it."""

AT_PRESENT = "(SELECT current_setting('apphub.now')::timestamptz)"
"""What `PRESENT` has told, for what is asked in the same breath."""

BYPASS = "SELECT set_config('apphub.bypassed', %s::uuid[]::text, true)"
"""Names the runs that are passed over for the rest of the transaction."""

_NOT_BYPASSED = """
    NOT coalesce(
        id = ANY((SELECT nullif(current_setting('apphub.bypassed', true), ''))::uuid[]), false)
"""

IS_OFFERED = """
    coalesce(
        entry_point = ANY((SELECT nullif(%(offered)s::text, '')::text[])::text[]), true)
"""
"""Opaque to PostgreSQL, which guesses that half of all pass, and keeps to the queue's order."""

DUE = f"""
    SELECT {CANDIDATE} FROM job_runs
    WHERE {IS_PENDING} AND scheduled_at <= %(now)s AND {_NOT_BYPASSED} AND {IS_OFFERED}
      AND (execution > 0 OR start_deadline_at IS NULL OR start_deadline_at > %(now)s)
"""

IN_ORDER = "ORDER BY priority DESC, scheduled_at, id"

KEYED = "(concurrency_value IS NOT NULL)::int"
"""A number, for conditions on truth values are simplified until no index knows them."""

SHOWN = f"SELECT run.*, {LIMIT}"


def behind_a_place(due: str) -> str:
    """Return the query for the first of these behind a place: two ranges of an index."""
    return f"""
        SELECT * FROM (
            ({due} AND priority = %(priority)s
                AND (scheduled_at, id) > (%(scheduled_at)s::timestamptz, %(id)s::uuid)
             {IN_ORDER} LIMIT %(limit)s)
            UNION ALL
            ({due} AND priority < %(priority)s {IN_ORDER} LIMIT %(limit)s)
        ) AS run
        {IN_ORDER} LIMIT %(limit)s
    """
