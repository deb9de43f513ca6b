"""How the events of a run move it, as far as rules need to know.

Each step returns whether the run goes on. Steps are taken also where a rule is broken, so that one
fault in a log is one finding and not many.
"""

from collections.abc import Callable
from typing import cast

from domain.clock import from_iso
from projections.histories.event import LoggedEvent
from projections.histories.living import Job, LivingRun

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


def _starts(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    _has_turn(run, event)
    if not run.is_unique_until_end:
        _let_go(run)
    data = event.data
    run.worker_id = cast("str", data["worker_id"])
    run.execution = cast("int", data["execution"])
    run.attempt = cast("int", data["attempt"])
    run.job.running += 1
    if run.key is not None:
        run.job.running_by_key[run.key] += 1
    if run.rate_value is not None and run.job.rate is not None:
        started_at = from_iso(event.at)
        period = run.job.rate.period
        run.job.starts.add(run.rate_value, started_at, period)
    return True


def _is_grouped(run: LivingRun, event: LoggedEvent) -> bool:
    groups = cast("dict[str, str]", event.data["groups"])
    run.rate_value = groups.get("rate")
    for until in ("unique_until_start", "unique_until_end"):
        value = groups.get(until)
        if value is not None:
            _let_go(run)
            run.own_value = value
            run.is_unique_until_end = until == "unique_until_end"
            run.job.taken[value] += 1
    run.fair_value = groups.get("fair")
    _waits(run, event)
    return True


def _let_go(run: LivingRun) -> None:
    """Let others have what the run had to itself."""
    value = run.own_value
    if value is None:
        return
    run.own_value = None
    taken = run.job.taken
    taken[value] -= 1
    if not taken[value]:
        del taken[value]


def _waits(run: LivingRun, event: LoggedEvent) -> None:
    """Note a run that is pending, and whether only turns can keep it from now on."""
    if run.fair_value is None:
        return
    limits = (run.key, run.rate_value, run.start_deadline_at)
    due_since: str | None = None
    if run.due_at <= event.at and limits == (None, None, None):
        due_since = event.at
    run.job.waiting.arrive(run.group, run.fair_value, event.aggregate_id, due_since)


def _has_turn(run: LivingRun, event: LoggedEvent) -> None:
    """Take in a turn, and note whose it would have been."""
    value = run.fair_value
    if value is None:
        return
    overtaken = run.job.waiting.start(run.group, value, event.at)
    run.job.waiting.leave(run.group, value, event.aggregate_id)
    run.overtaken = None
    if run.job.fairness_key is not None:
        run.overtaken = overtaken


def _waits_no_more(run: LivingRun, event: LoggedEvent) -> None:
    if run.fair_value is not None:
        run.job.waiting.leave(run.group, run.fair_value, event.aggregate_id)


def _stays(run: LivingRun, event: LoggedEvent) -> bool:
    del run, event
    return True


def _wants_cancel(run: LivingRun, event: LoggedEvent) -> bool:
    del event
    run.cancel_requested = True
    return True


def _goes_back(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    _waits(run, event)
    return True


def _retries_or_ends(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    retry_at = cast("str | None", event.data["retry_at"])
    if retry_at is None:
        _let_go(run)
        return False
    run.attempt += 1
    run.due_at = retry_at
    _waits(run, event)
    return True


def _ends(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    _waits_no_more(run, event)
    _let_go(run)
    return False


STEPS: dict[str, Step] = {
    "job_run.grouped": _is_grouped,
    "job_run.started": _starts,
    "job_run.progressed": _stays,
    "job_run.succeeded": _ends,
    "job_run.attempt_failed": _retries_or_ends,
    "job_run.attempt_timed_out": _retries_or_ends,
    "job_run.attempt_lost": _retries_or_ends,
    "job_run.handed_back": _goes_back,
    "job_run.start_deadline_passed": _ends,
    "job_run.cancel_requested": _wants_cancel,
    "job_run.canceled": _ends,
}


def _release(run: LivingRun) -> None:
    """Let nobody hold the run any more."""
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
