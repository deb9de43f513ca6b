"""The attempts of a run, one entry for each execution, folded from the run's history.

There is no table of them: they are read rarely.
"""

from collections.abc import Callable, Iterable
from typing import cast

from domain.clock import ms_since
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
        if event.unreadable is not None:
            continue
        if event.topic == "job_run.started":
            entries.append(_started(event))
        elif entries and event.data.get("execution") == entries[-1]["execution"]:
            entries[-1].update(_changes(entries[-1], event))
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
    changed: JsonObject = {}
    logs_url = event.data.get("logs_url")
    if logs_url is not None:
        changed["logsUrl"] = logs_url
    outcome = _OUTCOMES.get(event.topic)
    if outcome is not None:
        changed |= outcome(event.data)
        changed["endedAt"] = event.at
        changed["durationMs"] = ms_since(cast("str", entry["startedAt"]), event.at)
    return changed


def _failed(data: JsonObject) -> JsonObject:
    return {"outcome": "failed", **_why(data)}


def _timed_out(data: JsonObject) -> JsonObject:
    outcome = "timed_out"
    if data["failure_reason"] == "handler":
        outcome = "expired"
    return {"outcome": outcome, **_why(data)}


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
