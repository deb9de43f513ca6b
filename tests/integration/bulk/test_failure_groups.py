"""The runs of a failure group: found by its fingerprint, now and then, and launched anew once."""

import asyncio
from uuid import UUID, uuid4

from domain import filters
from domain.bulk import failure_filter
from domain.commands.failures import Failures
from domain.filters import conditions_of
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.ports import Origin
from eventlog.failures import FailureSearch
from eventlog.history.as_of import open_past
from projections.runs.filters import run_filter
from projections.runs.lists import list_runs
from tests.integration.bulk.scene import Scene
from tests.support.logs import TESTER, query
from tests.support.sample_logs.seals import edit
from worker.followers import FailureGrouper

FINGERPRINTS = "SELECT title, fingerprint FROM failure_groups"

FORMER = """
    UPDATE jobs_events SET state = convert_to(
        replace(regexp_replace(convert_from(state, 'UTF8'), '"positions":\\[[0-9,]*\\],?', ''),
            '"class_version":2', '"class_version":1'), 'UTF8')
    WHERE topic IN ('failure_group.opened', 'failure_group.recurred')
"""


async def fail(scene: Scene, message: str) -> UUID:
    """Let the next run's attempt fail."""
    [claim] = await scene.part.executions.claim("w", 1)
    failure = AttemptFailure(message, retry_after_ms=0)
    await scene.part.executions.fail(claim.run.id, claim.holder, failure, Report())
    return claim.run.id


async def failed(scene: Scene, *messages: str) -> UUID:
    """Let a run fail as often, each time for another reason."""
    run_id = await scene.launch(max_attempts=len(messages))
    for message in messages:
        assert await fail(scene, message) == run_id
    return run_id


async def grouped(scene: Scene) -> dict[str, str]:
    """Let all failures be noted; return the groups' fingerprints by title."""
    part = scene.part
    grouper = FailureGrouper(Failures(part.jobs), FailureSearch(part.pool, part.files))
    while await grouper.step() == 0:
        pass
    return dict(query(part.url, FINGERPRINTS))


async def run_ids_by(scene: Scene, *texts: str, at: int | None = None) -> set[UUID]:
    """Return the runs that a filter finds as of a position: by both ways where it is the end."""
    conditions = conditions_of(filters.read(texts, ""))
    part = scene.part
    async with part.pool.connection() as connection, open_past(connection, part.files, at) as past:
        parsed_filter = await run_filter(connection, past, conditions)
        if parsed_filter is None:
            return set()
        then, _ = await past.runs(parsed_filter, 50, 0)
        if at is None:
            now, _ = await list_runs(connection, parsed_filter, 50, 0)
            assert [run["id"] for run in now] == [run["id"] for run in then]
    return {UUID(run["id"]) for run in then}


async def test_a_fingerprint_finds_the_runs_that_ended_so(scene: Scene) -> None:
    boom = {await failed(scene, "boom 1"), await failed(scene, "crash", "boom 2")}
    crash = {await failed(scene, "boom 3", "crash")}
    await failed_and_went_on(scene)
    others = {await scene.launch(delay_ms=3_600_000)}
    before = await scene.part.reader.head()
    prints = await grouped(scene)
    assert set(prints) == {"boom <n>", "crash"}
    of_boom, of_crash = (f"failureGroup={prints[one]}" for one in ("boom <n>", "crash"))
    assert await run_ids_by(scene, of_boom) == boom
    assert await run_ids_by(scene, of_crash) == crash
    assert await run_ids_by(scene, f"{of_boom},{prints['crash']}") == boom | crash
    assert await run_ids_by(scene, of_boom, "status=succeeded") == set()
    without = await run_ids_by(scene, of_boom.replace("=", "!="), "status=failed,pending")
    assert without == crash | others
    assert await run_ids_by(scene, of_boom, at=before) == set()
    later = await failed(scene, "boom 4")
    position = await scene.part.reader.head()
    await grouped(scene)
    assert await run_ids_by(scene, of_boom) == boom | {later}
    assert await run_ids_by(scene, of_boom, at=position) == boom


async def failed_and_went_on(scene: Scene) -> None:
    """Let a run fail once, and succeed then."""
    await scene.launch(max_attempts=2)
    await fail(scene, "boom 5")
    await scene.end()


async def test_what_failed_so_is_launched_anew_once(scene: Scene) -> None:
    runs = [await failed(scene, f"boom {number}") for number in range(4)]
    crash = await failed(scene, "crash")
    await scene.part.jobs.retry(runs[0], TESTER)
    fingerprint = (await grouped(scene))["boom <n>"]
    again = failure_filter("job", fingerprint)
    row = await scene.finish(await scene.start("retry", *again))
    assert (row["total"], row["done"], row["refused"]) == (3, 3, 0)
    row = await scene.finish(await scene.start("retry", *again))
    assert row["total"] == 0
    assert await run_ids_by(scene, "retried=true") == set(runs)
    not_yet = await run_ids_by(scene, "retried=false", "status=failed")
    assert not_yet == {crash}
    assert await run_ids_by(scene, "retried!=true", "status=failed") == {crash}


async def test_what_a_launcher_claims_to_repeat_is_launched_anew_all_the_same(scene: Scene) -> None:
    run_id = await failed(scene, "boom 1")
    claimed = Launch(context={"retryOf": str(run_id)}, delay_ms=3_600_000)
    request = Origin("mallory", causation_id=uuid4())
    await scene.part.jobs.launch("job", claimed, request)
    fingerprint = (await grouped(scene))["boom <n>"]
    assert await run_ids_by(scene, "retried=true") == set()
    again = failure_filter("job", fingerprint)
    row = await scene.finish(await scene.start("retry", *again))
    assert (row["total"], row["done"], row["refused"]) == (1, 1, 0)
    assert await run_ids_by(scene, "retried=true") == {run_id}


async def test_of_orders_that_are_given_at_once_one_launches_each_run_anew(scene: Scene) -> None:
    runs = [await failed(scene, f"boom {number}") for number in range(5)]
    again = failure_filter("job", (await grouped(scene))["boom <n>"])
    orders = [await scene.start("retry", *again) for _ in range(2)]
    await scene.part.jobs.retry(runs[0], TESTER)
    others = Scene(scene.part)
    rows = await asyncio.gather(scene.finish(orders[0]), others.finish(orders[1]))
    counted = "SELECT sum(total), sum(done), sum(refused) FROM bulk_operations"
    assert query(scene.part.url, counted) == [(10, 4, 6)]
    assert "run_repeated" in str([row["refusals"] for row in rows])
    repeats = "SELECT context->>'retryOf' FROM job_runs WHERE status = 'pending'"
    run_ids_by = [run_id for (run_id,) in query(scene.part.url, repeats)]
    assert sorted(run_ids_by) == sorted(map(str, runs))


async def test_of_what_was_noted_in_the_former_shape_no_run_is_found(scene: Scene) -> None:
    await failed(scene, "boom 1")
    of_boom = f"failureGroup={(await grouped(scene))['boom <n>']}"
    # Whoever appends knows the log's last event.
    await scene.launch(delay_ms=3_600_000)
    edit(scene.part.url, FORMER)
    later = await failed(scene, "boom 2")
    await grouped(scene)
    assert await run_ids_by(scene, of_boom) == {later}
