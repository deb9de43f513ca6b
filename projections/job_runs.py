"""The table `job_runs`: every run as its last event left it.

First the row, its fold (`evolve`) and its JSON for clients (`present`); then which runs hold the
unique slots of their jobs.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, cast
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import ms_since
from domain.identifiers import Slot
from domain.jobs.definition import MOST_STARTS
from domain.jobs.launching import UNIQUE_UNTIL
from domain.jobs.run_events import Status
from domain.json_values import Json, JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import (
    AnyJson,
    BigInt,
    Document,
    Id,
    Integer,
    Text,
    Texts,
    Time,
    columns_of,
    presented,
    shown_columns,
)
from projections.table import STATES, Changes, DecisiveRow, TableOf


class RunRow(DecisiveRow):
    """A run, in the order in which clients see it.

    Of one that counts for its job's `rateLimit`, `rate_value` tells with which others, and `starts`
    when it was started, the last thousand times. Of one of a job whose runs are unique,
    `unique_value` tells by what, and `unique_until` until its `start` or its `end`. Of one whose
    job lets values take turns, `fair_value` tells its own, and `last_turn` the position of its last
    start.
    """

    id: ReadOnly[Id]
    job_definition_id: ReadOnly[Id]
    slug: ReadOnly[Text]
    definition_version: ReadOnly[Integer]
    entry_point: ReadOnly[Text]
    status: ReadOnly[Annotated[Status, "text"]]
    parameters: ReadOnly[Document]
    result: ReadOnly[AnyJson]
    error_message: ReadOnly[Text | None]
    failure_reason: ReadOnly[Text | None]
    logs_url: ReadOnly[Text | None]
    metrics: ReadOnly[Document | None]
    context: ReadOnly[Document | None]
    timeout_ms: ReadOnly[Integer | None]
    attempt: ReadOnly[Integer]
    max_attempts: ReadOnly[Integer]
    execution: ReadOnly[Integer]
    worker_id: ReadOnly[Text | None]
    duration_ms: ReadOnly[BigInt | None]
    priority: ReadOnly[Integer]
    concurrency_value: ReadOnly[Text | None]
    scheduled_at: ReadOnly[Time]
    start_deadline_at: ReadOnly[Time | None]
    started_at: ReadOnly[Time | None]
    completed_at: ReadOnly[Time | None]
    cancel_requested_at: ReadOnly[Time | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    idempotency_key: ReadOnly[Text | None]
    requested_by: ReadOnly[Text]
    created_position: ReadOnly[BigInt]
    completed_position: ReadOnly[BigInt | None]
    personal: ReadOnly[Annotated[dict[str, list[str]], "jsonb"] | None]
    launch_context: ReadOnly[Document | None]
    retry_policy: ReadOnly[Document | None]
    request_digest: ReadOnly[Text | None]
    cancel_reason: ReadOnly[Text | None]
    rate_value: ReadOnly[Text | None]
    starts: ReadOnly[Texts | None]
    last_start_at: ReadOnly[Time | None]
    fair_value: ReadOnly[Text | None]
    last_turn: ReadOnly[BigInt | None]
    unique_value: ReadOnly[Text | None]
    unique_until: ReadOnly[Text | None]
    state2_version: ReadOnly[BigInt | None]


COLUMNS = columns_of(RunRow)

_HIDDEN = {
    "entry_point",
    "execution",
    "worker_id",
    "concurrency_value",
    "start_deadline_at",
    "created_position",
    "completed_position",
    "personal",
    "launch_context",
    "retry_policy",
    "request_digest",
    "cancel_reason",
    "rate_value",
    "starts",
    "last_start_at",
    "fair_value",
    "last_turn",
    "unique_value",
    "unique_until",
    "aggregate_version",
    "position",
    *STATES,
}

SHOWN = shown_columns(RunRow, _HIDDEN)

IS_PENDING = "status COLLATE \"C\" = 'pending'"
IS_RUNNING = "status COLLATE \"C\" = 'running'"
IS_UNFINISHED = "status COLLATE \"C\" IN ('pending', 'running')"
"""What workers ask: the same as without the collation, but only the indexes of pending and of
running runs, whose predicates say it too, serve it. Never those of lists and reports, in which each
run leaves an entry for each status that it had."""


__all__ = [
    "COLUMNS",
    "FIRST_STATUS",
    "IS_PENDING",
    "IS_RUNNING",
    "IS_UNFINISHED",
    "RAISED",
    "SHOWN",
    "TABLE",
    "RunRow",
    "evolve",
    "present",
]

RAISED = {"error", "permanent_error"}  # Then a stack stands in the run's context.

FIRST_STATUS = "pending"
"""What every run is by its first event."""

_NOT_RUNNING: Changes = {
    "started_at": None,
    "completed_at": None,
    "duration_ms": None,
    "worker_id": None,
}


def evolve(row: RunRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    if row is None:
        changed = _requested(event)
    else:
        fold = _fold_of(event)
        changed = fold(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE: TableOf[RunRow] = TableOf(
    "job_runs",
    "job_run",
    "id",
    COLUMNS,
    evolve,
    version=7,
    decisive=frozenset({"parameters", "launch_context"}),
    only_shown=frozenset({"result"}),
    newer=frozenset({"job_run.grouped"}),
)


def _requested(event: Envelope) -> Changes:
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
        # `context` is what the handler's reports are merged into.
        "launch_context": data["context"],
        "retry_policy": data["retry_policy"],
        "request_digest": data["request_digest"],
    }


def _fold_of(event: Envelope) -> Callable[[RunRow, Envelope], Changes]:
    fold = _FOLDS.get(event.topic)
    if fold is None:
        raise ValueError(f"job_runs does not know {event.topic}")
    return fold


def _grouped(_: RunRow, event: Envelope) -> Changes:
    groups = cast("dict[str, str]", event.data["groups"])
    changed: Changes = {"rate_value": groups.get("rate"), "fair_value": groups.get("fair")}
    for until in ("start", "end"):
        value = groups.get(f"{UNIQUE_UNTIL}{until}")
        if value is not None:
            changed["unique_value"] = value
            changed["unique_until"] = until
    return changed


def _started(row: RunRow, event: Envelope) -> Changes:
    # What an earlier attempt failed of stands in its event; a run that is under way has not failed.
    return {
        **_without_stack(row),
        **_counted_start(row, event.at),
        **_turn(row, event.position),
        "status": "running",
        "started_at": event.at,
        "worker_id": event.data["worker_id"],
        "execution": event.data["execution"],
        "error_message": None,
        "failure_reason": None,
    }


def _counted_start(row: RunRow, at: str) -> Changes:
    if row["rate_value"] is None:
        return {}
    starts: list[Json] = [*(row["starts"] or []), at]
    return {"starts": starts[-MOST_STARTS:], "last_start_at": at}


def _turn(row: RunRow, position: int) -> Changes:
    # No version starts such a run that knows no turns: it cannot read `job_run.grouped`.
    if row["fair_value"] is None:
        return {}
    return {"last_turn": position}


def _without_stack(row: RunRow) -> Changes:
    context = dict(row["context"] or {})
    if row["failure_reason"] not in RAISED or not context.pop("stack", None):
        return {}
    return {"context": context}


def _progressed(row: RunRow, event: Envelope) -> Changes:
    return _reported(row, event.data)


def _succeeded(row: RunRow, event: Envelope) -> Changes:
    return {
        **_ended(row, event, "succeeded"),
        **_reported(row, event.data),
        "result": event.data["result"],
    }


def _attempt_failed(row: RunRow, event: Envelope) -> Changes:
    return {**_retried_or_ended(row, event, "failed"), **_reported(row, event.data)}


def _attempt_timed_out(row: RunRow, event: Envelope) -> Changes:
    return {**_retried_or_ended(row, event, "expired"), **_reported(row, event.data)}


def _attempt_lost(row: RunRow, event: Envelope) -> Changes:
    return {**_retried_or_ended(row, event, "failed"), "failure_reason": "worker_lost"}


def _handed_back(*_: object) -> Changes:
    return {**_NOT_RUNNING, "status": "pending"}


def _start_deadline_passed(row: RunRow, event: Envelope) -> Changes:
    return {
        **_ended(row, event, "expired"),
        "failure_reason": "start_deadline",
        "error_message": "the run had not started by its start deadline",
    }


def _cancel_requested(_: RunRow, event: Envelope) -> Changes:
    return {"cancel_requested_at": event.at, "cancel_reason": event.data["reason"]}


def _canceled(row: RunRow, event: Envelope) -> Changes:
    return {
        **_ended(row, event, "canceled"),
        **_reported(row, event.data),
        "error_message": event.data["reason"],
        "failure_reason": event.data["failure_reason"],
        "cancel_requested_at": row["cancel_requested_at"] or event.at,
    }


_FOLDS: dict[str, Callable[[RunRow, Envelope], Changes]] = {
    "job_run.grouped": _grouped,
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


def _ended(row: RunRow, event: Envelope, status: str) -> Changes:
    return {
        "status": status,
        "completed_at": event.at,
        "completed_position": event.position,
        "duration_ms": ms_since(row["started_at"], event.at),
        "worker_id": None,
    }


def _retried_or_ended(row: RunRow, event: Envelope, final_status: str) -> Changes:
    data = event.data
    why: Changes = {
        "error_message": data["error_message"],
        "failure_reason": data.get("failure_reason"),
    }
    if data["retry_at"] is None:
        return {**_ended(row, event, final_status), **why}
    attempt = cast("int", data["attempt"])
    return {
        **_NOT_RUNNING,
        **why,
        "status": "pending",
        "attempt": attempt + 1,
        "scheduled_at": data["retry_at"],
    }


def _reported(row: RunRow, data: JsonObject) -> Changes:
    """Merge a handler's report; an empty one changes nothing."""
    changed: Changes = {}
    if data["metrics"]:
        changed["metrics"] = _merged(row["metrics"], data["metrics"])
    if data["context"]:
        changed["context"] = _merged(row["context"], data["context"])
    if data["logs_url"] is not None:
        changed["logs_url"] = data["logs_url"]
    return changed


def _merged(before: JsonObject | None, reported: Json) -> JsonObject:
    new = cast("JsonObject", reported)
    return new if before is None else {**before, **new}


def present(row: Row) -> JsonObject:
    """Return the run as clients see it (contract, section 3)."""
    return presented(row, SHOWN)


# Which runs hold the unique slots of their jobs.

HOLDERS = f"""
    SELECT holder.*
    FROM jsonb_to_recordset(%(slots)s::jsonb) AS slot (definition_id uuid, value text), LATERAL (
        SELECT id, job_definition_id, unique_value, status FROM job_runs
        WHERE job_definition_id = slot.definition_id AND unique_value = slot.value
          AND {IS_UNFINISHED} AND (unique_until = 'end' OR execution = 0)
        LIMIT 1
    ) AS holder
"""
"""A run has its slot from its request until its first start, or until its end."""


class HolderRow(TypedDict):
    """A run that has a slot."""

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    unique_value: ReadOnly[str]
    status: ReadOnly[str]


def holders_query(slots: Iterable[Slot]) -> dict[str, str]:
    """Return the values that `HOLDERS` takes."""
    told = [{"definition_id": str(slot.definition_id), "value": slot.value} for slot in slots]
    return {"slots": orjson.dumps(told).decode()}


def slot_of(row: HolderRow) -> Slot:
    """Return which slot a run has."""
    return Slot(UUID(row["job_definition_id"]), row["unique_value"])
