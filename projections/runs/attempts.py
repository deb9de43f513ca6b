"""The attempts of a run, an entry for each execution, folded from the run's history.

They are read rarely, so there is no table of them.
"""

from collections.abc import Callable, Iterable
from typing import cast

from domain.clock import ms_since
from domain.json_values import JsonObject
from projections.envelope import Envelope


def attempts(history: Iterable[Envelope]) -> list[JsonObject]:
    """Return the executions of a run as clients see them, in order.

    An attempt that was handed back has several executions; a run that never started has none.

    Args:
        history: all events of the run, in order.
    """
    folder = AttemptFolder()
    entries = [folder.add(event) for event in history]
    entries.append(folder.end())
    return [entry for entry in entries if entry is not None]


class AttemptFolder:
    """Folds a run's events, one after the other, into its executions.

    Attributes:
        began_at: the version of the event that began the present execution.
    """

    def __init__(self) -> None:
        self._entry: JsonObject | None = None
        self.began_at = 0

    def add(self, event: Envelope) -> JsonObject | None:
        """Add an event; if it begins an execution, return the finished one before."""
        if event.unreadable is not None:
            return None
        if event.topic == "job_run.started":
            over = self._entry
            self._entry = _started(event)
            self.began_at = event.version
            return over
        entry = self._entry
        if entry is not None and event.data.get("execution") == entry["execution"]:
            entry.update(_changes(entry, event))
        return None

    def end(self) -> JsonObject | None:
        """Return the last execution, if there is any."""
        return self._entry


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


def _timed_out(data: JsonObject) -> JsonObject:
    outcome = "timed_out"
    if data["failure_reason"] == "handler":
        outcome = "expired"
    return {"outcome": outcome, **_why(data)}


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
    "job_run.attempt_failed": lambda data: {"outcome": "failed", **_why(data)},
    "job_run.attempt_timed_out": _timed_out,
    "job_run.attempt_lost": lambda data: {
        "outcome": "lost",
        **_why({**data, "failure_reason": "worker_lost"}),
    },
    "job_run.handed_back": lambda _: {"outcome": "handed_back"},
    "job_run.canceled": _canceled,
}
