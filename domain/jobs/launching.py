"""From a request and a definition to a new run. Pure: clock and ids come in."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.clock import cut_to_ms, later
from domain.errors import ConflictError, InvalidInputError, Issue
from domain.jobs.definition import JobDefinition, Spec, concurrency_value, key_issues
from domain.jobs.run import JobRun
from domain.jobs.run_events import Requested, requested
from domain.json_values import JsonObject, canonical
from domain.personal.marks import subject_issues, subjects_of
from domain.schema.validation import merged, violations

MAX_AHEAD = timedelta(days=3_650)
"""How far ahead a start may lie. A run planned for the year 9999 is a mistake, and to add anything
to its time overflows."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a client asks for; None means 'as the definition says'.

    Attributes:
        body: the request as sent, normalised; two requests under one idempotency key must agree in
            it.
    """

    parameters: JsonObject = field(default_factory=dict)
    context: JsonObject | None = None
    timeout_ms: int | None = None
    max_attempts: int | None = None
    priority: int | None = None
    scheduled_at: datetime | None = None
    delay_ms: int | None = None
    start_deadline_ms: int | None = None
    idempotency_key: str | None = None
    body: JsonObject = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return the fingerprint by which a repeated request is recognised."""
        return hashlib.sha256(canonical(self.body)).hexdigest()


def new_run(
    definition: JobDefinition,
    launch: Launch,
    run_id: UUID,
    requested_by: str,
    now: datetime,
) -> JobRun:
    """Return the pending run; raise what `request` raises."""
    created_at = cut_to_ms(now)
    fields = _requested(definition, launch, requested_by, created_at)
    return JobRun.request(id=run_id, timestamp=created_at, **fields)


def request(
    definition: JobDefinition,
    launch: Launch,
    run_id: UUID,
    requested_by: str,
    now: datetime,
) -> Requested:
    """Return the first event of a new run: all that a launch appends.

    Raises:
        InvalidInputError: the parameters violate the schema, it is not said whose personal data
            they are, or the wished start is impossible.
    """
    created_at = cut_to_ms(now)
    return requested(
        run_id, created_at, _requested(definition, launch, requested_by, created_at)
    )


def _requested(
    definition: JobDefinition, launch: Launch, requested_by: str, created_at: datetime
) -> dict[str, Any]:
    """Decide on a run's first event; return its fields."""
    spec = definition.spec
    parameters = merged(spec.default_parameters, launch.parameters)
    issues = violations(spec.parameters_schema, parameters, "/parameters")
    issues += key_issues(spec, parameters)
    issues += _start_issues(launch, created_at)
    if spec.personal:
        issues += subject_issues(spec.personal, parameters)
    if issues:
        raise InvalidInputError(issues)
    scheduled_at = _scheduled_at(launch, created_at)
    deadline_ms = launch.start_deadline_ms or spec.start_deadline_ms
    return {
        "definition_id": str(definition.id),
        "definition_version": definition.current,
        "slug": definition.slug,
        "entry_point": spec.entry_point,
        "parameters": parameters,
        "context": launch.context,
        "timeout_ms": launch.timeout_ms or spec.timeout_ms,
        "max_attempts": launch.max_attempts or spec.max_attempts,
        "retry_policy": spec.retry_policy,
        "priority": spec.priority if launch.priority is None else launch.priority,
        "scheduled_at": scheduled_at,
        "start_deadline_at": later(scheduled_at, deadline_ms) if deadline_ms else None,
        "concurrency_value": concurrency_value(spec, parameters),
        "idempotency_key": launch.idempotency_key,
        "request_digest": launch.digest if launch.idempotency_key else None,
        "requested_by": requested_by,
    }


def _scheduled_at(launch: Launch, created_at: datetime) -> datetime:
    if launch.scheduled_at is not None:
        return max(created_at, launch.scheduled_at)
    if launch.delay_ms:
        return later(created_at, launch.delay_ms)
    return created_at


def relaunch(pinned: Spec, old: JobRun) -> Launch:
    """Return a launch that repeats an ended run.

    It has the run's parameters and context, and the overrides that the run was given.

    Args:
        pinned: what the job said in the version that the run was launched with.
        old: the run.
    """
    context = old.context or {}
    return Launch(
        parameters=old.parameters,
        context={**context, "retryOf": str(old.id)},
        timeout_ms=_override(old.timeout_ms, pinned.timeout_ms),
        max_attempts=_override(old.max_attempts, pinned.max_attempts),
        priority=_override(old.priority, pinned.priority),
    )


def _override(had: int | None, pinned: int | None) -> int | None:
    """Return what a run had unless that followed from its definition."""
    if had == pinned:
        return None
    return had


def repeated_personal(
    definition: JobDefinition, old: JobRun, new: JobRun
) -> dict[str, str | UUID]:
    """Return `Unit.personal` of a run that repeats another: what was encrypted then is so again.

    Raises:
        ConflictError: `parameter_is_personal`, a later version of the job lets runs take turns by
            such a parameter, whose value the log would keep in the open.
    """
    spec = definition.spec
    before: dict[str, str | UUID] = {}
    for key_id, names in old.personal.items():
        before |= dict.fromkeys(names, UUID(key_id))
    if spec.concurrency_key in before:
        key = repr(spec.concurrency_key)
        message = f"runs take turns by {key} now, which is personal data of this one"
        raise ConflictError("parameter_is_personal", message)
    return before | subjects_of(spec.personal, new.parameters)


def _start_issues(launch: Launch, now: datetime) -> list[Issue]:
    if launch.scheduled_at is None:
        return []
    if launch.delay_ms is not None:
        return [Issue("/delayMs", "give scheduledAt or delayMs, not both", "oneOf")]
    if launch.scheduled_at > now + MAX_AHEAD:
        return [
            Issue(
                "/scheduledAt",
                f"must lie within {MAX_AHEAD.days} days from now",
                "maximum",
            )
        ]
    return []
