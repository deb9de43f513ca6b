"""A repository follows its ingestion's run, through every way in which a run can go."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from domain import identifiers
from domain.catalog import effects as catalog
from domain.catalog.app import App
from domain.catalog.effects import INGESTED, Effect
from domain.catalog.following import NOTHING_SAID, follow_ingestion
from domain.catalog.repository import Repository
from domain.errors import ConflictError
from domain.jobs.reserved import INGEST_ENTRY_POINT
from domain.jobs.run import JobRun
from domain.jobs.run_values import Failure, Holder, Report
from tests.unit.given import (
    NOON,
    START_DEADLINE_MS,
    WORKER,
    a_run,
    at,
    failing,
    half,
    new_topics,
)

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
    run = a_run(
        entry_point=INGEST_ENTRY_POINT, parameters=parameters, **named, **changes
    )
    run.collect_events()
    return run


def requested(run: JobRun) -> Repository:
    """Return the repository whose ingestion this run is."""
    repository = Repository.add(APP, NOON)
    repository.request_ingestion(str(run.id), NOON)
    return repository


def followed(
    run: JobRun,
    repository: Repository,
    now: datetime,
    effects: list[Effect] | None = None,
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


ENDINGS: dict[
    str, tuple[Callable[[JobRun, Holder], object], str, str, str | None, int | None]
] = {
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
            holder, at(600), Failure("never", permanent=True), Report(), half
        ),
        *("repository.ingestion_failed", "failed", "never", 500),
    ),
    "timed out": (
        lambda run, holder: run.time_out(holder, at(600), Report(), half),
        *(
            "repository.ingestion_retry_scheduled",
            "pending",
            "the attempt ran past its timeoutMs of 5000",
            500,
        ),
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


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_repository_follows_its_run_to_each_end(ending: str) -> None:
    act, topic, status, error, duration_ms = ENDINGS[ending]
    run = ingesting()
    repository = requested(run)
    holder = started(repository, run)
    repository.collect_events()
    act(run, holder)
    followed(run, repository, at(600), FINDINGS)
    assert repository.status == status
    (event,) = repository.pending_events
    seen = vars(event)
    assert (seen["run_id"], seen["attempt"], seen["duration_ms"]) == (
        str(run.id),
        1,
        duration_ms,
    )
    assert (seen.get("error"), event.timestamp) == (error, at(600))
    assert new_topics(repository) == [topic]


def test_an_attempt_moves_the_repository_and_is_counted() -> None:
    run = ingesting()
    repository = requested(run)
    assert repository.status == "pending"
    failing(run, started(repository, run), 200)
    followed(run, repository, at(200))
    started(repository, run, 1_200)
    assert (repository.status, repository.ingest_attempts) == ("processing", 2)


def test_a_later_run_goes_on_counting() -> None:
    first = ingesting()
    repository = requested(first)
    first.fail(
        started(repository, first),
        at(200),
        Failure("x", permanent=True),
        Report(),
        half,
    )
    followed(first, repository, at(200))
    second = ingesting(OTHER_RUN_ID)
    repository.request_ingestion(str(second.id), at(300))
    started(repository, second, 400)
    assert (repository.status, repository.ingest_attempts) == ("processing", 2)


def test_success_replaces_the_record_with_what_was_found() -> None:
    run = ingesting()
    repository = requested(run)
    run.succeed(started(repository, run), at(600), None, Report())
    followed(run, repository, at(600), FINDINGS)
    given = repository.record
    assert (given["name"], given["description"]) == ("shop-frontend", "The shop")
    assert given["dockerfilePath"] == "docker/Dockerfile"
    assert repository.author_tags == APP.tags


def test_an_added_app_is_recorded_as_given() -> None:
    repository = Repository.add(APP, NOON)
    assert repository.record == {
        "id": "Shop",
        "name": "Shop",
        "description": "Sells things",
        "repoUrl": "/srv/git/shop",
        "dockerfilePath": "Dockerfile",
        "tags": APP.tags,
    }
    assert repository.author_tags == APP.tags


def test_a_run_canceled_before_its_start_fails_the_ingestion() -> None:
    run = ingesting()
    repository = requested(run)
    repository.collect_events()
    run.request_cancel(at(300), "not today")
    followed(run, repository, at(300))
    (event,) = repository.pending_events
    assert isinstance(event, Repository.IngestionFailed)
    assert (repository.status, event.error, event.duration_ms) == (
        "failed",
        "not today",
        None,
    )


def test_a_run_canceled_between_two_attempts_took_no_time() -> None:
    run = ingesting()
    repository = requested(run)
    failing(run, started(repository, run), 200)
    followed(run, repository, at(200))
    repository.collect_events()
    run.request_cancel(at(900), None)
    followed(run, repository, at(900))
    (event,) = repository.pending_events
    assert isinstance(event, Repository.IngestionFailed)
    assert (event.error, event.duration_ms) == ("canceled", None)


def test_a_run_that_never_started_in_time_fails_the_ingestion() -> None:
    run = ingesting()
    repository = requested(run)
    repository.collect_events()
    run.expire_start(at(START_DEADLINE_MS))
    followed(run, repository, at(START_DEADLINE_MS))
    (event,) = repository.pending_events
    assert isinstance(event, Repository.IngestionFailed)
    assert (repository.status, event.error, event.duration_ms) == (
        "failed",
        "not started in time",
        None,
    )


def test_a_slow_clock_makes_no_negative_duration_and_no_earlier_event() -> None:
    run = ingesting()
    repository = requested(run)
    failing(run, started(repository, run, 2_000), 500)
    followed(run, repository, at(500))
    event = repository.pending_events[-1]
    assert isinstance(event, Repository.IngestionRetryScheduled)
    assert (event.duration_ms, event.timestamp) == (0, at(2_000))


def test_progress_and_a_wish_to_cancel_leave_the_repository_alone() -> None:
    run = ingesting()
    repository = requested(run)
    holder = started(repository, run)
    repository.collect_events()
    run.progress(holder, at(200), Report({"files": 3}))
    run.request_cancel(at(300), None)
    followed(run, repository, at(300))
    assert repository.pending_events == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_that_a_newer_ingestion_has_overtaken_is_history(ending: str) -> None:
    run, newer = ingesting(), ingesting(OTHER_RUN_ID)
    repository = requested(run)
    holder = started(repository, run)
    started(repository, newer, 150)
    repository.collect_events()
    ENDINGS[ending][0](run, holder)
    followed(run, repository, at(600), FINDINGS)
    assert (repository.pending_events, repository.status) == ([], "processing")


def test_an_overtaken_run_that_starts_takes_over_again() -> None:
    run, newer = ingesting(), ingesting(OTHER_RUN_ID)
    repository = requested(run)
    newer.succeed(started(repository, newer), at(200), None, Report())
    followed(newer, repository, at(200), FINDINGS)
    started(repository, run, 300)
    assert (repository.status, repository.run_id) == ("processing", str(run.id))


def test_a_second_ingestion_is_refused_while_one_is_in_progress() -> None:
    run = ingesting()
    repository = requested(run)
    for _ in range(2):
        with pytest.raises(ConflictError) as refused:
            repository.request_ingestion(str(OTHER_RUN_ID), at(1))
        assert refused.value.code == "ingestion_in_progress"
        if run.status == "pending":
            started(repository, run)


def test_only_runs_of_the_ingestion_with_a_repository_have_one() -> None:
    assert (
        catalog.repository_of(ingesting())
        == identifiers.repository_id("Shop")
        == Repository.add(APP, NOON).id
    )
    assert catalog.repository_of(a_run(parameters={"repositoryId": "Shop"})) is None
    assert (
        catalog.repository_of(
            a_run(entry_point=INGEST_ENTRY_POINT, parameters={"repositoryId": None})
        )
        is None
    )
    assert (
        catalog.repository_of(a_run(entry_point=INGEST_ENTRY_POINT, parameters={}))
        is None
    )


def test_a_success_that_says_nothing_fails_the_ingestion() -> None:
    run = ingesting()
    repository = requested(run)
    run.succeed(started(repository, run), at(600), None, Report())
    followed(run, repository, at(600))
    assert repository.status == "failed"
    assert vars(repository.pending_events[-1])["error"] == NOTHING_SAID
