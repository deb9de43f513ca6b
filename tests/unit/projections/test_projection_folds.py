"""What clients see of apps after each event, and what the stream tells of it."""

from dataclasses import replace
from typing import Any

import pytest

from catalog import repository_rows
from catalog.repository import App, Ingested, Repository
from domain.jobs.run import JobRun
from domain.json_values import JsonObject
from domain.ports import Row
from projections import messages as feed
from projections.envelope import Envelope
from projections.table import Table
from projections.tables import BY_SUBJECT
from tests.unit.given import RUN_ID, at, iso, stored

APP = App(
    id="Shop",
    name="Shop",
    description="Sells things",
    repo_url="/srv/git/shop",
    dockerfile_path="Dockerfile",
    tags=[{"key": "team", "value": "web"}],
    metadata_strategy="explicit",
)

ADDED: JsonObject = {
    "id": "Shop",
    "name": "Shop",
    "description": "Sells things",
    "repoUrl": "/srv/git/shop",
    "dockerfilePath": "Dockerfile",
    "updatedAt": iso(0),
    "tags": [{"key": "team", "value": "web"}],
    "ingestStatus": "seed",
    "ingestError": None,
    "ingestAttempts": 0,
    "latestBuild": None,
    "latestLaunch": None,
    "previewTiles": [],
    "launchEnvTemplates": [],
    "metadataStrategy": "explicit",
}

FOUND = Ingested(
    commit_sha="c0ffee",
    name="shop-frontend",
    description="The shop",
    dockerfile_path="docker/Dockerfile",
    tags=[{"key": "framework", "value": "vue"}],
    preview_tiles=[{"kind": "image"}, {"kind": "gif"}],
)


def steps(table: Table, events: list[Envelope]) -> list[tuple[Envelope, Row | None, Row]]:
    """Return each event with the row before and after it."""
    seen: list[tuple[Envelope, Row | None, Row]] = []
    row: Row | None = None
    for event in events:
        after = table.fold(row, event)
        assert set(after) == set(table.columns)
        seen.append((event, row, after))
        row = after
    return seen


def messages_of(events: list[Envelope]) -> list[list[tuple[str, JsonObject]]]:
    """Return the messages of each event."""
    table = BY_SUBJECT[events[0].subject]
    return [
        [(message.type, message.data) for message in feed.messages(*step)]
        for step in steps(table, events)
    ]


def message_types(run: JobRun) -> list[list[str]]:
    return [[kind for kind, _ in messages] for messages in messages_of(stored(run))]


# Repositories -------------------------------------------------------------------------------------


def repository_events() -> list[Envelope]:
    repository = Repository.add(APP, at(0))
    run = str(RUN_ID)
    repository.request_ingestion(run, at(1))
    repository.start_ingestion(run, 1, at(2))
    repository.retry_ingestion(run, 1, "boom", 40, at(3))
    repository.start_ingestion(run, 2, at(4))
    repository.read_commit(run, "badc0de", at(5))
    repository.fail_ingestion(run, 2, "no Dockerfile", 50, at(6))
    repository.request_ingestion("second", at(7))
    repository.start_ingestion("second", 1, at(8))
    repository.finish_ingestion("second", 1, FOUND, 60, at(9))
    repository.read_env_templates("build", [{"key": "A", "value": ""}], at(10))
    return stored(repository)


FINDINGS: JsonObject = {
    "name": "shop-frontend",
    "description": "The shop",
    "dockerfilePath": "docker/Dockerfile",
    "tags": [{"key": "framework", "value": "vue"}],
    "previewTiles": [{"id": 0, "kind": "image"}, {"id": 1, "kind": "gif"}],
}

REPOSITORY_STEPS: list[JsonObject] = [
    {},
    {"ingestStatus": "pending"},
    {"ingestStatus": "processing", "ingestAttempts": 1},
    {"ingestStatus": "pending", "ingestAttempts": 1, "ingestError": "boom"},
    {"ingestStatus": "processing", "ingestAttempts": 2, "ingestError": None},
    {"ingestStatus": "processing", "ingestAttempts": 2, "ingestError": None},
    {"ingestStatus": "failed", "ingestAttempts": 2, "ingestError": "no Dockerfile"},
    {"ingestStatus": "pending", "ingestAttempts": 2},
    {"ingestStatus": "processing", "ingestAttempts": 3},
    {"ingestStatus": "ready", "ingestAttempts": 3, **FINDINGS},
    {
        "ingestStatus": "ready",
        "ingestAttempts": 3,
        **FINDINGS,
        "launchEnvTemplates": [{"key": "A", "value": ""}],
    },
]


def shown_steps() -> list[JsonObject]:
    return [{**ADDED, **step, "updatedAt": iso(ms)} for ms, step in enumerate(REPOSITORY_STEPS)]


def test_an_app_is_shown_whole_after_each_step_of_its_ingestions() -> None:
    seen = steps(repository_rows.TABLE, repository_events())
    apps = [repository_rows.TABLE.own(after) for _, _, after in seen]
    assert [repository_rows.present(app, None) for app in apps] == shown_steps()
    assert seen[-1][2]["commit_sha"] == "c0ffee"


HISTORY: list[tuple[Any, ...]] = [
    ("pending", "ingestion requested", None, None, None, str(RUN_ID)),
    ("processing", "ingestion started", 1, None, None, str(RUN_ID)),
    ("pending", "boom", 1, None, 40, str(RUN_ID)),
    ("processing", "ingestion started", 2, None, None, str(RUN_ID)),
    ("failed", "no Dockerfile", 2, "badc0de", 50, str(RUN_ID)),
    ("pending", "ingestion requested", None, None, None, "second"),
    ("processing", "ingestion started", 1, None, None, "second"),
    ("ready", "ingestion finished", 1, "c0ffee", 60, "second"),
]

NO_STEPS = (0, 5, 10)
"""The events that are no step of an ingestion."""


def entry(event: Envelope) -> JsonObject:
    """Return the event's entry in the history, which there must be."""
    in_history = repository_rows.history_entry(event, "Shop")
    assert in_history is not None
    return in_history


def test_each_step_of_an_ingestion_is_in_its_history() -> None:
    events = repository_events()
    for index in NO_STEPS:
        assert repository_rows.history_entry(events[index], "Shop") is None
    shown_events = [event for index, event in enumerate(events) if index not in NO_STEPS]
    entries = [entry(event) for event in shown_events]
    names = ("status", "message", "attempt", "commitSha", "durationMs", "jobRunId")
    assert [tuple(one[name] for name in names) for one in entries] == HISTORY
    assert [one["createdAt"] for one in entries] == [event.at for event in shown_events]
    assert {one["repositoryId"] for one in entries} == {"Shop"}
    assert [one["id"] for one in entries] == [event.position for event in shown_events]


def test_a_step_is_told_as_an_entry_of_the_history_and_then_as_the_app() -> None:
    events = repository_events()
    steps = shown_steps()
    for index, messages in enumerate(messages_of(events)):
        updated = ("repository.updated", {"repository": steps[index]})
        if index in NO_STEPS:
            assert messages == [updated]
        else:
            step = ("repository.ingestion-event", {"event": entry(events[index])})
            assert messages == [step, updated]


def test_an_unknown_event_is_no_silence() -> None:
    assert_unknown_is_no_silence(repository_events())


def assert_unknown_is_no_silence(events: list[Envelope]) -> None:
    first, second, *_ = events
    table = BY_SUBJECT[first.subject]
    with pytest.raises(ValueError, match=r"\.odd"):
        table.fold(table.fold(None, first), replace(second, topic=f"{first.subject}.odd"))
