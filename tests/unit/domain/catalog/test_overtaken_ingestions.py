"""Several runs of one repository's ingestion: the newest that starts is the one that counts."""

import pytest

from domain.errors import ConflictError
from domain.jobs.run_events import AttemptFailure, Report
from tests.unit.domain.catalog.ingestions import (
    ENDINGS,
    FINDINGS,
    OTHER_RUN_ID,
    followed,
    ingesting,
    requested,
    started,
)
from tests.unit.given import at, half


def test_a_later_run_goes_on_counting() -> None:
    first = ingesting()
    repository = requested(first)
    first.fail(
        started(repository, first), at(200), AttemptFailure("x", permanent=True), Report(), half
    )
    followed(first, repository, at(200))
    second = ingesting(OTHER_RUN_ID)
    repository.request_ingestion(str(second.id), at(300))
    started(repository, second, 400)
    assert (repository.status, repository.ingest_attempts) == ("processing", 2)


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
