"""What clients see of each execution of a run, folded from the log's own bytes."""

from typing import Any

import pytest

from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.json_values import JsonObject
from projections.runs.attempts import attempts
from tests.unit.given import RUN_ID, WORKER, a_run, at, failing, half, iso, stored

NOTHING = Report()
LOGS = f"/job-runs/{RUN_ID}/logs?attempt="


def presented(run: JobRun) -> list[JsonObject]:
    """Return the entries of the run's new events."""
    return attempts(stored(run))


def entry(**fields: Any) -> JsonObject:
    """Return what is shown of a first execution that began at 100 ms, with these changes."""
    attempt = fields.get("attempt", 1)
    usual = {
        "attempt": attempt,
        "execution": 1,
        "workerId": WORKER,
        "startedAt": iso(100),
        "endedAt": None,
        "durationMs": None,
        "outcome": "running",
        "errorMessage": None,
        "failureReason": None,
        "retryAt": None,
        "logsUrl": f"{LOGS}{attempt}",
    }
    return {**usual, **fields}


def started(**changes: Any) -> tuple[JobRun, Holder]:
    run = a_run(**changes)
    return run, run.start(WORKER, at(100))


def test_a_run_that_never_started_has_none() -> None:
    assert presented(a_run()) == []
    canceled = a_run()
    canceled.request_cancel(at(50), "why")
    assert presented(canceled) == []


def test_a_run_that_expired_before_its_start_has_none() -> None:
    run = a_run()
    run.expire_start(at(60_000))
    events = stored(run)
    assert events[-1].topic == "job_run.start_deadline_passed"
    assert attempts(events) == []


def test_an_execution_under_way_has_no_end() -> None:
    run, holder = started()
    run.progress(holder, at(200), Report({"step": 1}))
    run.request_cancel(at(300), "asked, and not yet heard")
    assert presented(run) == [entry()]


def test_what_a_handler_says_of_its_log_is_shown_at_once() -> None:
    run, holder = started()
    run.progress(holder, at(200), Report(logs_url="https://logs.example/1"))
    assert presented(run) == [entry(logsUrl="https://logs.example/1")]


def test_a_success_has_an_end_and_a_duration() -> None:
    run, holder = started()
    run.succeed(holder, at(350), "result", NOTHING)
    assert presented(run) == [entry(endedAt=iso(350), durationMs=250, outcome="succeeded")]


def test_a_retry_is_another_entry_and_tells_when_it_is_due() -> None:
    run, holder = started()
    failing(run, holder, 350)
    second = run.start("worker-b", at(1_400))
    run.succeed(second, at(1_500), None, Report(logs_url=f"{LOGS}2"))
    assert presented(run) == [
        entry(
            endedAt=iso(350),
            durationMs=250,
            outcome="failed",
            errorMessage="boom",
            failureReason="error",
            retryAt=iso(1_350),
        ),
        entry(
            attempt=2,
            execution=2,
            workerId="worker-b",
            startedAt=iso(1_400),
            endedAt=iso(1_500),
            durationMs=100,
            outcome="succeeded",
        ),
    ]


def test_the_last_failure_is_followed_by_nothing() -> None:
    run, holder = started()
    run.fail(
        holder, at(350), AttemptFailure("never", "permanent_error", permanent=True), NOTHING, half
    )
    [only] = presented(run)
    assert (only["outcome"], only["failureReason"], only["retryAt"]) == (
        "failed",
        "permanent_error",
        None,
    )


def test_a_hand_back_is_another_execution_of_the_same_attempt() -> None:
    run, holder = started()
    run.hand_back(holder, at(200))
    run.start("worker-b", at(300))
    assert presented(run) == [
        entry(endedAt=iso(200), durationMs=100, outcome="handed_back"),
        entry(execution=2, workerId="worker-b", startedAt=iso(300)),
    ]


def test_a_lost_worker_is_the_reason() -> None:
    run, holder = started()
    run.lose(holder, at(9_100), "worker-a stopped answering", half)
    assert presented(run) == [
        entry(
            endedAt=iso(9_100),
            durationMs=9_000,
            outcome="lost",
            errorMessage="worker-a stopped answering",
            failureReason="worker_lost",
            retryAt=iso(10_100),
        )
    ]


def test_a_timeout_is_told_from_a_handler_that_expires_its_run() -> None:
    run, holder = started()
    run.time_out(holder, at(5_100), NOTHING, half)
    second = run.start(WORKER, at(6_100))
    run.expire(second, at(6_200), "too late for this", NOTHING)
    timed_out, expired = presented(run)
    assert (timed_out["outcome"], timed_out["failureReason"], timed_out["retryAt"]) == (
        *("timed_out", "execution_timeout"),
        iso(6_100),
    )
    assert (expired["outcome"], expired["failureReason"], expired["errorMessage"]) == (
        *("expired", "handler"),
        "too late for this",
    )


@pytest.mark.parametrize("end", ["confirm", "fail", "time_out", "lose", "hand_back"])
def test_a_cancel_while_running_ends_the_execution_however_it_then_stopped(end: str) -> None:
    run, holder = started()
    run.request_cancel(at(200), "enough")
    match end:
        case "confirm":
            run.confirm_cancel(holder, at(300), "canceled while running", NOTHING)
        case "fail":
            failing(run, holder, 300)
        case "time_out":
            run.time_out(holder, at(300), NOTHING, half)
        case "lose":
            run.lose(holder, at(300), "gone", half)
        case _:
            run.hand_back(holder, at(300))
    assert presented(run) == [
        entry(endedAt=iso(300), durationMs=200, outcome="canceled", errorMessage="enough")
    ]


def test_a_handler_that_cancels_its_run_is_told_apart() -> None:
    run, holder = started()
    run.confirm_cancel(holder, at(300), "nothing to do", NOTHING, by_handler=True)
    [only] = presented(run)
    assert (only["outcome"], only["failureReason"]) == ("canceled", "handler")


def test_a_cancel_between_two_attempts_leaves_the_first_as_it_was() -> None:
    run, holder = started()
    failing(run, holder, 350)
    run.request_cancel(at(400), "enough")
    [only] = presented(run)
    assert (only["outcome"], only["endedAt"], only["errorMessage"]) == ("failed", iso(350), "boom")
