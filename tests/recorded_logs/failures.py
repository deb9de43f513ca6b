"""Failure groups with every kind of event, for a recording."""

from datetime import timedelta

from domain.clock import later
from domain.commands.failures import Failures
from domain.failures.group import FailureGroup, GroupedFailure, GroupIdentity
from domain.failures.signature import FailedAttempt, signature_of
from domain.failures.watch import FailureWatch
from domain.identifiers import FAILURE_WATCH_ID, definition_id
from eventlog.failures import FailureSearch
from tests.support.logs import TESTER, Parts
from worker.followers import FailureGrouper


async def failures(part: Parts) -> None:
    """Note what has failed, and say something of it; and let a group live in the past."""
    grouper = FailureGrouper(Failures(part.jobs), FailureSearch(part.pool, part.files))
    while await grouper.step() == 0:
        pass
    watch = await part.jobs.find(FailureWatch, FAILURE_WATCH_ID)
    assert watch is not None
    after = watch.searched_until
    watch.move(after + 2, part.jobs.clock())
    job_id = definition_id("report")
    signature = signature_of(FailedAttempt(job_id, "error", "order 1 not found"))
    identity = GroupIdentity(job_id, "Report", "error", signature)
    begun = part.jobs.clock() - timedelta(minutes=10)
    first = GroupedFailure(part.jobs.new_id(), begun, 1, after + 1)
    group = FailureGroup.open(identity, [first], begun)
    group.resolve("tester", 2, later(begun, 60_000))
    news = GroupedFailure(part.jobs.new_id(), later(begun, 120_000), 2, after + 2)
    group.recur([news], later(begun, 180_000))
    group.recover(1, later(begun, 240_000))
    group.ignore("tester", later(begun, 300_000))
    await part.jobs.save(watch, group, origin=TESTER)
