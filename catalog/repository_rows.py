"""The table `repositories`: every app of the catalog, and the history of its ingestion."""

from collections.abc import Sequence

from catalog.repository import Repository, RepositoryState, repository_id
from domain.json_values import Json, JsonObject
from projections.envelope import Envelope
from projections.rows import Connection, columns_of, read_first
from projections.table import DecisiveRow, TableOf


class RepositoryRow(DecisiveRow, RepositoryState):
    """An app's state, and up to which event it goes."""


COLUMNS = columns_of(RepositoryRow)

TABLE: TableOf[RepositoryRow] = TableOf(
    "repositories",
    "repository",
    "aggregate_id",
    COLUMNS,
    Repository.fold(),
    version=4,
    only_shown=frozenset({"preview_tiles"}),
    label="id",
    id_by_name=repository_id,
)


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
"""The topics of the events that an app's history shows."""


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
