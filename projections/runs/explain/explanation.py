"""The explanation of a run: whatever its status, one answer of one shape."""

from collections.abc import Sequence

from domain.clock import from_iso, later, to_iso
from domain.jobs.run_values import FINAL
from domain.json_values import Json, JsonObject
from projections.job_runs import RunRow
from projections.runs.explain.around import Around, Reason, candidate_of
from projections.runs.explain.ended import (
    NO_EVIDENCE,
    Evidence,
    asked_to_stop,
    ended,
)
from projections.runs.explain.waiting import unreadable, waiting


def explained(
    run: RunRow, around: Around, evidence: Evidence = NO_EVIDENCE
) -> JsonObject:
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
        end = f"{status} in {attempt}"
        return ": ".join([end, *binding])
    worker = run["worker_id"]
    since = run["started_at"]
    place = f"runs on worker {worker} since {since}, {attempt}"
    return "; ".join([place, *binding])


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
    later = [one for one in moments if one is not None and one > around.now]
    return min(later, default=None)


def _runs_until(run: RunRow) -> str | None:
    """Return when the attempt reaches its time limit, None where it has none."""
    started_at = run["started_at"]
    timeout_ms = run["timeout_ms"]
    if started_at is None or timeout_ms is None:
        return None
    ends_at = later(from_iso(started_at), timeout_ms)
    return to_iso(ends_at)
