"""Big logs, made by cloning one run in SQL, and sabotage of the table that follows from them."""

from uuid import UUID

import psycopg

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from projections.job_runs import TABLE
from tests.support.logs import TESTER, parts, query, registered

_CLONE_EVENTS = """
    INSERT INTO jobs_events
        (originator_id, originator_version, topic, state, actor, correlation_id, causation_id)
    SELECT clone.id, originator_version, topic, state, actor, gen_random_uuid(), gen_random_uuid()
    FROM clone, jobs_events
    -- Each run's events come some time after each other.
    WHERE originator_id = %s ORDER BY number + originator_version * 40
"""

_STARTED_BY = """
    (SELECT jsonb_object_agg(worker, started.notification_id)
     FROM jsonb_each(run.started_by) AS starter (worker, position)
     JOIN jobs_events AS original ON original.notification_id = starter.position::bigint
     JOIN jobs_events AS started
         ON started.originator_id = clone.id
         AND started.originator_version = original.originator_version)
"""
"""The positions of the clone's own starts, by worker."""

_CLONED = {
    **{name: f"run.{name}" for name in TABLE.columns},
    "id": "clone.id",
    "created_position": "first.notification_id",
    "completed_position": "last.notification_id",
    "position": "last.notification_id",
    "started_by": _STARTED_BY,
}

_CLONE_ROWS = f"""
    INSERT INTO job_runs ({", ".join(_CLONED)}) SELECT {", ".join(_CLONED.values())}
    FROM job_runs AS run CROSS JOIN clone
    JOIN jobs_events AS first ON first.originator_id = clone.id AND first.originator_version = 1
    JOIN jobs_events AS last
        ON last.originator_id = clone.id AND last.originator_version = run.aggregate_version
    WHERE run.id = %s
"""

_TIME_ORDERED = """
    (lpad(to_hex(1767225600000 + number), 12, '0') || '7' || substr(md5('a' || number), 1, 3)
     || '8' || substr(md5('b' || number), 1, 15))::uuid
"""


async def fill(
    url: str, runs: int, slug: str = "job", *, time_ordered: bool = True, succeeded: bool = False
) -> None:
    """Fill a migrated database with runs and their rows.

    Canceled ones, of two events, or succeeded ones, of three; ids in the order of time, or random.
    """
    original = await ended_run(url, slug, succeeded=succeeded)
    with psycopg.connect(url, autocommit=True) as connection:
        multiply(connection, original, runs - 1, time_ordered=time_ordered)
        connection.execute("ANALYZE job_runs")


def multiply(
    connection: psycopg.Connection, original: UUID, runs: int, *, time_ordered: bool = False
) -> None:
    """Append this many runs that are like this one, but for their ids, with their rows."""
    new_id = _TIME_ORDERED if time_ordered else "gen_random_uuid()"
    numbers = f"generate_series(1, {runs}) AS number"
    connection.execute("DROP TABLE IF EXISTS clone")
    connection.execute(
        f"CREATE TEMPORARY TABLE clone AS SELECT number, {new_id} AS id FROM {numbers}".encode()
    )
    connection.execute("ANALYZE clone")
    connection.execute(_CLONE_EVENTS, (original,))
    connection.execute("ANALYZE jobs_events")
    connection.execute(_CLONE_ROWS.encode(), (original,))


async def ended_run(url: str, slug: str, *, succeeded: bool) -> UUID:
    """Register a job and see one run of it to its end."""
    async with parts(url) as part:
        await registered(part.jobs, slug)
        launch = Launch(parameters={"day": "monday", "rows": [1, 2.5, {"text": 'a\\b "c"\n'}]})
        run_id = (await part.jobs.launch(slug, launch, TESTER)).run_id
        if succeeded:
            [claim] = await part.executions.claim(await part.worker("worker"), 1)
            await part.executions.succeed(
                run_id, claim.holder, {"rows": 17}, Report({"rows": 17}, {"note": "fine"})
            )
        else:
            await part.jobs.cancel(run_id, "cloned", TESTER)
        return run_id


_SABOTAGE = (
    "UPDATE job_runs SET status = 'failed', error_message = 'sabotaged' WHERE id = ANY(%s)",
    """
        UPDATE job_runs SET parameters = '{"sabotaged": true}', result = 'null' WHERE id = ANY(%s)
    """,
    "DELETE FROM job_runs WHERE id = ANY(%s)",
    "UPDATE job_runs SET id = gen_random_uuid() WHERE id = ANY(%s)",
)
"""Wrong values, a JSON null, missing rows; rows that are missing and at the same time stand
elsewhere as extra ones."""


def sabotage(url: str, rows: int) -> list[UUID]:
    """Spoil this many rows in every way; return their ids, without those of extra rows."""
    chosen = [
        row[0]
        for row in query(url, "SELECT id FROM job_runs ORDER BY md5(id::text) LIMIT %s", rows)
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        for number, statement in enumerate(_SABOTAGE):
            connection.execute(statement.encode(), (chosen[number :: len(_SABOTAGE)],))
    return chosen
