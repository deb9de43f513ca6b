"""Failures are noted by groups: each once, whoever looks, and not those that were made up for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from domain.commands import failures as commands
from domain.commands.failures import Failures
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.ports import Origin
from eventlog import failures as searching
from eventlog.database.connection import Database
from eventlog.failures import FailureSearch
from eventlog.rebuild.differences import Difference
from eventlog.rebuild.verify import verify
from projections.tables import TABLES
from tests.support import newer
from tests.support.logs import TESTER, Parts, query, registered
from worker.followers import FailureGrouper

GROUPS = "SELECT title, status, count, recovered FROM failure_groups ORDER BY title"

EVENTS = """
    SELECT count(*) FROM jobs_events
    WHERE topic LIKE 'failure_group.%%' OR topic LIKE 'failure_watch.%%'
"""

STACK = 'Traceback\n  File "/srv/orders.py", line 7, in load\nKeyError'

NEWER = '{"class_version": 99, "timestamp": "2026-01-01T00:00:00.000Z"}'

BOOM = "order 1 not found"


@dataclass
class Scene:
    """Runs that fail, and whoever notes it."""

    part: Parts
    failures: Failures

    def grouper(self) -> FailureGrouper:
        return FailureGrouper(self.failures, FailureSearch(self.part.pool, self.part.files))

    async def note(self) -> None:
        """Note all there is, as a process does that has just started."""
        grouper = self.grouper()
        while await grouper.step() == 0:
            pass

    async def launch(self, attempts: int = 1) -> UUID:
        launch = Launch(max_attempts=attempts)
        launched = await self.part.jobs.launch("job", launch, TESTER)
        return launched.run_id

    async def fail(self, message: str = BOOM) -> UUID:
        """Let the next run's attempt fail."""
        [claim] = await self.part.executions.claim("w", 1)
        failure = AttemptFailure(message, retry_after_ms=0)
        report = Report(context={"stack": STACK})
        await self.part.executions.fail(claim.run.id, claim.holder, failure, report)
        return claim.run.id

    async def succeed(self) -> None:
        [claim] = await self.part.executions.claim("w", 1)
        await self.part.executions.succeed(claim.run.id, claim.holder, None, Report())

    def groups(self) -> list[tuple[str, str, int, int]]:
        return query(self.part.url, GROUPS)


@pytest.fixture
async def scene(part: Parts) -> AsyncIterator[Scene]:
    await registered(part.jobs)
    await part.worker("w")
    yield Scene(part, Failures(part.jobs))
    differences: list[Difference] = []
    await verify(Database(part.url), TABLES, differences.append, lambda *_: None)
    assert [one for one in differences if one.kind != "unreadable"] == []


async def test_failures_of_one_kind_are_one_group(scene: Scene) -> None:
    for message in (BOOM, "order 22 not found", "car 1 has no wheel"):
        run_id = await scene.launch()
        await scene.fail(message)
    await scene.note()
    assert scene.groups() == [
        ("car <n> has no wheel", "open", 1, 0),
        ("order <n> not found", "open", 2, 0),
    ]
    rows = query(
        scene.part.url,
        "SELECT job, reason, frame, sample_run, affected_versions FROM failure_groups"
        " WHERE title LIKE 'car%%'",
    )
    assert rows == [("job", "error", "load in orders.py", run_id, [1])]
    [before] = query(scene.part.url, EVENTS)
    await scene.note()
    assert query(scene.part.url, EVENTS) == [before]


async def test_what_a_later_attempt_makes_up_for_is_not_open(scene: Scene) -> None:
    await scene.launch(attempts=3)
    await scene.fail()
    await scene.note()
    assert scene.groups() == [("order <n> not found", "open", 1, 0)]
    await scene.fail("order 2 not found")
    await scene.succeed()
    await scene.note()
    assert scene.groups() == [("order <n> not found", "resolved", 0, 2)]


async def test_a_retry_that_succeeds_makes_up_for_its_run_once(scene: Scene) -> None:
    first = await scene.launch()
    await scene.launch()
    for _ in range(2):
        await scene.fail()
    for _ in range(2):
        await scene.part.jobs.retry(first, TESTER)
        await scene.succeed()
        await scene.note()
        assert scene.groups() == [("order <n> not found", "open", 1, 1)]


async def test_what_a_launcher_says_of_retries_makes_up_for_nothing(scene: Scene) -> None:
    """A client may put any run into its context; only what the service launches anew counts."""
    first = await scene.launch()
    await scene.fail()
    await scene.note()
    await registered(scene.part.jobs, "other")
    for slug in ("job", "other"):
        claimed = Launch(context={"retryOf": str(first)})
        request = Origin("mallory", causation_id=uuid4())
        launched = await scene.part.jobs.launch(slug, claimed, request)
        await scene.succeed()
        await scene.note()
        assert scene.groups() == [("order <n> not found", "open", 1, 0)]
        # Nor does a retry of such a run lead back to what it names.
        await scene.part.jobs.retry(launched.run_id, TESTER)
        await scene.succeed()
        await scene.note()
        assert scene.groups() == [("order <n> not found", "open", 1, 0)]
    await scene.part.jobs.retry(first, TESTER)
    await scene.succeed()
    await scene.note()
    assert scene.groups() == [("order <n> not found", "resolved", 0, 1)]


async def test_a_timeout_and_a_lost_worker_are_failures_too(scene: Scene) -> None:
    for _ in range(2):
        await scene.launch()
    late, lost = await scene.part.executions.claim("w", 2)
    await scene.part.executions.time_out(late.run.id, late.holder, Report())
    await scene.part.sweeps.recover([("w", 0)], "observer")
    await scene.note()
    titles = [group[0] for group in scene.groups()]
    assert titles == ["the attempt ran past its timeoutMs of None", "worker lost"]
    assert lost.run.id != late.run.id


async def test_failures_are_noted_once_whoever_looks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_EVENTS", 3)
    groupers = [scene.grouper() for _ in range(4)]
    for _ in range(20):
        await scene.launch()
        await scene.fail()

    async def look(grouper: FailureGrouper) -> None:
        while await grouper.step() == 0:
            pass

    await asyncio.gather(*map(look, groupers))
    await scene.note()
    assert scene.groups() == [("order <n> not found", "open", 20, 0)]


async def test_what_is_too_large_for_one_search_is_left_to_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_BYTES", 1)
    for _ in range(3):
        await scene.launch()
        await scene.fail()
    await scene.note()
    assert scene.groups() == [("order <n> not found", "open", 3, 0)]


async def test_a_search_without_findings_is_written_down_now_and_then(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.note()
    assert query(scene.part.url, EVENTS) == [(0,)]
    monkeypatch.setattr(commands, "STEP", 2)
    await scene.launch()
    await scene.note()
    [searched_until] = query(scene.part.url, "SELECT searched_until FROM failure_watches")
    head = "SELECT max(notification_id) FROM jobs_events WHERE topic LIKE 'job%%'"
    assert query(scene.part.url, head) == [searched_until]


async def test_what_a_newer_version_wrote_is_passed_over(scene: Scene) -> None:
    await scene.launch()
    run_id = await scene.fail()
    newer.append(scene.part.url, run_id, "job_run.attempt_failed", NEWER)
    await scene.note()
    assert scene.groups() == [("order <n> not found", "open", 1, 0)]
