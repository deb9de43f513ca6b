"""Runs under way whose worker lives no more.

A dead worker claims nothing any more, so once none of its runs is under way, that stays so, and is
noted (`recovered_at`): nobody looks for them again. A run whose holder was never registered, as
after tables were restored by hand, is looked for now and then.
"""

from collections.abc import Sequence
from uuid import UUID

from projections.job_runs import IS_RUNNING
from projections.rows import Connection, read_ids, read_value

_NOT_BYPASSED = "NOT run.id = ANY((SELECT %(bypassed)s::uuid[])::uuid[])"

_NOT_OF_THE_LIVING = """NOT EXISTS (
    SELECT 1 FROM workers WHERE workers.id = run.worker_id AND workers.dead_at IS NULL
)"""

ANY_GONE = """
    SELECT EXISTS (
        SELECT 1 FROM workers WHERE dead_at IS NOT NULL AND recovered_at IS NULL
    ) AS is_any_gone
"""

OF_DEAD_WORKERS = f"""
    SELECT run.id FROM workers CROSS JOIN LATERAL (
        SELECT id FROM job_runs AS run
        WHERE {IS_RUNNING} AND worker_id = workers.id AND {_NOT_BYPASSED}
        LIMIT %(limit)s
    ) AS run
    WHERE workers.dead_at IS NOT NULL AND workers.recovered_at IS NULL
    LIMIT %(limit)s
"""

OF_ANYBODY = f"""
    SELECT run.id FROM job_runs AS run
    WHERE {IS_RUNNING} AND {_NOT_BYPASSED} AND {_NOT_OF_THE_LIVING}
    LIMIT %(limit)s
"""

OF_ANYBODY_AFTER = f"""
    WITH passed AS (
        SELECT coalesce(max(worker_id), '') AS worker_id FROM job_runs WHERE id = %(after)s
    )
    SELECT run.id FROM job_runs AS run
    WHERE {IS_RUNNING} AND run.worker_id >= (SELECT worker_id FROM passed)
      AND (run.worker_id > (SELECT worker_id FROM passed) OR run.id > %(after)s)
      AND {_NOT_BYPASSED} AND {_NOT_OF_THE_LIVING}
    ORDER BY run.worker_id, run.id LIMIT %(limit)s
"""

NOTE_RECOVERED = f"""
    UPDATE workers SET recovered_at = clock_timestamp()
    WHERE dead_at IS NOT NULL AND recovered_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM job_runs WHERE {IS_RUNNING} AND worker_id = workers.id
    )
"""


async def orphaned(
    connection: Connection,
    limit: int,
    bypassed: Sequence[UUID] = (),
    after: UUID | None = None,
) -> list[UUID]:
    """Return running runs, but none of these, whose worker is not among the living.

    Those of the dead come first: they are found without walking over all that run. After some run
    they come in the order of workers and ids.
    """
    values = {"limit": limit, "bypassed": list(bypassed), "after": after}
    if after is not None:
        return await read_ids(connection, OF_ANYBODY_AFTER, values)
    if await read_value(connection, bool, ANY_GONE):
        found = await read_ids(connection, OF_DEAD_WORKERS, values)
        if found:
            return found
    return await read_ids(connection, OF_ANYBODY, values)


async def any_of_the_dead(connection: Connection, bypassed: Sequence[UUID]) -> bool:
    """Return whether a dead worker still holds a run, and note who holds none."""
    if not await read_value(connection, bool, ANY_GONE):
        return False
    await connection.execute(NOTE_RECOVERED)
    values = {"limit": 1, "bypassed": list(bypassed)}
    return bool(await read_ids(connection, OF_DEAD_WORKERS, values))


async def any_of_anybody(connection: Connection, bypassed: Sequence[UUID]) -> bool:
    """Return whether anybody who does not live holds a run. What was consumed is walked over."""
    values = {"limit": 1, "bypassed": list(bypassed)}
    return bool(await read_ids(connection, OF_ANYBODY, values))
