"""The on-disk format: topics and fields.

A change here breaks old logs unless an `upcast_vX_vY` lifts them.
"""

import dataclasses
import subprocess
import sys

import pytest
from eventsourcing.domain import Aggregate
from eventsourcing.utils import get_topic, resolve_topic

from domain.catalog.build import Build
from domain.catalog.repository import Repository
from domain.jobs.definition import JobDefinition, Spec
from domain.jobs.run import JobRun
from domain.log_archive import LogArchive
from domain.personal.subject import Subject
from tests import ROOT

DOCUMENT = ROOT / "docs" / "state-machine.md"

HOLDER = ("worker_id", "execution")
REPORT = ("metrics", "context", "logs_url")
FIRST = ("originator_topic",)
"""The library's own field of an aggregate's first event: which class to make."""

FIELDS: dict[str, tuple[str, ...]] = {
    "job_definition.registered": (*FIRST, "slug", "version", "spec"),
    "job_definition.revised": ("version", "changes"),
    "job_run.requested": (
        *FIRST,
        "definition_id",
        "definition_version",
        "slug",
        "entry_point",
        "parameters",
        "context",
        "timeout_ms",
        "max_attempts",
        "retry_policy",
        "priority",
        "scheduled_at",
        "start_deadline_at",
        "concurrency_value",
        "idempotency_key",
        "request_digest",
        "requested_by",
    ),
    "job_run.started": (*HOLDER, "attempt"),
    "job_run.progressed": (*HOLDER, *REPORT),
    "job_run.succeeded": (*HOLDER, *REPORT, "result"),
    "job_run.attempt_failed": (
        *HOLDER,
        *REPORT,
        "attempt",
        "error_message",
        "failure_reason",
        "retry_at",
    ),
    "job_run.attempt_timed_out": (
        *HOLDER,
        *REPORT,
        "attempt",
        "error_message",
        "failure_reason",
        "retry_at",
    ),
    "job_run.attempt_lost": (*HOLDER, "attempt", "error_message", "retry_at"),
    "job_run.handed_back": HOLDER,
    "job_run.start_deadline_passed": (),
    "job_run.cancel_requested": ("reason",),
    "job_run.canceled": ("reason", "failure_reason", *HOLDER, *REPORT),
    "repository.added": (
        *FIRST,
        "repository_id",
        "name",
        "description",
        "repo_url",
        "dockerfile_path",
        "tags",
        "metadata_strategy",
    ),
    "repository.commit_read": ("run_id", "commit_sha"),
    "repository.ingestion_requested": ("run_id",),
    "repository.ingestion_started": ("run_id", "attempt", "ingest_attempts"),
    "repository.ingestion_retry_scheduled": (
        "run_id",
        "attempt",
        "error",
        "duration_ms",
        "commit_sha",
    ),
    "repository.ingestion_succeeded": (
        "run_id",
        "attempt",
        "duration_ms",
        "commit_sha",
        "name",
        "description",
        "dockerfile_path",
        "tags",
        "preview_tiles",
    ),
    "repository.ingestion_failed": (
        "run_id",
        "attempt",
        "error",
        "duration_ms",
        "commit_sha",
    ),
    "repository.env_templates_read": ("build_id", "launch_env_templates"),
    "build.requested": (
        *FIRST,
        "repository_id",
        "run_id",
        "git_branch",
        "git_ref",
        "commit_sha",
        "retry_of",
    ),
    "build.started": ("run_id", "attempt"),
    "build.checked_out": ("commit_sha",),
    "build.retry_scheduled": ("attempt", "error"),
    "build.succeeded": ("commit_sha", "git_branch", "image_tag", "image_digest"),
    "build.failed": ("error",),
    "build.canceled": ("error",),
    "subject.erased": (*FIRST, "reason", "runs"),
    "log_archive.archived": (
        *FIRST,
        "number",
        "file",
        "sha256",
        "size_bytes",
        "events",
        "runs",
        "first_position",
        "last_position",
        "ended_before_at",
    ),
}

AGGREGATES: dict[str, type[Aggregate]] = {
    "job_definition": JobDefinition,
    "job_run": JobRun,
    "repository": Repository,
    "build": Build,
    "subject": Subject,
    "log_archive": LogArchive,
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
    "runtime",
    "output_schema",
    "priority",
    "max_concurrent_runs",
    "concurrency_key",
    "start_deadline_ms",
    "resources",
)

OF_EVERY_EVENT = {"originator_id", "originator_version", "timestamp"}


def appended_classes(aggregate: type[Aggregate]) -> dict[str, type]:
    """Return the event classes that a log may hold, by topic: all but the library's bases."""
    named = {
        name: value
        for name, value in vars(aggregate).items()
        if name not in {"Event", "Created"}
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
    assert tuple(field.name for field in dataclasses.fields(Spec)) == SPEC_FIELDS


def test_all_topics_resolve_in_a_process_that_imported_only_the_envelope() -> None:
    script = (
        "import sys\n"
        "import projections.envelope\n"
        "from eventsourcing.utils import get_topic, resolve_topic\n"
        "for topic in sys.argv[1:]:\n"
        "    print(get_topic(resolve_topic(topic)))\n"
    )
    wanted = [*AGGREGATES, *FIELDS]
    done = subprocess.run(
        [sys.executable, "-c", script, *wanted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.split() == wanted


@pytest.mark.parametrize(
    "topic", [topic for topic in FIELDS if topic.startswith("job_run.")]
)
def test_the_document_has_each_event_of_a_run_with_its_fields(topic: str) -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith(f"| `{topic}` |"))
    fields = row.split("|")[2].replace("`", "").replace(",", " ").split()
    assert set(fields) == set(FIELDS[topic]) - set(FIRST)
