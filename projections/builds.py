"""The table `builds`: every build of every app. What a build printed lies in its run's log, not here."""

from dataclasses import dataclass
from uuid import UUID

from domain.clock import from_iso, ms_between
from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import Connection, fetch_rows
from projections.table import COMMON_COLUMNS, Table, rows_by_id

COLUMNS: dict[str, str] = {
    "id": "uuid",
    "repository_id": "text",
    "job_run_id": "uuid",
    "status": "text",
    "image_tag": "text",
    "image_digest": "text",
    "error_message": "text",
    "commit_sha": "text",
    "git_branch": "text",
    "git_ref": "text",
    "retry_of": "uuid",
    "attempt": "integer",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "started_at": "timestamptz",
    "completed_at": "timestamptz",
    "duration_ms": "bigint",
    "created_position": "bigint",
    **COMMON_COLUMNS,
}


def evolve(row: Row | None, event: Envelope) -> Row:
    """Return the columns that the event changes."""
    return {**_changed(row or {}, event), "updated_at": event.at}


TABLE = Table("builds", "build", "id", COLUMNS, evolve)


def _changed(row: Row, event: Envelope) -> Row:
    data = event.data
    match event.topic:
        case "build.requested":
            given = {
                name: data[name]
                for name in ("repository_id", "git_branch", "git_ref", "commit_sha", "retry_of")
            }
            start: Row = {"job_run_id": data["run_id"], "status": "pending", "attempt": 1}
            return {**given, **start, "created_at": event.at, "created_position": event.position}
        case "build.started":
            start = {
                "job_run_id": data["run_id"],
                "attempt": data["attempt"],
                "started_at": event.at,
            }
            return {**start, "status": "running", "error_message": None}
        case "build.checked_out":
            return {"commit_sha": data["commit_sha"]}
        case "build.retry_scheduled":
            return {"status": "pending", "started_at": None, "error_message": data["error"]}
        case "build.succeeded":
            image = {
                name: data[name]
                for name in ("commit_sha", "git_branch", "image_tag", "image_digest")
            }
            return {**image, **_ended(row, event, "succeeded")}
        case "build.failed" | "build.canceled":
            return {
                "error_message": data["error"],
                **_ended(row, event, event.topic.removeprefix("build.")),
            }
        case _:
            msg = f"builds does not know {event.topic}"
            raise ValueError(msg)


def _ended(row: Row, event: Envelope, status: str) -> Row:
    started_at = row["started_at"]
    duration_ms = ms_between(from_iso(str(started_at)), from_iso(event.at)) if started_at else None
    return {"status": status, "completed_at": event.at, "duration_ms": duration_ms}


@dataclass(frozen=True)
class LogExcerpt:
    """What a build shows of its log.

    Attributes:
        end: its last characters.
        size: of the whole, in bytes.
    """

    end: str = ""
    size: int = 0
    truncated: bool = False


NO_LOG = LogExcerpt()


def present(row: Row, log: LogExcerpt) -> JsonObject:
    """Return the build as clients see it (contract, section 4, Build)."""
    return {
        "id": row["id"],
        "repositoryId": row["repository_id"],
        "status": row["status"],
        "imageTag": row["image_tag"],
        "imageDigest": row["image_digest"],
        "errorMessage": row["error_message"],
        "commitSha": row["commit_sha"],
        "gitBranch": row["git_branch"],
        "gitRef": row["git_ref"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "startedAt": row["started_at"],
        "completedAt": row["completed_at"],
        "durationMs": row["duration_ms"],
        "logsPreview": log.end,
        "logsTruncated": log.truncated,
        "hasLogs": log.size > 0,
        "logsSize": log.size,
        "jobRunId": row["job_run_id"],
    }


async def by_id(connection: Connection, build_id: UUID) -> Row | None:
    """Return a build, or None."""
    return (await rows_by_id(connection, TABLE, [build_id])).get(build_id)


async def list_builds(
    connection: Connection, repository_id: str, limit: int, offset: int
) -> tuple[list[Row], int]:
    """Return a page of an app's builds, newest first, and how many it has in all."""
    values = {"repository_id": repository_id, "limit": limit, "offset": offset}
    rows = await fetch_rows(
        connection,
        "SELECT * FROM builds WHERE repository_id = %(repository_id)s"
        " ORDER BY created_position DESC LIMIT %(limit)s OFFSET %(offset)s",
        values,
    )
    [counted] = await fetch_rows(
        connection,
        "SELECT count(*) AS total FROM builds WHERE repository_id = %(repository_id)s",
        values,
    )
    return rows, int(str(counted["total"]))


async def latest(connection: Connection, repository_ids: list[str]) -> dict[str, Row]:
    """Return the newest build of each of these apps that has any, by the app's id."""
    query = """
        SELECT build.* FROM unnest(%(ids)s::text[]) AS wanted(id)
        CROSS JOIN LATERAL (
            SELECT * FROM builds WHERE repository_id = wanted.id ORDER BY created_position DESC LIMIT 1
        ) AS build
    """
    rows = await fetch_rows(connection, query, {"ids": repository_ids})
    return {str(row["repository_id"]): row for row in rows}
