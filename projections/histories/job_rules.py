"""The promises about jobs, by topic, and how events change the state that they need.

The limits of a job are promises about the starts of its runs.
"""

from collections.abc import Callable
from typing import cast

from domain.clock import from_iso, to_iso
from domain.json_values import JsonObject
from projections.histories.rules import Job, LivingRun, LoggedEvent

JobRule = Callable[[Job, LoggedEvent], str | None]


def no_unfinished_runs(job: Job, _: LoggedEvent) -> str | None:
    """A job is deleted only when none of its runs is pending or running."""
    if not job.unfinished:
        return None
    return f"no deletion while {job.unfinished} runs have not ended"


def deleted_before(job: Job, _: LoggedEvent) -> str | None:
    """Only a job that was deleted is registered again."""
    if job.is_deleted:
        return None
    return "a job that was deleted"


def versions_go_on(job: Job, event: LoggedEvent) -> str | None:
    """No version number of a job is used twice, because runs are pinned to it."""
    version = cast("int", event.data["version"])
    if version > job.version:
        return None
    return f"a version above {job.version}, not {version}"


def room_in_job(run: LivingRun, _: LoggedEvent) -> str | None:
    """No run starts while its job has `maxConcurrentRuns` of its latest version running."""
    limit = run.job.max_concurrent_runs
    running = run.job.running
    if limit is None or running < limit:
        return None
    return f"no start while {running} runs of at most {limit} are running"


def job_not_paused(run: LivingRun, _: LoggedEvent) -> str | None:
    """No run of a paused job starts until the job is resumed."""
    if not run.job.is_paused:
        return None
    return "no start while the job is paused"


def within_rate(run: LivingRun, event: LoggedEvent) -> str | None:
    """No more runs that count together start within a period of a `rateLimit` than its limit."""
    rate = run.job.rate
    if rate is None or run.rate_value is None or event.is_held:
        return None
    at = from_iso(event.at)
    since = at - rate.period
    started = run.job.starts.count_around(run.rate_value, at, rate.period)
    if started < rate.limit:
        return None
    return f"no start while {started} of at most {rate.limit} were after {to_iso(since)}"


def takes_turns(run: LivingRun, event: LoggedEvent) -> str | None:
    """No value of a `fairnessKey` whose run may start is skipped.

    Checked when the run that started has ended: a run without a handler is started out of turn, to
    be failed, and it may be handed back, lost or canceled before that.
    """
    other = run.overtaken
    if other is None or event.data.get("failure_reason") == "no_handler":
        return None
    return f"its start after one of {other}, whose turn it was"


_SECOND = 2


def grouped_at_launch(_: LivingRun, event: LoggedEvent) -> str | None:
    """The groups of a run are recorded once, directly after its launch."""
    if event.version == _SECOND:
        return None
    return f"the run's second event, not event {event.version}"


def unique_kept(run: LivingRun, event: LoggedEvent) -> str | None:
    """No two runs of a job hold the same unique value."""
    groups = cast("dict[str, str]", event.data["groups"])
    for until in ("unique_until_start", "unique_until_end"):
        value = groups.get(until)
        if value is not None and run.job.taken[value]:
            return f"no second run with {value} before the first lets it go"
    return None


def key_is_free(run: LivingRun, _: LoggedEvent) -> str | None:
    """No run starts while `concurrencyLimit` runs of its job share its key's value."""
    key = run.key
    if key is None:
        return None
    limit = run.job.concurrency_limit
    running = run.job.running_by_key.get(key, 0)
    if running < limit:
        return None
    return f"no start while {running} runs of at most {limit} of the key {key} are running"


RULES: dict[str, tuple[JobRule, ...]] = {
    "job_definition.registered": (),
    "job_definition.revised": (versions_go_on,),
    "job_definition.paused": (),
    "job_definition.resumed": (),
    "job_definition.deleted": (no_unfinished_runs,),
    "job_definition.registered_again": (deleted_before, versions_go_on),
}
"""The promises that each event of a job must keep."""


def move(job: Job, event: LoggedEvent) -> None:
    """Apply an event to the job."""
    match event.topic:
        case "job_definition.registered":
            _define(job, event, "spec")
        case "job_definition.revised":
            _define(job, event, "changes")
        case "job_definition.paused":
            job.is_paused = True
        case "job_definition.resumed":
            job.is_paused = False
        case "job_definition.deleted":
            job.is_deleted = True
        case "job_definition.registered_again":
            job.is_deleted = False
            job.is_paused = False
            _define(job, event, "spec")


def _define(job: Job, event: LoggedEvent, field: str) -> None:
    job.define(cast("int", event.data["version"]), cast("JsonObject", event.data[field]))
