"""Labels: a worker takes the runs of jobs that ask for nothing it does not have."""

from collections.abc import Mapping
from random import Random
from uuid import UUID

import pytest

from domain.commands.executions import Claim
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.json_values import JsonObject
from domain.ports import Offer
from projections.flow import claims, pending_queue
from tests.support.logs import TESTER, Parts, parts

Labels = Mapping[str, str]

TAKEN: list[tuple[Labels, Labels, bool]] = [
    ({}, {}, True),
    ({"gpu": "a100"}, {}, True),
    ({}, {"gpu": "a100"}, False),
    ({"gpu": "a100"}, {"gpu": "a100"}, True),
    ({"gpu": "h100"}, {"gpu": "a100"}, False),
    ({"GPU": "a100"}, {"gpu": "a100"}, False),
    ({"gpu": "a100", "zone": "eu"}, {"gpu": "a100"}, True),
    ({"gpu": "a100", "zone": "eu"}, {"zone": "eu", "gpu": "a100"}, True),
    ({"gpu": "a100"}, {"gpu": "a100", "zone": "eu"}, False),
    ({"zone": "eu"}, {"gpu": "eu"}, False),
]


async def _register(part: Parts, slug: str, labels: Labels) -> None:
    spec = JobSpec(name=slug, type="batch", entry_point="test.noop", worker_labels={**labels})
    await part.jobs.register_job(slug, spec, 1, TESTER)


async def _revise(part: Parts, slug: str, labels: Labels) -> None:
    changes: JsonObject = {"worker_labels": {**labels}}
    await part.jobs.revise_job(slug, changes, None, TESTER)


async def _launch(part: Parts, slug: str, priority: int = 0) -> UUID:
    launched = await part.jobs.launch(slug, Launch(priority=priority), TESTER)
    return launched.run_id


def _offer(labels: Labels) -> Offer:
    return Offer(frozenset({"test.noop"}), labels=frozenset(labels.items()))


async def _claim(part: Parts, labels: Labels, slots: int = 4) -> list[Claim]:
    return list(await part.executions.claim("w", slots, _offer(labels)))


async def test_a_worker_takes_a_job_whose_labels_it_has_all(part: Parts) -> None:
    await part.worker("w")
    for number, (labels, required, is_taken) in enumerate(TAKEN):
        slug = f"job-{number}"
        await _register(part, slug, required)
        run_id = await _launch(part, slug, priority=number)
        claimed = await _claim(part, labels, slots=1)
        claimed_ids = [claim.run.id for claim in claimed]
        assert (run_id in claimed_ids) == is_taken, (labels, required)
        for claim in claimed:
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
        if not is_taken:
            await part.jobs.cancel(run_id, None, TESTER)


async def test_what_a_job_asks_for_now_counts(part: Parts) -> None:
    await part.worker("w")
    await _register(part, "job", {})
    first = await _launch(part, "job")
    assert await _claim(part, {}, slots=0) == []
    await _revise(part, "job", {"zone": "eu"})
    assert await _claim(part, {}) == []
    # Others go on: these are behind what was passed over.
    await _register(part, "other", {})
    other = await _launch(part, "other")
    [claim] = await _claim(part, {})
    assert claim.run.id == other
    await _revise(part, "job", {"zone": "us"})
    assert await _claim(part, {}) == []
    await _revise(part, "job", {})
    [claim] = await _claim(part, {})
    assert claim.run.id == first


async def test_behind_many_of_others_and_full_jobs_a_worker_finds_its_own(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_queue, "MAX_WAITING", 6)
    monkeypatch.setattr(pending_queue, "FEWER_WAITING", 3)
    monkeypatch.setattr(claims, "EXTRA_OF_QUEUE", 0)
    await part.worker("w")
    await _register(part, "theirs", {"zone": "us"})
    await _register(part, "ours", {"zone": "eu"})
    full = JobSpec(name="full", type="batch", entry_point="test.noop", max_concurrent_runs=1)
    await part.jobs.register_job("full", full, 1, TESTER)
    for _ in range(12):
        await _launch(part, "theirs")
        await _launch(part, "full")
    ours = await _launch(part, "ours")
    claimed = await _claim(part, {"zone": "eu"})
    assert [claim.run.slug for claim in claimed] == ["full", "ours"]
    assert claimed[1].run.id == ours


SOME: list[Labels] = [
    {},
    {"zone": "eu"},
    {"zone": "us"},
    {"gpu": "a100"},
    {"zone": "eu", "gpu": "a100"},
]

STEPS = 30


class _Walk:
    """Jobs change what they ask for while two workers of a fleet, in two processes, claim."""

    def __init__(self, seed: int, fleet: list[Parts]) -> None:
        self._random = Random(seed)
        self._fleet = fleet
        self._labels = [self._random.choice(SOME) for _ in fleet]
        self._wanted: dict[str, Labels] = {}
        self._waiting: list[tuple[UUID, str]] = []
        self._seed = seed
        self.claimed = 0

    async def step(self) -> None:
        step = self._random.choice([self._job, self._run, self._run, self._take])
        await step()

    async def end(self) -> None:
        """Check that what is left is what nobody of the fleet may take."""
        for _ in range(30):
            await self._take()
        for part in self._fleet:
            for run_id, _ in self._waiting:
                await part.jobs.cancel(run_id, None, TESTER)
            self._waiting = []

    async def _job(self) -> None:
        slug = f"job-{self._seed}-{self._random.randrange(4)}"
        labels = self._random.choice(SOME)
        part = self._random.choice(self._fleet)
        if slug in self._wanted:
            await _revise(part, slug, labels)
        else:
            await _register(part, slug, labels)
        self._wanted[slug] = labels

    async def _run(self) -> None:
        if self._wanted:
            slug = self._random.choice([*self._wanted])
            run_id = await _launch(self._random.choice(self._fleet), slug)
            self._waiting.append((run_id, slug))

    async def _take(self) -> None:
        index = self._random.randrange(len(self._fleet))
        part, labels = self._fleet[index], self._labels[index]
        slots = self._random.randint(1, 3)
        able = [
            run_id
            for run_id, slug in self._waiting
            if all(labels.get(name) == value for name, value in self._wanted[slug].items())
        ]
        claimed = await _claim(part, labels, slots)
        claimed_ids = [claim.run.id for claim in claimed]
        assert set(claimed_ids) <= set(able)
        assert len(claimed_ids) == min(slots, len(able))
        for claim in claimed:
            await part.executions.succeed(claim.run.id, claim.holder, None, Report())
        self._waiting = [one for one in self._waiting if one[0] not in claimed_ids]
        self.claimed += len(claimed_ids)


async def test_random_fleets_take_all_that_they_may_and_nothing_else(database_url: str) -> None:
    async with parts(database_url) as one, parts(database_url) as two:
        await one.worker("w")
        claimed = 0
        for seed in range(5):
            walk = _Walk(seed, [one, two])
            for _ in range(STEPS):
                await walk.step()
            await walk.end()
            claimed += walk.claimed
    assert claimed > 30
