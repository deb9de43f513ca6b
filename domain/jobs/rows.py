"""Runs and definitions as their rows say: what decisions need of them, and nothing else.

A test holds these against the same aggregates as folded from their events.
"""

from typing import NotRequired, cast

from typing_extensions import ReadOnly

from domain.clock import from_iso
from domain.jobs.definition import SPEC_FIELDS, JobDefinition
from domain.jobs.run import JobRun
from domain.jobs.run_events import Holder, RunState, Status
from domain.json_values import Json, JsonObject
from domain.ports import Row
from domain.rehydration import Standing, restored
from domain.workers import Isolation


class RunFacts(Standing):
    """What decisions need of a run's row.

    `erased` is no column: those of its personal parameters whose keys are gone.
    """

    id: ReadOnly[str]
    job_definition_id: ReadOnly[str]
    slug: ReadOnly[str]
    definition_version: ReadOnly[int]
    entry_point: ReadOnly[str]
    status: ReadOnly[Status]
    parameters: ReadOnly[JsonObject]
    launch_context: ReadOnly[JsonObject | None]
    metrics: ReadOnly[JsonObject | None]
    context: ReadOnly[JsonObject | None]
    timeout_ms: ReadOnly[int | None]
    attempt: ReadOnly[int]
    max_attempts: ReadOnly[int]
    retry_policy: ReadOnly[JsonObject | None]
    execution: ReadOnly[int]
    worker_id: ReadOnly[str | None]
    priority: ReadOnly[int]
    scheduled_at: ReadOnly[str]
    start_deadline_at: ReadOnly[str | None]
    started_at: ReadOnly[str | None]
    cancel_requested_at: ReadOnly[str | None]
    cancel_reason: ReadOnly[str | None]
    request_digest: ReadOnly[str | None]
    requested_by: ReadOnly[str]
    personal: ReadOnly[dict[str, list[str]] | None]
    erased: NotRequired[ReadOnly[list[str]]]


def run_of_row(row: Row) -> JobRun:
    """Return a run that decides as the one does that its events make."""
    facts = cast("RunFacts", row)
    run = restored(JobRun, facts["id"], facts)
    deadline = facts["start_deadline_at"]
    RunState.__init__(
        run,
        slug=facts["slug"],
        definition_id=facts["job_definition_id"],
        definition_version=facts["definition_version"],
        entry_point=facts["entry_point"],
        parameters=facts["parameters"],
        context=facts["launch_context"],
        timeout_ms=facts["timeout_ms"],
        max_attempts=facts["max_attempts"],
        retry_policy=facts["retry_policy"],
        priority=facts["priority"],
        scheduled_at=from_iso(facts["scheduled_at"]),
        start_deadline_at=None if deadline is None else from_iso(deadline),
        request_digest=facts["request_digest"],
        requested_by=facts["requested_by"],
        personal=facts["personal"],
        erased=facts.get("erased"),
    )
    _move(run, facts)
    return run


def _move(run: JobRun, facts: RunFacts) -> None:
    """Bring a run that was only requested to where its row says that it is."""
    run.status = facts["status"]
    run.attempt = facts["attempt"]
    run.execution = facts["execution"]
    worker_id = facts["worker_id"]
    if worker_id is not None:
        run.holder = Holder(worker_id, run.execution)
    started_at = facts["started_at"]
    if started_at is not None:
        run.started_at = from_iso(started_at)
    run.cancel_requested = facts["cancel_requested_at"] is not None
    run.cancel_reason = facts["cancel_reason"]
    run.metrics = facts["metrics"] or {}
    run.merged_context = facts["context"] or {}


class DefinitionFacts(Standing):
    """What decisions need of a definition's row: the content of its current version."""

    id: ReadOnly[str]
    slug: ReadOnly[str]
    version: ReadOnly[int]
    name: ReadOnly[str]
    type: ReadOnly[str]
    entry_point: ReadOnly[str]
    parameters_schema: ReadOnly[JsonObject]
    default_parameters: ReadOnly[JsonObject]
    timeout_ms: ReadOnly[int | None]
    retry_policy: ReadOnly[JsonObject | None]
    metadata: ReadOnly[Json]
    module_binding: ReadOnly[JsonObject | None]
    runtime: ReadOnly[str]
    output_schema: ReadOnly[JsonObject | None]
    priority: ReadOnly[int]
    max_concurrent_runs: ReadOnly[int | None]
    concurrency_key: ReadOnly[str | None]
    concurrency_limit: ReadOnly[int]
    rate_limit: ReadOnly[JsonObject | None]
    fairness_key: ReadOnly[str | None]
    unique_runs: ReadOnly[JsonObject | None]
    start_deadline_ms: ReadOnly[int | None]
    resources: ReadOnly[JsonObject | None]
    worker_labels: ReadOnly[dict[str, str]]
    retention: ReadOnly[JsonObject | None]
    isolation: ReadOnly[Isolation]
    paused: ReadOnly[JsonObject | None]
    deleted_at: ReadOnly[str | None]


def definition_of_row(row: Row) -> JobDefinition:
    """Return a definition that decides as the one does that its events make."""
    facts = cast("DefinitionFacts", row)
    definition = restored(JobDefinition, facts["id"], facts)
    JobDefinition.__init__(
        definition,
        slug=facts["slug"],
        version=facts["version"],
        spec={name: row[name] for name in SPEC_FIELDS},
    )
    definition.is_paused = facts["paused"] is not None
    definition.is_deleted = facts["deleted_at"] is not None
    return definition
