"""Why a run waits, runs or has ended: all reasons in one answer.

First the answer (`explained`); then why a run ended; then what keeps it waiting, in the order of a
claim: whether it can be read, is due, has a worker with a free slot, has capacity in its job, key
and rate, and is next.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from domain.clock import from_iso, later, to_iso
from domain.jobs.policies import RateLimit
from domain.jobs.run_events import FINAL
from domain.json_values import Json, JsonObject
from domain.workers import Isolation, Labels, has_labels, labels_text
from projections.envelope import Envelope
from projections.explain_facts import (
    MAX_NAMED,
    Facts,
    Member,
    Reason,
    UnderWay,
    blocked_since,
    busy_of,
    candidate_of,
    slots_of,
)
from projections.flow.candidates import Candidate, Requirements, key_of, untimely
from projections.flow.limits import key_limit
from projections.flow.selection import Refusal, refusals, select_candidates, serves_entry_point
from projections.job_runs import RunRow
from runtime.text import in_words


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a run besides its row.

    Attributes:
        last: its last event other than progress, if it can be read.
        cancel_request: the event that requested its cancel, if there is one.
        last_beat_at: the last heartbeat of the worker that `last` names.
        memory_mb: the memory limit of an attempt; None for no limit, or if it is not known.
    """

    last: Envelope | None = None
    cancel_request: Envelope | None = None
    last_beat_at: str | None = None
    memory_mb: Json = None


NO_EVIDENCE = Evidence()


def explained(run: RunRow, facts: Facts, evidence: Evidence = NO_EVIDENCE) -> JsonObject:
    """Return why a run waits, runs or has ended, as clients see it (contract, section 10)."""
    reasons = _reasons(run, facts, evidence)
    return {
        "status": run["status"],
        "summary": _summary(run, facts, reasons),
        "reasons": [reason.present() for reason in reasons],
        "nextChangeAt": _next_change(run, facts),
        "unknown": [*facts.unknown],
    }


def _reasons(run: RunRow, facts: Facts, evidence: Evidence) -> list[Reason]:
    if run["status"] in FINAL:
        return ended(run, evidence)
    cancel = cancel_requested(run, evidence)
    if run["status"] == "running":
        return [*_unreadable(facts), *cancel]
    return [*waiting(run, facts), *cancel]


def _summary(run: RunRow, facts: Facts, reasons: Sequence[Reason]) -> str:
    status = run["status"]
    binding = [reason.message for reason in reasons if reason.binding]
    if status == "pending":
        return _waits(facts, binding)
    attempt = f"attempt {run['attempt']} of {run['max_attempts']}"
    if status in FINAL:
        return ": ".join([f"{status} {_ended_when(run, attempt)}", *binding])
    runs = f"runs on worker {run['worker_id']} since {run['started_at']}, {attempt}"
    return "; ".join([runs, *binding])


def _ended_when(run: RunRow, attempt: str) -> str:
    """Return in which attempt a run ended, or before which one."""
    if run["started_at"] is not None:
        return f"in {attempt}"
    if run["execution"] == 0:
        return "before it started"
    # After a failed attempt or a hand-back.
    return f"while it waited for {attempt}"


def _waits(facts: Facts, binding: Sequence[str]) -> str:
    if binding:
        return f"waits: {'; '.join(binding)}"
    nothing = "nothing that is known" if facts.unknown else "nothing"
    return f"waits for {nothing}: a worker's next claim may start it"


def _next_change(run: RunRow, facts: Facts) -> str | None:
    """Return the next known time at which the answer changes, None if none is known."""
    status = run["status"]
    moments: list[str | None] = []
    if status == "pending":
        candidate = candidate_of(run, facts.limits_of_job)
        moments = [candidate["scheduled_at"], candidate["start_by"]]
        window = facts.window_of(candidate)
        if window is not None:
            moments.append(window.reopens_at)
    elif status == "running":
        moments = [_runs_until(run)]
    later = [one for one in moments if one is not None and one > facts.now]
    return min(later, default=None)


def _runs_until(run: RunRow) -> str | None:
    """Return when the attempt times out, None if it has no timeout."""
    started_at = run["started_at"]
    timeout_ms = run["timeout_ms"]
    if started_at is None or timeout_ms is None:
        return None
    ends_at = later(from_iso(started_at), timeout_ms)
    return to_iso(ends_at)


# Why a run ended, with the evidence in its events.

CANCELED = "canceled"
"""The reason of a run that a client canceled: it has no `failureReason`."""

_CODE = re.compile(r"exited with code (-?\d+)")
_SIGNAL = re.compile(r"ended by signal (\w+)")
_PEAK = re.compile(r"\(([\d.]+) MB\)")


def ended(run: RunRow, evidence: Evidence) -> list[Reason]:
    """Return why a run ended; nothing if it succeeded."""
    if run["status"] == "succeeded":
        return []
    code = run["failure_reason"] or CANCELED
    details: JsonObject = {
        "attempt": run["attempt"],
        "maxAttempts": run["max_attempts"],
        "startedAt": run["started_at"],
        "workerId": _field_of(evidence.last, "worker_id"),
    }
    details_of_code = _cancel if run["status"] == CANCELED else _DETAILS.get(code)
    if details_of_code is not None:
        details |= details_of_code(run, evidence)
    message = run["error_message"] or f"it was {run['status']}"
    return [Reason(code, message, True, run["completed_at"], details)]


def cancel_requested(run: RunRow, evidence: Evidence) -> list[Reason]:
    """Return that a cancel of the run was requested, if so."""
    since = run["cancel_requested_at"]
    if since is None:
        return []
    by: str | None = None
    if evidence.cancel_request is not None:
        by = evidence.cancel_request.actor
    details: JsonObject = {"by": by, "reason": run["cancel_reason"]}
    message = "it was asked to stop, and is canceled once what runs has stopped"
    return [Reason("cancel_requested", message, True, since, details)]


def _cancel(run: RunRow, evidence: Evidence) -> JsonObject:
    # A pending run is canceled by one event; of a running one it is requested first.
    canceled = evidence.cancel_request or evidence.last
    by = None
    if canceled is not None and run["failure_reason"] is None:
        by = canceled.actor
    return {
        "by": by,
        "reason": run["cancel_reason"] or run["error_message"],
        "requestedAt": run["cancel_requested_at"],
        "wasRunning": run["started_at"] is not None,
    }


def _exit_code(run: RunRow, _: Evidence) -> JsonObject:
    code = _match_in_message(run, _CODE)
    return {"exitCode": None if code is None else int(code)}


def _memory(run: RunRow, evidence: Evidence) -> JsonObject:
    peak_mb = _match_in_message(run, _PEAK)
    return {
        "peakMemoryMb": None if peak_mb is None else float(peak_mb),
        "limitMb": evidence.memory_mb,
    }


def _match_in_message(run: RunRow, pattern: re.Pattern[str]) -> str | None:
    """Return what the group of a pattern matches in the run's error message, None for nothing."""
    match = pattern.search(run["error_message"] or "")
    return None if match is None else match[1]


_DETAILS: dict[str, Callable[[RunRow, Evidence], JsonObject]] = {
    "exit": _exit_code,
    "signal": lambda run, _: {"signal": _match_in_message(run, _SIGNAL)},
    "out_of_memory": _memory,
    "worker_lost": lambda _, evidence: {"silentSince": evidence.last_beat_at},
    "execution_timeout": lambda run, _: {"timeoutMs": run["timeout_ms"]},
    "start_deadline": lambda run, _: {"startDeadlineAt": run["start_deadline_at"]},
    "no_handler": lambda run, _: {"entryPoint": run["entry_point"]},
}


def _field_of(event: Envelope | None, field: str) -> Json:
    if event is None:
        return None
    return event.data.get(field)


# What keeps a run from being claimed by a worker: none lives, none executes it, or all are busy.


def by_workers(run: Candidate, facts: Facts) -> list[Reason]:
    """Return what keeps all workers from claiming a run, if anything does."""
    fleet = facts.fleet
    if fleet is None:
        return []
    if not _any_alive(fleet):
        return [_no_worker(fleet)]
    entry_point = run["entry_point"]
    offering = [one for one in fleet if serves_entry_point(one["entry_points"], entry_point)]
    if not _any_alive(offering):
        return [_not_offered(entry_point, offering)]
    able = facts.workers_for(run)
    if not able:
        return [_requirements_unmet(entry_point, facts.requirements_of(run), offering)]
    if any(facts.free_slots(worker, run) > 0 for worker in able):
        return []
    return [_slots_full(run, able, facts)]


def _any_alive(fleet: Sequence[Member]) -> bool:
    return any(worker["state"] == "alive" for worker in fleet)


def _slots_full(run: Candidate, able: Sequence[Member], facts: Facts) -> Reason:
    ids = {worker["id"] for worker in able}
    since = blocked_since(run, [one for one in facts.running if one["worker_id"] in ids], facts)
    isolation = facts.requirements_of(run).isolation
    details: JsonObject = {"workers": _slots_by_worker(able, isolation)}
    entry_point = run["entry_point"]
    slots = sum(slots_of(worker, isolation) for worker in able)
    workers = _counted(len(able), "worker that executes", "workers that execute")
    message = (
        f"{slots} of {slots} slots are taken, on {workers} {entry_point}:"
        " wait for a run to end, or start another worker"
    )
    return Reason("slots_full", message, True, since, details)


def _no_worker(fleet: Sequence[Member]) -> Reason:
    details: JsonObject = {"draining": _ids_of(fleet, "draining"), "lost": _ids_of(fleet, "lost")}
    return Reason("no_worker", "no living worker claims anything: start one", True, None, details)


def _requirements_unmet(
    entry_point: str, required: Requirements, offering: Sequence[Member]
) -> Reason:
    alive = [worker for worker in offering if worker["state"] == "alive"]
    if required.isolation == "process":
        having = [one for one in alive if has_labels(one["labels"], required.labels)]
        if having:
            return _cluster_full(entry_point, having)
        return _not_labelled(required.labels, offering)
    if any(slots_of(worker, required.isolation) > 0 for worker in alive):
        return _not_labelled(required.labels, offering)
    message = (
        "no living worker that executes it lets attempts share a process: start one with"
        " --shared-slots, or revise the job's isolation"
    )
    details: JsonObject = {"isolation": required.isolation}
    return Reason("no_worker_shares", message, True, None, details)


def _cluster_full(entry_point: str, able: Sequence[Member]) -> Reason:
    message = (
        f"the workers that execute {entry_point} have no free slots, as their cluster is full:"
        " wait, or add nodes"
    )
    details: JsonObject = {"workers": _slots_by_worker(able, "process")}
    return Reason("slots_full", message, True, None, details)


def _not_labelled(required: Labels, offering: Sequence[Member]) -> Reason:
    leaving = _ids_of([one for one in offering if has_labels(one["labels"], required)], "draining")
    labels = labels_text(required)
    message = (
        f"no living worker that executes it has the labels {labels}:"
        " start one with them, or revise the job's workerLabels"
    )
    if leaving:
        message = (
            f"workers with the labels {labels} are being drained, and no other one has them:"
            " start one that does"
        )
    details: JsonObject = {"workerLabels": {**required}, "draining": leaving}
    return Reason("no_worker_has_labels", message, True, None, details)


def _not_offered(entry_point: str, offering: Sequence[Member]) -> Reason:
    leaving = _ids_of(offering, "draining")
    message = f"no living worker executes {entry_point}: the run waits until one does"
    if leaving:
        message = (
            f"workers that execute {entry_point} are being drained, and no other one does:"
            " start one that does"
        )
    details: JsonObject = {"entryPoint": entry_point, "draining": leaving}
    return Reason("no_worker_offers_entry_point", message, True, None, details)


def _ids_of(fleet: Iterable[Member], state: str) -> list[Json]:
    ids = [one["id"] for one in fleet if one["state"] == state]
    return [*ids[:MAX_NAMED]]


def _slots_by_worker(fleet: Sequence[Member], isolation: Isolation) -> list[Json]:
    """Return the first workers with their slots for this isolation."""
    return [
        {
            "id": worker["id"],
            "slots": slots_of(worker, isolation),
            "busy": busy_of(worker, isolation),
        }
        for worker in fleet[:MAX_NAMED]
    ]


# What keeps a run from starting by its rate limit.


def _rate_limited(run: Candidate, facts: Facts) -> Reason:
    """Return that the run's rate window is full, and when it reopens."""
    rate = RateLimit.from_json(run["rate_limit"])
    window = facts.window_of(run)
    if rate is None or window is None or window.reopens_at is None:
        message = f"run {run['id']} is not limited by a rate that is full"
        raise ValueError(message)
    details: JsonObject = {
        "limit": rate.limit,
        "periodMs": rate.period_ms,
        "key": rate.key if facts.is_of_rate else None,
        "reopensAt": window.reopens_at,
    }
    which = "of its job"
    if not facts.is_of_rate:
        which = "counted together with it since launch"
    elif rate.key is not None:
        which = f"with the same value of {rate.key}"
    started = _counted(rate.limit, f"run {which} has", f"runs {which} have")
    message = (
        f"{started} started within {in_words(rate.period_ms)},"
        f" and rateLimit allows no more: the next one may start at {window.reopens_at}"
    )
    # As far as is known, it has waited for that since it was due.
    return Reason("rate_limited", message, True, blocked_since(run, (), facts), details)


def waiting(run: RunRow, facts: Facts) -> list[Reason]:
    """Return all that keeps a pending run from starting; nothing if the next claim takes it.

    As long as the run is not due, only its time is binding.
    """
    candidate = candidate_of(run, facts.limits_of_job)
    by_time = _by_time(run, candidate, facts.now)
    others = by_workers(candidate, facts)
    others += [_refused(one, candidate, facts) for one in refusals(candidate, facts.limits())]
    if by_time:
        others = [replace(reason, binding=False) for reason in others]
    elif _is_behind(candidate, facts):
        others.append(_behind(candidate, facts))
    return [*_unreadable(facts), *by_time, *others]


def _unreadable(facts: Facts) -> list[Reason]:
    """Return that this version cannot read the run's history, if so."""
    if not facts.is_unreadable:
        return []
    message = (
        "this version of the service cannot read the run's history, and leaves it alone;"
        " bring API and workers to the version that wrote it"
    )
    return [Reason("quarantined", message, True, None, {})]


def _by_time(run: RunRow, candidate: Candidate, now: str) -> list[Reason]:
    match untimely(candidate, now):
        case "start_deadline":
            deadline = candidate["start_by"]
            message = f"it had to start by {deadline}: it expires as soon as that is noticed"
            details: JsonObject = {"startDeadlineAt": deadline}
            return [Reason("start_deadline", message, True, deadline, details)]
        case "not_due":
            return [_not_due(run)]
    return []


def _not_due(run: RunRow) -> Reason:
    due = run["scheduled_at"]
    details: JsonObject = {"scheduledAt": due}
    if run["attempt"] == 1:
        message = f"it is planned for {due}"
        return Reason("not_due", message, True, run["created_at"], details)
    details |= {
        "attempt": run["attempt"],
        "maxAttempts": run["max_attempts"],
        "failureReason": run["failure_reason"],
        "errorMessage": run["error_message"],
    }
    of = f"attempt {run['attempt']} of {run['max_attempts']}"
    message = f"{of} is due at {due}: the one before did not succeed"
    return Reason("backing_off", message, True, run["updated_at"], details)


def _refused(refusal: Refusal, run: Candidate, facts: Facts) -> Reason:
    if refusal == "job_paused":
        return _paused(run, facts)
    if refusal == "key_limit":
        return _held(run, facts)
    if refusal == "rate_limited":
        return _rate_limited(run, facts)
    running = facts.of_job(run["job_definition_id"])
    most = run["max_concurrent_runs"]
    details: JsonObject = {"limit": most, "running": len(running), "runs": _ids(running)}
    under_way = _counted(len(running), "run of its job is", "runs of its job are")
    message = (
        f"{under_way} under way, and maxConcurrentRuns is {most}:"
        " wait for one to end, or revise the job"
    )
    return Reason("job_limit", message, True, blocked_since(run, running, facts), details)


def _paused(run: Candidate, facts: Facts) -> Reason:
    details: JsonObject = {**(facts.paused or {})}
    message = "its job is paused: resume it"
    reason = details.get("reason")
    if reason is not None:
        message = f"its job is paused ({reason}): resume it"
    at = str(details["at"])
    if run["scheduled_at"] <= facts.now:
        at = max(at, run["scheduled_at"])
    return Reason("job_paused", message, True, at, details)


def _held(run: Candidate, facts: Facts) -> Reason:
    holders = facts.holders_of(key_of(run))
    first = min(holders, key=lambda one: one["started_at"] or "")
    limit = key_limit(run)
    parameter = facts.key or "the concurrencyKey of its launch"
    details: JsonObject = {
        "parameter": facts.key,
        "limit": limit,
        "heldBy": first["id"],
        "workerId": first["worker_id"],
        "startedAt": first["started_at"],
        "runs": _ids(holders),
    }
    message = f"run {first['id']} with the same value of {parameter} is under way"
    if len(holders) > 1:
        message = (
            f"{len(holders)} runs with the same value of {parameter} are under way,"
            f" and concurrencyLimit is {limit}"
        )
    return Reason("key_limit", message, True, blocked_since(run, holders, facts), details)


def _is_behind(run: Candidate, facts: Facts) -> bool:
    """Return whether other runs start first, apart from all limits of this one.

    That is: the claim of each worker that executes it and has a free slot is full without it. If no
    such worker has a free slot, claims of one slot are considered.
    """
    if not facts.before.runs:
        return False
    able = facts.workers_for(run)
    with_free_slots = [worker for worker in able if facts.free_slots(worker, run) > 0]
    # If no worker executes it, the claim of a worker that executes everything is considered.
    claimants: list[Member | None] = [*(with_free_slots or able)] or [None]
    return not any(_may_be_claimed(run, one, facts) for one in claimants)


def _may_be_claimed(run: Candidate, worker: Member | None, facts: Facts) -> bool:
    """Return whether a worker's next claim takes the run, or may take it.

    Args:
        run: the run.
        worker: the worker; None for one that executes everything.
        facts: the queue, the limits and the workers.
    """
    queue = facts.before.runs
    slots = 1
    if worker is not None:
        slots = max(slots, facts.free_slots(worker, run))
        queue = [one for one in queue if facts.can_execute(worker, one)]
    groups = facts.before.groups
    if run["max_concurrent_runs"] == 0:
        # The pause is a separate reason; this one is about the order after it.
        job_id = run["job_definition_id"]
        queue = _resumed(queue, job_id)
        groups = {
            key: replace(group, queues=[_resumed(one, job_id) for one in group.queues])
            for key, group in groups.items()
        }
        [run] = _resumed([run], job_id)
    limits = replace(facts.limits_with_capacity_for(run), groups=groups)
    selection = select_candidates(queue, limits, slots)
    if any(one["id"] == run["id"] for one in selection.runs):
        return True
    if len(selection.runs) == slots:
        return False
    # If not all runs before it were read, it may be claimed.
    return facts.before.is_cut or not selection.refusals(run)


def _resumed(runs: Sequence[Candidate], job_id: str) -> list[Candidate]:
    """Return the runs as they will be once this job is resumed."""
    resumed: list[Candidate] = []
    for run in runs:
        is_of_job = run["job_definition_id"] == job_id
        resumed.append({**run, "max_concurrent_runs": None} if is_of_job else run)
    return resumed


def _behind(run: Candidate, facts: Facts) -> Reason:
    before = facts.before
    details: JsonObject = {
        "place": _position_after(before.count),
        "placeInJob": _position_after(before.of_job),
        "next": _ids(before.next(run)),
    }
    by = "by priority and time"
    if run["fairness_key"] is not None:
        details["fairnessKey"] = run["fairness_key"]
        by = f"by priority, time and turns of {run['fairness_key']}"
    ahead = f"more than {len(before.runs)} due runs come"
    if before.count is not None:
        ahead = _counted(before.count, "due run comes", "due runs come")
    return Reason("behind_others", f"{ahead} before it, {by}", True, run["scheduled_at"], details)


def _counted(count: int, one: str, many: str) -> str:
    if count == 1:
        return f"1 {one}"
    return f"{count} {many}"


def _position_after(count: int | None) -> int | None:
    """Return the queue position after this number of runs, None if it is not known."""
    return None if count is None else count + 1


def _ids(runs: Sequence[UnderWay] | Sequence[Candidate]) -> list[Json]:
    return [run["id"] for run in runs[:MAX_NAMED]]
