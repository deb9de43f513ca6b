"""How a run came to its end, with what its events tell of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from domain.json_values import Json, JsonObject
from projections.envelope import Envelope
from projections.job_runs import RunRow
from projections.runs.explain.around import Reason

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
    return {
        "peakMemoryMb": peak_mb,
        "limitMb": evidence.memory_mb,
    }


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
