"""The attempts of a run, one entry for each execution, folded from the run's history. No table: it is read rarely."""

from collections.abc import Callable, Iterable

from domain.clock import from_iso, ms_between
from domain.json_values import JsonObject
from projections.envelope import Envelope


def attempts(history: Iterable[Envelope]) -> list[JsonObject]:
    """Return the executions of a run as clients see them, in order.

    An attempt that was handed back has several; a run that never started has none.

    Args:
        history: all events of the run, in order.
    """
    entries: list[JsonObject] = []
    for event in history:
        if event.topic == "job_run.started":
            entries.append(_started(event))
        elif entries and event.data.get("execution") == entries[-1]["execution"]:
            entries[-1] = {**entries[-1], **_changes(entries[-1], event)}
    return entries


def _started(event: Envelope) -> JsonObject:
    attempt = event.data["attempt"]
    return {
        "attempt": attempt,
        "execution": event.data["execution"],
        "workerId": event.data["worker_id"],
        "startedAt": event.at,
        "endedAt": None,
        "durationMs": None,
        "outcome": "running",
        "errorMessage": None,
        "failureReason": None,
        "retryAt": None,
        "logsUrl": f"/job-runs/{event.aggregate_id}/logs?attempt={attempt}",
    }


def _changes(entry: JsonObject, event: Envelope) -> JsonObject:
    """Return the fields that an event of the entry's execution changes."""
    logs_url = event.data.get("logs_url")
    reported: JsonObject = {} if logs_url is None else {"logsUrl": logs_url}
    outcome = _OUTCOMES.get(event.topic)
    if outcome is None:
        return reported
    return {
        **reported,
        **outcome(event.data),
        "endedAt": event.at,
        "durationMs": ms_between(from_iso(str(entry["startedAt"])), from_iso(event.at)),
    }


def _failed(data: JsonObject) -> JsonObject:
    return {"outcome": "failed", **_why(data)}


def _timed_out(data: JsonObject) -> JsonObject:
    by_handler = data["failure_reason"] == "handler"
    return {"outcome": "expired" if by_handler else "timed_out", **_why(data)}


def _lost(data: JsonObject) -> JsonObject:
    return {"outcome": "lost", **_why({**data, "failure_reason": "worker_lost"})}


def _canceled(data: JsonObject) -> JsonObject:
    return {
        "outcome": "canceled",
        "errorMessage": data["reason"],
        "failureReason": data["failure_reason"],
    }


def _why(data: JsonObject) -> JsonObject:
    return {
        "errorMessage": data["error_message"],
        "failureReason": data["failure_reason"],
        "retryAt": data["retry_at"],
    }


_OUTCOMES: dict[str, Callable[[JsonObject], JsonObject]] = {
    "job_run.succeeded": lambda _: {"outcome": "succeeded"},
    "job_run.attempt_failed": _failed,
    "job_run.attempt_timed_out": _timed_out,
    "job_run.attempt_lost": _lost,
    "job_run.handed_back": lambda _: {"outcome": "handed_back"},
    "job_run.canceled": _canceled,
}
