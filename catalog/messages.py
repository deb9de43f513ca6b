"""The catalog's messages of the stream, about repositories and builds."""

from catalog import build_rows, repository_rows
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.messages import Message

LATEST_BUILD = "latestBuild"
"""The detail that a repository is shown with: its newest build."""

REPOSITORY_TYPES = ("repository.updated", "repository.ingestion-event")
BUILD_TYPES = ("build.updated",)


def repository_messages(event: Envelope, after: Row, details: JsonObject) -> list[Message]:
    """Return the messages of an event of a repository; the details are its `latestBuild`."""
    row = repository_rows.TABLE.own(after)
    latest_build = details.get(LATEST_BUILD)
    app = repository_rows.present(row, latest_build if isinstance(latest_build, dict) else None)
    updated = Message("repository.updated", {"repository": app})
    entry = repository_rows.history_entry(event, row["id"])
    if entry is None:
        return [updated]
    return [Message("repository.ingestion-event", {"event": entry}), updated]


def build_messages(event: Envelope, after: Row, details: JsonObject) -> list[Message]:  # noqa: ARG001 - as for repositories
    """Return the message of an event of a build; the details are `LogExcerpt.present`'s."""
    build = build_rows.present(build_rows.TABLE.own(after), build_rows.NO_LOG)
    return [Message("build.updated", {"build": {**build, **details}})]
