"""The SQL by which a process follows the queue."""

from domain.jobs.run_events import RUN_TOPIC
from eventlog.database import sql
from eventlog.rebuild.versions import MENDED
from projections.job_definitions import TABLE as DEFINITIONS
from projections.job_runs import IS_PENDING, IS_RUNNING
from projections.runs.candidates.columns import CANDIDATE, LIMIT, LIMIT_OF_JOB
from projections.runs.frontier import MOST_FOREIGN

EVENTS_AT_A_TIME = 2_000
"""Events that one statement follows."""

_STATE = f"""
    coalesce({sql.ARCHIVED_TO}, 0) AS archived_to, coalesce(({MENDED}), 0) AS mended,
    clock_timestamp() AS now
"""

TOUCHED = f"""
    WITH new AS (
        SELECT notification_id, originator_id, topic FROM {sql.EVENTS_TABLE}
        WHERE notification_id > (SELECT %(after)s::bigint)
        ORDER BY notification_id LIMIT {EVENTS_AT_A_TIME}
    ), touched AS (
        SELECT DISTINCT originator_id AS id, topic ^@ '{DEFINITIONS.subject}.' AS is_job FROM new
        WHERE topic ^@ '{RUN_TOPIC}.' AND topic <> '{RUN_TOPIC}.progressed'
           OR topic ^@ '{DEFINITIONS.subject}.'
    ), told AS (
        SELECT coalesce(max(notification_id), (SELECT %(after)s::bigint)) AS position,
            count(*) = {EVENTS_AT_A_TIME} AS is_cut, {_STATE}
        FROM new
    ), changed AS (
        SELECT run.*, {LIMIT}, NULL::jsonb AS worker_labels,
            NULL::text AS isolation FROM touched CROSS JOIN LATERAL (
            SELECT {CANDIDATE}, status FROM job_runs WHERE id = touched.id LIMIT 1
        ) AS run WHERE NOT touched.is_job
        UNION ALL
        SELECT job.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            job.max_concurrent_runs, job.concurrency_limit, job.rate_limit, job.fairness_key,
            job.worker_labels, job.isolation
        FROM touched CROSS JOIN LATERAL (
            SELECT id, {LIMIT_OF_JOB}, concurrency_limit, rate_limit, fairness_key, worker_labels,
                isolation
            FROM job_definitions AS job WHERE id = touched.id LIMIT 1
        ) AS job WHERE touched.is_job
    )
    SELECT told.*, changed.* FROM told LEFT JOIN changed ON true
"""
"""What events after a position have touched, as it is now: runs, and jobs, which have no status.
Without any, one row without an id tells how far the log goes."""

PRESENT_STATE = f"SELECT ({sql.HEAD}) AS position, false AS is_cut, {_STATE}"

UNDER_WAY = f"""
    SELECT id, job_definition_id, concurrency_value FROM job_runs WHERE {IS_RUNNING}
"""

DEMANDING = """
    SELECT id, worker_labels, isolation FROM job_definitions WHERE worker_labels <> '{}'
    UNION
    SELECT id, worker_labels, isolation FROM job_definitions WHERE isolation = 'shared'
"""
"""The jobs that ask for workers' labels, or to share a process: indexes of their own hold them."""

ANY_SHARED = """
    SELECT EXISTS (
        SELECT FROM job_definitions WHERE isolation = 'shared' AND deleted_at IS NULL)
"""

FIRST_WAITING = f"""
    WITH RECURSIVE first AS (
        (SELECT priority, scheduled_at, id FROM job_runs WHERE {IS_PENDING}
         ORDER BY priority DESC, scheduled_at, id LIMIT 1)
        UNION ALL
        SELECT next.* FROM first CROSS JOIN LATERAL (
            SELECT priority, scheduled_at, id FROM job_runs
            WHERE {IS_PENDING} AND priority < first.priority
            ORDER BY priority DESC, scheduled_at, id LIMIT 1
        ) AS next
    )
    SELECT priority, scheduled_at, id FROM first
"""
"""The first pending run of each priority; there are a few of two hundred."""

FOREIGN = f"""
    SELECT DISTINCT entry_point FROM job_runs
    WHERE {IS_PENDING} AND NOT entry_point = ANY(%(offered)s) LIMIT {MOST_FOREIGN}
"""
"""The entry points that pending runs need and that the worker does not offer. All that wait are
walked over, once for each beginning, and never under the lock."""

FIRST_PLANNED = f"""
    SELECT first.* FROM json_to_recordset((SELECT %s::json)) AS place (priority integer)
    CROSS JOIN LATERAL (
        SELECT priority, scheduled_at, id FROM job_runs
        WHERE {IS_PENDING} AND priority = place.priority
          AND scheduled_at > (SELECT current_setting('apphub.now')::timestamptz)
        ORDER BY scheduled_at, id LIMIT 1
    ) AS first
"""
"""The first pending runs of some priorities that are not due yet."""
