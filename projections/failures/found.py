"""What a search for failures asks of the runs' table."""

from collections.abc import Sequence
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.failures.retries import Relative
from projections.rows import Connection, Id, Integer, Text, read_rows

IS_RETRY = "launch_context->>'retryOf' IS NOT NULL"
"""The condition of the index `job_runs_retries`."""

RECOVERED = f"""
    (SELECT run.attempt > 1 OR (run.{IS_RETRY}) FROM job_runs AS run WHERE run.id = originator_id)
"""
"""Whether a run that succeeded makes up for failures; null where there is no such run.

No EXISTS, of which PostgreSQL may make a table: of all runs, at each search.
"""

_OWN_RETRY_OF = """
    CASE WHEN run.launch_context->>'retryOf' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        THEN (run.launch_context->>'retryOf')::uuid END AS retry_of
"""

MOST_RELATIVES = 1_000

DEEPEST = 100

FAMILY = f"""
    WITH RECURSIVE up AS (
        SELECT run.id, {_OWN_RETRY_OF}, 0 AS depth FROM job_runs AS run WHERE id = %(id)s
        UNION ALL
        SELECT run.id, {_OWN_RETRY_OF}, up.depth + 1
        FROM up JOIN job_runs AS run ON run.id = up.retry_of WHERE up.depth < {DEEPEST}
    ), down AS (
        (SELECT id, 0 AS depth FROM up ORDER BY up.depth DESC LIMIT 1)
        UNION ALL
        SELECT run.id, down.depth + 1 FROM down
        JOIN job_runs AS run ON run.launch_context->>'retryOf' = down.id::text
        WHERE down.depth < {DEEPEST}
    )
    SELECT run.id, {_OWN_RETRY_OF}, run.status, run.completed_position
    FROM (SELECT id FROM down LIMIT {MOST_RELATIVES}) AS one JOIN job_runs AS run USING (id)
"""
"""A run with all that it repeats, and all that repeats those. What a client has put into the
context may be anything, even a circle."""


class RunFacts(TypedDict):
    """What a failure's group needs to know of its run."""

    id: ReadOnly[Id]
    job_definition_id: ReadOnly[Id]
    slug: ReadOnly[Text]
    definition_version: ReadOnly[Integer]


class _Relative(TypedDict):
    id: ReadOnly[str]
    retry_of: ReadOnly[str | None]
    status: ReadOnly[str]
    completed_position: ReadOnly[int | None]


FACTS = """
    SELECT id, job_definition_id, slug, definition_version FROM job_runs
    WHERE id = ANY(%(ids)s)
"""


async def facts_of(
    connection: Connection, run_ids: Sequence[UUID]
) -> dict[UUID, RunFacts]:
    """Return the runs' facts; those of runs that there are no more are left out."""
    values = {"ids": list(run_ids)}
    rows = await read_rows(connection, RunFacts, FACTS, values)
    return {UUID(row["id"]): row for row in rows}


async def family_of(connection: Connection, run_id: UUID) -> list[Relative]:
    """Return the run with those that are retries of it, and those that it is a retry of."""
    rows = await read_rows(connection, _Relative, FAMILY, {"id": run_id})
    found: dict[UUID, Relative] = {}
    for row in rows:
        relative = _relative(row)
        found[relative.id] = relative
    return list(found.values())


def _relative(row: _Relative) -> Relative:
    run_id = UUID(row["id"])
    retry_of: UUID | None = None
    if row["retry_of"] is not None:
        retry_of = UUID(row["retry_of"])
    succeeded_at: int | None = None
    if row["status"] == "succeeded":
        succeeded_at = row["completed_position"]
    return Relative(run_id, retry_of, succeeded_at)
