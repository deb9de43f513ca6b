"""Ingestions for tests: what is known of the app, what is found, and how a run can end."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.follower import INGESTED, follow_ingestion
from catalog.handler_settings import INGEST_ENTRY_POINT
from catalog.repository import App, Repository
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from domain.run_followers import Effect
from tests.unit.given import NOON, WORKER, a_run, at, failing, half

APP = App(
    id="Shop",
    name="Shop",
    description="Sells things",
    repo_url="/srv/git/shop",
    dockerfile_path="Dockerfile",
    tags=[{"key": "team", "value": "web"}],
)

FOUND: dict[str, Any] = {
    "commit_sha": "0" * 40,
    "name": "shop-frontend",
    "description": "The shop",
    "dockerfile_path": "docker/Dockerfile",
    "tags": [{"key": "framework", "value": "vue"}],
    "preview_tiles": [{"kind": "image"}],
}

FINDINGS = [Effect(INGESTED, FOUND)]

OTHER_RUN_ID = UUID(int=2)


def ingesting(run_id: UUID | None = None, **changes: Any) -> JobRun:
    parameters = {"repositoryId": "Shop"}
    named = {"id": run_id} if run_id else {}
    run = a_run(entry_point=INGEST_ENTRY_POINT, parameters=parameters, **named, **changes)
    run.collect_events()
    return run


def requested(run: JobRun) -> Repository:
    """Return the repository whose ingestion this run is."""
    repository = Repository.add(APP, NOON)
    repository.request_ingestion(str(run.id), NOON)
    return repository


def followed(
    run: JobRun, repository: Repository, now: datetime, effects: list[Effect] | None = None
) -> None:
    """Let the repository follow the run's new events, as the unit that appends both does."""
    follow_ingestion(run, repository, effects or [], now)
    run.collect_events()


def started(repository: Repository, run: JobRun, ms: float = 100) -> Holder:
    holder = run.start(WORKER, at(ms))
    followed(run, repository, at(ms))
    return holder


def canceled_while_running(run: JobRun, holder: Holder) -> None:
    run.request_cancel(at(400), None)
    run.confirm_cancel(holder, at(600), "stopped", Report())


ENDINGS: dict[str, tuple[Callable[[JobRun, Holder], object], str, str, str | None, int | None]] = {
    "succeeded": (
        lambda run, holder: run.succeed(holder, at(600), None, Report()),
        *("repository.ingestion_succeeded", "ready", None, 500),
    ),
    "failed, to be retried": (
        lambda run, holder: failing(run, holder, 600),
        *("repository.ingestion_retry_scheduled", "pending", "boom", 500),
    ),
    "failed for good": (
        lambda run, holder: run.fail(
            holder, at(600), AttemptFailure("never", permanent=True), Report(), half
        ),
        *("repository.ingestion_failed", "failed", "never", 500),
    ),
    "timed out": (
        lambda run, holder: run.time_out(holder, at(600), Report(), half),
        "repository.ingestion_retry_scheduled",
        "pending",
        "the attempt ran past its timeoutMs of 5000",
        500,
    ),
    "expired by the handler": (
        lambda run, holder: run.expire(holder, at(600), "too old", Report()),
        *("repository.ingestion_failed", "failed", "too old", 500),
    ),
    "lost": (
        lambda run, holder: run.lose(holder, at(600), "silent", half),
        *("repository.ingestion_retry_scheduled", "pending", "silent", 500),
    ),
    "handed back": (
        lambda run, holder: run.hand_back(holder, at(600)),
        *("repository.ingestion_retry_scheduled", "pending", "the worker stopped", 500),
    ),
    "canceled while running": (
        canceled_while_running,
        *("repository.ingestion_failed", "failed", "stopped", 500),
    ),
}
