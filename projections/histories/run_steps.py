"""How the events of a run move it, as far as rules need to know.

Each step returns whether the run goes on. Steps are taken also where a rule is broken, so that one
fault in a log is one finding and not many.
"""

from collections.abc import Callable
from typing import cast

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
    )


def _starts(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    data = event.data
    run.worker_id = cast("str", data["worker_id"])
    run.execution = cast("int", data["execution"])
    run.attempt = cast("int", data["attempt"])
    run.job.running += 1
    if run.key is not None:
        run.job.running_by_key[run.key] += 1
    return True


def _stays(run: LivingRun, event: LoggedEvent) -> bool:
    del run, event
    return True


def _wants_cancel(run: LivingRun, event: LoggedEvent) -> bool:
    del event
    run.cancel_requested = True
    return True


def _goes_back(run: LivingRun, event: LoggedEvent) -> bool:
    del event
    _release(run)
    return True


def _retries_or_ends(run: LivingRun, event: LoggedEvent) -> bool:
    _release(run)
    retry_at = cast("str | None", event.data["retry_at"])
    if retry_at is None:
        return False
    run.attempt += 1
    run.due_at = retry_at
    return True


def _ends(run: LivingRun, event: LoggedEvent) -> bool:
    del event
    _release(run)
    return False


STEPS: dict[str, Step] = {
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
    job = run.job
    job.running -= 1
    if run.key is None:
        return
    job.running_by_key[run.key] -= 1
    if not job.running_by_key[run.key]:
        del job.running_by_key[run.key]
