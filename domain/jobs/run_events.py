"""The events of a run, and the values and state that they move.

First the retry policy and the words of commands and events (`Holder`, `Report`, `Failure`); then
what of a handler's reports fits into a run (`fitting`); then the state (`RunState`), and the
events. Topics and fields of events are the on-disk format; `apply` only moves state. The aggregate,
`JobRun`, stands apart, so that it and the events need not import each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.errors import Issue
from domain.json_values import Json, JsonObject, canonical

# When a failed attempt is tried again. Pure: the randomness is an argument.

DEFAULT_INITIAL_DELAY_MS = 1_000
MAX_DELAY_MS = 86_400_000


@dataclass(frozen=True)
class RetryPolicy:
    """The contract's `retryPolicy`, with its gaps filled.

    Attributes:
        max_attempts: 1-10; the first attempt counts.
        strategy: `none` (retry without delay), `fixed` or `exponential` (doubling).
        initial_delay_ms: the delay before the second attempt.
        max_delay_ms: no delay is longer.
        jitter: `none`, `full` (anything up to the delay) or `equal` (at least half of it).
    """

    max_attempts: int = 1
    strategy: str = "none"
    initial_delay_ms: int = DEFAULT_INITIAL_DELAY_MS
    max_delay_ms: int = MAX_DELAY_MS
    jitter: str = "none"

    @classmethod
    def from_json(cls, policy: Mapping[str, Json] | None) -> RetryPolicy:
        """Read a validated policy as clients give it (camelCase, every field optional)."""
        given = policy or {}
        max_delay_ms = _whole(given.get("maxDelayMs"), cls.max_delay_ms)
        shortest_default_ms = min(cls.initial_delay_ms, max_delay_ms)
        return cls(
            max_attempts=_whole(given.get("maxAttempts"), cls.max_attempts),
            strategy=str(given.get("strategy") or cls.strategy),
            initial_delay_ms=_whole(given.get("initialDelayMs"), shortest_default_ms),
            max_delay_ms=max_delay_ms,
            jitter=str(given.get("jitter") or cls.jitter),
        )

    def delay_ms(self, failed_attempt: int, random: Callable[[], float]) -> int:
        """Return the wait between the failed attempt (1, 2, …) and the next one.

        Args:
            failed_attempt: the number of the attempt that just failed.
            random: returns a number in [0, 1).
        """
        if self.strategy == "none":
            return 0
        delay = self.initial_delay_ms
        if self.strategy == "exponential":
            delay *= 2 ** (failed_attempt - 1)
        delay = min(delay, self.max_delay_ms)
        if self.jitter == "full":
            return int(delay * random())
        if self.jitter == "equal":
            half = delay / 2
            delay_ms = half + half * random()
            return int(delay_ms)
        return delay


def policy_issues(policy: Mapping[str, Json] | None) -> list[Issue]:
    """Return what single fields' ranges cannot tell: the first delay may not exceed the longest."""
    parsed = RetryPolicy.from_json(policy)
    if parsed.initial_delay_ms > parsed.max_delay_ms:
        message = f"initialDelayMs must be at most maxDelayMs ({parsed.max_delay_ms})"
        return [Issue("/retryPolicy/initialDelayMs", message, "maximum")]
    return []


def _whole(value: Json, default: int) -> int:
    if isinstance(value, int):
        return value
    return default


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
    """Who speaks for a running execution: the fence that every worker command must pass.

    Attributes:
        worker_id: the worker that claimed the run; unique to one start of one worker.
        execution: how often the run had been claimed then (1, 2, …); never used twice.
    """

    worker_id: str
    execution: int


def named(holder: Holder | None) -> str:
    """Return what errors call somebody who speaks for a run."""
    if holder is None:
        return "nobody"
    return f"{holder.execution} of worker {holder.worker_id}"


@dataclass(frozen=True)
class Report:
    """What a handler adds to its run: each part is merged into what is there, and its keys win."""

    metrics: JsonObject = field(default_factory=dict)
    context: JsonObject = field(default_factory=dict)
    logs_url: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed, and whether another one makes sense.

    Attributes:
        retry_after_ms: the handler's own wish, instead of the policy's back-off; kept within 0 and
            a day.
    """

    message: str
    reason: FailureReason = "error"
    permanent: bool = False
    retry_after_ms: int | None = None


# What of a handler's reports fits into its run. Pure.
#
# Each report is merged into all earlier ones and written whole, so that has a limit. What does not
# fit is left out, and the run says so: no outcome is lost because of its reports.

MAX_METRICS_BYTES = 262_144
"""A run's `metrics` with all reports merged, as JSON."""

MAX_CONTEXT_BYTES = 1_048_576 + 262_144
"""A run's `context`, likewise. It begins with what the launch gives, and that may take a whole
request; so much is left for what handlers report. The note of what was left out comes on top."""

LEFT_OUT = "reportsLeftOut"
"""Where a run's context tells what was left out."""

NAMED = 10
"""Names told of what was left out."""

NAME_BYTES = 100
"""Of each, as JSON."""

NOTE_BYTES = 2_048
"""What the note takes at most, with its name."""

MAX_MESSAGE_BYTES = 16_384
"""Why an attempt failed, as UTF-8: it is read with every list of runs. The run's log has all."""

_NOTE_BYTES = 64
"""Room for how much was left out."""


def fitting(metrics: JsonObject, context: JsonObject, report: Report) -> Report:
    """Return what of a report there is room for, with a note of what there is not.

    Args:
        metrics: what the run has already.
        context: likewise.
        report: what is to be merged into these.
    """
    no_metrics = _beyond(metrics, report.metrics, MAX_METRICS_BYTES)
    no_context = _beyond(context, report.context, MAX_CONTEXT_BYTES)
    if not no_metrics and not no_context:
        return report
    names = [f"metrics.{name}" for name in no_metrics]
    names += [f"context.{name}" for name in no_context]
    told: JsonObject = {LEFT_OUT: _note(names)}
    return Report(
        _without(report.metrics, no_metrics),
        {**_without(report.context, no_context), **told},
        report.logs_url,
    )


def fitting_message(message: str) -> str:
    """Return as much of a message as there is room for: its beginning and its end tell most."""
    told = message.encode()
    count = len(told)
    if count <= MAX_MESSAGE_BYTES:
        return message
    half = (MAX_MESSAGE_BYTES - _NOTE_BYTES) // 2
    begin = told[:half].decode(errors="ignore")
    end = told[-half:].decode(errors="ignore")
    left_out = count - 2 * half
    return f"{begin} … ({left_out} bytes are left out) … {end}"


def _beyond(before: JsonObject, reported: JsonObject, most: int) -> list[str]:
    """Return the names of values that there is no room for: the largest of those that grow."""
    if not reported:
        return []
    room = most - len(canonical(before))
    if len(canonical(reported)) <= room:
        return []
    growth: dict[str, int] = {}
    for name, value in reported.items():
        growth[name] = _size(name, value)
        if name in before:
            growth[name] -= _size(name, before[name])
    beyond: list[str] = []
    for name in sorted(growth, key=growth.__getitem__):
        if growth[name] > max(room, 0):
            beyond.append(name)
        else:
            room -= growth[name]
    return beyond


def _size(name: str, value: Json) -> int:
    """Return what a member takes, with the colon and the comma beside it."""
    return len(canonical(name)) + len(canonical(value)) + 2


def _without(reported: JsonObject, names: list[str]) -> JsonObject:
    left_out = frozenset(names)  # Perhaps tens of thousands, of each of which is asked.
    return {name: value for name, value in reported.items() if name not in left_out}


def _note(names: list[str]) -> str:
    first = [_cut(name) for name in names[:NAMED]]
    told = ", ".join(first)
    more = len(names) - len(first)
    if more:
        told += f" and {more} more"
    return (
        f"{told}: a run has room for {MAX_METRICS_BYTES} bytes of metrics as JSON"
        f" and {MAX_CONTEXT_BYTES} of context;"
        " keep what is large in a store, and report its address"
    )


def _cut(name: str) -> str:
    text = name[:NAME_BYTES]
    while len(canonical(text)) > NAME_BYTES:
        text = text[:-1]
    return text


class RunState:
    """The state of a run, for its commands to decide by.

    Attributes:
        context: that of the launch.
        metrics: what handlers have reported.
        merged_context: the launch's context, and what handlers have reported.
        personal: by the id of a subject's key, the parameters that were encrypted by it.
        erased: those parameters whose values are gone with their subject.
    """

    def __init__(  # noqa: PLR0913 - what decisions need of the first event
        self,
        slug: str,
        definition_id: str,
        definition_version: int,
        entry_point: str,
        parameters: JsonObject,
        context: JsonObject | None,
        timeout_ms: int | None,
        max_attempts: int,
        retry_policy: JsonObject | None,
        priority: int,
        scheduled_at: datetime,
        start_deadline_at: datetime | None,
        request_digest: str | None,
        requested_by: str,
        personal: dict[str, list[str]] | None = None,
        erased: list[str] | None = None,
    ) -> None:
        self.status: Status = "pending"
        self.slug = slug
        self.definition_id = UUID(definition_id)
        self.definition_version = definition_version
        self.entry_point = entry_point
        self.parameters = parameters
        self.context = context
        self.priority = priority
        self.timeout_ms = timeout_ms
        self.max_attempts = max_attempts
        self.retry_policy = RetryPolicy.from_json(retry_policy)
        self.scheduled_at = scheduled_at
        self.start_deadline_at = start_deadline_at
        self.request_digest = request_digest
        self.requested_by = requested_by
        self.personal = personal or {}
        self.erased = erased or []
        self.attempt = 1
        self.execution = 0
        self.started_at: datetime | None = None
        self.holder: Holder | None = None
        self.cancel_requested = False
        self.cancel_reason: str | None = None
        self.metrics: JsonObject = {}
        self.merged_context: JsonObject = context or {}

    @property
    def personal_parameters(self) -> list[str]:
        """The parameters whose values are personal data."""
        return [name for of_key in self.personal.values() for name in of_key]

    def report(self, metrics: JsonObject, context: JsonObject) -> None:
        """Apply what a handler reported."""
        if metrics:
            self.metrics = {**self.metrics, **metrics}
        if context:
            self.merged_context = {**self.merged_context, **context}

    def begin(self, worker_id: str, execution: int, started_at: datetime) -> None:
        """Apply a claim."""
        self.started_at = started_at
        self.status = "running"
        self.execution = execution
        self.holder = Holder(worker_id, execution)

    def release(self) -> None:
        """Apply that nobody runs it any more, though it has not ended."""
        self.status = "pending"
        self.holder = None

    def end(self, status: Status) -> None:
        """Apply a final status."""
        self.status = status
        self.holder = None

    def retry_or_end(self, retry_at: datetime | None, final_status: Status) -> None:
        """Apply the end of an attempt."""
        if retry_at is None:
            self.end(final_status)
            return
        self.release()
        self.attempt += 1
        self.scheduled_at = retry_at


RUN_TOPIC = "job_run"


class RunEvent(Aggregate.Event):
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


def requested(run_id: UUID, at: datetime, fields: dict[str, Any]) -> Requested:
    """Return a run's first event alone; to make the run by it costs a launch three times as much.

    Args:
        run_id: whose event it is.
        at: when it happens.
        fields: all that `Requested` names, in that order.
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
    """The run counts together with others, by values of its parameters.

    It is appended with `Requested`, where its job has limits of this kind.
    """

    TOPIC = "job_run.grouped"
    groups: dict[str, str]
    """By the kind of limit what the run counts by, as canonical JSON: `rate` has a parameter's
    value, or an empty text for all runs; so has `fair`, or an empty text for none;
    `unique_until_start` or `unique_until_end` has parameters."""

    def apply(self, aggregate: RunState) -> None:
        """Change nothing: no decision of the run's own depends on it."""


def grouped(run_id: UUID, at: datetime, groups: dict[str, str]) -> Grouped:
    """Return a run's second event alone.

    Args:
        run_id: whose event it is.
        at: when it happens.
        groups: of `Grouped`.
    """
    event = object.__new__(Grouped)
    common = {"originator_id": run_id, "originator_version": 2, "timestamp": at}
    object.__setattr__(event, "__dict__", {**common, "groups": groups})
    return event


class ExecutionEvent(RunEvent):
    """Base of what happens to one execution: who held it, and its number (1, 2, …)."""

    worker_id: str
    execution: int


class ReportedEvent(ExecutionEvent):
    """Base of what carries the handler's report; each part is merged into what the run has."""

    metrics: JsonObject
    context: JsonObject
    logs_url: str | None


class Started(ExecutionEvent):
    """A worker claimed the run; it is running until that worker says otherwise or is lost."""

    TOPIC = "job_run.started"
    attempt: int

    def apply(self, aggregate: RunState) -> None:
        aggregate.begin(self.worker_id, self.execution, self.timestamp)


class Progressed(ReportedEvent):
    """The handler reported something while running."""

    TOPIC = "job_run.progressed"

    def apply(self, aggregate: RunState) -> None:
        aggregate.report(self.metrics, self.context)


class Succeeded(ReportedEvent):
    """The handler returned."""

    TOPIC = "job_run.succeeded"
    result: Any

    def apply(self, aggregate: RunState) -> None:
        aggregate.end("succeeded")
        aggregate.report(self.metrics, self.context)


class AttemptFailed(ReportedEvent):
    """The attempt failed: pending again at `retry_at`, or failed for good where that is null."""

    TOPIC = "job_run.attempt_failed"
    attempt: int
    error_message: str
    failure_reason: str
    retry_at: datetime | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.retry_or_end(self.retry_at, "failed")
        aggregate.report(self.metrics, self.context)


class AttemptTimedOut(ReportedEvent):
    """The attempt ran out of time: pending again at `retry_at`, or expired where that is null.

    `failure_reason` is `execution_timeout`, or `handler` where the handler itself ended as expired.
    """

    TOPIC = "job_run.attempt_timed_out"
    attempt: int
    error_message: str
    failure_reason: str
    retry_at: datetime | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.retry_or_end(self.retry_at, "expired")
        aggregate.report(self.metrics, self.context)


class AttemptLost(ExecutionEvent):
    """The worker died or fell silent: pending again at `retry_at`, or failed where that is null."""

    TOPIC = "job_run.attempt_lost"
    attempt: int
    error_message: str
    retry_at: datetime | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.retry_or_end(self.retry_at, "failed")


class HandedBack(ExecutionEvent):
    """A stopping worker gave the run back: pending again, the attempt is not spent."""

    TOPIC = "job_run.handed_back"

    def apply(self, aggregate: RunState) -> None:
        aggregate.release()


class StartDeadlinePassed(RunEvent):
    """The run had not started in time; it is expired."""

    TOPIC = "job_run.start_deadline_passed"

    def apply(self, aggregate: RunState) -> None:
        aggregate.end("expired")


class CancelRequested(RunEvent):
    """A client asked to cancel a running run, which goes on until it has really stopped."""

    TOPIC = "job_run.cancel_requested"
    reason: str | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.cancel_requested = True
        aggregate.cancel_reason = self.reason


class Canceled(RunEvent):
    """The run is canceled: it was pending, or what ran has stopped.

    `worker_id` and `execution` are null where nothing ran; `failure_reason` is `handler` where the
    handler itself ended as canceled.
    """

    TOPIC = "job_run.canceled"
    reason: str | None
    failure_reason: str | None
    worker_id: str | None
    execution: int | None
    metrics: JsonObject
    context: JsonObject
    logs_url: str | None

    def apply(self, aggregate: RunState) -> None:
        aggregate.end("canceled")
        aggregate.report(self.metrics, self.context)
