"""What the stream tells of runs, by each event."""

import pytest

from domain.jobs.run_events import Report
from projections import job_runs
from tests.unit.given import WORKER, a_run, at, failing, stored
from tests.unit.projections.test_projection_folds import message_types, messages_of, steps

# Runs on the stream -------------------------------------------------------------------------------


def test_a_change_of_status_is_told_by_its_name_and_as_a_change() -> None:
    run = a_run()
    failing(run, run.start(WORKER, at(1)), 2)
    run.hand_back(run.start(WORKER, at(2_000)), at(2_001))
    run.succeed(run.start(WORKER, at(2_002)), at(2_003), None, Report())
    assert message_types(run) == [
        ["job.run.pending", "job.run.updated"],
        ["job.run.running", "job.run.updated"],
        ["job.run.pending", "job.run.updated"],
        ["job.run.running", "job.run.updated"],
        ["job.run.pending", "job.run.updated"],
        ["job.run.running", "job.run.updated"],
        ["job.run.succeeded", "job.run.updated"],
    ]


def test_a_change_of_something_else_is_told_as_a_change_alone() -> None:
    run = a_run()
    holder = run.start(WORKER, at(1))
    run.progress(holder, at(2), Report({"rows": 1}))
    run.request_cancel(at(3), None)
    run.confirm_cancel(holder, at(4), None, Report())
    assert message_types(run)[2:] == [
        ["job.run.updated"],
        ["job.run.updated"],
        ["job.run.canceled", "job.run.updated"],
    ]


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_each_final_status_has_a_message(status: str) -> None:
    run = a_run(max_attempts=1)
    holder = run.start(WORKER, at(1))
    if status == "failed":
        failing(run, holder, 2)
    else:
        run.expire(holder, at(2), "too old", Report())
    assert message_types(run)[-1] == [f"job.run.{status}", "job.run.updated"]


def test_a_message_holds_the_run_as_its_own_event_left_it() -> None:
    run = a_run()
    run.succeed(run.start(WORKER, at(1)), at(9), "done", Report())
    events = stored(run)
    rows = [job_runs.present(after) for _, _, after in steps(job_runs.TABLE, events)]
    assert [[data for _, data in messages] for messages in messages_of(events)] == [
        [{"run": row}] * 2 for row in rows
    ]
    assert [row["status"] for row in rows] == ["pending", "running", "succeeded"]
