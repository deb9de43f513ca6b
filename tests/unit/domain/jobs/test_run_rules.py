"""What holds of a run beyond single steps: the fence, times in order, numbers used once."""

from collections.abc import Callable

import pytest

from domain.clock import later
from domain.errors import StaleExecutionError
from domain.jobs import run_events
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from tests.unit.given import FIRST, NOON, WORKER, a_run, at, failing, half, new_topics, reloaded

WORKER_COMMANDS: dict[str, Callable[[JobRun, Holder], object]] = {
    "progress": lambda run, holder: run.progress(holder, at(900), Report()),
    "succeed": lambda run, holder: run.succeed(holder, at(900), None, Report()),
    "fail": lambda run, holder: run.fail(holder, at(900), AttemptFailure("boom"), Report(), half),
    "time_out": lambda run, holder: run.time_out(holder, at(900), Report(), half),
    "expire": lambda run, holder: run.expire(holder, at(900), "stale data", Report()),
    "lose": lambda run, holder: run.lose(holder, at(900), "silent", half),
    "hand_back": lambda run, holder: run.hand_back(holder, at(900)),
    "confirm_cancel": lambda run, holder: run.confirm_cancel(
        holder, at(900), None, Report(), by_handler=True
    ),
}

STALE_HOLDERS = {
    "another worker": Holder("worker-b", 2),
    "the same worker's earlier execution": Holder(WORKER, 1),
    "an execution that never was": Holder(WORKER, 3),
}


def running_again(*, cancel: bool = False) -> JobRun:
    """Return a run in its second execution."""
    run = a_run()
    failing(run, run.start(WORKER, at(100)), 200)
    run.start(WORKER, at(1_200))
    if cancel:
        run.request_cancel(at(1_300), None)
    return run


@pytest.mark.parametrize("command", WORKER_COMMANDS)
@pytest.mark.parametrize("stale", STALE_HOLDERS)
@pytest.mark.parametrize("state", ["running", "cancel requested"])
def test_a_stale_holder_is_refused_in_every_running_state(
    command: str, stale: str, state: str
) -> None:
    run = running_again(cancel=state == "cancel requested")
    run.collect_events()
    with pytest.raises(StaleExecutionError) as refused:
        WORKER_COMMANDS[command](run, STALE_HOLDERS[stale])
    assert refused.value.code == "stale_execution"
    assert run.pending_events == []


def test_the_fence_holds_after_a_reload() -> None:
    run = reloaded(running_again())
    with pytest.raises(StaleExecutionError):
        run.succeed(FIRST, at(1_400), None, Report())
    run.succeed(Holder(WORKER, 2), at(1_400), None, Report())
    assert run.status == "succeeded"


@pytest.mark.parametrize("command", WORKER_COMMANDS)
def test_an_event_is_never_earlier_than_the_one_before_it(command: str) -> None:
    run = a_run()
    holder = run.start(WORKER, at(2_000))
    WORKER_COMMANDS[command](run, holder)  # its `now` is 1 100 ms earlier
    times = [event.timestamp for event in run.collect_events()]
    assert times == [NOON, at(2_000), at(2_000)]


def test_a_cancel_by_a_slow_clock_is_not_earlier_than_the_launch() -> None:
    run = a_run()
    run.request_cancel(at(-5_000), None)
    assert [event.timestamp for event in run.collect_events()] == [NOON, NOON]


@pytest.mark.parametrize("step_ms", [1_500, 3_600_000, 31_536_000_000])
def test_a_retry_waits_from_the_present_where_the_clock_was_set_back(step_ms: int) -> None:
    run = a_run(scheduled_at=NOON)
    run.start(WORKER, at(2_000))
    run.collect_events()
    present_ms = 2_000 - step_ms
    run.lose(run.holder or FIRST, at(present_ms), "silent", half)
    assert run.scheduled_at == at(present_ms + 1_000)
    run.start(WORKER, at(present_ms + 1_000))
    # No time of the run goes back for that.
    assert [event.timestamp for event in run.collect_events()] == [at(2_000)] * 2


def test_times_are_cut_to_milliseconds() -> None:
    run = a_run()
    run.start(WORKER, at(1.75))
    assert run.started_at == at(1)


def test_a_run_due_at_this_millisecond_starts() -> None:
    run = a_run(scheduled_at=at(5))
    run.start(WORKER, at(5.0))
    assert run.started_at == run.scheduled_at


def test_execution_numbers_are_never_used_twice() -> None:
    run = a_run()
    seen = []
    endings: list[Callable[[Holder], None]] = [
        lambda holder: run.hand_back(holder, at(0)),
        lambda holder: failing(run, holder, 0),
        lambda holder: run.lose(holder, at(0), "silent", half),
        lambda holder: run.time_out(holder, at(0), Report(), half),
        lambda holder: run.succeed(holder, at(0), None, Report()),
    ]
    for hours, end in enumerate(endings):
        holder = run.start(WORKER, at(hours * 3_600_000))
        seen.append(holder.execution)
        end(holder)
    assert seen == [1, 2, 3, 4, 5]


def test_handing_back_spends_no_attempt() -> None:
    run = a_run(max_attempts=2)
    for ms in (100, 200, 300):
        run.hand_back(run.start(WORKER, at(ms)), at(ms + 50))
    assert (run.attempt, run.scheduled_at) == (1, NOON)
    failing(run, run.start(WORKER, at(400)), 500)
    assert (run.status, run.attempt) == ("pending", 2)


def test_every_other_end_of_an_attempt_spends_one() -> None:
    run = a_run(max_attempts=4)
    failing(run, run.start(WORKER, at(0)), 0)
    run.lose(run.start(WORKER, at(1_000)), at(1_000), "silent", half)
    run.time_out(run.start(WORKER, at(2_000)), at(2_000), Report(), half)
    assert (run.status, run.attempt) == ("pending", 4)
    failing(run, run.start(WORKER, at(3_000)), 3_000)
    assert (run.status, run.attempt) == ("failed", 4)


def test_retries_follow_the_policy() -> None:
    run = a_run(
        retry_policy={"strategy": "exponential", "initialDelayMs": 1_000, "maxDelayMs": 3_000}
    )
    waits = []
    for _ in range(4):
        holder = run.start(WORKER, run.scheduled_at)
        began = run.scheduled_at
        run.fail(holder, began, AttemptFailure("boom"), Report(), half)
        waits.append(run.scheduled_at - began)
    assert [wait.total_seconds() for wait in waits] == [1, 2, 3, 3]


def test_jitter_comes_from_the_given_randomness() -> None:
    run = a_run(retry_policy={"strategy": "fixed", "initialDelayMs": 1_000, "jitter": "full"})
    run.fail(run.start(WORKER, NOON), NOON, AttemptFailure("boom"), Report(), lambda: 0.25)
    assert run.scheduled_at == at(250)


@pytest.mark.parametrize(("wish", "kept"), [(250, 250), (0, 0), (-1, 0), (10**15, 86_400_000)])
def test_a_handler_may_choose_its_own_wait_within_a_day(wish: int, kept: int) -> None:
    run = a_run()
    run.fail(
        run.start(WORKER, NOON), NOON, AttemptFailure("boom", retry_after_ms=wish), Report(), half
    )
    assert run.scheduled_at == later(NOON, kept)


def test_a_wish_to_wait_gives_no_attempt_beyond_the_last() -> None:
    run = a_run(max_attempts=1)
    run.fail(
        run.start(WORKER, NOON), NOON, AttemptFailure("boom", retry_after_ms=10), Report(), half
    )
    assert run.status == "failed"


def test_a_run_once_started_outlives_its_start_deadline() -> None:
    run = a_run(start_deadline_at=at(1_000))
    run.hand_back(run.start(WORKER, at(999)), at(1_500))
    run.collect_events()
    run.expire_start(at(2_000))
    run.start(WORKER, at(2_000))
    assert new_topics(run) == ["job_run.started"]


def test_a_run_without_a_start_deadline_waits_for_ever() -> None:
    run = a_run(start_deadline_at=None)
    run.collect_events()
    run.expire_start(at(10**11))
    run.start(WORKER, at(10**11))
    assert new_topics(run) == ["job_run.started"]


def test_a_cancel_asked_for_survives_a_reload() -> None:
    run = reloaded(running_again(cancel=True))
    run.fail(Holder(WORKER, 2), at(1_400), AttemptFailure("killed"), Report(), half)
    assert run.status == "canceled"


@pytest.mark.parametrize(("is_cancel_requested", "reason"), [(True, None), (False, "handler")])
def test_a_cancel_is_the_handlers_own_only_if_nobody_else_asked(
    *, is_cancel_requested: bool, reason: str | None
) -> None:
    run = a_run()
    holder = run.start(WORKER, at(100))
    if is_cancel_requested:
        run.request_cancel(at(200), None)
    run.confirm_cancel(holder, at(300), "stopped", Report(), by_handler=True)
    event = run.pending_events[-1]
    assert isinstance(event, run_events.Canceled)
    assert (event.reason, event.failure_reason) == ("stopped", reason)


def test_the_reason_that_a_client_gave_is_the_runs_however_it_then_stopped() -> None:
    run = a_run()
    holder = run.start(WORKER, at(100))
    run.request_cancel(at(200), "too expensive")
    run.fail(holder, at(300), AttemptFailure("boom"), Report(), half)
    canceled = run.pending_events[-1]
    assert isinstance(canceled, run_events.Canceled)
    assert canceled.reason == "too expensive"
