"""The names of the columns that make rows decisive change with what decisions mean by them."""

from catalog import build_rows, repository_rows
from catalog.build import BuildState
from catalog.repository import RepositoryState
from domain.bulk import BulkState
from domain.failures.group import GroupState
from domain.failures.watch import WatchState
from domain.jobs.definition import DefinitionState
from domain.jobs.run_events import RunState
from domain.saved_views import ViewState
from domain.schedules.schedule_events import ScheduleState
from domain.topics import EVENTS, class_version
from projections import (
    bulk,
    failure_groups,
    failure_watch,
    job_definitions,
    job_runs,
    saved_views,
    schedules,
)
from projections.table import Table

EVENTS_OF_STATES = {
    "job_definition state2_version": """
        job_definition.deleted 1, job_definition.event 1, job_definition.paused 1,
        job_definition.registered 10, job_definition.registered_again 10,
        job_definition.resumed 1, job_definition.revised 1
    """,
    "job_run state1_version": """
        job_run.attempt_failed 1, job_run.attempt_lost 1, job_run.attempt_timed_out 1,
        job_run.cancel_requested 1, job_run.canceled 1, job_run.event 1, job_run.handed_back 1,
        job_run.progressed 1, job_run.requested 1, job_run.start_deadline_passed 1,
        job_run.started 1, job_run.succeeded 1
    """,
    "job_run state2_version": "job_run.grouped 1",
    "repository state1_version": """
        repository.added 2, repository.commit_read 1, repository.env_templates_read 1,
        repository.event 1, repository.ingestion_failed 2, repository.ingestion_requested 1,
        repository.ingestion_retry_scheduled 2, repository.ingestion_started 1,
        repository.ingestion_succeeded 2
    """,
    "build state1_version": """
        build.canceled 1, build.checked_out 1, build.event 1, build.failed 1, build.requested 1,
        build.retry_scheduled 1, build.started 1, build.succeeded 1
    """,
    "bulk_operation state1_version": """
        bulk_operation.aborted 1, bulk_operation.advanced 1, bulk_operation.completed 1,
        bulk_operation.event 1, bulk_operation.requested 1
    """,
    "schedule state2_version": """
        schedule.deleted 1, schedule.event 1, schedule.paused 1, schedule.registered 2,
        schedule.registered_anew 2, schedule.replanned 1, schedule.resumed 1, schedule.revised 2,
        schedule.run_ended 1, schedule.tick_buffered 1, schedule.tick_launched 1,
        schedule.tick_skipped 2, schedule.triggered 1
    """,
    "failure_group state2_version": """
        failure_group.event 1, failure_group.ignored 1, failure_group.opened 2,
        failure_group.recovered 1, failure_group.recurred 2, failure_group.reopened 1,
        failure_group.resolved 1
    """,
    "failure_watch state1_version": """
        failure_watch.begun 1, failure_watch.event 1, failure_watch.moved 1
    """,
    "saved_view state1_version": """
        saved_view.changed 1, saved_view.deleted 1, saved_view.event 1, saved_view.saved 1
    """,
}
"""Which kinds of events, in which shapes, a row takes into account that this column vouches for."""

COLUMNS = {
    RunState: 46,
    DefinitionState: 31,
    RepositoryState: 20,
    BuildState: 18,
    ScheduleState: 27,
    GroupState: 18,
    WatchState: 4,
    BulkState: 18,
    ViewState: 8,
}
"""How many columns the states have."""

TABLES: tuple[Table, ...] = (
    job_definitions.TABLE,
    job_runs.TABLE,
    repository_rows.TABLE,
    build_rows.TABLE,
    schedules.TABLE,
    failure_groups.TABLE,
    failure_watch.TABLE,
    bulk.TABLE,
    saved_views.TABLE,
)


def _events_of(table: Table, *, is_first: bool) -> list[str]:
    return [
        f"{topic} {class_version(topic)}"
        for topic in sorted(EVENTS)
        if topic.partition(".")[0] == table.subject and (topic in table.newer) is not is_first
    ]


def test_the_state_columns_are_of_these_events_and_columns() -> None:
    events: dict[str, list[str]] = {}
    for table in TABLES:
        for state in table.states:
            name = f"{table.subject} {state}"
            events[name] = _events_of(table, is_first=state == table.states[0])
    known = {
        state: " ".join(names.split()).split(", ") for state, names in EVENTS_OF_STATES.items()
    }
    columns = {kind: len(kind.__annotations__) for kind in COLUMNS}
    assert (events, columns) == (known, COLUMNS), (
        "see 'What commands decide by' in docs/evolving-events.md"
    )
