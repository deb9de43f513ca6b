"""Long logs in little time: a few real runs, multiplied by SQL, rows and events alike."""

import psycopg

from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from tests.support.logs import TESTER, Parts, parts, registered

JOBS = 50

KINDS = ("pending", "running", "failed", "canceled", "succeeded")

_KINDS = """
    CREATE TEMP TABLE kinds AS
    SELECT run AS row, run.id, run.status AS kind, run.job_definition_id, run.slug
    FROM job_runs AS run
"""

_CLONES = """
    CREATE TEMP TABLE clones AS
    -- As in life, the order of ids is that of time.
    SELECT n, ('01957000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
        job.id AS definition_id, job.slug,
        CASE
            WHEN n %% 100 < %(pending)s THEN 'pending'
            WHEN n %% 1000 = 997 THEN 'running'
            ELSE (ARRAY['failed', 'canceled', 'succeeded'])[least(1 + n %% 50, 3)]
        END AS kind,
        -- Life is uneven: most runs wait for a moment, a few for so long that nearly everything
        -- else passes them by.
        CASE
            WHEN n %% 1000 = 500 THEN 0.2 * %(runs)s
            ELSE 5 + (n::bigint * 7919) %% 100
        END AS waits
    FROM generate_series(1, %(runs)s) AS n
    JOIN (SELECT id, slug, row_number() OVER (ORDER BY slug) AS number FROM job_definitions) AS job
        ON job.number = 1 + (n %% 97) %% %(jobs)s
"""

_STATES = """
    CREATE TEMP TABLE states AS
    SELECT kinds.kind, job.id AS definition_id, event.originator_version AS version, event.topic,
        convert_to(replace(replace(convert_from(event.state, 'UTF8'),
            kinds.job_definition_id::text, job.id::text),
            '"' || kinds.slug || '"', '"' || job.slug || '"'), 'UTF8')
            AS state
    FROM kinds JOIN jobs_events AS event ON event.originator_id = kinds.id
    CROSS JOIN job_definitions AS job
"""

_EVENTS = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state, actor, correlation_id)
    SELECT clones.id, version, topic, state, 'filler', clones.id
    FROM clones JOIN states USING (kind, definition_id)
    ORDER BY clones.n + (version - 1) * clones.waits, clones.n
"""

_ROWS = """
    INSERT INTO job_runs SELECT filled.*
    FROM clones
    JOIN kinds USING (kind)
    JOIN (
        SELECT originator_id, min(notification_id) AS first, max(notification_id) AS last
        FROM jobs_events GROUP BY originator_id
    ) AS span ON span.originator_id = clones.id,
    LATERAL jsonb_populate_record(kinds.row, jsonb_build_object(
        'id', clones.id, 'job_definition_id', clones.definition_id, 'slug', clones.slug,
        'created_position', span.first, 'position', span.last,
        'completed_position',
        CASE WHEN (kinds.row).completed_position IS NULL THEN NULL ELSE span.last END)) AS filled
"""


async def fill(url: str, runs: int, pending_in_hundred: int = 1) -> None:
    """Fill an empty log with 50 jobs and this many runs, their lives interleaved.

    Most have three events.

    Args:
        url: of the migrated database.
        runs: how many.
        pending_in_hundred: how many of a hundred runs wait for ever.
    """
    async with parts(url) as part:
        for number in range(JOBS):
            await registered(part.jobs, f"Job-{number}")
        await _one_of_each_kind(part)
    with psycopg.connect(url) as connection:
        connection.execute(_KINDS)
        connection.execute(_CLONES, {"runs": runs, "jobs": JOBS, "pending": pending_in_hundred})
        connection.execute(_STATES)
        connection.execute("ANALYZE clones")
        connection.execute(_EVENTS)
        connection.execute(_ROWS)
    with psycopg.connect(url, autocommit=True) as connection:
        for table in ("jobs_events", "job_runs", "job_definitions"):
            connection.execute(f"VACUUM (ANALYZE) {table}")


async def _one_of_each_kind(part: Parts) -> None:
    worker_id = await part.worker("worker")
    for kind in KINDS:
        delay_ms = 86_400_000 if kind == "pending" else None
        run_id = (
            await part.jobs.launch("job-0", Launch(delay_ms=delay_ms, max_attempts=1), TESTER)
        ).run_id
        if kind == "pending":
            continue
        if kind == "canceled":
            await part.jobs.cancel(run_id, None, TESTER)
            continue
        [claim] = await part.executions.claim(worker_id, 1)
        if kind == "failed":
            await part.executions.fail(run_id, claim.holder, AttemptFailure("on purpose"), Report())
        elif kind == "succeeded":
            await part.executions.succeed(run_id, claim.holder, {"fine": True}, Report())
