"""Why a pending run waits.

The reasons come in the order in which a claim asks: may it be read, is it due, does a worker take
it and have room, is there room in its job and its key, and is it its turn.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domain.json_values import Json, JsonObject
from projections.job_runs import RunRow
from projections.runs.candidates.candidate import Candidate, key_of
from projections.runs.candidates.timely import untimely
from projections.runs.explain.around import (
    NAMED,
    Around,
    Member,
    Reason,
    UnderWay,
    candidate_of,
    latest,
)
from projections.runs.explain.fleet import by_workers
from projections.runs.explain.rates import rate_limited
from projections.runs.limits import Refusal, key_limit
from projections.runs.turns.turns import Turns


def waiting(run: RunRow, around: Around) -> list[Reason]:
    """Return all that keeps a pending run from starting; nothing where the next claim takes it.

    What comes after its time does not bind as long as the run is not due.
    """
    candidate = candidate_of(run, around.limits_of_job)
    by_time = _by_time(run, candidate, around.now)
    others = [
        *by_workers(candidate, around),
        *_by_limits(candidate, around),
    ]
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
            message = (
                f"it had to start by {deadline}: it expires as soon as that is noticed"
            )
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
    details: JsonObject = {
        "limit": most,
        "running": len(running),
        "runs": _ids(running),
    }
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
            group: replace(
                circle, lines=[_resumed(line, job_id) for line in circle.lines]
            )
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
    message = f"{ahead} before it, {by}"
    since = run["scheduled_at"]
    return Reason("behind_others", message, True, since, details)


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
