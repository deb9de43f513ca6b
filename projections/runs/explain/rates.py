"""Why a run waits whose job has started as many within the period as it may."""

from domain.clock import from_iso, to_iso
from domain.jobs.limits.rate_limit import RateLimit
from domain.json_values import JsonObject
from projections.runs.candidates.candidate import Candidate
from projections.runs.explain.around import Around, Reason


def rate_limited(run: Candidate, around: Around) -> Reason:
    """Return that there is no room within the period, and when there will be."""
    rate = RateLimit.from_json(run["rate_limit"])
    room = around.room_of(run)
    if rate is None or room is None or room.reopens_at is None:
        message = f"run {run['id']} is not limited by a rate that is full"
        raise ValueError(message)
    period_s = rate.period.total_seconds()
    period_ms = int(period_s * 1_000)
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
