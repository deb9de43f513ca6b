"""Why a run stands where it stands: all reasons, whatever its status, in one answer.

First how a run ended; then what keeps it waiting for a worker, for a rate limit and for all else,
in the order of a claim: may it be read, is it due, does a worker with a free slot execute it, do
its job and its key have capacity, and is it next. Last the answer (`explained`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.clock import from_iso, later, to_iso
from domain.jobs.definition import RateLimit
from domain.jobs.run_events import FINAL
from domain.json_values import Json, JsonObject
from domain.workers import Isolation, Labels, has_labels, told
from projections.envelope import Envelope
from projections.explain_facts import (
    NAMED,
    Around,
    Member,
    Reason,
    UnderWay,
    busy_of,
    candidate_of,
    latest,
    slots_of,
)
from projections.flow.candidates import Candidate, Demand, key_of, untimely
from projections.flow.limits import Refusal, Turns, key_limit, takes
from projections.job_runs import RunRow

# How a run ended, with what its events tell of that.

CANCELED = "canceled"
"""The reason of a run that somebody canceled: it has no `failureReason`."""

_CODE = re.compile(r"exited with code (-?\d+)")
_SIGNAL = re.compile(r"ended by signal (\w+)")
_PEAK = re.compile(r"\(([\d.]+) MB\)")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a run beside its row.

    Attributes:
        last: the last event of it that says more than that it goes on, if that can be read.
        asked: the event by which somebody asked to cancel it, if one did.
        last_beat_at: when the worker of that last event proved for the last time that it lives.
        memory_mb: what an attempt may use together; None for no limit, or where it is not known.
    """

    last: Envelope | None = None
    asked: Envelope | None = None
    last_beat_at: str | None = None
    memory_mb: Json = None


NO_EVIDENCE = Evidence()


def ended(run: RunRow, evidence: Evidence) -> list[Reason]:
    """Return why a run ended; nothing where it succeeded."""
    if run["status"] == "succeeded":
        return []
    code = run["failure_reason"] or CANCELED
    details: JsonObject = {
        "attempt": run["attempt"],
        "maxAttempts": run["max_attempts"],
        "startedAt": run["started_at"],
        "workerId": _said(evidence.last, "worker_id"),
    }
    more = _MORE.get(code)
    if run["status"] == CANCELED:
        more = _who_canceled
    if more is not None:
        details |= more(run, evidence)
    message = run["error_message"] or f"it was {run['status']}"
    return [Reason(code, message, True, run["completed_at"], details)]


def asked_to_stop(run: RunRow, evidence: Evidence) -> list[Reason]:
    """Return that somebody asked to cancel the run, if so and if it has not stopped yet."""
    since = run["cancel_requested_at"]
    if since is None:
        return []
    by: str | None = None
    if evidence.asked is not None:
        by = evidence.asked.actor
    details: JsonObject = {"by": by, "reason": run["cancel_reason"]}
    message = "it was asked to stop, and is canceled once what runs has stopped"
    return [Reason("cancel_requested", message, True, since, details)]


def _who_canceled(run: RunRow, evidence: Evidence) -> JsonObject:
    # While it waits, one event says all; while it runs, it is asked first.
    asked = evidence.asked or evidence.last
    by = None
    if asked is not None and run["failure_reason"] is None:
        by = asked.actor
    return {
        "by": by,
        "reason": run["cancel_reason"] or run["error_message"],
        "requestedAt": run["cancel_requested_at"],
        "wasRunning": run["started_at"] is not None,
    }


def _exit_code(run: RunRow, _: Evidence) -> JsonObject:
    code = _told(run, _CODE)
    if code is None:
        return {"exitCode": None}
    return {"exitCode": int(code)}


def _signal(run: RunRow, _: Evidence) -> JsonObject:
    return {"signal": _told(run, _SIGNAL)}


def _memory(run: RunRow, evidence: Evidence) -> JsonObject:
    peak_mb: float | None = None
    told = _told(run, _PEAK)
    if told is not None:
        peak_mb = float(told)
    return {"peakMemoryMb": peak_mb, "limitMb": evidence.memory_mb}


def _told(run: RunRow, pattern: re.Pattern[str]) -> str | None:
    """Return what a run's message tells by a pattern, None where it does not."""
    message = run["error_message"] or ""
    found = pattern.search(message)
    if found is None:
        return None
    return found[1]


def _silent_since(_: RunRow, evidence: Evidence) -> JsonObject:
    return {"silentSince": evidence.last_beat_at}


def _time_limit(run: RunRow, _: Evidence) -> JsonObject:
    return {"timeoutMs": run["timeout_ms"]}


def _start_deadline(run: RunRow, _: Evidence) -> JsonObject:
    return {"startDeadlineAt": run["start_deadline_at"]}


def _entry_point(run: RunRow, _: Evidence) -> JsonObject:
    return {"entryPoint": run["entry_point"]}


_MORE: dict[str, Callable[[RunRow, Evidence], JsonObject]] = {
    "exit": _exit_code,
    "signal": _signal,
    "out_of_memory": _memory,
    "worker_lost": _silent_since,
    "execution_timeout": _time_limit,
    "start_deadline": _start_deadline,
    "no_handler": _entry_point,
}


def _said(event: Envelope | None, field: str) -> Json:
    if event is None:
        return None
    return event.data.get(field)


# What keeps a run waiting for a worker: none lives, none executes it, or all are busy.


def by_workers(run: Candidate, around: Around) -> list[Reason]:
    """Return what keeps a run from being given to any worker, if anything does."""
    fleet = around.fleet
    if fleet is None:
        return []
    if not _any_alive(fleet):
        return [_no_worker(fleet)]
    entry_point = run["entry_point"]
    offering = [one for one in fleet if takes(one["entry_points"], entry_point)]
    if not _any_alive(offering):
        return [_not_offered(entry_point, offering)]
    able = around.able(run)
    if not able:
        return [_not_able(entry_point, around.wanted(run), offering)]
    if any(around.free_slots(worker, run) > 0 for worker in able):
        return []
    return [_full(run, able, around)]


def _any_alive(fleet: Sequence[Member]) -> bool:
    return any(worker["state"] == "alive" for worker in fleet)


def _full(run: Candidate, able: Sequence[Member], around: Around) -> Reason:
    ids = {worker["id"] for worker in able}
    since = latest(run, [one for one in around.running if one["worker_id"] in ids], around)
    isolation = around.wanted(run).isolation
    details: JsonObject = {"workers": _shown(able, isolation)}
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


def _not_able(entry_point: str, wanted: Demand, offering: Sequence[Member]) -> Reason:
    alive = [worker for worker in offering if worker["state"] == "alive"]
    if wanted.isolation == "process":
        having = [one for one in alive if has_labels(one["labels"], wanted.labels)]
        if having:
            return _without_room(entry_point, having)
        return _not_labelled(wanted.labels, offering)
    if any(slots_of(worker, wanted.isolation) > 0 for worker in alive):
        return _not_labelled(wanted.labels, offering)
    message = (
        "no living worker that executes it lets attempts share a process: start one with"
        " --shared-slots, or revise the job's isolation"
    )
    details: JsonObject = {"isolation": wanted.isolation}
    return Reason("no_worker_shares", message, True, None, details)


def _without_room(entry_point: str, able: Sequence[Member]) -> Reason:
    message = (
        f"the workers that execute {entry_point} have no room at the moment, for their cluster is"
        " full: wait, or give it more nodes"
    )
    details: JsonObject = {"workers": _shown(able, "process")}
    return Reason("slots_full", message, True, None, details)


def _not_labelled(wanted: Labels, offering: Sequence[Member]) -> Reason:
    leaving = _ids_of([one for one in offering if has_labels(one["labels"], wanted)], "draining")
    labels = told(wanted)
    message = (
        f"no living worker that executes it has the labels {labels}:"
        " start one with them, or revise the job's workerLabels"
    )
    if leaving:
        message = (
            f"workers with the labels {labels} are being drained, and no other one has them:"
            " start one that does"
        )
    details: JsonObject = {"workerLabels": {**wanted}, "draining": leaving}
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
    found = [one for one in fleet if one["state"] == state]
    return [one["id"] for one in found[:NAMED]]


def _shown(fleet: Sequence[Member], isolation: Isolation) -> list[Json]:
    """Return workers with the slots that count for this isolation."""
    return [
        {
            "id": worker["id"],
            "slots": slots_of(worker, isolation),
            "busy": busy_of(worker, isolation),
        }
        for worker in fleet[:NAMED]
    ]


# Why a run waits whose job has started as many within the period as it may.


def rate_limited(run: Candidate, around: Around) -> Reason:
    """Return that there is no room within the period, and when there will be."""
    rate = RateLimit.from_json(run["rate_limit"])
    room = around.room_of(run)
    if rate is None or room is None or room.reopens_at is None:
        message = f"run {run['id']} is not limited by a rate that is full"
        raise ValueError(message)
    period_ms = int(rate.period.total_seconds() * 1_000)
    details: JsonObject = {
        "limit": rate.limit,
        "periodMs": period_ms,
        "key": rate.key if around.is_of_rate else None,
        "reopensAt": room.reopens_at,
    }
    counted = "runs of its job"
    if not around.is_of_rate:
        counted = "runs that count with it since their launch"
    elif rate.key is not None:
        counted = f"runs with the same value of {rate.key}"
    message = (
        f"{rate.limit} {counted} have started within {period_ms} ms,"
        f" and rateLimit allows no more: the next one may start at {room.reopens_at}"
    )
    return Reason("rate_limited", message, True, _since(run, around), details)


def _since(run: Candidate, around: Around) -> str | None:
    """Return since when the run waits for that, as far as is known: since it was due."""
    due_at = from_iso(run["scheduled_at"])
    if due_at > from_iso(around.now):
        return None
    return to_iso(due_at)


def waiting(run: RunRow, around: Around) -> list[Reason]:
    """Return all that keeps a pending run from starting; nothing where the next claim takes it.

    What comes after its time does not bind as long as the run is not due.
    """
    candidate = candidate_of(run, around.limits_of_job)
    by_time = _by_time(run, candidate, around.now)
    others = [*by_workers(candidate, around), *_by_limits(candidate, around)]
    if by_time:
        others = [replace(reason, binding=False) for reason in others]
    elif _is_behind(candidate, around):
        others.append(_behind(candidate, around))
    return [*unreadable(around), *by_time, *others]


def unreadable(around: Around) -> list[Reason]:
    """Return that nobody of this version can go on with the run, if so."""
    if not around.is_unreadable:
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


def _by_limits(run: Candidate, around: Around) -> list[Reason]:
    refusals = around.limits().refusals(run)
    return [_refused(refusal, run, around) for refusal in refusals]


def _refused(refusal: Refusal, run: Candidate, around: Around) -> Reason:
    if refusal == "job_paused":
        return _paused(run, around)
    if refusal == "key_limit":
        return _held(run, around)
    if refusal == "rate_limited":
        return rate_limited(run, around)
    running = around.of_job(run["job_definition_id"])
    most = run["max_concurrent_runs"]
    details: JsonObject = {"limit": most, "running": len(running), "runs": _ids(running)}
    under_way = _counted(len(running), "run of its job is", "runs of its job are")
    message = (
        f"{under_way} under way, and maxConcurrentRuns is {most}:"
        " wait for one to end, or revise the job"
    )
    return Reason("job_limit", message, True, latest(run, running, around), details)


def _paused(run: Candidate, around: Around) -> Reason:
    details: JsonObject = {**(around.paused or {})}
    message = "its job is paused: resume it"
    reason = details.get("reason")
    if reason is not None:
        message = f"its job is paused ({reason}): resume it"
    at = str(details["at"])
    if run["scheduled_at"] <= around.now:
        at = max(at, run["scheduled_at"])
    return Reason("job_paused", message, True, at, details)


def _held(run: Candidate, around: Around) -> Reason:
    holders = around.holders_of(key_of(run))
    first = min(holders, key=lambda one: one["started_at"] or "")
    limit = key_limit(run)
    parameter = around.key or "the concurrencyKey of its launch"
    details: JsonObject = {
        "parameter": around.key,
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
    return Reason("key_limit", message, True, latest(run, holders, around), details)


def _is_behind(run: Candidate, around: Around) -> bool:
    """Return whether others start first, even if all else were out of the way.

    So the claim of each worker that takes the run and has room is full without it; where none has
    room, that of each that would have room for one.
    """
    if not around.front.runs:
        return False
    able = around.able(run)
    with_room = [worker for worker in able if around.free_slots(worker, run) > 0]
    claimants: list[Member | None] = [*(with_room or able)]
    if not claimants:
        # Nobody takes it: so it is asked of one that would take everything.
        claimants = [None]
    return not any(_comes_up(run, one, around) for one in claimants)


def _comes_up(run: Candidate, worker: Member | None, around: Around) -> bool:
    """Return whether a worker's claim would take the run, or might.

    Args:
        run: which one.
        worker: whose claim; None for one that takes everything.
        around: what else there is.
    """
    queue = around.front.runs
    slots = 1
    if worker is not None:
        slots = max(slots, around.free_slots(worker, run))
        queue = [one for one in queue if around.is_for(one, worker)]
    circles = around.front.circles
    if run["max_concurrent_runs"] == 0:
        # Its pause is told by itself; here it is asked who comes first once the job is resumed.
        job_id = run["job_definition_id"]
        queue = _resumed(queue, job_id)
        circles = {
            group: replace(circle, lines=[_resumed(line, job_id) for line in circle.lines])
            for group, circle in circles.items()
        }
        [run] = _resumed([run], job_id)
    limits = around.limits_with_room_for(run)
    picked = limits.pick(queue, slots, Turns(circles))
    if UUID(run["id"]) in picked:
        return True
    if len(picked) == slots:
        return False
    # Of those that are not told, some may come before it; or none, and so it might.
    return around.front.is_cut or not limits.refusals(run)


def _resumed(runs: Sequence[Candidate], job_id: str) -> list[Candidate]:
    """Return runs as they stand if this job is not paused."""
    resumed: list[Candidate] = []
    for run in runs:
        is_of_job = run["job_definition_id"] == job_id
        resumed.append({**run, "max_concurrent_runs": None} if is_of_job else run)
    return resumed


def _behind(run: Candidate, around: Around) -> Reason:
    front = around.front
    details: JsonObject = {
        "place": _after(front.count),
        "placeInJob": _after(front.of_job),
        "next": _ids(front.next(run)),
    }
    by = "by priority and time"
    if run["fairness_key"] is not None:
        details["fairnessKey"] = run["fairness_key"]
        by = f"by priority, time and turns of {run['fairness_key']}"
    ahead = f"more than {len(front.runs)} due runs come"
    if front.count is not None:
        ahead = _counted(front.count, "due run comes", "due runs come")
    return Reason("behind_others", f"{ahead} before it, {by}", True, run["scheduled_at"], details)


def _counted(count: int, one: str, many: str) -> str:
    if count == 1:
        return f"1 {one}"
    return f"{count} {many}"


def _after(count: int | None) -> int | None:
    """Return the place behind so many."""
    if count is None:
        return None
    return count + 1


def _ids(runs: Sequence[UnderWay] | Sequence[Candidate]) -> list[Json]:
    return [run["id"] for run in runs[:NAMED]]


# The explanation of a run: one answer of one shape, whatever its status.


def explained(run: RunRow, around: Around, evidence: Evidence = NO_EVIDENCE) -> JsonObject:
    """Return why a run stands where it stands, as clients see it (contract, section 10)."""
    reasons = _reasons(run, around, evidence)
    told: list[Json] = [reason.present() for reason in reasons]
    return {
        "status": run["status"],
        "summary": _summary(run, around, reasons),
        "reasons": told,
        "nextChangeAt": _next_change(run, around),
        "unknown": [*around.unknown],
    }


def _reasons(run: RunRow, around: Around, evidence: Evidence) -> list[Reason]:
    if run["status"] in FINAL:
        return ended(run, evidence)
    is_to_stop = asked_to_stop(run, evidence)
    if run["status"] == "running":
        return [*unreadable(around), *is_to_stop]
    return [*waiting(run, around), *is_to_stop]


def _summary(run: RunRow, around: Around, reasons: Sequence[Reason]) -> str:
    status = run["status"]
    binding = [reason.message for reason in reasons if reason.binding]
    if status == "pending":
        return _waits(around, binding)
    number = run["attempt"]
    most = run["max_attempts"]
    attempt = f"attempt {number} of {most}"
    if status in FINAL:
        return ": ".join([f"{status} in {attempt}", *binding])
    worker = run["worker_id"]
    since = run["started_at"]
    return "; ".join([f"runs on worker {worker} since {since}, {attempt}", *binding])


def _waits(around: Around, binding: Sequence[str]) -> str:
    if binding:
        all_of_them = "; ".join(binding)
        return f"waits: {all_of_them}"
    known = "nothing"
    if around.unknown:
        known = "nothing that is known"
    return f"waits for {known}: a worker's next claim may start it"


def _next_change(run: RunRow, around: Around) -> str | None:
    """Return the next moment that is known at which the answer becomes another one."""
    status = run["status"]
    moments: list[str | None] = []
    if status == "pending":
        candidate = candidate_of(run, around.limits_of_job)
        moments = [candidate["scheduled_at"], candidate["start_by"]]
        room = around.room_of(candidate)
        if room is not None:
            moments.append(room.reopens_at)
    elif status == "running":
        moments = [_runs_until(run)]
    return min([one for one in moments if one is not None and one > around.now], default=None)


def _runs_until(run: RunRow) -> str | None:
    """Return when the attempt reaches its time limit, None where it has none."""
    started_at = run["started_at"]
    timeout_ms = run["timeout_ms"]
    if started_at is None or timeout_ms is None:
        return None
    return to_iso(later(from_iso(started_at), timeout_ms))
