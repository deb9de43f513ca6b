"""The on-disk format: topics and fields.

A change here breaks old logs unless an `upcast_vX_vY` lifts them.
"""

import dataclasses
import subprocess
import sys

import pytest
from eventsourcing.domain import Aggregate
from eventsourcing.utils import get_topic, resolve_topic

from catalog.build import Build
from catalog.repository import Repository
from domain.bulk import BulkOperation
from domain.failures.group import FailureGroup
from domain.failures.watch import FailureWatch
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.run import JobRun
from domain.log_archive import LogArchive
from domain.personal import Subject
from domain.saved_views import SavedView
from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule
from tests import ROOT
from tests.unit.domain.topic_fields import FIELDS, FIRST

DOCUMENT = ROOT / "docs" / "state-machine.md"

AGGREGATES: dict[str, type[Aggregate]] = {
    "job_definition": JobDefinition,
    "job_run": JobRun,
    "repository": Repository,
    "build": Build,
    "subject": Subject,
    "log_archive": LogArchive,
    "schedule": Schedule,
    "failure_group": FailureGroup,
    "failure_watch": FailureWatch,
    "bulk_operation": BulkOperation,
    "saved_view": SavedView,
}

SPEC_FIELDS = (
    "name",
    "type",
    "entry_point",
    "parameters_schema",
    "default_parameters",
    "timeout_ms",
    "retry_policy",
    "metadata",
    "module_binding",
    "owner",
    "runtime",
    "output_schema",
    "priority",
    "max_concurrent_runs",
    "concurrency_key",
    "concurrency_limit",
    "rate_limit",
    "fairness_key",
    "unique_runs",
    "start_deadline_ms",
    "resources",
    "worker_labels",
    "retention",
    "isolation",
)

SCHEDULE_SPEC_FIELDS = (
    "job",
    "parameters",
    "cron",
    "every_ms",
    "time_zone",
    "exclude",
    "overlap",
    "catch_up_ms",
    "jitter_ms",
    "start_at",
    "end_at",
    "pause_on_failure",
    "owner",
)

OF_EVERY_EVENT = {"originator_id", "originator_version", "timestamp"}


def appended_classes(aggregate: type[Aggregate]) -> dict[str, type]:
    """Return the event classes that a log may hold, by topic: all but the library's bases."""
    named = {
        name: value for name, value in vars(aggregate).items() if name not in {"Event", "Created"}
    }
    events = [
        value
        for value in named.values()
        if isinstance(value, type) and issubclass(value, Aggregate.Event)
    ]
    return {get_topic(cls): cls for cls in events}


CLASSES = {
    topic: cls
    for aggregate in AGGREGATES.values()
    for topic, cls in appended_classes(aggregate).items()
}


def test_the_topics_are_exactly_these() -> None:
    assert set(CLASSES) == set(FIELDS)


@pytest.mark.parametrize("topic", FIELDS)
def test_an_events_fields_are_exactly_these(topic: str) -> None:
    fields = {field.name for field in dataclasses.fields(CLASSES[topic])}
    assert fields - OF_EVERY_EVENT == set(FIELDS[topic])
    assert fields >= OF_EVERY_EVENT


@pytest.mark.parametrize("name", AGGREGATES)
def test_an_aggregates_topic_is_its_name(name: str) -> None:
    assert get_topic(AGGREGATES[name]) == name
    assert resolve_topic(name) is AGGREGATES[name]


def test_a_definitions_content_has_exactly_these_fields() -> None:
    assert tuple(field.name for field in dataclasses.fields(JobSpec)) == SPEC_FIELDS


def test_a_schedules_content_has_exactly_these_fields() -> None:
    fields = dataclasses.fields(ScheduleSpec)
    assert tuple(field.name for field in fields) == SCHEDULE_SPEC_FIELDS


def test_all_topics_resolve_in_a_process_that_was_only_composed() -> None:
    script = (
        "import sys\n"
        "import cli.composition\n"
        "from eventsourcing.utils import get_topic, resolve_topic\n"
        "for topic in sys.argv[1:]:\n"
        "    print(get_topic(resolve_topic(topic)))\n"
    )
    topics = [*AGGREGATES, *FIELDS]
    done = subprocess.run(
        [sys.executable, "-c", script, *topics],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.stderr == ""
    assert done.stdout.split() == topics


@pytest.mark.parametrize("topic", [topic for topic in FIELDS if topic.startswith("job_run.")])
def test_the_document_has_each_event_of_a_run_with_its_fields(topic: str) -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith(f"| `{topic}` |"))
    fields = row.split("|")[2].replace("`", "").replace(",", " ").split()
    assert set(fields) == set(FIELDS[topic]) - set(FIRST)
