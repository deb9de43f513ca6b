"""Writing the table `run_checkpoints`: which runs lived at a position of the log, and how many had ended, by job."""

from domain.jobs.run_values import STATUSES
from projections.runs.past import ALIVE, ENDED


def _array_of(status: str) -> str:
    return (
        f"array_agg(created ORDER BY created DESC) FILTER (WHERE status = '{status}') AS {status}"
    )


WRITE_CHECKPOINT = f"""
    WITH moved AS (
        SELECT * FROM unnest(%(job_ids)s::uuid[], %(created)s::bigint[], %(statuses)s::text[])
            AS moved (job_definition_id, created, status)
    ), last AS (
        SELECT * FROM run_checkpoints WHERE position = %(last)s
    ), state AS (
        SELECT job_definition_id, created, status FROM last, LATERAL (
            {" UNION ALL ".join(f"SELECT unnest({status}), '{status}'" for status in ALIVE)}
        ) AS known (created, status)
        WHERE created NOT IN (SELECT created FROM moved)
        UNION ALL SELECT * FROM moved
    ), by_job AS (
        SELECT job_definition_id,
            {", ".join(_array_of(status) for status in ALIVE)},
            {", ".join(f"count(*) FILTER (WHERE status = '{status}') AS {status}" for status in ENDED)}
        FROM state GROUP BY job_definition_id
    )
    INSERT INTO run_checkpoints (position, job_definition_id, {", ".join(STATUSES)})
    SELECT %(position)s, job.id,
        {", ".join(f"coalesce(by_job.{status}, '{{}}')" for status in ALIVE)},
        {", ".join(f"coalesce(last.{status}, 0) + coalesce(by_job.{status}, 0)" for status in ENDED)}
    FROM job_definitions AS job
    LEFT JOIN last ON last.job_definition_id = job.id
    LEFT JOIN by_job ON by_job.job_definition_id = job.id
"""
