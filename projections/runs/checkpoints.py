"""Writing the table `run_checkpoints`.

It holds which runs lived at a position of the log, and how many had ended, by job.
"""

from domain.jobs.run_values import STATUSES
from projections.runs.past import ALIVE, ENDED


def _array_of(status: str) -> str:
    filtered = f"FILTER (WHERE status = '{status}')"
    return f"array_agg(created ORDER BY created DESC) {filtered} AS {status}"


def _count_of(status: str) -> str:
    return f"count(*) FILTER (WHERE status = '{status}') AS {status}"


def _sum_of(status: str) -> str:
    return f"coalesce(last.{status}, 0) + coalesce(by_job.{status}, 0)"


def _known_of(status: str) -> str:
    return f"SELECT unnest({status}), '{status}'"


_KNOWN = " UNION ALL ".join(map(_known_of, ALIVE))


WRITE_CHECKPOINT = f"""
    WITH moved AS (
        SELECT * FROM unnest(%(job_ids)s::uuid[], %(created)s::bigint[], %(statuses)s::text[])
            AS moved (job_definition_id, created, status)
    ), last AS (
        SELECT * FROM run_checkpoints WHERE position = %(last)s
    ), state AS (
        SELECT job_definition_id, created, status FROM last, LATERAL (
            {_KNOWN}
        ) AS known (created, status)
        WHERE created NOT IN (SELECT created FROM moved)
        UNION ALL SELECT * FROM moved
    ), by_job AS (
        SELECT job_definition_id,
            {", ".join(map(_array_of, ALIVE))},
            {", ".join(map(_count_of, ENDED))}
        FROM state GROUP BY job_definition_id
    )
    INSERT INTO run_checkpoints (position, job_definition_id, {", ".join(STATUSES)})
    SELECT %(position)s, job.id,
        {", ".join(f"coalesce(by_job.{status}, '{{}}')" for status in ALIVE)},
        {", ".join(map(_sum_of, ENDED))}
    FROM job_definitions AS job
    LEFT JOIN last ON last.job_definition_id = job.id
    LEFT JOIN by_job ON by_job.job_definition_id = job.id
"""
