"""How a run ended: the reason, and the evidence that its events hold."""

import asyncio
from typing import Any
from uuid import UUID

from domain.commands.executions import Claim
from domain.jobs.run_events import AttemptFailure, FailureReason, Report
from tests.integration.claims.test_explanations import Found, explained, launched
from tests.support.logs import TESTER, Parts, registered

FAILURES: list[tuple[FailureReason, str, dict[str, Any]]] = [
    ("exit", "the process exited with code 3 without a result", {"exitCode": 3}),
    ("signal", "the process was ended by signal SIGKILL", {"signal": "SIGKILL"}),
    ("signal", "the attempt's supervisor was killed", {"signal": None}),
    (
        "out_of_memory",
        "the attempt used more memory than its resources.memoryMb (65.5 MB)",
        {"peakMemoryMb": 65.5, "limitMb": 64},
    ),
    ("no_handler", "no handler", {"entryPoint": "test.noop"}),
    ("error", "ValueError: ouch", {"attempt": 1, "workerId": "w"}),
    ("permanent_error", "never again", {"workerId": "w"}),
    ("invalid_result", "invalid result: /result/n: …", {"workerId": "w"}),
    ("handler", "as it was told", {"workerId": "w"}),
]


async def _claimed(part: Parts, **launch: Any) -> Claim:
    await launched(part, "job", **launch)
    [claim] = await part.executions.claim("w", 1)
    return claim


async def _ended(part: Parts, run_id: UUID) -> Found:
    """Return the reason of a run that has ended."""
    explanation = await explained(part, str(run_id))
    [reason] = explanation["reasons"]
    assert reason["message"] in explanation["summary"]
    assert reason["since"] is not None
    assert reason["binding"]
    return dict(reason)


async def _prepared(part: Parts) -> None:
    await registered(part.jobs, resources={"memoryMb": 64})
    await part.worker("w")


async def test_each_failure_is_told_with_its_evidence(part: Parts) -> None:
    await _prepared(part)
    for failure_reason, message, details in FAILURES:
        claim = await _claimed(part)
        failure = AttemptFailure(message, failure_reason)
        await part.executions.fail(claim.run.id, claim.holder, failure, Report())
        reason = await _ended(part, claim.run.id)
        assert (reason["code"], reason["message"]) == (failure_reason, message)
        evidence = reason["details"]
        assert {name: evidence[name] for name in details} == details


async def test_time_limits_are_told(part: Parts) -> None:
    await _prepared(part)
    claim = await _claimed(part, timeout_ms=1_000)
    await part.executions.time_out(claim.run.id, claim.holder, Report())
    reason = await _ended(part, claim.run.id)
    assert (reason["code"], reason["details"]["timeoutMs"]) == ("execution_timeout", 1_000)
    late = await launched(part, "job", start_deadline_ms=1)
    while not await part.sweeps.expire_overdue():
        await asyncio.sleep(0.01)
    reason = await _ended(part, UUID(late))
    assert reason["code"] == "start_deadline"
    assert reason["details"]["startDeadlineAt"] <= reason["since"]
    assert reason["details"]["workerId"] is None


async def test_of_a_lost_worker_it_is_told_since_when_it_was_silent(part: Parts) -> None:
    await _prepared(part)
    claim = await _claimed(part)
    await part.heartbeats.beat("w")
    await part.sweeps.recover([("w", 1)], "observer")
    reason = await _ended(part, claim.run.id)
    assert (reason["code"], reason["details"]["workerId"]) == ("worker_lost", "w")
    assert reason["details"]["silentSince"] <= reason["since"]


async def test_who_canceled_it_is_told_and_why(part: Parts) -> None:
    await _prepared(part)
    waiting = UUID(await launched(part, "job", delay_ms=60_000))
    await part.jobs.cancel(waiting, "not needed", TESTER)
    claim = await _claimed(part)
    await part.executions.progress(claim.run.id, claim.holder, Report({"n": 1}))
    await part.jobs.cancel(claim.run.id, "enough", TESTER)
    await part.executions.progress(claim.run.id, claim.holder, Report({"n": 2}))
    await part.executions.confirm_cancel(
        claim.run.id, claim.holder, "canceled while running", Report()
    )
    for run_id, why, was_running in (
        (waiting, "not needed", False),
        (claim.run.id, "enough", True),
    ):
        reason = await _ended(part, run_id)
        details = reason["details"]
        assert (reason["code"], details["by"], details["reason"], details["wasRunning"]) == (
            "canceled",
            "tester",
            why,
            was_running,
        )
    unstarted = await explained(part, str(waiting))
    assert unstarted["summary"].startswith("canceled before it started: ")


async def test_a_cancel_between_attempts_names_the_attempt_that_did_not_start(part: Parts) -> None:
    await registered(part.jobs, retry_policy={"maxAttempts": 3, "strategy": "fixed"})
    await part.worker("w")
    claim = await _claimed(part)
    await part.executions.fail(claim.run.id, claim.holder, AttemptFailure("ouch"), Report())
    await part.jobs.cancel(claim.run.id, "enough", TESTER)
    explanation = await explained(part, str(claim.run.id))
    assert explanation["summary"] == "canceled while it waited for attempt 2 of 3: enough"


async def test_a_success_needs_no_reason(part: Parts) -> None:
    await _prepared(part)
    claim = await _claimed(part)
    await part.executions.succeed(claim.run.id, claim.holder, None, Report())
    explanation = await explained(part, str(claim.run.id))
    assert (explanation["status"], explanation["reasons"], explanation["nextChangeAt"]) == (
        "succeeded",
        [],
        None,
    )
