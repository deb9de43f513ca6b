"""What workers ask where many runs are due, and what makes it hard to answer."""

from datetime import UTC, datetime

from benchmarks.growth.questions.question import Question
from eventlog.measures import oldest_pending
from tests.support.logs import select_anew

SPOIL_BACKLOG = """
    WITH jobs AS (
        UPDATE job_definitions SET max_concurrent_runs = 1 WHERE slug = 'job-000'
    ), holders AS (
        SELECT DISTINCT ON (slug) id FROM job_runs
        WHERE slug IN ('job-000', 'job-001') ORDER BY slug, id
    )
    UPDATE job_runs SET
        priority = CASE slug WHEN 'job-000' THEN 100 WHEN 'job-001' THEN 90 ELSE 80 END,
        concurrency_value = CASE slug WHEN 'job-001' THEN '"one tenant"' ELSE concurrency_value END,
        scheduled_at =
            CASE slug WHEN 'job-002' THEN scheduled_at + interval '1 year' ELSE scheduled_at END,
        status = CASE WHEN id IN (SELECT id FROM holders) THEN 'running' ELSE status END
    WHERE slug IN ('job-000', 'job-001', 'job-002')
"""
"""Puts a third of a backlog before the rest: runs of a full job, of a key that is taken, and
planned for later."""


def backlog_questions(suffix: str = "") -> list[Question]:
    """Return what workers ask where many runs are due."""
    now = datetime.now(UTC)
    told = f"backlog, {suffix}" if suffix else "backlog"
    return [
        Question(f"{told}: whom to start", lambda connection: select_anew(connection, now, 4)),
        Question(
            f"{told}: for how long jobs wait", lambda connection: oldest_pending(connection, {}, [])
        ),
    ]
