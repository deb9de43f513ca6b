"""Nothing acknowledged is lost, nothing refused is written, whenever a connection breaks."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal

import pytest
from psycopg import errors

from domain.commands.schedules import Schedules
from domain.errors import LogUnavailableError, OutcomeUnknownError
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.schedules.calendar import ScheduleSpec
from eventlog.append import writer as writer_module
from eventlog.append.writer import WriteTimeouts
from eventlog.database import connection, pipeline, sql
from eventlog.database.connection import Database, borrowed
from projections.flow.unfinished import ANY_UNFINISHED
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.wires.proxy import Proxy

COUNT = "SELECT count(*) FROM jobs_events WHERE topic = 'job_run.requested'"

ENOUGH_STEPS = 200
"""More messages than a transaction of the writer has; the test ends at the first cut that did not
happen."""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_cut_at_any_step_never_turns_a_success_into_an_error(
    database_url: str, when: Literal["before", "after"]
) -> None:
    steps = 0
    async with Proxy(database_url) as proxy, parts(database_url, writer_url=proxy.url) as part:
        slug = await registered(part.jobs)
        for step in range(1, ENOUGH_STEPS):
            cut = proxy.cut_at(step, when)
            launches = [part.jobs.launch(slug, Launch(), TESTER) for _ in range(3)]
            launched = await asyncio.gather(*launches)
            if not cut.happened:
                break
            steps = step
            for one in launched:
                events = await part.reader.histories([one.run_id])
                assert [event.version for event in events] == [1]
    # Three launches a round, each exactly once, the last and undisturbed round included.
    assert query(database_url, COUNT) == [((steps + 1) * 3,)]
    assert query(database_url, "SELECT count(*) FROM job_runs") == [((steps + 1) * 3,)]
    assert steps >= 6, "the transaction has more steps than were cut"


async def test_a_connection_cut_while_claiming_never_leaves_a_run_to_nobody(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "RETRY_PAUSE_S", 0.0)
    running = "SELECT id FROM job_runs WHERE status = 'running'"
    async with Proxy(database_url) as proxy, parts(database_url, writer_url=proxy.url) as part:
        slug = await registered(part.jobs)
        await part.worker("w")
        for step in range(1, ENOUGH_STEPS, 4):
            await part.jobs.launch(slug, Launch(), TESTER)
            cut = proxy.cut_at(step, "after")
            [claim] = await part.executions.claim("w", 1)
            proxy.cut = None
            assert query(database_url, running) == [(claim.run.id,)]
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
            if not cut.happened:
                break
        assert step > 8, "a claim has more messages than were cut"
    assert query(database_url, "SELECT DISTINCT status FROM job_runs") == [("succeeded",)]


async def test_a_database_that_stays_away_is_reported_and_nothing_is_written(
    database_url: str,
) -> None:
    timeouts = WriteTimeouts(write_s=0.5, settle_s=0.5)
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=timeouts) as part,
    ):
        slug = await registered(part.jobs)
        proxy.refusing = True
        proxy.lose_all()
        with pytest.raises(LogUnavailableError):
            await part.jobs.launch(slug, Launch(), TESTER)
        assert query(database_url, COUNT) == [(0,)]
        proxy.refusing = False
        await part.jobs.launch(slug, Launch(), TESTER)
        assert query(database_url, COUNT) == [(1,)]


def refuse(proxy: Proxy) -> None:
    """Let no connection through any more."""
    proxy.refusing = True


async def outcome_unknown(
    proxy: Proxy, command: Callable[[], Awaitable[object]], then: Callable[[Proxy], object] = refuse
) -> Sequence[str]:
    """Let a command's commit get no answer, twice; return what the second one was told to ask for.

    The first tells after which message the transaction commits: it gets its answer. `then` keeps
    the writer from finding out what became of the second one.
    """
    await command()
    proxy.cut_at(10_000, "after")
    await command()
    commit = proxy.messages
    cut = proxy.cut_at(commit, "after")

    async def obstruct_once_cut() -> None:
        while not cut.happened:
            await asyncio.sleep(0)
        then(proxy)

    obstructing = asyncio.create_task(obstruct_once_cut())
    with pytest.raises(OutcomeUnknownError) as unknown:
        await command()
    await obstructing
    return unknown.value.ids


SHORT_TIMEOUTS = WriteTimeouts(write_s=0.5, settle_s=0.5)


async def test_a_commit_whose_fate_cannot_be_found_out_is_said_to_be_unknown(
    database_url: str,
) -> None:
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=SHORT_TIMEOUTS) as part,
    ):
        slug = await registered(part.jobs)
        [run_id] = await outcome_unknown(proxy, lambda: part.jobs.launch(slug, Launch(), TESTER))
        # What was sent did commit; the answer names the id, so that the client can look.
        assert query(database_url, "SELECT count(*) FROM job_runs WHERE id = %s", run_id) == [(1,)]


async def test_whoever_triggers_a_schedule_is_told_the_run_to_ask_for(database_url: str) -> None:
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=SHORT_TIMEOUTS) as part,
    ):
        schedules = Schedules(part.jobs)
        job = await registered(part.jobs)
        await schedules.create("nightly", ScheduleSpec(job=job, cron="0 3 * * *"), TESTER)
        run_id, schedule = await outcome_unknown(
            proxy, lambda: schedules.trigger("nightly", TESTER)
        )
        assert schedule == "nightly"
        newest = "SELECT id::text FROM job_runs ORDER BY created_position DESC LIMIT 1"
        assert query(database_url, newest) == [(run_id,)]


async def test_what_clients_call_by_a_slug_is_named_by_it(database_url: str) -> None:
    whys = iter(("first", "second", "third"))
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=SHORT_TIMEOUTS) as part,
    ):
        schedules = Schedules(part.jobs)
        job = await registered(part.jobs)
        await schedules.create("nightly", ScheduleSpec(job=job, cron="0 3 * * *"), TESTER)
        error = await outcome_unknown(
            proxy, lambda: schedules.revise("nightly", {"parameters": {"a": next(whys)}}, TESTER)
        )
        assert error == ["nightly"]


async def test_a_job_is_named_by_its_slug(database_url: str) -> None:
    names = iter(("first", "second", "third"))
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=SHORT_TIMEOUTS) as part,
    ):
        job = await registered(part.jobs)
        error = await outcome_unknown(
            proxy, lambda: part.jobs.revise_job(job, {"name": next(names)}, None, TESTER)
        )
        assert error == [job]


async def test_events_and_rows_appear_together_for_every_reader(
    database_url: str, part: Parts
) -> None:
    """However often one looks, the table shows exactly the runs that the log has."""

    slug = await registered(part.jobs)
    launching = asyncio.gather(*(part.jobs.launch(slug, Launch(), TESTER) for _ in range(300)))
    looks = 0
    while not launching.done():
        [(log, table)] = await asyncio.to_thread(
            query, database_url, f"SELECT ({COUNT}), (SELECT count(*) FROM job_runs)"
        )
        assert log == table
        looks += 1
    await launching
    assert looks > 0


async def test_stopping_finishes_what_waits_and_refuses_what_is_new(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs)
    definition_ready = await asyncio.gather(
        *(part.jobs.launch(slug, Launch(), TESTER) for _ in range(5))
    )
    assert len(definition_ready) == 5
    launches = [asyncio.create_task(part.jobs.launch(slug, Launch(), TESTER)) for _ in range(50)]
    await launches[0]
    await part.writer.stop()
    acknowledged = 0
    for launch in launches:
        with suppress(LogUnavailableError):
            await launch
            acknowledged += 1
    assert query(database_url, COUNT) == [(5 + acknowledged,)]
    with pytest.raises(LogUnavailableError):
        await part.jobs.launch(slug, Launch(), TESTER)


async def test_a_server_that_answers_nothing_counts_as_away(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "ANSWER_S", 0.5)
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=SHORT_TIMEOUTS) as part,
        asyncio.timeout(60),
    ):
        slug = await registered(part.jobs)
        proxy.answers_flow.clear()
        with pytest.raises(LogUnavailableError):
            await part.jobs.launch(slug, Launch(), TESTER)
        proxy.answers_flow.set()
        await part.jobs.launch(slug, Launch(), TESTER)
        assert query(database_url, COUNT) == [(1,)]


async def test_a_read_without_an_answer_gives_up_its_session(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection.PooledConnection, "answer_s", 0.2)
    async with (
        Proxy(database_url) as proxy,
        Database(proxy.url).pool(1) as pool,
        asyncio.timeout(60),
    ):
        await pool.wait(60)
        async with borrowed(pool) as lent:
            with connection.answer_limit(lent, None):
                await lent.execute("SELECT pg_sleep(0.5)")
            proxy.answers_flow.clear()
            with pytest.raises(errors.ConnectionTimeout, match="does not answer"):
                await lent.execute("SELECT 1")
            assert lent.closed
        proxy.answers_flow.set()


@pytest.mark.slow
async def test_a_server_that_falls_silent_leaves_nobody_waiting(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers until a session is set up or lent, a decision reads, or a commit is looked up."""
    monkeypatch.setattr(connection, "CHECK_AFTER_S", 0.0)
    timeouts = replace(SHORT_TIMEOUTS, prepare_s=2.0)
    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        unused = await registered(part.jobs, "unused")

    async def connect() -> None:
        async with Proxy(database_url) as proxy:
            proxy.cut_at(b"idle_in_transaction_session_timeout", "held")
            with pytest.raises(errors.ConnectionTimeout):
                await Database(proxy.url).connect()

    async def lend() -> None:
        async with Proxy(database_url) as proxy, Database(proxy.url).pool(1) as pool:
            await pool.wait(60)
            proxy.cut_at(1, "held")
            with pytest.raises(LogUnavailableError):
                async with borrowed(pool):
                    pytest.fail("it was not checked")

    async def decide() -> None:
        async with Proxy(database_url) as proxy:
            proxy.cut_at(ANY_UNFINISHED.split("%")[0].encode(), "held")
            async with parts(database_url, writer_url=proxy.url, timeouts=timeouts) as part:
                with pytest.raises(LogUnavailableError):
                    await part.jobs.delete_job(unused, TESTER)

    async def look_up() -> None:
        async with (
            Proxy(database_url) as proxy,
            parts(database_url, writer_url=proxy.url, timeouts=timeouts) as part,
        ):
            launch = partial(part.jobs.launch, slug, Launch(), TESTER)
            await outcome_unknown(
                proxy, launch, lambda proxy: proxy.cut_at(sql.BEGIN.encode(), "held")
            )

    async with asyncio.timeout(60):
        await asyncio.gather(connect(), lend(), decide())
        await look_up()


async def test_stopping_does_not_wait_for_a_server_that_answers_nothing(database_url: str) -> None:
    async with (
        Proxy(database_url) as proxy,
        parts(database_url, writer_url=proxy.url, timeouts=SHORT_TIMEOUTS) as part,
    ):
        slug = await registered(part.jobs)
        proxy.answers_flow.clear()
        launch = asyncio.create_task(part.jobs.launch(slug, Launch(), TESTER))
        before = proxy.messages
        while proxy.messages == before:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            await part.writer.stop()
        with pytest.raises(LogUnavailableError):
            await launch
