"""What is related to a run: the runs that repeat it, and the bulk operation that launched it.

First the repeats of a run that the service itself launched; then a run's bulk operation, and the
runs of an operation. A bulk operation and all that it caused share a correlation id, in the log or,
for archived runs, in the table of these.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from projections.failure_search import IS_RETRY, is_own_retry
from projections.rows import Connection, read_first, read_ids, read_rows

REPEATS = f"""
    SELECT run.id FROM job_runs AS run
    WHERE run.{IS_RETRY} AND run.launch_context->>'retryOf' = %(id)s AND {is_own_retry("run")}
    ORDER BY run.created_position DESC LIMIT %(limit)s
"""


async def repeats_of(connection: Connection, run_id: UUID, limit: int) -> list[UUID]:
    """Return the newest runs that were launched to repeat a run."""
    return await read_ids(connection, REPEATS, {"id": str(run_id), "limit": limit})


class _Operation(TypedDict):
    """A bulk operation's id."""

    id: ReadOnly[UUID]


OPERATION = f"""
    SELECT operation.id FROM (
        SELECT coalesce(
            (SELECT correlation_id FROM jobs_events
                WHERE originator_id = run.id AND originator_version = 1),
            (SELECT first_correlation_id FROM archived_runs WHERE id = run.id)
        ) AS correlation_id
        FROM job_runs AS run
        WHERE run.id = %(id)s AND run.{IS_RETRY} AND {is_own_retry("run")}
    ) AS origin
    JOIN jobs_events AS event ON event.correlation_id = origin.correlation_id
        AND event.originator_version = 1 AND event.topic = 'bulk_operation.requested'
    JOIN bulk_operations AS operation ON operation.id = event.originator_id
    LIMIT 1
"""


async def operation_of(connection: Connection, run_id: UUID) -> UUID | None:
    """Return the bulk operation that launched a run, None if none did."""
    row = await read_first(connection, _Operation, OPERATION, {"id": run_id})
    return None if row is None else UUID(str(row["id"]))


_LAUNCHED = """
    SELECT run.id, run.status, run.created_position FROM (
        SELECT correlation_id FROM jobs_events
        WHERE originator_id = %(id)s AND originator_version = 1
    ) AS origin
    CROSS JOIN LATERAL (
        SELECT originator_id AS id FROM jobs_events
        WHERE correlation_id = origin.correlation_id
        UNION SELECT id FROM archived_runs WHERE first_correlation_id = origin.correlation_id
    ) AS launched
    JOIN job_runs AS run USING (id)
"""

PAGE = f"""
    SELECT id FROM ({_LAUNCHED}) AS run WHERE created_position < %(before)s
    ORDER BY created_position DESC LIMIT %(limit)s
"""


async def runs_of_operation(
    connection: Connection, operation_id: UUID, before: int, limit: int
) -> Sequence[UUID]:
    """Return the runs that an operation caused, newest first."""
    values = {"id": operation_id, "before": before, "limit": limit}
    return await read_ids(connection, PAGE, values)


class _Count(TypedDict):
    """How many runs are in a status."""

    status: ReadOnly[str]
    runs: ReadOnly[int]


COUNTS = f"SELECT status, count(*) AS runs FROM ({_LAUNCHED}) AS run GROUP BY status"


async def counts_of_operation(connection: Connection, operation_id: UUID) -> Mapping[str, int]:
    """Return how many of an operation's runs are in each status, without statuses of none."""
    rows = await read_rows(connection, _Count, COUNTS, {"id": operation_id})
    return {row["status"]: row["runs"] for row in rows}
