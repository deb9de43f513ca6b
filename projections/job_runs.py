"""The table `job_runs`: every run as its last event left it."""

from collections.abc import Callable
from typing import cast

from domain.clock import from_iso, ms_between
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.table import COMMON_COLUMNS, Table

COLUMNS: dict[str, str] = {
    "id": "uuid",
    "job_definition_id": "uuid",
    "slug": "text",
    "definition_version": "integer",
    "entry_point": "text",
    "status": "text",
    "parameters": "jsonb",
    "result": "jsonb",
    "error_message": "text",
    "failure_reason": "text",
    "logs_url": "text",
    "metrics": "jsonb",
    "context": "jsonb",
    "timeout_ms": "integer",
    "attempt": "integer",
    "max_attempts": "integer",
    "execution": "integer",
    "worker_id": "text",
    "duration_ms": "bigint",
    "priority": "integer",
    "concurrency_value": "text",
    "scheduled_at": "timestamptz",
    "start_deadline_at": "timestamptz",
    "started_at": "timestamptz",
    "completed_at": "timestamptz",
    "cancel_requested_at": "timestamptz",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "idempotency_key": "text",
    "requested_by": "text",
    "created_position": "bigint",
    "completed_position": "bigint",
    "personal": "jsonb",
    **COMMON_COLUMNS,
}

FIRST_STATUS = "pending"
"""What every run is by its first event."""

_NOT_RUNNING: Row = {
    "started_at": None,
    "completed_at": None,
    "duration_ms": None,
    "worker_id": None,
}


def evolve(row: Row | None, event: Envelope) -> Row:
    """Return the columns that the event changes."""
    changed = _requested(event) if row is None else _fold_of(event)(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE = Table("job_runs", "job_run", "id", COLUMNS, evolve, version=2)


def _requested(event: Envelope) -> Row:
    data = event.data
    return {
        "job_definition_id": data["definition_id"],
        "slug": data["slug"],
        "definition_version": data["definition_version"],
        "entry_point": data["entry_point"],
        "status": FIRST_STATUS,
        "parameters": data["parameters"],
        "context": data["context"],
        "timeout_ms": data["timeout_ms"],
        "attempt": 1,
        "max_attempts": data["max_attempts"],
        "execution": 0,
        "priority": data["priority"],
        "concurrency_value": data["concurrency_value"],
        "scheduled_at": data["scheduled_at"],
        "start_deadline_at": data["start_deadline_at"],
        "created_at": event.at,
        "idempotency_key": data["idempotency_key"],
        "requested_by": data["requested_by"],
        "created_position": event.position,
        # By the id of a subject's key, the parameters that were encrypted by it.
        "personal": data.get("personal"),
    }


def _fold_of(event: Envelope) -> Callable[[Row, Envelope], Row]:
    fold = _FOLDS.get(event.topic)
    if fold is None:
        msg = f"job_runs does not know {event.topic}"
        raise ValueError(msg)
    return fold


def _started(_: Row, event: Envelope) -> Row:
    # What an earlier attempt failed of stands in its event; a run that is under way has not failed.
    return {
        "status": "running",
        "started_at": event.at,
        "worker_id": event.data["worker_id"],
        "execution": event.data["execution"],
        "error_message": None,
        "failure_reason": None,
    }


def _progressed(row: Row, event: Envelope) -> Row:
    return _reported(row, event.data)


def _succeeded(row: Row, event: Envelope) -> Row:
    return {
        **_ended(row, event, "succeeded"),
        **_reported(row, event.data),
        "result": event.data["result"],
    }


def _attempt_failed(row: Row, event: Envelope) -> Row:
    return {**_retried_or_ended(row, event, "failed"), **_reported(row, event.data)}


def _attempt_timed_out(row: Row, event: Envelope) -> Row:
    return {**_retried_or_ended(row, event, "expired"), **_reported(row, event.data)}


def _attempt_lost(row: Row, event: Envelope) -> Row:
    return {**_retried_or_ended(row, event, "failed"), "failure_reason": "worker_lost"}


def _handed_back(_: Row, event: Envelope) -> Row:
    del event
    return {**_NOT_RUNNING, "status": "pending"}


def _start_deadline_passed(row: Row, event: Envelope) -> Row:
    message = "the run had not started by its start deadline"
    return {
        **_ended(row, event, "expired"),
        "failure_reason": "start_deadline",
        "error_message": message,
    }


def _cancel_requested(_: Row, event: Envelope) -> Row:
    return {"cancel_requested_at": event.at}


def _canceled(row: Row, event: Envelope) -> Row:
    return {
        **_ended(row, event, "canceled"),
        **_reported(row, event.data),
        "error_message": event.data["reason"],
        "failure_reason": event.data["failure_reason"],
        "cancel_requested_at": row["cancel_requested_at"] or event.at,
    }


_FOLDS: dict[str, Callable[[Row, Envelope], Row]] = {
    "job_run.started": _started,
    "job_run.progressed": _progressed,
    "job_run.succeeded": _succeeded,
    "job_run.attempt_failed": _attempt_failed,
    "job_run.attempt_timed_out": _attempt_timed_out,
    "job_run.attempt_lost": _attempt_lost,
    "job_run.handed_back": _handed_back,
    "job_run.start_deadline_passed": _start_deadline_passed,
    "job_run.cancel_requested": _cancel_requested,
    "job_run.canceled": _canceled,
}


def _ended(row: Row, event: Envelope, status: str) -> Row:
    started_at = row["started_at"]
    duration_ms = ms_between(from_iso(str(started_at)), from_iso(event.at)) if started_at else None
    return {
        "status": status,
        "completed_at": event.at,
        "completed_position": event.position,
        "duration_ms": duration_ms,
        "worker_id": None,
    }


def _retried_or_ended(row: Row, event: Envelope, final_status: str) -> Row:
    data = event.data
    why: Row = {
        "error_message": data["error_message"],
        "failure_reason": data.get("failure_reason"),
    }
    if data["retry_at"] is None:
        return {**_ended(row, event, final_status), **why}
    attempt = cast("int", data["attempt"]) + 1
    return {
        **_NOT_RUNNING,
        **why,
        "status": "pending",
        "attempt": attempt,
        "scheduled_at": data["retry_at"],
    }


def _reported(row: Row, data: JsonObject) -> Row:
    """Merge a handler's report; an empty one changes nothing."""
    changed: Row = {
        part: {**cast("JsonObject", row[part] or {}), **cast("JsonObject", data[part])}
        for part in ("metrics", "context")
        if data[part]
    }
    if data["logs_url"] is not None:
        changed["logs_url"] = data["logs_url"]
    return changed


def present(row: Row) -> JsonObject:
    """Return the run as clients see it (contract, section 3)."""
    return {field: row[column] for field, column in _SHOWN.items()}


_SHOWN: dict[str, str] = {
    "id": "id",
    "jobDefinitionId": "job_definition_id",
    "slug": "slug",
    "definitionVersion": "definition_version",
    "status": "status",
    "parameters": "parameters",
    "result": "result",
    "errorMessage": "error_message",
    "failureReason": "failure_reason",
    "logsUrl": "logs_url",
    "metrics": "metrics",
    "context": "context",
    "timeoutMs": "timeout_ms",
    "attempt": "attempt",
    "maxAttempts": "max_attempts",
    "durationMs": "duration_ms",
    "priority": "priority",
    "scheduledAt": "scheduled_at",
    "startedAt": "started_at",
    "completedAt": "completed_at",
    "cancelRequestedAt": "cancel_requested_at",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "idempotencyKey": "idempotency_key",
    "requestedBy": "requested_by",
}
