"""Launching: from a request and a definition to a new run. Pure: clock and ids are arguments.

First the values by which limits count a run (`groups_of`), then the launch itself, and the launch
that repeats a run (`relaunch`), perhaps with `Overrides`.

    run_fields       from a `Launch` and the definition: once for all runs of the launch
    first_events     from these fields: the events of one run
    launch_events    both at once: all that a launch of a run appends
    new_run          the run that these events make, for decisions that continue with it
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from domain.clock import cut_to_ms, later, ms_between
from domain.errors import ConflictError, Issue, refuse
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.run import JobRun
from domain.jobs.run_events import (
    FAIR,
    RATE,
    UNIQUE_UNTIL,
    Grouped,
    Requested,
    RunEvent,
    grouped,
    requested,
)
from domain.json_values import JsonObject, canonical, escape
from domain.personal import subject_issues, subjects_of
from domain.schema.validation import merged, violations

# The values of parameters by which a job's limits count its runs together.

MAX_KEY_BYTES = 1_000
"""Of a value as JSON: an index holds it, whose entries have at most 2 704 bytes."""

WHOLE_JOB = ""
"""The value where all runs of a job count together, or a run has no value."""


def concurrency_value(spec: JobSpec, parameters: JsonObject) -> str | None:
    """Return the value of the job's concurrency key as canonical JSON, None if it has none."""
    return _value(spec.concurrency_key, parameters)


def groups_of(spec: JobSpec, parameters: JsonObject) -> dict[str, str]:
    """Return, by kind of limit, the value by which a run counts; without one it is not limited."""
    groups: dict[str, str] = {}
    if spec.rate is not None:
        value: str | None = WHOLE_JOB
        if spec.rate.key is not None:
            value = _value(spec.rate.key, parameters)
        if value is not None:
            groups[RATE] = value
    if spec.fairness_key is not None:
        fair = _value(spec.fairness_key, parameters)
        groups[FAIR] = WHOLE_JOB if fair is None else fair
    unique = spec.uniqueness
    if unique is not None:
        name = f"{UNIQUE_UNTIL}{unique.until}"
        groups[name] = unique.value(parameters)
    return groups


def counts_by(name: str | None, value: str | None, parameters: JsonObject) -> bool:
    """Return whether a run counts by the value of this parameter, as of its launch.

    The job may have been revised since. The name None means that all runs count together.
    """
    if name is None:
        return value == WHOLE_JOB
    return value == _value(name, parameters)


def key_issues(spec: JobSpec, parameters: JsonObject) -> list[Issue]:
    """Return what is wrong with the values by which the job's runs are limited."""
    issues: list[Issue] = []
    for name in spec.open_parameters:
        value = _value(name, parameters)
        if value is None or len(value.encode()) <= MAX_KEY_BYTES:
            continue
        message = f"runs are limited by this, so it has at most {MAX_KEY_BYTES} bytes as JSON"
        issues.append(Issue(f"/parameters/{escape(name)}", message, "maxLength"))
    if spec.uniqueness is not None:
        issues += spec.uniqueness.value_issues(parameters)
    return issues


def _value(name: str | None, parameters: JsonObject) -> str | None:
    if name is None or name not in parameters:
        return None
    return canonical(parameters[name]).decode()


MAX_AHEAD = timedelta(days=3_650)
"""How far ahead a start may lie. A run planned for the year 9999 is a mistake, and adding anything
to its time overflows."""


GROUPS = "groups"
"""Under this key `run_fields` has the fields of `Grouped`, the event that follows `Requested`."""


@dataclass(kw_only=True)
class Launch:
    """A client's request to launch a run; None means 'as the definition says'.

    Never changed. Not frozen: that would take three times as long to make.

    Attributes:
        body: the request as sent, normalised; requests under one idempotency key must have the
            same.
        traceparent: the span in which the run is launched, in the format of W3C's header.
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
    traceparent: str | None = None
    body: JsonObject = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return the fingerprint by which a repeated request is recognised."""
        return hashlib.sha256(canonical(self.body)).hexdigest()


def new_run(
    definition: JobDefinition, launch: Launch, run_id: UUID, requested_by: str, now: datetime
) -> JobRun:
    """Return the pending run; raise what `launch_events` raises."""
    events = launch_events(definition, launch, run_id, requested_by, now)
    return run_of_events(events)


def run_fields(
    definition: JobDefinition, launch: Launch, requested_by: str, now: datetime
) -> dict[str, Any]:
    """Return the fields of `Requested`, and `GROUPS`, which are the same for all runs of a launch.

    Raises what `launch_events` raises.
    """
    created_at = cut_to_ms(now)
    spec = definition.spec
    parameters = merged(spec.default_parameters, launch.parameters)
    issues = violations(spec.parameters_schema, parameters, "/parameters")
    issues += key_issues(spec, parameters)
    issues += _start_issues(launch, created_at)
    if spec.personal:
        issues += subject_issues(spec.personal, parameters)
    refuse(issues)
    scheduled_at = _scheduled_at(launch, created_at)
    deadline_ms = launch.start_deadline_ms or spec.start_deadline_ms
    fields: dict[str, Any] = {
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
        GROUPS: groups_of(spec, parameters),
    }
    if launch.traceparent is not None:
        fields["traceparent"] = launch.traceparent
    return fields


def _scheduled_at(launch: Launch, created_at: datetime) -> datetime:
    if launch.scheduled_at is not None:
        return max(created_at, launch.scheduled_at)
    if launch.delay_ms:
        return later(created_at, launch.delay_ms)
    return created_at


def _start_issues(launch: Launch, now: datetime) -> list[Issue]:
    if launch.scheduled_at is None:
        return []
    if launch.delay_ms is not None:
        return [Issue("/delayMs", "give scheduledAt or delayMs, not both", "oneOf")]
    if launch.scheduled_at > now + MAX_AHEAD:
        return [Issue("/scheduledAt", f"must lie within {MAX_AHEAD.days} days from now", "maximum")]
    return []


def first_events(
    fields: dict[str, Any], run_id: UUID, now: datetime
) -> tuple[Requested, *tuple[Grouped, ...]]:
    """Return the first events of a run, from the fields that `run_fields` returned for `now`."""
    created_at = cut_to_ms(now)
    of_request = dict(fields)
    groups: dict[str, str] = of_request.pop(GROUPS)
    event = requested(run_id, created_at, of_request)
    if not groups:
        return (event,)
    return event, grouped(run_id, created_at, groups)


def run_of_events(events: Sequence[RunEvent]) -> JobRun:
    """Return the new run of these events, which are still to be saved."""
    made: JobRun | None = None
    for event in events:
        made = event.mutate(made)
    run = cast("JobRun", made)
    run.pending_events.extend(events)
    return run


def launch_events(
    definition: JobDefinition, launch: Launch, run_id: UUID, requested_by: str, now: datetime
) -> tuple[Requested, *tuple[Grouped, ...]]:
    """Return the first events of a new run, mostly one; a launch appends nothing else.

    Raises:
        InvalidInputError: the parameters violate the schema or do not name the subject of personal
            data, or the start is impossible.
    """
    fields = run_fields(definition, launch, requested_by, now)
    return first_events(fields, run_id, now)


@dataclass(frozen=True)
class Overrides:
    """What a repeated run has instead of what the old run had.

    Attributes:
        launch: has the new values; None means 'as the definition says'.
        names: the fields of `launch` that override the old run's.
        patch: parameters that are replaced one by one.
    """

    launch: Launch = field(default_factory=Launch)
    names: Collection[str] = ()
    patch: JsonObject = field(default_factory=dict)

    @property
    def has_parameters(self) -> bool:
        """Return whether any parameter is overridden."""
        return "parameters" in self.names or bool(self.patch)

    def applied_to(self, repeat: Launch) -> Launch:
        """Return the launch with the new values."""
        values = {name: getattr(self.launch, name) for name in self.names}
        changed = replace(repeat, body=self.launch.body, **values)
        return replace(changed, parameters={**changed.parameters, **self.patch})

    def missing(self, erased: Sequence[str]) -> list[str]:
        """Return those of the erased parameters that have no new value."""
        if "parameters" in self.names:
            return []
        return [name for name in erased if name not in self.patch]


NO_OVERRIDES = Overrides()


def relaunch(
    pinned: JobSpec, old: JobRun, first_due_at: datetime, overrides: Overrides = NO_OVERRIDES
) -> Launch:
    """Return a launch that repeats an ended run.

    It has the run's parameters and context, and what its launch said otherwise than the job.

    Args:
        pinned: the job's content in the version that the run was launched with.
        old: the run.
        first_due_at: when its first attempt was due.
        overrides: the values that differ from the old run's.
    """
    start_deadline_ms: int | None = None
    if old.start_deadline_at is not None:
        start_deadline_ms = ms_between(first_due_at, old.start_deadline_at)
    same = Launch(
        parameters=old.parameters,
        context=old.context,
        timeout_ms=_override(old.timeout_ms, pinned.timeout_ms),
        max_attempts=_override(old.max_attempts, pinned.max_attempts),
        priority=_override(old.priority, pinned.priority),
        start_deadline_ms=_override(start_deadline_ms, pinned.start_deadline_ms),
    )
    launch = overrides.applied_to(same)
    return replace(launch, context={**(launch.context or {}), "retryOf": str(old.id)})


def _override(had: int | None, pinned: int | None) -> int | None:
    """Return the run's value, None if it was that of its definition."""
    if had == pinned:
        return None
    return had


def repeated_personal(definition: JobDefinition, old: JobRun, new: JobRun) -> dict[str, str | UUID]:
    """Return `Unit.personal` of a run that repeats another; what was encrypted is encrypted again.

    Erased values have no key any more: what the new run has instead is encrypted as the job says.

    Raises:
        ConflictError: `parameter_is_personal`, a later version of the job limits runs by such a
            parameter, whose value the log would keep unencrypted.
    """
    spec = definition.spec
    before: dict[str, str | UUID] = {}
    for key_id, names in old.kept_personal.items():
        present = [name for name in names if name in new.parameters]
        before |= dict.fromkeys(present, UUID(key_id))
    for name in spec.open_parameters:
        if name in before:
            message = f"runs are limited by {name!r} now, which is personal data of this one"
            raise ConflictError("parameter_is_personal", message)
    return before | subjects_of(spec.personal, new.parameters)
