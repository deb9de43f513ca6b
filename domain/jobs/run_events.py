"""The events of a run, and its state.

First the values of commands and events (`Holder`, `Report`, `AttemptFailure`), then the state
(`RunState`) and the events. Topics and fields of events are the on-disk format; `evolve` says what
an event changes, in the aggregate (`JobRun`) and in its row.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import ms_since
from domain.json_values import Json, JsonObject
from domain.state import (
    AnyJson,
    BigInt,
    Changes,
    Document,
    Id,
    Integer,
    PlainEvent,
    StateEvent,
    Stateful,
    Text,
    Texts,
    Time,
)

Status = Literal["pending", "running", "succeeded", "failed", "canceled", "expired"]
STATUSES: tuple[Status, ...] = ("pending", "running", "succeeded", "failed", "canceled", "expired")
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "canceled", "expired"})

FailureReason = Literal[
    "error",
    "permanent_error",
    "no_handler",
    "invalid_result",
    "exit",
    "signal",
    "out_of_memory",
    "worker_lost",
    "execution_timeout",
    "start_deadline",
    "handler",
]


@dataclass(frozen=True)
class Holder:
    """The holder of a running run: the fence that every command of a worker must pass.

    Attributes:
        worker_id: the worker that claimed the run; a restarted worker has another id.
        execution: the number of the claim (1, 2, …); never used twice.
    """

    worker_id: str
    execution: int


def named(holder: Holder | None) -> str:
    """Return the holder of a run as errors name it."""
    if holder is None:
        return "nobody"
    return f"{holder.execution} of worker {holder.worker_id}"


@dataclass(frozen=True)
class Report:
    """What a handler adds to its run: each part is merged into the run's, and its keys win."""

    metrics: JsonObject = field(default_factory=dict)
    context: JsonObject = field(default_factory=dict)
    logs_url: str | None = None


@dataclass(frozen=True)
class AttemptFailure:
    """Why an attempt failed.

    Attributes:
        permanent: whether there is no retry.
        retry_after_ms: the delay that the handler asks for instead of the policy's, between 0 and
            a day.
    """

    message: str
    reason: FailureReason = "error"
    permanent: bool = False
    retry_after_ms: int | None = None


FIRST_STATUS: Status = "pending"
"""The status of a new run."""

RAISED = frozenset({"error", "permanent_error"})
"""The failure reasons of runs that may have a stack in their context."""

LAUNCH_STACK = "launchStack"
"""The member of a run's context that keeps the `stack` of its launch beside that of an exception,
until the next attempt."""

MAX_STARTS = 1_000
"""The highest limit of a `rateLimit`: a run keeps this number of its last starts."""

MAX_WORKERS = 100
"""A run keeps this number of workers that started it. Stopping workers hand runs back, and each
start rewrites the list."""

RATE = "rate"
"""The group of runs that `rateLimit` counts together."""

FAIR = "fair"
"""The group of runs with one value of `fairnessKey`: one of them starts in each round."""

UNIQUE_UNTIL = "unique_until_"
"""The prefix of the groups in which `unique` allows one run: `unique_until_start`, until it starts,
and `unique_until_end`, until it ends."""


class RunState(TypedDict):
    """A run as its last event left it, in the order in which clients see it.

    `launch_context` is the launch's context, `context` is that with all reports merged into it.
    `personal` has the encrypted parameters, by the id of their subject's key. If the job has a
    `rateLimit`, `rate_value` is the value by which the run counts, and `starts` are its last
    starts. If runs are unique, `unique_value` has the values of the key, and `unique_until` is
    `start` or `end`. If the job has a `fairnessKey`, `fair_value` is the run's value of it, and
    `last_turn` the position of its last start. `traceparent` names the span in which the run was
    launched, if that was traced. `started_by` has the workers that started it, each with the
    position of its first start.
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
    traceparent: ReadOnly[Text | None]
    started_by: ReadOnly[Annotated[dict[str, int], "jsonb"] | None]


# The events: their topics and fields are the on-disk format.

RUN_TOPIC = "job_run"


class RunEvent(StateEvent):
    """Base of the run's events."""

    TOPIC = "job_run.event"


class Requested(RunEvent, Aggregate.Created):
    """A client launched the run; it is pending."""

    TOPIC = "job_run.requested"
    definition_id: str
    definition_version: int
    slug: str
    entry_point: str
    parameters: JsonObject
    context: JsonObject | None
    timeout_ms: int | None
    max_attempts: int
    retry_policy: JsonObject | None
    priority: int
    scheduled_at: datetime
    start_deadline_at: datetime | None
    concurrency_value: str | None
    idempotency_key: str | None
    request_digest: str | None
    requested_by: str
    traceparent: str | None = None
    """Left out if it is None, so that versions that do not know it can read the event."""

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        data = event.data
        return {
            "id": str(event.aggregate_id),
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
            # Only decrypted events have it.
            "personal": data.get("personal"),
            "launch_context": data["context"],
            "retry_policy": data["retry_policy"],
            "request_digest": data["request_digest"],
            "traceparent": data.get("traceparent"),
        }

    def apply(self, aggregate: Stateful[Any]) -> None:
        super().apply(aggregate)
        erased = vars(self).get("erased")
        if erased:  # Not a column: it depends on which keys still exist.
            aggregate.state = {**aggregate.state, "erased": erased}


def requested(run_id: UUID, at: datetime, fields: dict[str, Any]) -> Requested:
    """Return a run's first event without making the run, which would take three times as long.

    Args:
        run_id: the run's id.
        at: when it happens.
        fields: all fields of `Requested`, in their order.
    """
    event = object.__new__(Requested)
    common = {
        "originator_id": run_id,
        "originator_version": 1,
        "timestamp": at,
        "originator_topic": RUN_TOPIC,
    }
    # The library's way to fill a frozen event.
    object.__setattr__(event, "__dict__", {**common, **fields})
    return event


class Grouped(RunEvent):
    """The values by which the job's limits count the run together with others.

    It is appended with `Requested` if the job has such limits.
    """

    TOPIC = "job_run.grouped"
    groups: dict[str, str]
    """By kind of limit, the run's value as canonical JSON. `rate`: a parameter's value, or an empty
    text if all runs count together. `fair`: a parameter's value, or an empty text if the run has
    none. `unique_until_start` or `unique_until_end`: the parameters of the key."""

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        groups = cast("dict[str, str]", event.data["groups"])
        changed: Changes = {"rate_value": groups.get(RATE), "fair_value": groups.get(FAIR)}
        for until in ("start", "end"):
            value = groups.get(f"{UNIQUE_UNTIL}{until}")
            if value is not None:
                changed["unique_value"] = value
                changed["unique_until"] = until
        return changed


def grouped(run_id: UUID, at: datetime, groups: dict[str, str]) -> Grouped:
    """Return a run's second event without making the run.

    Args:
        run_id: the run's id.
        at: when it happens.
        groups: those of `Grouped`.
    """
    event = object.__new__(Grouped)
    common = {"originator_id": run_id, "originator_version": 2, "timestamp": at}
    object.__setattr__(event, "__dict__", {**common, "groups": groups})
    return event


class ExecutionEvent(RunEvent):
    """Base of the events of an execution: its worker, and its number (1, 2, …)."""

    worker_id: str
    execution: int


class ReportedEvent(ExecutionEvent):
    """Base of the events with a handler's report, which is merged into the run."""

    metrics: JsonObject
    context: JsonObject
    logs_url: str | None


class Started(ExecutionEvent):
    """A worker claimed the run, which is running until the worker reports its end or is lost."""

    TOPIC = "job_run.started"
    attempt: int

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        changed: Changes = {
            "status": "running",
            "started_at": event.at,
            "worker_id": event.data["worker_id"],
            "execution": event.data["execution"],
            "started_by": _with_starter(run["started_by"], event),
            # A running run has not failed; the events of earlier attempts say why they did.
            "error_message": None,
            "failure_reason": None,
        }
        context = run["context"]
        if context and context.get("stack") and run["failure_reason"] in RAISED:
            changed["context"] = _without_stack(context)
        if run["rate_value"] is not None:
            starts: list[Json] = [*(run["starts"] or []), event.at]
            changed["starts"] = starts[-MAX_STARTS:]
            changed["last_start_at"] = event.at
        if run["fair_value"] is not None:
            changed["last_turn"] = event.position
        return changed


def _without_stack(context: JsonObject) -> JsonObject:
    """Return the context without an exception's stack, but with that of the launch if any."""
    others = {name: context[name] for name in context if name not in {"stack", LAUNCH_STACK}}
    if LAUNCH_STACK not in context:
        return others
    return {**others, "stack": context[LAUNCH_STACK]}


def _with_starter(before: dict[str, int] | None, event: PlainEvent) -> JsonObject:
    """Return the workers that started the run, the latest `MAX_WORKERS` at most."""
    workers: JsonObject = {cast("str", event.data["worker_id"]): event.position}
    if before:
        workers |= before
        if len(workers) > MAX_WORKERS:
            del workers[min(before, key=before.__getitem__)]
    return workers


class Progressed(ReportedEvent):
    """The handler reported something while running."""

    TOPIC = "job_run.progressed"

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        return _reported(run, event.data)


class Succeeded(ReportedEvent):
    """The handler returned."""

    TOPIC = "job_run.succeeded"
    result: Any

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        return {
            **_ended(run, event, "succeeded"),
            **_reported(run, event.data),
            "result": event.data["result"],
        }


class AttemptFailed(ReportedEvent):
    """The attempt failed: the run is pending, due at `retry_at`, or failed if that is null."""

    TOPIC = "job_run.attempt_failed"
    attempt: int
    error_message: str
    failure_reason: str
    retry_at: datetime | None

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        return {**_retried_or_ended(run, event, "failed"), **_reported(run, event.data)}


class AttemptTimedOut(ReportedEvent):
    """The attempt timed out: the run is pending, due at `retry_at`, or expired if that is null.

    `failure_reason` is `execution_timeout`, or `handler` if the handler itself returned `expired`.
    """

    TOPIC = "job_run.attempt_timed_out"
    attempt: int
    error_message: str
    failure_reason: str
    retry_at: datetime | None

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        return {**_retried_or_ended(run, event, "expired"), **_reported(run, event.data)}


class AttemptLost(ExecutionEvent):
    """The worker was lost: the run is pending, due at `retry_at`, or failed if that is null."""

    TOPIC = "job_run.attempt_lost"
    attempt: int
    error_message: str
    retry_at: datetime | None

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        return {**_retried_or_ended(run, event, "failed"), "failure_reason": "worker_lost"}


class HandedBack(ExecutionEvent):
    """A worker that stops, or whose lease expired, handed the run back, its attempt unspent."""

    TOPIC = "job_run.handed_back"

    @staticmethod
    def evolve(*_: object) -> Changes:
        return {**_NOT_RUNNING, "status": "pending"}


class StartDeadlinePassed(RunEvent):
    """The run had not started by its start deadline; it is expired."""

    TOPIC = "job_run.start_deadline_passed"

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        return {
            **_ended(run, event, "expired"),
            "failure_reason": "start_deadline",
            "error_message": "the run had not started by its start deadline",
        }


class CancelRequested(RunEvent):
    """A client requested to cancel a running run, which continues until it has really stopped."""

    TOPIC = "job_run.cancel_requested"
    reason: str | None

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {"cancel_requested_at": event.at, "cancel_reason": event.data["reason"]}


class Canceled(RunEvent):
    """The run is canceled: it was pending, or it was running and has stopped.

    `worker_id` and `execution` are null if it was pending; `failure_reason` is `handler` if the
    handler itself returned `canceled`.
    """

    TOPIC = "job_run.canceled"
    reason: str | None
    failure_reason: str | None
    worker_id: str | None
    execution: int | None
    metrics: JsonObject
    context: JsonObject
    logs_url: str | None

    @staticmethod
    def evolve(run: RunState, event: PlainEvent) -> Changes:
        return {
            **_ended(run, event, "canceled"),
            **_reported(run, event.data),
            "error_message": event.data["reason"],
            "failure_reason": event.data["failure_reason"],
            "cancel_requested_at": run["cancel_requested_at"] or event.at,
        }


def _reported(run: RunState, data: JsonObject) -> Changes:
    """Return the columns that a handler's report changes."""
    changed: Changes = {}
    if data["metrics"]:
        changed["metrics"] = _merged(run["metrics"], data["metrics"])
    if data["context"]:
        changed["context"] = _merged(run["context"], data["context"])
    if data["logs_url"] is not None:
        changed["logs_url"] = data["logs_url"]
    return changed


def _merged(before: JsonObject | None, reported: Json) -> JsonObject:
    new = cast("JsonObject", reported)
    return new if before is None else {**before, **new}


_NOT_RUNNING: Changes = {
    "started_at": None,
    "completed_at": None,
    "duration_ms": None,
    "worker_id": None,
}


def _ended(run: RunState, event: PlainEvent, status: Status) -> Changes:
    return {
        "status": status,
        "completed_at": event.at,
        "completed_position": event.position,
        "duration_ms": ms_since(run["started_at"], event.at),
        "worker_id": None,
    }


def _retried_or_ended(run: RunState, event: PlainEvent, final_status: Status) -> Changes:
    """Return the columns that a failed attempt changes."""
    data = event.data
    why: Changes = {
        "error_message": data["error_message"],
        "failure_reason": data.get("failure_reason"),
    }
    if data["retry_at"] is None:
        return {**_ended(run, event, final_status), **why}
    attempt = cast("int", data["attempt"])
    return {
        **_NOT_RUNNING,
        **why,
        "status": "pending",
        "attempt": attempt + 1,
        "scheduled_at": data["retry_at"],
    }
