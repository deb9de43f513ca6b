"""What of a row and its job decides when a run starts (`projections.runs.limits.Candidate`)."""

CANDIDATE = """
    id, job_definition_id, concurrency_value, entry_point, priority, scheduled_at,
    CASE WHEN execution = 0 THEN start_deadline_at END AS start_by, rate_value,
    fair_value
"""
"""What of a row makes it a `Candidate`, but for its job's limits."""

LIMIT_OF_JOB = (
    "CASE WHEN job.paused IS NULL THEN job.max_concurrent_runs ELSE 0 END"
    " AS max_concurrent_runs"
)
"""How many runs of a job may run at a time, as its row says: none of one that is paused."""

LIMIT = f"""
    (SELECT {LIMIT_OF_JOB} FROM job_definitions AS job
     WHERE job.id = run.job_definition_id) AS max_concurrent_runs,
    CASE WHEN run.concurrency_value IS NOT NULL THEN
        (SELECT job.concurrency_limit FROM job_definitions AS job
         WHERE job.id = run.job_definition_id) END AS concurrency_limit,
    CASE WHEN run.rate_value IS NOT NULL THEN
        (SELECT job.rate_limit FROM job_definitions AS job
         WHERE job.id = run.job_definition_id) END AS rate_limit,
    CASE WHEN run.fair_value IS NOT NULL THEN
        (SELECT job.fairness_key FROM job_definitions AS job
         WHERE job.id = run.job_definition_id) END AS fairness_key
"""
"""Runs that have no key, are not counted, or take no turns, look for no limit of it."""

LIMIT_OF_ONE_JOB = """
    job.max_concurrent_runs,
    CASE WHEN run.concurrency_value IS NOT NULL THEN job.concurrency_limit END
        AS concurrency_limit,
    CASE WHEN run.rate_value IS NOT NULL THEN job.rate_limit END AS rate_limit,
    CASE WHEN run.fair_value IS NOT NULL THEN job.fairness_key END AS fairness_key
"""
"""The same where all runs are of one job, which is at hand with `LIMIT_OF_JOB`."""
