"""What clients see of a run after each of its events, folded from the log's own bytes."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from domain.jobs.run import JobRun
from domain.jobs.run_events import MAX_WORKERS, AttemptFailure, Holder, Report
from domain.ports import Row
from projections import job_runs
from projections.job_runs import TABLE
from tests.unit.given import DEFINITION_ID, RUN_ID, WORKER, a_run, at, failing, half, iso, stored

PENDING: Row = {
    "id": str(RUN_ID),
    "jobDefinitionId": str(DEFINITION_ID),
    "slug": "report",
    "definitionVersion": 1,
    "status": "pending",
    "parameters": {"day": "monday"},
    "result": None,
    "errorMessage": None,
    "failureReason": None,
    "logsUrl": None,
    "metrics": None,
    "context": None,
    "timeoutMs": 5_000,
    "attempt": 1,
    "maxAttempts": 5,
    "durationMs": None,
    "priority": 0,
    "scheduledAt": iso(0),
    "startedAt": None,
    "completedAt": None,
    "cancelRequestedAt": None,
    "createdAt": iso(0),
    "updatedAt": iso(0),
    "idempotencyKey": None,
    "requestedBy": "anna",
}


def rows(run: JobRun) -> list[Row]:
    """Return the row after each of the run's new events; no fold may touch the row before it."""
    row: Row | None = None
    seen: list[Row] = []
    for event in stored(run):
        before = copy.deepcopy(row)
        after = TABLE.fold(row, event)
        assert row == before
        row = after
        seen.append(row)
    return seen


def presented(run: JobRun) -> Row:
    """Return the run as clients see it in the end."""
    return job_runs.present(rows(run)[-1])


def started(**changes: Any) -> tuple[JobRun, Holder]:
    run = a_run(**changes)
    return run, run.start(WORKER, at(100))


def test_a_launched_run_is_shown_whole() -> None:
    assert presented(a_run()) == PENDING


def test_every_column_is_filled_or_null_from_the_start() -> None:
    assert set(rows(a_run())[0]) == set(TABLE.columns)


def test_a_running_run_has_a_start_and_a_holder() -> None:
    run, _ = started()
    row = rows(run)[-1]
    assert job_runs.present(row) == {
        **PENDING,
        "status": "running",
        "startedAt": iso(100),
        "updatedAt": iso(100),
    }
    assert (row["worker_id"], row["execution"]) == (WORKER, 1)


def test_a_succeeded_run_has_result_duration_and_report() -> None:
    run, holder = started()
    run.succeed(
        holder, at(350), {"rows": [1, None]}, Report({"rows": 2}, {"node": "n1"}, "/logs/1")
    )
    assert presented(run) == {
        **PENDING,
        "status": "succeeded",
        "result": {"rows": [1, None]},
        "metrics": {"rows": 2},
        "context": {"node": "n1"},
        "logsUrl": "/logs/1",
        "startedAt": iso(100),
        "completedAt": iso(350),
        "durationMs": 250,
        "updatedAt": iso(350),
    }


def test_a_failed_attempt_goes_back_to_pending_with_its_error_and_without_times() -> None:
    run, holder = started()
    failing(run, holder, 350)
    assert presented(run) == {
        **PENDING,
        "attempt": 2,
        "errorMessage": "boom",
        "failureReason": "error",
        "scheduledAt": iso(1_350),
        "updatedAt": iso(350),
    }


def test_a_run_that_nobody_runs_has_no_holder() -> None:
    run, holder = started()
    failing(run, holder, 350)
    run.hand_back(run.start(WORKER, at(1_400)), at(1_500))
    assert [row["worker_id"] for row in rows(run)] == [None, WORKER, None, WORKER, None]


def test_a_run_remembers_who_first_started_it_at_which_position() -> None:
    run, holder = started()
    failing(run, holder, 350)
    run.hand_back(run.start("worker-b", at(1_400)), at(1_500))
    again = run.start(WORKER, at(1_600))
    run.succeed(again, at(1_700), None, Report())
    # Positions are ten apart: those of the second and of the fourth event.
    assert rows(run)[-1]["started_by"] == {WORKER: 11, "worker-b": 31}


def test_of_many_workers_it_remembers_the_last_ones() -> None:
    run = a_run()
    for number in range(MAX_WORKERS + 2):
        run.hand_back(run.start(f"worker-{number}", at(100 + number)), at(101 + number))
    started_by = rows(run)[-1]["started_by"]
    assert isinstance(started_by, dict)
    assert len(started_by) == MAX_WORKERS
    assert {"worker-0", "worker-1"}.isdisjoint(started_by)


def test_a_run_under_way_again_has_not_failed() -> None:
    run, holder = started()
    failing(run, holder, 350)
    run.start("worker-b", at(1_400))
    assert presented(run) == {
        **PENDING,
        "status": "running",
        "attempt": 2,
        "scheduledAt": iso(1_350),
        "startedAt": iso(1_400),
        "updatedAt": iso(1_400),
    }


def test_a_duration_is_that_of_the_last_attempt() -> None:
    run, holder = started()
    failing(run, holder, 350)
    run.succeed(run.start(WORKER, at(1_400)), at(1_407), None, Report())
    seen = presented(run)
    assert (seen["durationMs"], seen["startedAt"], seen["completedAt"]) == (
        7,
        iso(1_400),
        iso(1_407),
    )
    assert seen["errorMessage"] is None


def test_a_run_handed_back_is_pending_as_before() -> None:
    run, holder = started()
    run.hand_back(holder, at(350))
    assert presented(run) == {**PENDING, "updatedAt": iso(350)}


def test_a_lost_attempt_to_be_retried_names_its_reason() -> None:
    run, holder = started()
    run.lose(holder, at(350), "silent", half)
    seen = presented(run)
    assert (seen["status"], seen["attempt"], seen["failureReason"]) == ("pending", 2, "worker_lost")
    assert (seen["startedAt"], seen["completedAt"], seen["durationMs"]) == (None, None, None)


def test_a_run_to_be_canceled_keeps_running_and_the_time_of_the_wish() -> None:
    run, holder = started()
    run.request_cancel(at(200), "changed my mind")
    run.confirm_cancel(holder, at(350), "stopped", Report(metrics={"rows": 1}))
    requested, canceled = map(job_runs.present, rows(run)[-2:])
    assert (requested["status"], requested["cancelRequestedAt"], requested["completedAt"]) == (
        "running",
        iso(200),
        None,
    )
    assert (canceled["status"], canceled["cancelRequestedAt"]) == ("canceled", iso(200))
    assert (canceled["completedAt"], canceled["durationMs"], canceled["metrics"]) == (
        iso(350),
        250,
        {"rows": 1},
    )


def test_reports_are_merged_key_by_key_and_the_handlers_keys_win() -> None:
    run, holder = started(context={"given": 1, "both": "launcher", "deep": {"a": 1}})
    run.progress(holder, at(200), Report({"seen": 1, "step": 1}, {"both": "handler"}, "/logs/1"))
    run.progress(holder, at(210), Report({"step": 2}))
    run.succeed(holder, at(300), None, Report({"done": True}, {"deep": {"b": 2}}))
    seen = presented(run)
    assert seen["metrics"] == {"seen": 1, "step": 2, "done": True}
    assert seen["context"] == {"given": 1, "both": "handler", "deep": {"b": 2}}
    assert seen["logsUrl"] == "/logs/1"


def test_what_was_given_and_reported_outlives_retries_and_completion() -> None:
    run, holder = started(context={"given": 1})
    run.fail(
        holder,
        at(200),
        AttemptFailure("boom"),
        Report({"rows": 1}, {"stack": "…"}, "/logs/1"),
        half,
    )
    run.lose(run.start(WORKER, at(1_200)), at(1_300), "silent", half)
    run.hand_back(run.start(WORKER, at(2_300)), at(2_400))
    run.succeed(run.start(WORKER, at(2_500)), at(2_600), "done", Report({"files": 2}))
    folded = rows(run)
    failed = next(row for row in folded if row["error_message"] == "boom")
    assert failed["context"] == {"given": 1, "stack": "…"}
    seen = job_runs.present(folded[-1])
    # The stack was of a failed attempt, as was the error: neither is the run's any more.
    assert seen["context"] == {"given": 1}
    assert seen["metrics"] == {"rows": 1, "files": 2}
    assert (seen["logsUrl"], seen["parameters"]) == ("/logs/1", {"day": "monday"})


def test_a_stack_that_the_launcher_gave_stays_where_nothing_was_raised() -> None:
    run, holder = started(context={"stack": "of cards"})
    run.lose(holder, at(200), "silent", half)
    run.succeed(run.start(WORKER, at(1_200)), at(1_300), "done", Report())
    assert presented(run)["context"] == {"stack": "of cards"}


def test_a_stack_that_the_launcher_gave_is_kept_beside_that_of_an_exception() -> None:
    run, holder = started(context={"stack": "of cards", "given": 1})
    report = Report(context={"stack": "Traceback …"})
    run.fail(holder, at(200), AttemptFailure("boom"), report, half)
    holder = run.start(WORKER, at(1_200))
    run.fail(holder, at(1_300), AttemptFailure("boom", permanent=True), report, half)
    failed, started_again, ended = (job_runs.present(row)["context"] for row in rows(run)[-3:])
    assert failed == {"stack": "Traceback …", "launchStack": "of cards", "given": 1}
    assert started_again == {"stack": "of cards", "given": 1}
    assert ended == failed


def test_an_empty_report_leaves_what_is_null_null() -> None:
    run, holder = started()
    run.progress(holder, at(200), Report())
    seen = presented(run)
    assert (seen["metrics"], seen["context"], seen["logsUrl"]) == (None, None, None)


def test_a_row_knows_its_last_event_and_its_first_and_final_places() -> None:
    run, holder = started()
    run.succeed(holder, at(300), None, Report())
    seen = rows(run)
    assert [(row["aggregate_version"], row["position"]) for row in seen] == [
        (1, 1),
        (2, 11),
        (3, 21),
    ]
    assert [(row["created_position"], row["completed_position"]) for row in seen] == [
        (1, None),
        (1, None),
        (1, 21),
    ]


def test_times_are_in_order_whatever_the_hosts_clocks_say() -> None:
    run = a_run(scheduled_at=at(500))
    failing(run, run.start("fast", at(5_000)), 10)
    run.hand_back(run.start("fast", at(9_000)), at(-7_000))
    run.succeed(run.start("exact", at(9_000)), at(-1), None, Report())
    for row in rows(run):
        known = [
            row[name]
            for name in ("created_at", "scheduled_at", "started_at", "completed_at")
            if row[name]
        ]
        assert known == sorted(known, key=str)
        assert row["duration_ms"] is None or row["duration_ms"] == 0


def test_an_unknown_event_is_no_silence() -> None:
    run, _ = started()
    first, second = stored(run)
    with pytest.raises(ValueError, match=r"job_run\.odd"):
        TABLE.fold(TABLE.fold(None, first), replace(second, topic="job_run.odd"))
