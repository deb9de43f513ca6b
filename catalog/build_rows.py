"""The table `builds`: every build of every app.

What a build printed lies in its run's log, not here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from typing_extensions import ReadOnly

from catalog.build import BuildStatus
from domain.clock import ms_since
from domain.json_values import JsonObject
from projections.envelope import Envelope
from projections.rows import (
    BigInt,
    Connection,
    Id,
    Integer,
    Text,
    Time,
    columns_of,
    read_rows,
    read_value,
)
from projections.table import Changes, DecisiveRow, TableOf, rows_by_id


class BuildRow(DecisiveRow):
    """A build of an app; `repository_id` is what clients call the app."""

    id: ReadOnly[Id]
    repository_id: ReadOnly[Text]
    job_run_id: ReadOnly[Id | None]
    status: ReadOnly[Annotated[BuildStatus, "text"]]
    image_tag: ReadOnly[Text | None]
    image_digest: ReadOnly[Text | None]
    error_message: ReadOnly[Text | None]
    commit_sha: ReadOnly[Text | None]
    git_branch: ReadOnly[Text | None]
    git_ref: ReadOnly[Text | None]
    retry_of: ReadOnly[Id | None]
    attempt: ReadOnly[Integer]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    started_at: ReadOnly[Time | None]
    completed_at: ReadOnly[Time | None]
    duration_ms: ReadOnly[BigInt | None]
    created_position: ReadOnly[BigInt]


COLUMNS = columns_of(BuildRow)

_REQUESTED = ("repository_id", "git_branch", "git_ref", "commit_sha", "retry_of")

_BUILT = ("commit_sha", "git_branch", "image_tag", "image_digest")


def evolve(row: BuildRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    changed = _requested(event) if row is None else _changed(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE: TableOf[BuildRow] = TableOf("builds", "build", "id", COLUMNS, evolve, version=2)


def _requested(event: Envelope) -> Changes:
    return {
        **_named(_REQUESTED, event.data),
        "job_run_id": event.data["run_id"],
        "status": "pending",
        "attempt": 1,
        "created_at": event.at,
        "created_position": event.position,
    }


def _changed(row: BuildRow, event: Envelope) -> Changes:
    data = event.data
    match event.topic:
        case "build.started":
            return {
                "status": "running",
                "job_run_id": data["run_id"],
                "attempt": data["attempt"],
                "started_at": event.at,
                "error_message": None,
            }
        case "build.checked_out":
            return {"commit_sha": data["commit_sha"]}
        case "build.retry_scheduled":
            return {"status": "pending", "started_at": None, "error_message": data["error"]}
        case "build.succeeded":
            return {**_named(_BUILT, data), **_ended(row, event, "succeeded")}
        case "build.failed":
            return {"error_message": data["error"], **_ended(row, event, "failed")}
        case "build.canceled":
            return {"error_message": data["error"], **_ended(row, event, "canceled")}
        case _:
            msg = f"builds does not know {event.topic}"
            raise ValueError(msg)


def _named(names: Iterable[str], data: JsonObject) -> Changes:
    return {name: data[name] for name in names}


def _ended(row: BuildRow, event: Envelope, status: str) -> Changes:
    duration_ms = ms_since(row["started_at"], event.at)
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

    def present(self) -> JsonObject:
        """Return it as clients see it."""
        return {
            "logsPreview": self.end,
            "logsTruncated": self.truncated,
            "hasLogs": self.size > 0,
            "logsSize": self.size,
        }


NO_LOG = LogExcerpt()


def present(row: BuildRow, log: LogExcerpt) -> JsonObject:
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
        **log.present(),
        "jobRunId": row["job_run_id"],
    }


async def by_id(connection: Connection, build_id: UUID) -> BuildRow | None:
    """Return a build, or None."""
    rows = await rows_by_id(connection, TABLE, [build_id])
    return rows.get(build_id)


async def list_builds(
    connection: Connection, repository_id: str, limit: int, offset: int
) -> tuple[list[BuildRow], int]:
    """Return a page of an app's builds, newest first, and how many it has in all."""
    of_app = "FROM builds WHERE repository_id = %(repository_id)s"
    page = f"SELECT * {of_app} ORDER BY created_position DESC LIMIT %(limit)s OFFSET %(offset)s"
    values = {"repository_id": repository_id, "limit": limit, "offset": offset}
    rows = await read_rows(connection, BuildRow, page, values)
    total = await read_value(connection, int, f"SELECT count(*) {of_app}", values)
    return rows, total


async def latest(connection: Connection, repository_ids: list[str]) -> dict[str, BuildRow]:
    """Return the newest build of each of these apps that has any, by the app's id."""
    query = """
        SELECT build.* FROM unnest(%(ids)s::text[]) AS app(id)
        CROSS JOIN LATERAL (
            SELECT * FROM builds WHERE repository_id = app.id
            ORDER BY created_position DESC LIMIT 1
        ) AS build
    """
    rows = await read_rows(connection, BuildRow, query, {"ids": repository_ids})
    return {row["repository_id"]: row for row in rows}
