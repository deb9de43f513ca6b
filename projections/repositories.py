"""The table `repositories`: every app of the catalog, and the history of its ingestion."""

from domain.identifiers import event_id
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.table import COMMON_COLUMNS, Connection, Table, fetch_rows

COLUMNS: dict[str, str] = {
    "aggregate_id": "uuid",
    "id": "text",
    "name": "text",
    "description": "text",
    "repo_url": "text",
    "dockerfile_path": "text",
    "tags": "jsonb",
    "ingest_status": "text",
    "ingest_error": "text",
    "ingest_attempts": "integer",
    "commit_sha": "text",
    "preview_tiles": "jsonb",
    "launch_env_templates": "jsonb",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    **COMMON_COLUMNS,
}

_FOUND = ("commit_sha", "name", "description", "dockerfile_path", "tags")


def evolve(row: Row | None, event: Envelope) -> Row:  # noqa: ARG001 - every fold has this shape
    """Return the columns that the event changes."""
    return {**_changed(event), "updated_at": event.at}


TABLE = Table("repositories", "repository", "aggregate_id", COLUMNS, evolve)


def _changed(event: Envelope) -> Row:
    data = event.data
    match event.topic:
        case "repository.added":
            given = {name: data[name] for name in ("name", "description", "repo_url", "dockerfile_path", "tags")}
            start: Row = {
                "ingest_status": "seed",
                "ingest_attempts": 0,
                "preview_tiles": [],
                "launch_env_templates": [],
            }
            return {**given, **start, "id": data["repository_id"], "created_at": event.at}
        case "repository.ingestion_requested":
            return {"ingest_status": "pending", "ingest_error": None}
        case "repository.ingestion_started":
            return {"ingest_status": "processing", "ingest_error": None, "ingest_attempts": data["ingest_attempts"]}
        case "repository.ingestion_retry_scheduled":
            return {"ingest_status": "pending", "ingest_error": data["error"]}
        case "repository.ingestion_succeeded":
            return {"ingest_status": "ready", "ingest_error": None, **{name: data[name] for name in _FOUND}}
        case "repository.ingestion_failed":
            return {"ingest_status": "failed", "ingest_error": data["error"]}
        case _:
            msg = f"repositories does not know {event.topic}"
            raise ValueError(msg)


def present(row: Row) -> JsonObject:
    """Return the app as clients see it (contract, section 4, Repository)."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "repoUrl": row["repo_url"],
        "dockerfilePath": row["dockerfile_path"],
        "updatedAt": row["updated_at"],
        "tags": row["tags"],
        "ingestStatus": row["ingest_status"],
        "ingestError": row["ingest_error"],
        "ingestAttempts": row["ingest_attempts"],
        "latestBuild": None,
        "latestLaunch": None,
        "previewTiles": row["preview_tiles"],
        "launchEnvTemplates": row["launch_env_templates"],
    }


_STEPS: dict[str, tuple[str, str]] = {
    "repository.ingestion_requested": ("pending", "ingestion requested"),
    "repository.ingestion_started": ("processing", "ingestion started"),
    "repository.ingestion_retry_scheduled": ("pending", "ingestion will be tried again"),
    "repository.ingestion_succeeded": ("ready", "ingestion finished"),
    "repository.ingestion_failed": ("failed", "ingestion failed"),
}


def history_entry(event: Envelope, client_id: str) -> JsonObject | None:
    """Return the event as an entry of the app's ingestion history, or None where it is no step of one."""
    step = _STEPS.get(event.topic)
    if step is None:
        return None
    status, message = step
    return {
        "id": str(event_id(event.aggregate_id, event.version)),
        "repositoryId": client_id,
        "status": status,
        "message": event.data.get("error") or message,
        "attempt": event.data.get("attempt"),
        "commitSha": event.data.get("commit_sha"),
        "durationMs": event.data.get("duration_ms"),
        "jobRunId": event.data["run_id"],
        "createdAt": event.at,
    }


async def all_by_id(connection: Connection) -> list[Row]:
    """Return every app, ordered bytewise by its id."""
    return await fetch_rows(connection, 'SELECT * FROM repositories ORDER BY id COLLATE "C"', {})


async def by_client_id(connection: Connection, client_id: str) -> Row | None:
    """Return the app that clients call this, or None."""
    rows = await fetch_rows(connection, "SELECT * FROM repositories WHERE id = %(id)s", {"id": client_id})
    return rows[0] if rows else None
