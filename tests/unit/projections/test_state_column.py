"""The name of the column that makes rows decisive changes with what decisions mean by it."""

from domain.catalog.rows import BuildFacts, RepositoryFacts
from domain.jobs.rows import DefinitionFacts, RunFacts
from domain.topics import EVENTS, class_version
from projections import builds, job_definitions, job_runs, repositories
from projections.table import STATE

OF_STATE1 = """
    build.canceled 1, build.checked_out 1, build.event 1, build.failed 1, build.requested 1,
    build.retry_scheduled 1, build.started 1, build.succeeded 1, job_definition.event 1,
    job_definition.registered 1, job_definition.revised 1, job_run.attempt_failed 1,
    job_run.attempt_lost 1, job_run.attempt_timed_out 1, job_run.cancel_requested 1,
    job_run.canceled 1, job_run.event 1, job_run.handed_back 1, job_run.progressed 1,
    job_run.requested 1, job_run.start_deadline_passed 1, job_run.started 1,
    job_run.succeeded 1, repository.added 2, repository.commit_read 1,
    repository.env_templates_read 1, repository.event 1, repository.ingestion_failed 2,
    repository.ingestion_requested 1, repository.ingestion_retry_scheduled 2,
    repository.ingestion_started 1, repository.ingestion_succeeded 2
"""

FACTS_OF_STATE1 = {
    RunFacts: 30,
    DefinitionFacts: 22,
    RepositoryFacts: 17,
    BuildFacts: 11,
}
"""How many columns decisions read."""

TABLES = (job_definitions.TABLE, job_runs.TABLE, repositories.TABLE, builds.TABLE)


def test_the_state_column_is_of_these_events_and_facts() -> None:
    subjects = {table.subject for table in TABLES}
    events = [
        f"{topic} {class_version(topic)}"
        for topic in sorted(EVENTS)
        if topic.partition(".")[0] in subjects
    ]
    known = " ".join(OF_STATE1.split()).split(", ")
    facts = {kind: len(kind.__annotations__) for kind in FACTS_OF_STATE1}
    assert (STATE, events, facts) == ("state1_version", known, FACTS_OF_STATE1), (
        "see 'What commands decide by' in docs/evolving-events.md"
    )
