"""Many commands share a transaction, and none suffers for another."""

import asyncio
import gc
import weakref
from contextlib import suppress
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from domain.errors import InvalidInputError, OverloadedError, VersionConflictError
from domain.jobs.launching import Launch
from domain.jobs.run import JobRun
from domain.json_values import JsonObject
from domain.ports import Unit
from eventlog.append import writer
from tests.support.logs import TESTER, Parts, now, parts, query, registered


async def test_a_stale_command_in_a_batch_of_fifty_fails_alone(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs)
    launched = [await part.jobs.launch(slug, Launch(), TESTER) for _ in range(50)]
    runs = [await part.jobs.run(one.run_id) for one in launched]
    await part.jobs.cancel(launched[25].run_id, "first", TESTER)
    for run in runs:
        run.request_cancel(now(), "together")
    outcomes = await asyncio.gather(
        *(part.jobs.save(run, origin=TESTER) for run in runs), return_exceptions=True
    )
    failed = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)]
    assert failed == [25]
    assert isinstance(outcomes[25], VersionConflictError)
    assert query(database_url, "SELECT count(*) FROM job_runs WHERE status = 'canceled'") == [(50,)]


async def test_refused_units_are_freed_without_a_search_for_garbage(part: Parts) -> None:
    slug = await registered(part.jobs)
    run_id = (await part.jobs.launch(slug, Launch(), TESTER)).run_id
    run = await part.jobs.run(run_id)
    run.request_cancel(now(), "why")
    unit = Unit(part.jobs.stored_events([run]), TESTER)
    await part.writer.append(unit)
    refused = [Unit(unit.events, TESTER) for _ in range(3)]
    left = [weakref.ref(one) for one in refused]
    gc.disable()
    try:
        while refused:
            with suppress(VersionConflictError):
                await part.writer.append(refused.pop())
        # The writer lets go of its last batch with the next one.
        await part.jobs.launch(slug, Launch(), TESTER)
        assert [one() for one in left] == [None, None, None]
    finally:
        gc.enable()


async def test_commands_on_one_run_keep_their_order_in_one_batch(
    database_url: str, part: Parts
) -> None:
    slug = await registered(part.jobs)
    run_id = (await part.jobs.launch(slug, Launch(), TESTER)).run_id
    run = await part.jobs.run(run_id)
    run.start("w", now())
    first = part.jobs.stored_events([run])
    run.request_cancel(now(), "why")
    second = part.jobs.stored_events([run])
    await asyncio.gather(
        part.writer.append(Unit(first, TESTER)), part.writer.append(Unit(second, TESTER))
    )
    events = await part.reader.histories([run_id])
    assert [event.topic for event in events] == [
        "job_run.requested",
        "job_run.started",
        "job_run.cancel_requested",
    ]
    assert query(database_url, "SELECT status, aggregate_version FROM job_runs") == [("running", 3)]


async def test_a_unit_of_several_aggregates_is_written_whole_or_not_at_all(part: Parts) -> None:
    slug = await registered(part.jobs)
    one, two = [await part.jobs.launch(slug, Launch(), TESTER) for _ in range(2)]
    stale, fresh = await part.jobs.run(one.run_id), await part.jobs.run(two.run_id)
    await part.jobs.cancel(one.run_id, None, TESTER)
    for run in (fresh, stale):
        run.request_cancel(now(), "both")
    with pytest.raises(VersionConflictError):
        await part.jobs.save(fresh, stale, origin=TESTER)
    assert (await part.jobs.run(two.run_id)).status == "pending"


async def test_a_unit_that_the_database_refuses_fails_alone(database_url: str, part: Parts) -> None:
    slug = await registered(part.jobs)
    run = await part.jobs.run((await part.jobs.launch(slug, Launch(), TESTER)).run_id)
    run.start("w\x00", now())  # The command line cannot bring this about; a bug could.
    poison = Unit(part.jobs.stored_events([run]), TESTER)
    outcomes = await asyncio.gather(
        *(part.jobs.launch(slug, Launch(), TESTER) for _ in range(10)),
        part.writer.append(poison),
        *(part.jobs.launch(slug, Launch(), TESTER) for _ in range(10)),
        return_exceptions=True,
    )
    assert [isinstance(outcome, psycopg.Error) for outcome in outcomes] == [False] * 10 + [True] + [
        False
    ] * 10
    assert query(database_url, "SELECT count(*) FROM job_runs") == [(21,)]


async def test_a_full_queue_is_an_answer_not_a_wait(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 5)

    async with parts(database_url) as part:
        slug = await registered(part.jobs)
        launched = await part.jobs.launch(slug, Launch(), TESTER)
        assert launched.row is not None
        definition_id = UUID(str(launched.row["job_definition_id"]))
        definition = await part.jobs.definition(definition_id)
        units = []
        for _ in range(50):
            # Each unit is a conflict; what matters is who gets to wait.
            definition_event = definition
            units.append(
                Unit(
                    [StoredEvent(definition_event.id, 1, "job_definition.registered", b"{}")],
                    TESTER,
                )
            )
        outcomes = await asyncio.gather(*map(part.writer.append, units), return_exceptions=True)
        kinds = {type(outcome) for outcome in outcomes}
        assert kinds == {OverloadedError, VersionConflictError}


async def test_many_commands_share_few_transactions(database_url: str, part: Parts) -> None:
    slug = await registered(part.jobs)
    await part.jobs.launch(slug, Launch(), TESTER)  # From now on the definition is remembered.
    await asyncio.gather(*(part.jobs.launch(slug, Launch(), TESTER) for _ in range(500)))
    [(transactions,)] = query(
        database_url,
        "SELECT count(DISTINCT xmin::text) FROM jobs_events WHERE topic = 'job_run.requested'",
    )
    assert transactions < 250


async def test_events_say_who_caused_them_and_why(part: Parts) -> None:
    slug = await registered(part.jobs)
    run_id = (await part.jobs.launch(slug, Launch(), TESTER)).run_id
    [claim] = await part.executions.claim(await part.worker("w1"), 1)
    await part.executions.hand_back(run_id, claim.holder)
    requested, started, handed_back = [
        event.present() for event in await part.reader.histories([run_id])
    ]
    assert [event["actor"] for event in (requested, started, handed_back)] == [
        "tester",
        "worker:w1",
        "worker:w1",
    ]
    assert requested["correlationId"] == started["correlationId"] == handed_back["correlationId"]
    assert started["causationId"] == requested["eventId"]
    assert handed_back["causationId"] == started["eventId"]


async def test_the_library_reads_and_writes_the_same_log(database_url: str, part: Parts) -> None:
    """The application is the library's: its repository folds, recorder inserts, and log reads."""

    slug = await registered(part.jobs)
    run_id = (await part.jobs.launch(slug, Launch(), TESTER)).run_id
    run: JobRun = await asyncio.to_thread(part.jobs.repository.get, run_id)
    assert run.status == "pending"
    run.request_cancel(now(), "by the library's way")
    positions = await asyncio.to_thread(
        part.jobs.recorder.insert_events, part.jobs.stored_events([run])
    )
    assert positions == [await part.reader.head()]
    notifications = await asyncio.to_thread(part.jobs.notification_log.select, 1, 10)
    assert [notification.topic for notification in notifications][-1] == "job_run.canceled"
    assert query(database_url, "SELECT status FROM job_runs") == [("canceled",)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE jobs_events SET actor = 'me'", "DELETE FROM jobs_events", "TRUNCATE jobs_events"],
)
def test_the_log_refuses_to_be_changed(database_url: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        query(database_url, statement)


async def test_a_launch_obeys_the_newest_version_whoever_revised_the_job(database_url: str) -> None:
    async with parts(database_url) as one, parts(database_url) as two:
        slug = await registered(one.jobs)
        # From now on this process remembers version 1.
        await one.jobs.launch(slug, Launch(), TESTER)
        strict: JsonObject = {"parameters_schema": {"required": ["n"]}}
        await two.jobs.revise_job(slug, strict, None, TESTER)
        with pytest.raises(InvalidInputError):
            await one.jobs.launch(slug, Launch(), TESTER)
        await two.jobs.revise_job(slug, {"parameters_schema": {"required": ["m"]}}, None, TESTER)
        # Wrong by what is remembered, right by what holds; and the other way round.
        await one.jobs.launch(slug, Launch(parameters={"m": 1}), TESTER)
        with pytest.raises(InvalidInputError):
            await one.jobs.launch(slug, Launch(parameters={"n": 1}), TESTER)
        rows = query(
            database_url, "SELECT definition_version FROM job_runs ORDER BY created_position"
        )
        assert rows == [(1,), (3,)]
