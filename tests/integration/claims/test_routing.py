"""Workers take what they execute, and leave the rest to those who do."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from time import monotonic
from uuid import UUID

import pytest

from domain.commands.executions import Claim
from domain.jobs.definition import JobSpec
from domain.jobs.launching import Launch
from domain.jobs.run_events import Report
from domain.ports import Offer
from eventlog import pending_work
from eventlog.database.connection import Database
from eventlog.database.listener import Listener
from eventlog.entry_points import OfferedEntryPoints
from eventlog.pending_work import Work
from projections.flow import claims, pending_queue
from tests.support.logs import TESTER, Parts, parts
from worker.offer import WorkerOffer

ENTRY_POINTS = ("ours.a", "theirs.b", "both.c", "nobodys.d")

STEPS = 40


async def _register(part: Parts, *entry_points: str) -> None:
    for entry_point in entry_points:
        slug = entry_point.replace(".", "-")
        spec = JobSpec(name=slug, type="batch", entry_point=entry_point)
        await part.jobs.register_job(slug, spec, 1, TESTER)


async def _launch(part: Parts, entry_point: str) -> str:
    slug = entry_point.replace(".", "-")
    launched = await part.jobs.launch(slug, Launch(), TESTER)
    return str(launched.run_id)


def _ids(claimed: Sequence[Claim]) -> list[str]:
    return [str(claim.run.id) for claim in claimed]


def _work_of(part: Parts) -> Work:
    listener = Listener(Database(part.url))
    queue = part.writer.cache.queue
    return Work(part.pool, part.files, listener, part.jobs.quarantine, queue)


def _offer(*entry_points: str, abandoned: Sequence[str] = (), grace_s: float = 0) -> Offer:
    return Offer(frozenset(entry_points), frozenset(abandoned), grace_s)


async def test_a_worker_takes_only_what_it_executes(part: Parts) -> None:
    await _register(part, *ENTRY_POINTS)
    await part.worker("w")
    theirs = [await _launch(part, "theirs.b") for _ in range(30)]
    ours = [await _launch(part, "ours.a") for _ in range(3)]
    work = _work_of(part)
    mine = _offer("ours.a", 'odd "name\\')
    assert (await work.next_due(mine)).in_s == 0
    assert _ids(await part.executions.claim("w", 2, mine)) == ours[:2]
    later = await _launch(part, "ours.a")
    assert _ids(await part.executions.claim("w", 4, mine)) == [ours[2], later]
    assert (await work.next_due(mine)).in_s is None
    assert _ids(await part.executions.claim("w", 4, mine)) == []
    both = _offer("ours.a", "theirs.b")
    assert _ids(await part.executions.claim("w", 4, both)) == theirs[:4]


async def test_what_was_read_of_workers_since_a_request_arrived_answers_it(part: Parts) -> None:
    offered = OfferedEntryPoints(part.pool)
    arrived_s = monotonic()
    assert not await offered.has("ours.a", arrived_s)
    await part.worker("w")
    assert not await offered.has("ours.a", arrived_s)
    assert await offered.has("ours.a")


async def test_a_canceled_read_of_workers_is_repeated_for_those_that_waited_for_it(
    part: Parts,
) -> None:
    offered = OfferedEntryPoints(part.pool)
    first, *others = [asyncio.create_task(offered.has("ours.a")) for _ in range(4)]
    await asyncio.sleep(0)  # All have begun.
    first.cancel()
    assert await asyncio.gather(*others) == [False, False, False]


async def test_an_entry_point_that_nobody_offers_is_forgotten_once_no_run_waits_for_it(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_work, "FULL_SEARCH_EVERY_S", -1.0)
    await _register(part, "nobodys.d")
    work = _work_of(part)
    await work.next_due(_offer("ours.a"))
    run_id = await _launch(part, "nobodys.d")
    await work.next_due(_offer("ours.a"))
    assert await work.unoffered_entry_points() == {"nobodys.d"}
    assert await work.unoffered_entry_points() == {"nobodys.d"}
    await part.jobs.cancel(UUID(run_id), None, TESTER)
    assert await work.unoffered_entry_points() == set()


async def test_behind_full_jobs_a_worker_finds_what_it_executes(
    part: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_queue, "MAX_WAITING", 6)
    monkeypatch.setattr(pending_queue, "FEWER_WAITING", 3)
    monkeypatch.setattr(claims, "EXTRA_OF_QUEUE", 0)
    await _register(part, "theirs.b", "both.c")
    full = JobSpec(name="x", type="batch", entry_point="ours.a", max_concurrent_runs=1)
    await part.jobs.register_job("ours-a", full, 1, TESTER)
    await part.worker("w")
    first, *_ = [await _launch(part, "ours.a") for _ in range(10)]
    for _ in range(10):
        await _launch(part, "theirs.b")
    expected = await _launch(part, "both.c")
    mine = _offer("ours.a", "both.c")
    assert _ids(await part.executions.claim("w", 3, mine)) == [first, expected]


async def test_what_nobody_offers_is_abandoned_after_its_grace(part: Parts) -> None:
    await _register(part, *ENTRY_POINTS)
    await part.worker("w", entry_points=["ours.a"])
    await part.worker("other", entry_points=["theirs.b"])
    await _launch(part, "theirs.b")
    hopeless = await _launch(part, "nobodys.d")
    work = _work_of(part)
    mine = _offer("ours.a")
    assert _ids(await part.executions.claim("w", 4, mine)) == []
    assert await work.unoffered_entry_points() == {"nobodys.d"}
    patient = _offer("ours.a", abandoned=["nobodys.d"], grace_s=3_600)
    assert _ids(await part.executions.claim("w", 4, patient)) == []
    assert (await work.next_due(patient)).in_s is None
    # The other one's are not taken even if this worker was told so a moment too early.
    hasty = _offer("ours.a", abandoned=["theirs.b", "nobodys.d"])
    assert _ids(await part.executions.claim("w", 4, hasty)) == [hopeless]
    await part.heartbeats.leave("other")
    assert await work.unoffered_entry_points() == {"theirs.b", "nobodys.d"}


async def test_a_worker_of_an_older_version_may_offer_anything(part: Parts) -> None:
    await _register(part, "nobodys.d")
    await part.worker("w", entry_points=["ours.a"])
    await part.worker("older")
    await _launch(part, "nobodys.d")
    await part.executions.claim("w", 4, _offer("ours.a"))
    assert await _work_of(part).unoffered_entry_points() == frozenset()


class _Worker:
    """A worker that starts, leaves and starts again, and gives up at once what nobody offers."""

    def __init__(self, part: Parts, name: str, entry_points: Sequence[str]) -> None:
        self.part = part
        self.entry_points = entry_points
        self.lives = 0
        self.is_alive = False
        self.offer = WorkerOffer(entry_points, _work_of(part), part.heartbeats, 0.0)
        self._name = name

    @property
    def worker_id(self) -> str:
        return f"{self._name}-{self.lives}"

    async def start(self) -> None:
        if not self.is_alive:
            self.lives += 1
            await self.part.worker(self.worker_id, entry_points=self.entry_points)
            self.is_alive = True

    async def leave(self) -> None:
        if self.is_alive:
            await self.part.heartbeats.leave(self.worker_id)
            self.is_alive = False

    async def claim(self, slots: int) -> list[str]:
        """Claim, and end what was claimed; return the entry points."""
        if not self.is_alive:
            return []
        executions = self.part.executions
        offer = self.offer.current("process")
        claimed = await executions.claim(self.worker_id, slots, offer)
        for claim in claimed:
            await executions.succeed(claim.run.id, claim.holder, None, Report())
        return [claim.run.entry_point for claim in claimed]


class _Walk:
    """Two workers do at random what they do, and both come back in the end."""

    def __init__(self, seed: int, one: Parts, two: Parts) -> None:
        self._random = Random(seed)
        self._workers = [
            _Worker(one, f"ours-{seed}", ["ours.a", "both.c"]),
            _Worker(two, f"theirs-{seed}", ["theirs.b", "both.c"]),
        ]
        self.launched: list[str] = []
        self.done: list[str] = []

    async def step(self) -> None:
        worker = self._random.choice(self._workers)
        steps: list[Callable[[], Awaitable[object]]] = [
            worker.start,
            worker.start,
            worker.leave,
            worker.offer.read_unoffered,
            worker.offer.read_unoffered,
            partial(self._launch, worker.part),
            partial(self._launch, worker.part),
            partial(self._claim, worker),
        ]
        await self._random.choice(steps)()

    async def end(self) -> None:
        for worker in self._workers:
            await worker.start()
        rounds_without = 0
        while rounds_without < 2:
            took = 0
            for worker in self._workers:
                took += await self._claim(worker)
                await worker.offer.read_unoffered()
            rounds_without = 0 if took else rounds_without + 1

    async def leave(self) -> None:
        for worker in self._workers:
            await worker.leave()

    async def _launch(self, part: Parts) -> None:
        entry_point = self._random.choice(ENTRY_POINTS)
        await _launch(part, entry_point)
        self.launched.append(entry_point)

    async def _claim(self, worker: _Worker) -> int:
        others: set[str] = set()
        for other in self._workers:
            if other.is_alive and other is not worker:
                others.update(other.entry_points)
        taken = await worker.claim(self._random.randint(1, 4))
        foreign = set(taken) - set(worker.entry_points)
        assert not foreign & others
        self.done += taken
        return len(taken)


async def test_in_whatever_order_workers_start_none_takes_what_another_could_do(
    database_url: str,
) -> None:
    async with parts(database_url) as one, parts(database_url) as two:
        await _register(one, *ENTRY_POINTS)
        for seed in range(10):
            walk = _Walk(seed, one, two)
            for _ in range(STEPS):
                await walk.step()
            await walk.end()
            assert sorted(walk.done) == sorted(walk.launched)
            await walk.leave()
