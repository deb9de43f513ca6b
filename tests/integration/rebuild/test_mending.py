"""What a rebuild does to rows one by one, and what it leaves alone."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from eventlog.append import plan as append_statements
from eventlog.database import connection as operators
from eventlog.database import sql
from eventlog.database.connection import Database
from eventlog.rebuild import rebuild, repair
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.rebuild import RebuildResult, RebuildUnderWayError
from eventlog.rebuild.repair import Repairer
from eventlog.rebuild.verify import verify
from projections import job_definitions, job_runs
from projections.table import Table
from projections.tables import TABLES
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs.big_logs import fill


def fail(difference: Difference) -> None:
    raise AssertionError(difference)


async def rebuilt(
    url: str, table: Table, at: Callable[[str], None] = lambda _: None
) -> RebuildResult:
    return await rebuild.rebuild(
        Database(url), table, fail, lambda what, done, total: at(what) if done == total else None
    )


async def rebuild_now(
    url: str, table: Table, at: Callable[[str], None] = lambda _: None
) -> RebuildResult:
    return await rebuilt(url, table, at)


async def check_equal_to_log(url: str) -> None:
    await verify(Database(url), TABLES, fail, lambda *_: None)


def meanwhile(url: str, act: Callable[[Parts], Any]) -> None:
    """Do something with the service's parts in a thread: at this very moment of a rebuild."""

    async def run() -> None:
        async with parts(url) as part:
            await act(part)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    thread.join()


async def test_a_row_that_moved_on_from_a_bad_base_is_mended_to_the_present(
    database_url: str,
) -> None:
    async with parts(database_url) as part:
        launch = Launch(parameters={"day": "monday"}, delay_ms=3_600_000)
        run_id = (await part.jobs.launch(await registered(part.jobs), launch, TESTER)).run_id
    query(database_url, """UPDATE job_runs SET parameters = '{"day": "sabotaged"}' RETURNING 1""")

    def compared(what: str) -> None:
        if what == "job_runs: comparing" and not query(
            database_url, "SELECT 1 FROM job_runs WHERE status = 'canceled'"
        ):
            meanwhile(database_url, lambda part: part.jobs.cancel(run_id, "now", TESTER))

    result = await rebuild_now(database_url, job_runs.TABLE, compared)
    assert result.repaired == 1
    assert list(result.examples) == [f"{run_id} differed in parameters"]
    assert query(database_url, "SELECT status, parameters, aggregate_version FROM job_runs") == [
        ("canceled", {"day": "monday"}, 2)
    ]


async def test_what_is_appended_between_fold_and_lock_is_folded_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def launched(part: Parts) -> UUID:
        return (
            await part.jobs.launch(await registered(part.jobs), Launch(delay_ms=3_600_000), TESTER)
        ).run_id

    tries: list[list[UUID]] = []

    async with parts(database_url) as part:
        run_id = await launched(part)
        query(database_url, "UPDATE job_runs SET slug = 'sabotaged' RETURNING 1")
        write = Repairer._write

        async def writing(self: Any, keys: Any, *, delete_first: bool) -> Any:
            tries.append(list(keys))
            if len(tries) == 1:
                await part.jobs.cancel(run_id, "between", TESTER)
            return await write(self, keys, delete_first=delete_first)

        monkeypatch.setattr(Repairer, "_write", writing)
        assert (await rebuilt(database_url, job_runs.TABLE)).repaired == 1
        assert tries == [[run_id], [run_id]]
    assert query(database_url, "SELECT slug, status FROM job_runs") == [("job", "canceled")]


async def test_an_append_after_the_mending_follows_the_mended_row(
    database_url: str, part: Parts
) -> None:
    run_id = (await part.jobs.launch(await registered(part.jobs), Launch(), TESTER)).run_id
    query(database_url, "DELETE FROM job_runs RETURNING 1")
    await rebuilt(database_url, job_runs.TABLE)
    [claim] = await part.executions.claim(await part.worker("worker"), 1)
    assert claim.run.id == run_id
    await part.executions.succeed(run_id, claim.holder, None, Report({"rows": 1}))
    await check_equal_to_log(database_url)


async def test_rows_that_sit_on_what_belongs_to_others_all_come_right(
    database_url: str, part: Parts
) -> None:
    for slug in ("a", "b", "c", "d", "e"):
        await registered(part.jobs, slug)
    with psycopg.connect(database_url, autocommit=True) as connection:
        # a and b exchanged, but for a letter's case,
        for old, new in (("a", "x"), ("b", "A"), ("x", "b")):
            connection.execute("UPDATE job_definitions SET slug = %s WHERE slug = %s", (new, old))
        # d on the place of c, which is gone,
        connection.execute("DELETE FROM job_definitions WHERE slug = 'c'")
        connection.execute("UPDATE job_definitions SET slug = 'C' WHERE slug = 'd'")
        # and e a stranger.
        connection.execute("UPDATE job_definitions SET id = gen_random_uuid() WHERE slug = 'e'")
    assert (await rebuild_now(database_url, job_definitions.TABLE)).repaired == 6
    await check_equal_to_log(database_url)


async def test_it_appends_nothing_and_announces_nothing(filled_url: str) -> None:
    query(filled_url, "DELETE FROM job_runs RETURNING 1")
    drawn = "(SELECT last_value FROM jobs_events_notification_id_seq)"
    state = f"SELECT count(*), {drawn} FROM jobs_events"
    before = (query(filled_url, state), query(filled_url, "SELECT * FROM workers ORDER BY id"))
    with psycopg.connect(filled_url, autocommit=True) as listening:
        listening.execute(f"LISTEN {sql.CHANNEL}")
        assert (await rebuild_now(filled_url, job_runs.TABLE)).repaired > 0
        # Whatever was announced before this has arrived with its answer.
        listening.execute("SELECT 1")
        assert list(listening.notifies(timeout=0)) == []
        listening.execute(append_statements.ANNOUNCE, ("1",))
        assert [notice.payload for notice in listening.notifies(timeout=0)] == ["1"]
    assert (
        query(filled_url, state),
        query(filled_url, "SELECT * FROM workers ORDER BY id"),
    ) == before


async def test_one_rebuild_at_a_time(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "LOCK_WAIT", "100ms")

    begun, over = asyncio.Event(), asyncio.Event()

    async def long_one() -> None:
        async with rebuild._rebuild_session(Database(database_url), job_runs.TABLE):
            begun.set()
            await over.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(long_one())
        await begun.wait()
        with pytest.raises(
            RebuildUnderWayError, match="at work already: apphub-jobs rebuild of job_runs, since 2"
        ):
            await rebuilt(database_url, job_definitions.TABLE)
        over.set()
    await rebuild_now(database_url, job_definitions.TABLE)


async def test_batches_stay_short_and_one_that_waits_too_long_for_the_lock_is_tried_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database_url, 100)
    query(database_url, "DELETE FROM job_runs RETURNING 1")
    sizes = []
    write = Repairer._write

    async def writing(self: Any, keys: Any, *, delete_first: bool) -> Any:
        sizes.append(len(keys))
        if len(sizes) == 3:
            # Somebody holds the append lock longer than the rebuild will wait for it.
            await self._connection.execute("SET lock_timeout = '50ms'")
            async with await psycopg.AsyncConnection.connect(database_url) as holder:
                await holder.execute(f"SELECT pg_advisory_xact_lock({sql.APPEND_LOCK})")
                await write(self, keys, delete_first=delete_first)
                pytest.fail("the lock was taken twice")
        return await write(self, keys, delete_first=delete_first)

    monkeypatch.setattr(Repairer, "_write", writing)
    # Whatever a batch takes is too long: they shrink to single rows.
    monkeypatch.setattr(repair, "TARGET_HOLD_S", 0.0)
    assert (await rebuild_now(database_url, job_runs.TABLE)).repaired == 100
    assert sizes[0] == repair.INITIAL_BATCH
    assert sizes[1:] == [1] * (100 - repair.INITIAL_BATCH + 1)  # One of them tried twice.
    await check_equal_to_log(database_url)
