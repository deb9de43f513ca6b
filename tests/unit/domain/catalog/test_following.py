"""A repository follows its ingestion's run, through every way in which a run can go."""

import pytest

from catalog import follower as catalog
from catalog.follower import NO_OUTCOME
from catalog.handler_settings import INGEST_ENTRY_POINT
from catalog.repository import Repository, repository_id
from domain.jobs.run_events import Report
from tests.unit.domain.catalog.ingestions import (
    APP,
    ENDINGS,
    FINDINGS,
    followed,
    ingesting,
    requested,
    started,
)
from tests.unit.given import NOON, START_DEADLINE_MS, a_run, at, failing, new_topics


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
    assert (seen["run_id"], seen["attempt"], seen["duration_ms"]) == (str(run.id), 1, duration_ms)
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


def test_success_replaces_the_record_with_what_was_found() -> None:
    run = ingesting()
    repository = requested(run)
    run.succeed(started(repository, run), at(600), None, Report())
    followed(run, repository, at(600), FINDINGS)
    before = repository.record
    assert (before["name"], before["description"]) == ("shop-frontend", "The shop")
    assert before["dockerfilePath"] == "docker/Dockerfile"
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
        "metadataStrategy": "auto",
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
    assert (repository.status, event.error, event.duration_ms) == ("failed", "not today", None)


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


COMMIT = "c" * 40

UNSUCCESSFUL = [name for name in ENDINGS if name != "succeeded"]


@pytest.mark.parametrize("ending", UNSUCCESSFUL)
def test_an_end_without_success_tells_the_commit_that_was_read(ending: str) -> None:
    run = ingesting()
    repository = requested(run)
    holder = started(repository, run)
    run.progress(holder, at(200), Report({"commitSha": COMMIT}))
    followed(run, repository, at(200))
    ENDINGS[ending][0](run, holder)
    followed(run, repository, at(600))
    read, ended = repository.pending_events[-2:]
    assert isinstance(read, Repository.CommitRead)
    assert (read.run_id, read.commit_sha) == (str(run.id), COMMIT)
    assert vars(ended)["commit_sha"] == COMMIT


def test_a_commit_is_told_once_and_by_a_success_itself() -> None:
    run = ingesting()
    repository = requested(run)
    holder = started(repository, run)
    repository.collect_events()
    report = Report({"commitSha": COMMIT})
    for ms in (200, 300):
        run.progress(holder, at(ms), report)
        followed(run, repository, at(ms))
    assert new_topics(repository) == ["repository.commit_read"]
    repository.collect_events()
    run.succeed(holder, at(600), None, Report({"commitSha": "d" * 40}))
    followed(run, repository, at(600), FINDINGS)
    assert new_topics(repository) == ["repository.ingestion_succeeded"]


def test_an_attempt_that_read_nothing_tells_no_commit_of_another() -> None:
    run = ingesting()
    repository = requested(run)
    holder = started(repository, run)
    run.progress(holder, at(150), Report({"commitSha": COMMIT}))
    failing(run, holder, 200)
    followed(run, repository, at(200))
    failing(run, started(repository, run, 1_200), 1_300)
    followed(run, repository, at(1_300))
    failures = [
        event
        for event in repository.pending_events
        if isinstance(event, Repository.IngestionRetryScheduled)
    ]
    assert [event.commit_sha for event in failures] == [COMMIT, None]


def test_only_runs_of_the_ingestion_with_a_repository_have_one() -> None:
    assert (
        catalog.repository_of(ingesting()) == repository_id("Shop") == Repository.add(APP, NOON).id
    )
    assert catalog.repository_of(a_run(parameters={"repositoryId": "Shop"})) is None
    assert (
        catalog.repository_of(
            a_run(entry_point=INGEST_ENTRY_POINT, parameters={"repositoryId": None})
        )
        is None
    )
    assert catalog.repository_of(a_run(entry_point=INGEST_ENTRY_POINT, parameters={})) is None


def test_a_success_that_says_nothing_fails_the_ingestion() -> None:
    run = ingesting()
    repository = requested(run)
    run.succeed(started(repository, run), at(600), None, Report())
    followed(run, repository, at(600))
    assert repository.status == "failed"
    assert vars(repository.pending_events[-1])["error"] == NO_OUTCOME
