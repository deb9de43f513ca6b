"""How the database looks for schedules whose runs have ended, and what became of their runs."""

import psycopg

from domain.identifiers import schedule_id
from eventlog.history.audit import MAX_SKIPPED, Audit, EventFilter
from projections.rows import read_value
from projections.runs.of_schedules import OF_SCHEDULES
from projections.schedules import AWAITING
from tests.integration.schedules.scene import Scene
from tests.support.logs import query
from tests.support.sample_logs.long_histories import tick_often

MANY = 3_000

MANY_RUNS = """
    INSERT INTO job_runs SELECT copy.*
    FROM job_runs AS run, generate_series(1, %s) AS number,
    LATERAL jsonb_populate_record(run, jsonb_build_object(
        'id', gen_random_uuid(), 'created_position', run.created_position + number)) AS copy
"""

MANY_SCHEDULES = """
    INSERT INTO schedules SELECT copy.*
    FROM schedules AS schedule, (SELECT id, row_number() OVER () AS number FROM job_runs) AS run,
    LATERAL jsonb_populate_record(schedule, jsonb_build_object(
        'aggregate_id', gen_random_uuid(), 'id', 'copy-' || number,
        'open_runs', jsonb_build_array(run.id))) AS copy
"""

EVENTS_OF_OTHERS = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state)
    SELECT gen_random_uuid(), 1, 'job_run.requested', '{}' FROM generate_series(1, 5000)
    RETURNING 1
"""

TICKS = 12_000

EVENTS_READ = """
    SELECT seq_tup_read + idx_tup_fetch AS events FROM pg_stat_xact_user_tables
    WHERE relname = 'jobs_events'
"""


async def test_awaited_runs_are_looked_up_and_no_table_of_them_is_scanned(scene: Scene) -> None:
    await scene.create(pause_on_failure=True)
    await scene.tick(1)
    with psycopg.connect(scene.part.url) as connection:
        # Nobody has counted the rows since, as it is after a burst.
        connection.execute(MANY_RUNS.encode(), (MANY,))
        connection.execute(MANY_SCHEDULES.encode())
        values = {"limit": 1_000, "bypassed": []}
        explain = f"EXPLAIN {AWAITING}".encode()
        lines = connection.execute(explain, values).fetchall()
        connection.rollback()
    plan = "\n".join(line for (line,) in lines)
    assert "Scan using job_runs_pkey on job_runs" in plan
    assert "Seq Scan on job_runs" not in plan
    assert "Scan using schedules_left_waiting on schedules" in plan
    assert "Hash" not in plan


async def test_what_became_of_runs_is_read_off_the_schedules_own_events(scene: Scene) -> None:
    await scene.create()
    await scene.tick(1)
    with psycopg.connect(scene.part.url) as connection:
        connection.execute(MANY_RUNS.encode(), (MANY,))
        values = {"ids": [schedule_id("often")], "since": scene.now, "last": 9, "events": 9}
        explain = f"EXPLAIN {OF_SCHEDULES}".encode()
        lines = connection.execute(explain, values).fetchall()
        connection.rollback()
    plan = "\n".join(line for (line,) in lines)
    assert "jobs_events_pkey" in plan
    assert "Scan using job_runs_pkey on job_runs" in plan
    assert "Seq Scan on job" not in plan


async def test_a_page_of_ticks_reads_no_events_of_others_and_few_earlier_ones(scene: Scene) -> None:
    url = scene.part.url
    query(url, EVENTS_OF_OTHERS)
    await scene.create()
    tick_often(url, "often", TICKS)
    query(url, EVENTS_OF_OTHERS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE jobs_events")
    audit = Audit(scene.part.pool, scene.part.files)
    ticks = EventFilter(types=["schedule.tick_*"], aggregate_id=schedule_id("often"))
    versions: list[int] = []
    after: int | None = 0
    async with scene.part.pool.connection() as connection:
        while after is not None:
            async with connection.transaction():
                before = await read_value(connection, int, EVENTS_READ)
                page = await audit.page_in(connection, ticks, after, 250)
                read = await read_value(connection, int, EVENTS_READ) - before
            assert read < MAX_SKIPPED + 400, (after, read)
            versions += [event.version for event in page.events]
            after = page.next
    assert versions == list(range(2, TICKS + 2))
