"""How the catalog follows its runs: each event of an ingestion run moves its repository, in the same unit.

So the repository's status cannot disagree with its run, whoever ended the run and however: the handler, a timeout, a
cancel or a dead worker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from domain import run_events as events
from domain.clock import cut_to_ms, ms_between
from domain.errors import InvalidInputError, Issue
from domain.identifiers import repository_id
from domain.job_run import JobRun
from domain.json_values import Json, JsonObject
from domain.repository import Ingested, Repository

INGEST_SLUG = "repository-ingest"
INGEST_ENTRY_POINT = "catalog.ingestion.processRepository"
INGESTED = "repository.ingested"
"""The effect that a successful ingestion carries; its data are the fields of `Ingested`."""


@dataclass(frozen=True)
class Effect:
    """What a run's result does beyond the run; appended in one unit with it, or not at all."""

    kind: str
    data: Mapping[str, Json]


def repository_of(run: JobRun) -> UUID | None:
    """Return the aggregate id of the repository that this run ingests; None for every other run."""
    client_id = run.parameters.get("repositoryId")
    if run.entry_point != INGEST_ENTRY_POINT or not isinstance(client_id, str):
        return None
    return repository_id(client_id)


def follow(run: JobRun, repository: Repository, effects: Sequence[Effect], now: datetime) -> None:
    """Let the repository follow what the run's pending events say."""
    for event in run.pending_events:
        _follow_event(event, run, repository, effects, max(cut_to_ms(now), event.timestamp))


def inputs_for(repository: Repository | None) -> JsonObject:
    """Return what an ingestion's handler is given to read: the app's record and the author's own tags, or null."""
    if repository is None:
        return {"repository": None}
    return {"repository": {**repository.record, "authorTags": list(repository.author_tags)}}


def check_effects(effects: Sequence[Effect]) -> None:
    """Refuse effects that nobody knows, or whose data are not as they should be.

    Raises:
        InvalidInputError: names the effect and what is wrong with it.
    """
    for effect in effects:
        if effect.kind != INGESTED:
            raise InvalidInputError([Issue("/effects", f"unknown effect {effect.kind!r}", "enum")])
        wanted = {field.name for field in fields(Ingested)}
        if set(effect.data) != wanted:
            raise InvalidInputError([Issue("/effects", f"{INGESTED} needs exactly {sorted(wanted)}", "required")])


def _follow_event(event: object, run: JobRun, repository: Repository, effects: Sequence[Effect], now: datetime) -> None:
    run_id = str(run.id)
    if isinstance(event, events.Started):
        repository.start_ingestion(run_id, event.attempt, now)
        return
    if repository.run_id != run_id:
        return  # A newer ingestion has taken over; what this run still says is history.
    duration_ms = ms_between(run.started_at, now) if run.started_at else None
    match event:
        case events.Succeeded():
            for effect in effects:
                found = Ingested(**effect.data)  # type: ignore[arg-type]  # check_effects saw to it
                repository.finish_ingestion(run_id, run.attempt, found, duration_ms, now)
        case events.AttemptFailed() | events.AttemptTimedOut() | events.AttemptLost():
            if event.retry_at is None:
                repository.fail_ingestion(run_id, event.attempt, event.error_message, duration_ms, now)
            else:
                repository.retry_ingestion(run_id, event.attempt, event.error_message, duration_ms, now)
        case events.HandedBack():
            repository.retry_ingestion(run_id, run.attempt, "the worker stopped", duration_ms, now)
        case events.Canceled():
            duration_ms = None if event.execution is None else duration_ms
            repository.fail_ingestion(run_id, run.attempt, event.reason or "canceled", duration_ms, now)
        case events.StartDeadlinePassed():
            repository.fail_ingestion(run_id, run.attempt, "not started in time", None, now)
        case _:
            pass
