"""The table `repositories`: every app of the catalog, and the history of its ingestion."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.identifiers import event_id
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import Connection, fetch_rows
from projections.table import COMMON_COLUMNS, Table

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

_FOUND = ("commit_sha", "name", "description", "dockerfile_path", "tags", "preview_tiles")


def evolve(row: Row | None, event: Envelope) -> Row:  # noqa: ARG001 - every fold has this shape
    """Return the columns that the event changes."""
    return {**_changed(event), "updated_at": event.at}


TABLE = Table("repositories", "repository", "aggregate_id", COLUMNS, evolve)


def _changed(event: Envelope) -> Row:  # noqa: PLR0911 - one for each event
    data = event.data
    match event.topic:
        case "repository.added":
            given = {
                name: data[name]
                for name in ("name", "description", "repo_url", "dockerfile_path", "tags")
            }
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
            return {
                "ingest_status": "processing",
                "ingest_error": None,
                "ingest_attempts": data["ingest_attempts"],
            }
        case "repository.ingestion_retry_scheduled":
            return {"ingest_status": "pending", "ingest_error": data["error"]}
        case "repository.ingestion_succeeded":
            return {
                "ingest_status": "ready",
                "ingest_error": None,
                **{name: data[name] for name in _FOUND},
            }
        case "repository.ingestion_failed":
            return {"ingest_status": "failed", "ingest_error": data["error"]}
        case "repository.env_templates_read":
            return {"launch_env_templates": data["launch_env_templates"]}
        case _:
            msg = f"repositories does not know {event.topic}"
            raise ValueError(msg)


def present(row: Row, latest_build: JsonObject | None) -> JsonObject:
    """Return the app as clients see it (contract, section 4, Repository), with its newest build."""
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
        "latestBuild": latest_build,
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


@dataclass(frozen=True, kw_only=True)
class AppFilter:
    """Which apps to list; what is empty selects all.

    Attributes:
        text: part of an id, name, description or URL, ignoring case.
        tags: `key:value` or a key alone; an app must have every one of them, ignoring case.
        statuses: any of these ingestion statuses.
    """

    text: str = ""
    tags: Sequence[str] = ()
    statuses: Sequence[str] = ()


_HAS_TEXT = """(
    strpos(lower(id), lower(%(text)s)) > 0 OR strpos(lower(name), lower(%(text)s)) > 0
    OR strpos(lower(description), lower(%(text)s)) > 0 OR strpos(lower(repo_url), lower(%(text)s)) > 0
)"""

_HAS_TAGS = """NOT EXISTS (
    SELECT 1 FROM unnest(%(tags)s::text[]) AS wanted
    WHERE NOT EXISTS (
        SELECT 1 FROM jsonb_array_elements(tags) AS tag
        WHERE lower(wanted) IN (lower(tag ->> 'key'), lower((tag ->> 'key') || ':' || (tag ->> 'value')))
    )
)"""


async def list_apps(
    connection: Connection, apps: AppFilter, limit: int | None, offset: int
) -> tuple[list[Row], int]:
    """Return a page of apps, ordered bytewise by id, and how many there are in all."""
    values = {"text": apps.text, "tags": list(apps.tags), "statuses": list(apps.statuses)}
    conditions = [
        *([_HAS_TEXT] if apps.text else []),
        *([_HAS_TAGS] if apps.tags else []),
        *(["ingest_status = ANY(%(statuses)s)"] if apps.statuses else []),
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    page = f'SELECT * FROM repositories {where} ORDER BY id COLLATE "C" LIMIT %(limit)s OFFSET %(offset)s'
    rows = await fetch_rows(connection, page, {**values, "limit": limit, "offset": offset})
    if limit is None and not offset:
        return rows, len(rows)
    [counted] = await fetch_rows(
        connection, f"SELECT count(*) AS total FROM repositories {where}", values
    )
    return rows, int(str(counted["total"]))


async def by_client_id(connection: Connection, client_id: str) -> Row | None:
    """Return the app that clients call this, or None."""
    rows = await fetch_rows(
        connection, "SELECT * FROM repositories WHERE id = %(id)s", {"id": client_id}
    )
    return rows[0] if rows else None
