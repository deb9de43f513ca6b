"""How the catalog follows its runs: a run's event moves its repository or build in the same unit.

So their status cannot disagree with the run, whoever ended the run and however: the handler, a
timeout, a cancel or a dead worker. All of this is pure; `domain.catalog.units` finds the
aggregates.
"""

from collections.abc import Sequence
from datetime import datetime

from domain.catalog.app import Ingested
from domain.catalog.build import ENDED, Build
from domain.catalog.effects import (
    BUILT,
    INGESTED,
    Effect,
    reported_commit,
    reported_templates,
)
from domain.catalog.repository import Repository
from domain.clock import cut_to_ms, ms_between
from domain.jobs import run_events as events
from domain.jobs.run import JobRun
from domain.json_values import JsonObject

NOTHING_SAID = "the run ended without saying what came of it"


def follow_ingestion(
    run: JobRun, repository: Repository, effects: Sequence[Effect], now: datetime
) -> Ingested | None:
    """Let the repository follow what the run's pending events say.

    Returns what the ingestion found, if one of the events tells of that.
    """
    run_id = str(run.id)
    found: Ingested | None = None
    for event in run.pending_events:
        at = max(cut_to_ms(now), event.timestamp)
        if isinstance(event, events.Started):
            repository.start_ingestion(run_id, event.attempt, at)
        elif repository.run_id == run_id:
            # Else a newer ingestion has taken over, and this is history.
            found = _follow_ingestion(event, run, repository, effects, at) or found
    return found


def follow_build(
    run: JobRun,
    build: Build,
    repository: Repository | None,
    effects: Sequence[Effect],
    now: datetime,
) -> None:
    """Let the build follow what the run's pending events say.

    The repository learns what they tell of it.
    """
    run_id = str(run.id)
    earliest = cut_to_ms(now)
    for event in run.pending_events:
        at = max(earliest, event.timestamp)
        if isinstance(event, events.Started):
            build.start(run_id, event.attempt, at)
            continue
        is_current = build.run_id == run_id and build.status not in ENDED
        if is_current:
            _follow_build(event, run, build, repository, effects, at)


def _follow_ingestion(
    event: object,
    run: JobRun,
    repository: Repository,
    effects: Sequence[Effect],
    now: datetime,
) -> Ingested | None:
    run_id = str(run.id)
    duration_ms = _duration_ms(run, now)
    commit_sha = reported_commit(event)
    # A success tells it with all that was found.
    if commit_sha is not None and not isinstance(event, events.Succeeded):
        repository.read_commit(run_id, commit_sha, now)
    match event:
        case events.Succeeded():
            data = _data_of(effects, INGESTED)
            if data is None:
                repository.fail_ingestion(
                    run_id, run.attempt, NOTHING_SAID, duration_ms, now
                )
                return None
            found = Ingested(**data)  # type: ignore[arg-type]  # `effect_issues` saw to it
            repository.finish_ingestion(run_id, run.attempt, found, duration_ms, now)
            return found
        case events.AttemptFailed() | events.AttemptTimedOut() | events.AttemptLost():
            error = event.error_message
            if event.retry_at is None:
                repository.fail_ingestion(
                    run_id, event.attempt, error, duration_ms, now
                )
            else:
                repository.retry_ingestion(
                    run_id, event.attempt, error, duration_ms, now
                )
        case events.HandedBack():
            repository.retry_ingestion(
                run_id, run.attempt, "the worker stopped", duration_ms, now
            )
        case events.Canceled():
            if event.execution is None:
                duration_ms = None
            error = event.reason or "canceled"
            repository.fail_ingestion(run_id, run.attempt, error, duration_ms, now)
        case events.StartDeadlinePassed():
            repository.fail_ingestion(
                run_id, run.attempt, "not started in time", None, now
            )
        case _:
            pass
    return None


def _follow_build(  # noqa: PLR0913 - the event, and all that it may concern
    event: object,
    run: JobRun,
    build: Build,
    repository: Repository | None,
    effects: Sequence[Effect],
    now: datetime,
) -> None:
    commit_sha = reported_commit(event)
    if commit_sha is not None:
        build.check_out(commit_sha, now)
    templates = reported_templates(event)
    if templates is not None and repository is not None:
        repository.read_env_templates(str(build.id), templates, now)
    match event:
        case events.Succeeded():
            _finish(build, _data_of(effects, BUILT), now)
        case events.AttemptFailed() | events.AttemptTimedOut() | events.AttemptLost():
            if event.retry_at is None:
                build.fail(event.error_message, now)
            else:
                build.retry_later(event.attempt, event.error_message, now)
        case events.HandedBack():
            build.retry_later(run.attempt, "the worker stopped", now)
        case events.Canceled():
            build.cancel(event.reason or "canceled", now)
        case events.StartDeadlinePassed():
            build.fail("not started in time", now)
        case _:
            pass


def _finish(build: Build, image: JsonObject | None, now: datetime) -> None:
    if image is None:
        build.fail(NOTHING_SAID, now)
        return
    build.succeed(image, now)


def _data_of(effects: Sequence[Effect], kind: str) -> JsonObject | None:
    for effect in effects:
        if effect.kind == kind:
            return dict(effect.data)
    return None


def _duration_ms(run: JobRun, now: datetime) -> int | None:
    if run.started_at is None:
        return None
    return ms_between(run.started_at, now)
