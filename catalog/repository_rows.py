"""The table `repositories`: every app of the catalog, and the history of its ingestion."""

from collections.abc import Sequence
from typing import Annotated

from typing_extensions import ReadOnly

from catalog.repository import IngestStatus, MetadataStrategy
from domain.json_values import Json, JsonObject
from projections.envelope import Envelope
from projections.rows import Connection, Documents, Id, Integer, Text, Time, columns_of, read_first
from projections.table import Changes, DecisiveRow, TableOf


class RepositoryRow(DecisiveRow):
    """An app of the catalog; `id` is what clients call it."""

    aggregate_id: ReadOnly[Id]
    id: ReadOnly[Text]
    name: ReadOnly[Text]
    description: ReadOnly[Text]
    repo_url: ReadOnly[Text]
    dockerfile_path: ReadOnly[Text]
    tags: ReadOnly[Documents]
    metadata_strategy: ReadOnly[Annotated[MetadataStrategy, "text"]]
    ingest_status: ReadOnly[Annotated[IngestStatus, "text"]]
    ingest_error: ReadOnly[Text | None]
    ingest_attempts: ReadOnly[Integer]
    commit_sha: ReadOnly[Text | None]
    preview_tiles: ReadOnly[Documents]
    launch_env_templates: ReadOnly[Documents]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    last_ingested_at: ReadOnly[Time | None]
    author_tags: ReadOnly[Documents]
    ingest_run_id: ReadOnly[Id | None]
    ingest_commit_sha: ReadOnly[Text | None]


COLUMNS = columns_of(RepositoryRow)

_REGISTERED = ("name", "description", "repo_url", "dockerfile_path", "tags", "metadata_strategy")

_INGESTED = ("commit_sha", "name", "description", "dockerfile_path", "tags", "preview_tiles")


def evolve(row: RepositoryRow | None, event: Envelope) -> Changes:  # noqa: ARG001 - every fold has this shape
    """Return the columns that the event changes."""
    return {**_changed(event), "updated_at": event.at}


TABLE: TableOf[RepositoryRow] = TableOf(
    "repositories",
    "repository",
    "aggregate_id",
    COLUMNS,
    evolve,
    version=4,
    only_shown=frozenset({"preview_tiles"}),
)


def _changed(event: Envelope) -> Changes:  # noqa: PLR0911 - one for each event
    data = event.data
    match event.topic:
        case "repository.added":
            return _added(event)
        case "repository.ingestion_requested":
            return {**_moved(event, "pending"), "ingest_commit_sha": None}
        case "repository.ingestion_started":
            return {
                **_moved(event, "processing"),
                "ingest_attempts": data["ingest_attempts"],
                "ingest_commit_sha": None,
            }
        case "repository.commit_read":
            # The end of the attempt says which commit the record is of.
            return {"ingest_commit_sha": data["commit_sha"]}
        case "repository.ingestion_retry_scheduled":
            return _moved(event, "pending", data["error"])
        case "repository.ingestion_succeeded":
            ingested = {name: data[name] for name in _INGESTED}
            return {**_moved(event, "ready"), "last_ingested_at": event.at, **ingested}
        case "repository.ingestion_failed":
            moved = _moved(event, "failed", data["error"])
            return {**moved, "last_ingested_at": event.at}
        case "repository.env_templates_read":
            return {"launch_env_templates": data["launch_env_templates"]}
        case _:
            msg = f"repositories does not know {event.topic}"
            raise ValueError(msg)


def _moved(event: Envelope, status: IngestStatus, error: Json = None) -> Changes:
    return {"ingest_status": status, "ingest_error": error, "ingest_run_id": event.data["run_id"]}


def _added(event: Envelope) -> Changes:
    return {
        **{name: event.data[name] for name in _REGISTERED},
        "id": event.data["repository_id"],
        "author_tags": event.data["tags"],
        "ingest_status": "seed",
        "ingest_attempts": 0,
        "preview_tiles": [],
        "launch_env_templates": [],
        "created_at": event.at,
    }


def present(row: RepositoryRow, latest_build: JsonObject | None) -> JsonObject:
    """Return the app as clients see it (contract, section 4, Repository), with its newest build."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "repoUrl": row["repo_url"],
        "dockerfilePath": row["dockerfile_path"],
        "updatedAt": row["updated_at"],
        "tags": [*row["tags"]],
        "ingestStatus": row["ingest_status"],
        "ingestError": row["ingest_error"],
        "ingestAttempts": row["ingest_attempts"],
        "latestBuild": latest_build,
        "latestLaunch": None,
        "previewTiles": _numbered(row["preview_tiles"]),
        "launchEnvTemplates": [*row["launch_env_templates"]],
        "metadataStrategy": row["metadata_strategy"],
    }


def _numbered(tiles: Sequence[JsonObject]) -> list[Json]:
    """Return the tiles with ids for clients: their indexes, from 0."""
    return [{"id": index, **tile} for index, tile in enumerate(tiles)]


_STEPS: dict[str, tuple[str, str]] = {
    "repository.ingestion_requested": ("pending", "ingestion requested"),
    "repository.ingestion_started": ("processing", "ingestion started"),
    "repository.ingestion_retry_scheduled": ("pending", "ingestion will be tried again"),
    "repository.ingestion_succeeded": ("ready", "ingestion finished"),
    "repository.ingestion_failed": ("failed", "ingestion failed"),
}

STEP_TOPICS = (*_STEPS,)
"""Of the events that an app's history tells of."""


def history_entry(event: Envelope, client_id: str) -> JsonObject | None:
    """Return the event as an entry of the app's ingestion history, None where it is no step.

    Its id is the event's position in the log, which nothing changes: clients need whole numbers.
    """
    step = _STEPS.get(event.topic)
    if step is None or event.unreadable is not None:
        return None
    status, message = step
    return {
        "id": event.position,
        "repositoryId": client_id,
        "status": status,
        "message": event.data.get("error") or message,
        "attempt": event.data.get("attempt"),
        "commitSha": event.data.get("commit_sha"),
        "durationMs": event.data.get("duration_ms"),
        "jobRunId": event.data["run_id"],
        "createdAt": event.at,
    }


async def by_client_id(connection: Connection, client_id: str) -> RepositoryRow | None:
    """Return the app that clients call this, or None."""
    query = "SELECT * FROM repositories WHERE id = %(id)s"
    return await read_first(connection, RepositoryRow, query, {"id": client_id})
