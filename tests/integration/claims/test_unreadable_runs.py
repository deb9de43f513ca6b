"""More runs than are remembered that cannot be read stand in front: all others have their turn."""

from uuid import UUID

import pytest

from domain import quarantine
from domain.commands import application, sweeps
from domain.jobs.launching import Launch
from projections.flow import claims, pending_queue
from tests.support import newer
from tests.support.logs import TESTER, Parts, query, registered

MAX_QUARANTINED = 6
"""Runs that are remembered as unreadable, far fewer than there are."""

UNREADABLE = 5 * MAX_QUARANTINED


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything small that is done in one go."""
    monkeypatch.setattr(application, "MAX_TRIES", 4)
    monkeypatch.setattr(sweeps, "SWEEP_LIMIT", 4)
    monkeypatch.setattr(pending_queue, "MAX_WAITING", 8)
    monkeypatch.setattr(pending_queue, "FEWER_WAITING", 4)
    monkeypatch.setattr(claims, "EXTRA_OF_JOB", 0)


async def launched(part: Parts, slug: str, *launches: Launch) -> list[UUID]:
    return [(await part.jobs.launch(slug, one, TESTER)).run_id for one in launches]


def spoil(part: Parts, run_ids: list[UUID]) -> None:
    """Let a newer version append an event to each."""
    part.jobs.quarantine.max_size = MAX_QUARANTINED
    for run_id in run_ids:
        newer.append(part.url, run_id, "job_run.of_a_version_to_come")


async def claimed(part: Parts, slots: int) -> list[UUID]:
    return [claim.run.id for claim in await part.executions.claim("w", slots)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("key", [None, "k"])
async def test_claims_job_by_job_come_to_what_can_be_read(
    part: Parts, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    full = await registered(part.jobs, "full", max_concurrent_runs=1)
    slug = await registered(part.jobs, concurrency_key=key)
    await part.worker("w")
    taken = Launch(priority=9, parameters={"k": "taken"})
    await launched(part, full, taken)
    await launched(part, slug, taken)
    assert len(await claimed(part, 2)) == 2
    # They fill all that is remembered of the queue, so jobs are asked one by one.
    await launched(part, full, *[Launch(priority=8)] * 40)
    if key is not None:
        await launched(part, slug, *[taken] * 9)
    spoilt = [Launch(priority=5, parameters={"k": number}) for number in range(UNREADABLE)]
    spoil(part, await launched(part, slug, *spoilt))
    later = [Launch(parameters={"k": f"later {number}"}) for number in range(4)]
    readable = await launched(part, slug, *later)
    claimed_ids: list[UUID] = []
    for _ in range(UNREADABLE):
        claimed_ids += await claimed(part, 2)
    assert claimed_ids == readable
    # What has come in before the place that was come to is met when all is looked at anew.
    monkeypatch.setattr(quarantine, "REST_S", 0)
    monkeypatch.setattr(quarantine, "REST_FACTOR", 0)
    urgent = Launch(priority=7, parameters={"k": "urgent"})
    last = await launched(part, slug, urgent)
    claimed_ids.clear()
    for _ in range(UNREADABLE):
        claimed_ids += await claimed(part, 2)
    assert claimed_ids == last


@pytest.mark.usefixtures("small")
async def test_recovery_comes_to_what_can_be_read(part: Parts) -> None:
    slug = await registered(part.jobs)
    # In the order of their workers, what can be read comes last.
    for worker_id, count in (("w", UNREADABLE), ("x", 3)):
        await part.worker(worker_id)
        await launched(part, slug, *[Launch(max_attempts=1)] * count)
        begun = await part.executions.claim(worker_id, count)
        assert len(begun) == count
        if worker_id == "w":
            spoil(part, [claim.run.id for claim in begun])
        await part.heartbeats.leave(worker_id)
    recovered = [await part.sweeps.recover([], "observer") for _ in range(4)]
    assert sum(map(len, recovered)) == 3
    statuses = query(part.url, "SELECT status, count(*) FROM job_runs GROUP BY 1 ORDER BY 1")
    assert statuses == [("failed", 3), ("running", UNREADABLE)]
    # Whoever dies now is looked for among all.
    await part.worker("a")
    last = await launched(part, slug, Launch(max_attempts=1))
    await part.executions.claim("a", 1)
    assert await part.sweeps.recover([("a", 0)], "observer") == []
    again: list[UUID] = []
    for _ in range(4):
        again += await part.sweeps.recover([], "observer")
    assert again == last


@pytest.mark.usefixtures("small")
async def test_expiry_goes_on_in_its_next_turn(part: Parts) -> None:
    slug = await registered(part.jobs)
    late = Launch(start_deadline_ms=1)
    spoil(part, await launched(part, slug, *[late] * UNREADABLE))
    await launched(part, slug, *[late] * 3)
    turns = [await part.sweeps.expire_overdue() for _ in range(4)]
    assert sum(turns) == 3
    assert turns[0] == 0
