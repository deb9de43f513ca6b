"""The promises about runs, by topic. `docs/state-machine.md` has the same table; a test compares.

First the rules, then how a run's events move it. A rule is a function: it gets the run as it was
before the event, and returns what was expected if the event breaks it. Its name is that of the
promise. To add one, write it, and enter it in `RULES`.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import cast

from domain.clock import from_iso
from projections.histories.job_rules import (
    grouped_at_launch,
    job_not_paused,
    key_is_free,
    room_in_job,
    takes_turns,
    unique_kept,
    within_rate,
)
from projections.histories.rules import CLOCK_STEP_US, Job, LivingRun, LoggedEvent

Rule = Callable[[LivingRun, LoggedEvent], str | None]

MAX_DELAY = timedelta(days=1)
"""No back-off is longer, whoever asked for it."""

_PENDING = frozenset({"pending", "pending again"})
_RUNNING = frozenset({"running", "cancel requested"})

STATES: dict[str, frozenset[str]] = {
    "job_run.grouped": frozenset({"pending"}),
    "job_run.started": _PENDING,
    "job_run.progressed": _RUNNING,
    "job_run.succeeded": _RUNNING,
    # Once a cancel is requested, these end as `job_run.canceled` instead.
    "job_run.attempt_failed": frozenset({"running"}),
    "job_run.attempt_timed_out": _RUNNING,
    "job_run.attempt_lost": frozenset({"running"}),
    "job_run.handed_back": frozenset({"running"}),
    "job_run.start_deadline_passed": frozenset({"pending"}),
    "job_run.cancel_requested": frozenset({"running"}),
    "job_run.canceled": _PENDING | _RUNNING,
}
"""The states in which each event may happen. A run that has ended is in none of them."""


def known_definition(run: LivingRun, _: LoggedEvent) -> str | None:
    """A run is launched with a version of its job that the log has recorded."""
    version = run.definition_version
    newest = run.job.version
    if 1 <= version <= newest:
        return None
    return f"a definition version from 1 to {newest}, not {version}"


def job_not_deleted(run: LivingRun, _: LoggedEvent) -> str | None:
    """A deleted job gets no new runs until it is registered again."""
    if not run.job.is_deleted:
        return None
    return "no request while the job is deleted"


def some_attempts(run: LivingRun, _: LoggedEvent) -> str | None:
    """A run has at least one attempt."""
    limit = run.max_attempts
    if limit >= 1:
        return None
    return f"maxAttempts of at least 1, not {limit}"


def not_scheduled_in_the_past(run: LivingRun, _: LoggedEvent) -> str | None:
    """A run is due no earlier than it was launched."""
    due_at = run.due_at
    if due_at >= run.at:
        return None
    return f"scheduled_at from {run.at} on, not {due_at}"


def time_goes_on(run: LivingRun, event: LoggedEvent) -> str | None:
    """Times of a run never go back."""
    at = event.at
    if at >= run.at:
        return None
    return f"a time from {run.at} on, not {at}"


def next_execution(run: LivingRun, event: LoggedEvent) -> str | None:
    """Execution numbers have no gaps, so no pair of worker and execution is valid twice."""
    execution = event.data["execution"]
    following = run.execution + 1
    if execution == following:
        return None
    return f"execution {following}, not {execution}"


def current_attempt(run: LivingRun, event: LoggedEvent) -> str | None:
    """An attempt's events carry its number."""
    attempt = event.data["attempt"]
    if attempt == run.attempt:
        return None
    return f"attempt {run.attempt}, not {attempt}"


def attempts_within_limit(run: LivingRun, event: LoggedEvent) -> str | None:
    """No run has more attempts than its `maxAttempts`."""
    attempt = cast("int", event.data["attempt"])
    limit = run.max_attempts
    if attempt <= limit:
        return None
    return f"at most {limit} attempts, and this is attempt {attempt}"


def not_before_due(run: LivingRun, event: LoggedEvent) -> str | None:
    """No run starts before its `scheduledAt`, or before its back-off is over."""
    at = event.at
    if at >= run.due_at:
        return None
    return f"no start before {run.due_at}, and it is {at}"


def not_after_start_deadline(run: LivingRun, event: LoggedEvent) -> str | None:
    """No run starts for the first time after its start deadline."""
    deadline = run.start_deadline_at
    if run.execution or deadline is None:
        return None
    at = event.at
    if at < deadline:
        return None
    return f"no first start from {deadline} on, and it is {at}"


def fence(run: LivingRun, event: LoggedEvent) -> str | None:
    """Only the holder, a worker with an execution number, appends events of its execution."""
    data = event.data
    worker_id = data["worker_id"]
    execution = data["execution"]
    if worker_id == run.worker_id and execution == run.execution:
        return None
    return f"the word of {run.holder}, not of execution {execution} of worker {worker_id}"


def retry_only_with_attempts_left(run: LivingRun, event: LoggedEvent) -> str | None:
    """A run ends with its last attempt."""
    retry_at = event.data["retry_at"]
    if retry_at is None or run.has_attempts_left:
        return None
    return f"no retry after the last attempt, {run.attempt}, but one at {retry_at}"


def retry_while_attempts_are_left(run: LivingRun, event: LoggedEvent) -> str | None:
    """A timeout or a lost worker ends no run with attempts left, unless its handler says so."""
    if not run.has_attempts_left or _by_handler(event):
        return None
    if event.data["retry_at"] is not None:
        return None
    return f"a retry after attempt {run.attempt} of {run.max_attempts}, but the run ends"


def bounded_back_off(_: LivingRun, event: LoggedEvent) -> str | None:
    """A retry is due after the failure, and at most a day after it.

    A delay begins at the present as its process has it, which is late by the round trip of its last
    measurement; the failure's stamp is never before the run's last one, perhaps another process's.
    """
    retry_at = cast("str | None", event.data["retry_at"])
    if retry_at is None:
        return None
    failed_at, again_at = from_iso(event.at), from_iso(retry_at)
    is_after = again_at >= failed_at - timedelta(microseconds=CLOCK_STEP_US) or event.is_held
    if is_after and again_at <= failed_at + MAX_DELAY:
        return None
    return f"a retry within a day from {event.at}, not at {retry_at}"


def canceled_wins(run: LivingRun, event: LoggedEvent) -> str | None:
    """After a cancel request, a run expires only if its handler says so."""
    if not run.cancel_requested or _by_handler(event):
        return None
    return "job_run.canceled, for a cancel was requested"


def over_deadline(run: LivingRun, event: LoggedEvent) -> str | None:
    """A run expires before its first start only after its start deadline."""
    at = event.at
    deadline = run.start_deadline_at
    if deadline is not None and at >= deadline:
        return None
    return f"a start deadline up to {at}, and it is {deadline}"


def really_stopped(run: LivingRun, event: LoggedEvent) -> str | None:
    """A cancel names the execution that it stopped, or none if nothing was running."""
    if run.worker_id is not None:
        return fence(run, event)
    data = event.data
    worker_id = data["worker_id"]
    execution = data["execution"]
    if worker_id is None and execution is None:
        return None
    return f"no holder, for nothing ran; not execution {execution} of worker {worker_id}"


def cancel_was_requested(run: LivingRun, event: LoggedEvent) -> str | None:
    """A running run is canceled only if a client requested it, or its handler says so."""
    if run.worker_id is None or run.cancel_requested:
        return None
    if _by_handler(event):
        return None
    return "job_run.cancel_requested before, or the handler's word"


def _by_handler(event: LoggedEvent) -> bool:
    return event.data.get("failure_reason") == "handler"


RULES: dict[str, tuple[Rule, ...]] = {
    "job_run.requested": (
        known_definition,
        job_not_deleted,
        some_attempts,
        not_scheduled_in_the_past,
    ),
    "job_run.grouped": (time_goes_on, grouped_at_launch, unique_kept),
    "job_run.started": (
        time_goes_on,
        next_execution,
        current_attempt,
        attempts_within_limit,
        not_before_due,
        not_after_start_deadline,
        job_not_paused,
        room_in_job,
        key_is_free,
        within_rate,
    ),
    "job_run.progressed": (time_goes_on, fence),
    "job_run.succeeded": (time_goes_on, fence, takes_turns),
    "job_run.attempt_failed": (
        time_goes_on,
        fence,
        current_attempt,
        retry_only_with_attempts_left,
        bounded_back_off,
        takes_turns,
    ),
    "job_run.attempt_timed_out": (
        time_goes_on,
        fence,
        current_attempt,
        canceled_wins,
        retry_only_with_attempts_left,
        retry_while_attempts_are_left,
        bounded_back_off,
        takes_turns,
    ),
    "job_run.attempt_lost": (
        time_goes_on,
        fence,
        current_attempt,
        retry_only_with_attempts_left,
        retry_while_attempts_are_left,
        bounded_back_off,
    ),
    "job_run.handed_back": (time_goes_on, fence),
    "job_run.start_deadline_passed": (time_goes_on, over_deadline),
    "job_run.cancel_requested": (time_goes_on,),
    "job_run.canceled": (time_goes_on, really_stopped, cancel_was_requested),
}
"""What each event must be, beside happening in one of its `STATES`."""


# How the events of a run move it, as far as rules need to know.
#
# Each step returns whether the run continues. Steps are taken also where a rule is broken, so that
# one fault in a log is one finding and not many.

Step = Callable[[LivingRun, LoggedEvent], bool]


def requested(job: Job, event: LoggedEvent) -> LivingRun:
    """Return the run that begins with this event."""
    data = event.data
    return LivingRun(
        job=job,
        definition_version=cast("int", data["definition_version"]),
        key=cast("str | None", data["concurrency_value"]),
        max_attempts=cast("int", data["max_attempts"]),
        due_at=cast("str", data["scheduled_at"]),
        start_deadline_at=cast("str | None", data["start_deadline_at"]),
        at=cast("str", data["timestamp"]),
        group=(cast("str", data["entry_point"]), cast("int", data["priority"])),
    )


def _start(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    _take_turn(run, event)
    if not run.is_unique_until_end:
        _free_unique_value(run)
    data = event.data
    run.worker_id = cast("str", data["worker_id"])
    run.execution = cast("int", data["execution"])
    run.attempt = cast("int", data["attempt"])
    run.job.running += 1
    if run.key is not None:
        run.job.running_by_key[run.key] += 1
    if run.rate_value is not None and run.job.rate is not None:
        run.job.starts.add(run.rate_value, from_iso(event.at), run.job.rate.period)
    return True


def _group(run: LivingRun, event: LoggedEvent) -> bool:
    groups = cast("dict[str, str]", event.data["groups"])
    run.rate_value = groups.get("rate")
    for until in ("unique_until_start", "unique_until_end"):
        value = groups.get(until)
        if value is not None:
            _free_unique_value(run)
            run.own_value = value
            run.is_unique_until_end = until == "unique_until_end"
            run.job.taken[value] += 1
    run.fair_value = groups.get("fair")
    _wait_for_turn(run, event)
    return True


def _free_unique_value(run: LivingRun) -> None:
    """Let another run hold the unique value."""
    value = run.own_value
    if value is None:
        return
    run.own_value = None
    taken = run.job.taken
    taken[value] -= 1
    if not taken[value]:
        del taken[value]


def _wait_for_turn(run: LivingRun, event: LoggedEvent) -> None:
    """Add a pending run to its fairness group, and whether only turns can delay it from now on."""
    if run.fair_value is None:
        return
    limits = (run.key, run.rate_value, run.start_deadline_at)
    due_since: str | None = None
    if run.due_at <= event.at and limits == (None, None, None):
        due_since = event.at
    run.job.waiting.add(run.group, run.fair_value, event.aggregate_id, due_since)


def _take_turn(run: LivingRun, event: LoggedEvent) -> None:
    """Record a start in the fairness group, and the value that it skipped."""
    value = run.fair_value
    if value is None:
        return
    overtaken = run.job.waiting.start(run.group, value, event.at)
    run.job.waiting.remove(run.group, value, event.aggregate_id)
    run.overtaken = None
    if run.job.fairness_key is not None and not event.is_held:
        run.overtaken = overtaken


def _stop_waiting(run: LivingRun, event: LoggedEvent) -> None:
    if run.fair_value is not None:
        run.job.waiting.remove(run.group, run.fair_value, event.aggregate_id)


def _continue(_run: LivingRun, _event: LoggedEvent) -> bool:
    return True


def _request_cancel(run: LivingRun, _: LoggedEvent) -> bool:
    run.cancel_requested = True
    return True


def _hand_back(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    _wait_for_turn(run, event)
    return True


def _retry_or_end(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    retry_at = cast("str | None", event.data["retry_at"])
    if retry_at is None:
        _free_unique_value(run)
        return False
    run.attempt += 1
    run.due_at = retry_at
    _wait_for_turn(run, event)
    return True


def _end(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    _stop_waiting(run, event)
    _free_unique_value(run)
    return False


STEPS: dict[str, Step] = {
    "job_run.grouped": _group,
    "job_run.started": _start,
    "job_run.progressed": _continue,
    "job_run.succeeded": _end,
    "job_run.attempt_failed": _retry_or_end,
    "job_run.attempt_timed_out": _retry_or_end,
    "job_run.attempt_lost": _retry_or_end,
    "job_run.handed_back": _hand_back,
    "job_run.start_deadline_passed": _end,
    "job_run.cancel_requested": _request_cancel,
    "job_run.canceled": _end,
}


def _release(run: LivingRun) -> None:
    """Record that no worker holds the run any more."""
    if run.worker_id is None:
        return
    run.worker_id = None
    run.overtaken = None
    job = run.job
    job.running -= 1
    if run.key is None:
        return
    job.running_by_key[run.key] -= 1
    if not job.running_by_key[run.key]:
        del job.running_by_key[run.key]
