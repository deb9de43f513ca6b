"""Isolation: attempts that share a process are claimed for slots of their own."""

from uuid import UUID

from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.ports import Offer
from domain.workers import Isolation
from eventlog.database.connection import borrowed
from eventlog.pending_work import ANY_SHARED
from projections.rows import read_value
from tests.support.logs import TESTER, Parts


async def _register(part: Parts, slug: str, isolation: Isolation) -> None:
    spec = JobSpec(name=slug, type="batch", entry_point="test.noop", isolation=isolation)
    await part.jobs.register_job(slug, spec, 1, TESTER)


async def _revise(part: Parts, slug: str, isolation: Isolation) -> None:
    await part.jobs.revise_job(slug, {"isolation": isolation}, None, TESTER)


async def _launch(part: Parts, slug: str) -> UUID:
    launched = await part.jobs.launch(slug, Launch(), TESTER)
    return launched.run_id


async def _claim(part: Parts, isolation: Isolation, slots: int = 4, zone: str = "eu") -> list[UUID]:
    labels = frozenset({("zone", zone)})
    offer = Offer(frozenset({"test.noop"}), labels=labels, isolation=isolation)
    claims = await part.executions.claim("w", slots, offer)
    return [claim.run.id for claim in claims]


async def test_each_kind_of_slot_takes_its_own_however_many_stand_in_front(part: Parts) -> None:
    await part.worker("w")
    await _register(part, "alone", "process")
    await _register(part, "beside", "shared")
    for _ in range(30):
        await _launch(part, "alone")
    shared = [await _launch(part, "beside") for _ in range(30)]
    alone = [await _launch(part, "alone") for _ in range(2)]
    assert await _claim(part, "shared") == shared[:4]
    assert await _claim(part, "shared", 40) == shared[4:]
    await _register(part, "later", "shared")
    later = await _launch(part, "later")
    assert await _claim(part, "shared") == [later], "of a job that came since"
    claimed = await _claim(part, "process", 40)
    assert len(claimed) == 32
    assert claimed[-2:] == alone


async def test_what_a_job_says_now_counts(part: Parts) -> None:
    await part.worker("w")
    await _register(part, "job", "process")
    first, second = [await _launch(part, "job") for _ in "12"]
    assert await _claim(part, "shared") == []
    assert await _claim(part, "process", slots=0) == []
    await _revise(part, "job", "shared")
    assert await _claim(part, "process") == []
    assert await _claim(part, "shared", slots=1) == [first]
    await _revise(part, "job", "process")
    assert await _claim(part, "shared") == []
    assert await _claim(part, "process") == [second]


async def test_labels_count_for_those_that_share_as_well(part: Parts) -> None:
    await part.worker("w")
    spec = JobSpec(
        name="far",
        type="batch",
        entry_point="test.noop",
        isolation="shared",
        worker_labels={"zone": "us"},
    )
    await part.jobs.register_job("far", spec, 1, TESTER)
    await _register(part, "near", "shared")
    far, near = await _launch(part, "far"), await _launch(part, "near")
    assert await _claim(part, "shared") == [near]
    assert await _claim(part, "process") == []
    assert await _claim(part, "shared", zone="us") == [far]


async def test_slots_that_are_shared_are_wanted_while_there_is_such_a_job(part: Parts) -> None:
    async def are_wanted() -> bool:
        async with borrowed(part.pool) as connection:
            return await read_value(connection, bool, ANY_SHARED)

    assert not await are_wanted()
    await _register(part, "beside", "shared")
    assert await are_wanted()
    await part.jobs.delete_job("beside", TESTER)
    assert not await are_wanted()
