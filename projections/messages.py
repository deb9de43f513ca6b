"""From an event to the messages of the stream: the row is the one that this very event left."""

from dataclasses import dataclass

from domain.json_values import JsonObject
from domain.ports import Row
from projections import builds, erased_subjects, job_definitions, job_runs, repositories
from projections.envelope import Envelope
from projections.repositories import RepositoryRow


@dataclass(frozen=True)
class Message:
    """A message of the stream (contract, section 5), still without its times and position."""

    type: str
    data: JsonObject


@dataclass(frozen=True)
class Beside:
    """What is shown with a row of the catalog without being part of it, as it is at present.

    Attributes:
        latest_build: of an app.
        log: of a build.
    """

    latest_build: JsonObject | None = None
    log: builds.LogExcerpt = builds.NO_LOG


NOTHING = Beside()

UNKNOWN = "event.unknown"
"""The type of message that shows an event as it is stored, for want of knowing what it means."""


def messages(
    event: Envelope, before: Row | None, after: Row, beside: Beside = NOTHING
) -> list[Message]:
    """Return what clients are told of an event, given its aggregate's row before and after it."""
    if event.unreadable is not None:
        return [Message(UNKNOWN, {"event": event.present()})]
    return _known_messages(event, before, after, beside)


def _known_messages(
    event: Envelope, before: Row | None, after: Row, beside: Beside
) -> list[Message]:
    match event.subject:
        case "job_run":
            return _run_messages(before, after)
        case "job_definition":
            return [
                Message(
                    "job.definition.updated", {"job": job_definitions.present(after)}
                )
            ]
        case "repository":
            return _repository_messages(event, repositories.TABLE.own(after), beside)
        case "build":
            build = builds.present(builds.TABLE.own(after), beside.log)
            return [Message("build.updated", {"build": build})]
        case "subject":
            return [
                Message("subject.erased", {"subject": erased_subjects.present(after)})
            ]
        case _:
            return []


def _repository_messages(
    event: Envelope, after: RepositoryRow, beside: Beside
) -> list[Message]:
    app = repositories.present(after, beside.latest_build)
    updated = Message("repository.updated", {"repository": app})
    entry = repositories.history_entry(event, after["id"])
    if entry is None:
        return [updated]
    return [Message("repository.ingestion-event", {"event": entry}), updated]


def _run_messages(before: Row | None, after: Row) -> list[Message]:
    data: JsonObject = {"run": job_runs.present(after)}
    updated = Message("job.run.updated", data)
    if before is not None and before["status"] == after["status"]:
        return [updated]
    return [Message(f"job.run.{after['status']}", data), updated]
