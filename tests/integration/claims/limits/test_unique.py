"""Unique runs: which of two gives way, and that there never are two, whoever launches."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.commands.jobs import Launched
from domain.commands.schedules import Schedules
from domain.commands.uniqueness import SlotQueues
from domain.errors import ConflictError, OverloadedError
from domain.identifiers import UniqueSlot
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from domain.schedules.calendar import ScheduleSpec
from eventlog.database.connection import Database
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests.support.logs import TESTER, Parts, parts, query, registered
from tests.support.sample_logs import promises

SCHEMA: JsonObject = {"properties": {"k": {}}}


async def unique_job(part: Parts, until: str, on_conflict: str, schema: JsonObject = SCHEMA) -> str:
    """Register a job whose runs are unique by `k`."""
    unique: JsonObject = {"key": ["k"], "until": until, "onConflict": on_conflict}
    slug = f"{on_conflict}-until-{until}"
    return await registered(part.jobs, slug, parameters_schema=schema, unique_runs=unique)


async def launch(part: Parts, slug: str, **parameters: Any) -> Launched:
    request = Launch(parameters=parameters, max_attempts=3)
    return await part.jobs.launch(slug, request, TESTER)


async def live(part: Parts, run_id: UUID, until: str) -> None:
    """Bring a run that is the only one pending to some point of its life."""
    if until == "pending":
        return
    if until == "canceled":
        await part.jobs.cancel(run_id, None, TESTER)
        return
    [claim] = await part.executions.claim("w", 1)
    assert claim.run.id == run_id
    does, holder = part.executions, claim.holder
    match until:
        case "cancel requested":
            await part.jobs.cancel(run_id, None, TESTER)
        case "handed back":
            await does.hand_back(run_id, holder)
        case "failed once":
            failure = AttemptFailure("boom", retry_after_ms=0)
            await does.fail(run_id, holder, failure, Report())
        case "failed":
            await does.fail(run_id, holder, AttemptFailure("x", permanent=True), Report())
        case "succeeded":
            await does.succeed(run_id, holder, None, Report())


STORIES = """
    SELECT DISTINCT correlation_id FROM jobs_events WHERE originator_id = %s
"""

KEPT, REPLACED, BESIDE = "kept", "replaced", "beside"

SCENARIOS: dict[str, tuple[str, str, str, str]] = {
    # What became of the first run, and what of the second launch, if runs are unique ...
    # ... and kept until their start, or their end; replaced until their start, or their end.
    "pending": (KEPT, KEPT, REPLACED, REPLACED),
    "running": (BESIDE, KEPT, BESIDE, KEPT),
    "cancel requested": (BESIDE, KEPT, BESIDE, KEPT),
    "handed back": (BESIDE, KEPT, BESIDE, REPLACED),
    "failed once": (BESIDE, KEPT, BESIDE, REPLACED),
    "failed": (BESIDE,) * 4,
    "succeeded": (BESIDE,) * 4,
    "canceled": (BESIDE,) * 4,
}

RULES = [(how, until) for how in ("keep", "replace") for until in ("start", "end")]


async def _outcome(part: Parts, first: UUID, second: Launched) -> str:
    rows = query(
        part.url, "SELECT status, error_message, context FROM job_runs WHERE id = %s", first
    )
    [(status, reason, context)] = rows
    if second.is_kept:
        assert (second.run_id, second.row) == (first, None)
        return KEPT
    if reason == "replaced":
        assert status == "canceled"
        assert context["replacedBy"] == str(second.run_id)
        return REPLACED
    return BESIDE


async def test_which_run_gives_way_is_as_the_table_says(part: Parts) -> None:
    await part.worker("w")
    for how, until in RULES:
        await unique_job(part, until, how)
    differences: list[str] = []
    for number, (so_far, outcomes) in enumerate(SCENARIOS.items()):
        for (how, until), expected in zip(RULES, outcomes, strict=True):
            slug = f"{how}-until-{until}"
            first = (await launch(part, slug, k=number)).run_id
            await live(part, first, so_far)
            second = await launch(part, slug, k=number)
            outcome = await _outcome(part, first, second)
            if outcome != expected:
                differences.append(f"{slug}, {so_far}: {outcome}, not {expected}")
            for run_id in (first, second.run_id):
                with_end = part.jobs.cancel(run_id, "over", TESTER)
                await asyncio.gather(with_end, return_exceptions=True)
    assert differences == []
    await promises.keep(Database(part.url))
    unexpected: list[Difference] = []
    await verify(Database(part.url), TABLES, unexpected.append, lambda *_: None)
    assert unexpected == []


async def test_other_values_and_jobs_that_are_no_longer_unique_are_launched(part: Parts) -> None:
    slug = await unique_job(part, "end", "keep")
    parameters: list[JsonObject] = [{"k": 1}, {"k": "1"}, {"k": None}, {}]
    launched = [await launch(part, slug, **one) for one in parameters]
    assert len({one.run_id for one in launched}) == 4
    assert (await launch(part, slug, k=1)).run_id == launched[0].run_id
    async with parts(part.url) as other:
        await other.jobs.revise_job(slug, {"unique_runs": None}, None, TESTER)
    assert not (await launch(part, slug, k=1)).is_kept


async def _race(services: list[Parts], over: asyncio.Event) -> list[Launched]:
    """Let many launch, and tell once it is over."""
    racers = [_launches(services[number % 3], Random(number)) for number in range(12)]
    try:
        rounds = await asyncio.gather(*racers)
    finally:
        over.set()
    return [launched for one in rounds for launched in one]


async def _launches(part: Parts, random: Random) -> list[Launched]:
    launched: list[Launched] = []
    for _ in range(12):
        how, until = random.choice(RULES)
        slug = f"{how}-until-{until}"
        launched.append(await launch(part, slug, k=random.randrange(2)))
    return launched


async def _work(part: Parts, worker_id: str, over: asyncio.Event) -> None:
    await part.worker(worker_id)
    random = Random(worker_id)
    while not over.is_set():
        for claim in await part.executions.claim(worker_id, 2):
            run_id, holder = claim.run.id, claim.holder
            if random.random() < 0.5:
                await part.executions.hand_back(run_id, holder)
            else:
                await part.executions.succeed(run_id, holder, None, Report())
        await asyncio.sleep(random.random() / 50)


async def test_of_racing_launchers_never_two_have_a_run_for_the_same(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(parts(database_url)) for _ in range(3)]
        for how, until in RULES:
            await unique_job(services[0], until, how)
        over = asyncio.Event()
        working = [_work(service, f"w{number}", over) for number, service in enumerate(services)]
        racing = _race(services, over)
        launched, _ = await asyncio.gather(racing, asyncio.gather(*working))
    # The judge shares no code with what it judges.
    await promises.keep(Database(database_url))
    ids = [one.run_id for one in launched if not one.is_kept]
    assert Counter(ids).most_common(1)[0][1] == 1
    assert {one.run_id for one in launched} == set(ids)
    reasons = "SELECT count(*) FROM job_runs WHERE error_message = 'replaced'"
    [(replaced,)] = query(database_url, reasons)
    assert replaced > 5
    assert len(ids) < len(launched) - 5


async def test_of_a_burst_of_launches_one_stays_however_many_come_at_once(part: Parts) -> None:
    slug = await unique_job(part, "start", "replace")
    body = Launch(parameters={"k": 1}, delay_ms=3_600_000)
    burst = [part.jobs.launch(slug, body, TESTER) for _ in range(60)]
    launched = await asyncio.gather(*burst)
    statuses = query(part.url, "SELECT status, count(*) FROM job_runs GROUP BY 1")
    assert dict(statuses) == {"pending": 1, "canceled": 59}
    assert len({one.run_id for one in launched}) == 60
    await promises.keep(Database(part.url))


async def test_a_retry_leads_to_the_run_that_is_kept(part: Parts) -> None:
    await part.worker("w")
    slug = await unique_job(part, "end", "keep")
    first = (await launch(part, slug, k=1)).run_id
    await live(part, first, "failed")
    again = await part.jobs.retry(first, TESTER)
    assert not again.is_kept
    once_more = await part.jobs.retry(first, TESTER)
    assert (once_more.run_id, once_more.is_kept) == (again.run_id, True)


async def test_a_run_has_a_story_of_its_own_whatever_gives_way_to_it(part: Parts) -> None:
    await part.worker("w")
    slug = await unique_job(part, "end", "replace")
    failed = (await launch(part, slug, k=1)).run_id
    await live(part, failed, "failed")
    first = (await launch(part, slug, k=1)).run_id
    second = (await launch(part, slug, k=1)).run_id
    retried = (await part.jobs.retry(failed, TESTER)).run_id
    stories = {
        run_id: query(part.url, STORIES, run_id) for run_id in (failed, first, second, retried)
    }
    # None has two, though the ends of the first and the second stand in the units of others.
    assert [len(story) for story in stories.values()] == [1] * 4
    assert stories[retried] == stories[failed]
    assert stories[failed] != stories[first] != stories[second] != stories[failed]


async def test_a_key_leads_to_its_own_run_first(part: Parts) -> None:
    slug = await unique_job(part, "end", "replace")
    keyed = Launch(parameters={"k": 1}, idempotency_key="a", body={"k": 1})
    first = await part.jobs.launch(slug, keyed, TESTER)
    await launch(part, slug, k=1)
    again = await part.jobs.launch(slug, keyed, TESTER)
    assert (again.run_id, again.row, again.is_kept) == (first.run_id, None, False)
    [(status,)] = query(part.url, "SELECT status FROM job_runs WHERE id = %s", first.run_id)
    assert status == "canceled"


async def test_runs_with_personal_data_replace_each_other_as_well(
    database_url: str, tmp_path: Path
) -> None:
    async with parts(database_url, subject_key=tmp_path / "subjects.key") as part:
        schema: JsonObject = {"properties": {"k": {}, "who": {"x-subject": "who"}}}
        slug = await unique_job(part, "end", "replace", schema)
        first = await launch(part, slug, k=1, who="Ursula")
        second = await launch(part, slug, k=1, who="Bertram")
        assert await _outcome(part, first.run_id, second) == REPLACED
        run = await part.jobs.run(second.run_id)
        assert run.parameters == {"k": 1, "who": "Bertram"}
    states = query(database_url, "SELECT convert_from(state, 'UTF8') FROM jobs_events")
    assert [state for (state,) in states if "Ursula" in state or "Bertram" in state] == []


async def test_a_schedule_s_run_obeys_as_well(part: Parts) -> None:
    schedules = Schedules(part.jobs)
    for how in ("keep", "replace"):
        slug = await unique_job(part, "end", how)
        spec = ScheduleSpec(job=slug, parameters={"k": 1}, every_ms=60_000)
        await schedules.create(how, spec, TESTER)
        await launch(part, slug, k=1)
    with pytest.raises(ConflictError, match="it is kept"):
        await schedules.trigger("keep", TESTER)
    launched = await schedules.trigger("replace", TESTER)
    rows = query(part.url, "SELECT status, context->>'replacedBy' FROM job_runs ORDER BY slug, 1")
    assert rows == [("pending", None), ("canceled", str(launched.run_id)), ("pending", None)]
    await promises.keep(Database(part.url))


async def test_a_line_that_moves_is_waited_for_and_one_that_does_not_is_left() -> None:
    queues, slot = SlotQueues(longest_wait_s=2.0), UniqueSlot(uuid4(), "value")

    async def take_turn() -> None:
        async with queues.turn(slot):
            await asyncio.sleep(0.2)

    # Together they take twice as long as anybody waits without a move.
    await asyncio.gather(*(take_turn() for _ in range(20)))
    async with queues.turn(slot):
        with pytest.raises(OverloadedError):
            await take_turn()
    crowded = SlotQueues(max_waiting=0)
    with pytest.raises(OverloadedError):
        async with crowded.turn(slot):
            pass
