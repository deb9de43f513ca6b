"""What clients see of a run that has ended, by each way to end."""

from collections.abc import Callable

import pytest

from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.ports import Row
from tests.unit.given import START_DEADLINE_MS, a_run, at, failing, half, iso
from tests.unit.projections.test_run_folds import PENDING, presented, started

FINAL_ENDS: dict[str, tuple[Callable[[JobRun, Holder], object], Row]] = {
    "failed for good": (
        lambda run, holder: run.fail(
            holder,
            at(350),
            AttemptFailure("never", "permanent_error", permanent=True),
            Report(),
            half,
        ),
        {"status": "failed", "errorMessage": "never", "failureReason": "permanent_error"},
    ),
    "failed on the last attempt": (
        lambda run, holder: failing(run, holder, 350),
        {"status": "failed", "errorMessage": "boom", "failureReason": "error"},
    ),
    "timed out on the last attempt": (
        lambda run, holder: run.time_out(holder, at(350), Report(), half),
        {
            "status": "expired",
            "errorMessage": "the attempt ran past its timeoutMs of 5000",
            "failureReason": "execution_timeout",
        },
    ),
    "expired by the handler": (
        lambda run, holder: run.expire(holder, at(350), "too old", Report()),
        {"status": "expired", "errorMessage": "too old", "failureReason": "handler"},
    ),
    "lost on the last attempt": (
        lambda run, holder: run.lose(holder, at(350), "silent", half),
        {"status": "failed", "errorMessage": "silent", "failureReason": "worker_lost"},
    ),
    "canceled by the handler": (
        lambda run, holder: run.confirm_cancel(
            holder, at(350), "not needed", Report(), by_handler=True
        ),
        {
            "status": "canceled",
            "errorMessage": "not needed",
            "failureReason": "handler",
            "cancelRequestedAt": iso(350),
        },
    ),
}


@pytest.mark.parametrize("end", FINAL_ENDS)
def test_an_ended_run_tells_why_and_how_long_it_took(end: str) -> None:
    act, difference = FINAL_ENDS[end]
    run, holder = started(max_attempts=1)
    act(run, holder)
    times: Row = {
        "startedAt": iso(100),
        "completedAt": iso(350),
        "durationMs": 250,
        "updatedAt": iso(350),
    }
    assert presented(run) == {**PENDING, "maxAttempts": 1, **times, **difference}


def test_a_run_canceled_before_its_start_has_no_start() -> None:
    run = a_run()
    run.request_cancel(at(50), "changed my mind")
    times: Row = {"completedAt": iso(50), "cancelRequestedAt": iso(50), "updatedAt": iso(50)}
    assert presented(run) == {
        **PENDING,
        "status": "canceled",
        "errorMessage": "changed my mind",
        **times,
    }


def test_a_run_that_never_started_expires_without_a_start() -> None:
    run = a_run()
    run.expire_start(at(START_DEADLINE_MS))
    assert presented(run) == {
        **PENDING,
        "status": "expired",
        "errorMessage": "the run had not started by its start deadline",
        "failureReason": "start_deadline",
        "completedAt": iso(START_DEADLINE_MS),
        "updatedAt": iso(START_DEADLINE_MS),
    }
