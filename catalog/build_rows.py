"""The table `builds`: every build of every app.

What a build printed lies in its run's log, not here.
"""

from dataclasses import dataclass
from uuid import UUID

from catalog.build import Build, BuildState
from domain.json_values import JsonObject
from projections.rows import Connection, columns_of, read_rows, read_value
from projections.table import DecisiveRow, TableOf, rows_by_id


class BuildRow(DecisiveRow, BuildState):
    """A build's state, and up to which event it goes."""


COLUMNS = columns_of(BuildRow)

TABLE: TableOf[BuildRow] = TableOf(
    "builds", "build", "id", COLUMNS, Build.fold(), version=2, label="repository_id"
)


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
    page = f"""
        SELECT {", ".join(COLUMNS)} {of_app}
        ORDER BY created_position DESC LIMIT %(limit)s OFFSET %(offset)s
    """
    values = {"repository_id": repository_id, "limit": limit, "offset": offset}
    rows = await read_rows(connection, BuildRow, page, values)
    total = await read_value(connection, int, f"SELECT count(*) {of_app}", values)
    return rows, total


async def latest(connection: Connection, repository_ids: list[str]) -> dict[str, BuildRow]:
    """Return the newest build of each of these apps that has any, by the app's id."""
    query = f"""
        SELECT build.* FROM unnest(%(ids)s::text[]) AS app(id)
        CROSS JOIN LATERAL (
            SELECT {", ".join(COLUMNS)} FROM builds WHERE repository_id = app.id
            ORDER BY created_position DESC LIMIT 1
        ) AS build
    """
    rows = await read_rows(connection, BuildRow, query, {"ids": repository_ids})
    return {row["repository_id"]: row for row in rows}
