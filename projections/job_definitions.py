"""The table `job_definitions`: the current version of every job."""

from typing import cast

from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import Connection, fetch_rows
from projections.table import COMMON_COLUMNS, Table

COLUMNS: dict[str, str] = {
    "id": "uuid",
    "slug": "text",
    "name": "text",
    "version": "integer",
    "type": "text",
    "entry_point": "text",
    "parameters_schema": "jsonb",
    "default_parameters": "jsonb",
    "timeout_ms": "integer",
    "retry_policy": "jsonb",
    "metadata": "jsonb",
    "runtime": "text",
    "output_schema": "jsonb",
    "priority": "integer",
    "max_concurrent_runs": "integer",
    "concurrency_key": "text",
    "start_deadline_ms": "bigint",
    "resources": "jsonb",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    **COMMON_COLUMNS,
}


def evolve(row: Row | None, event: Envelope) -> Row:  # noqa: ARG001 - every fold has this shape
    """Return the columns that the event changes."""
    match event.topic:
        case "job_definition.registered":
            spec = cast("JsonObject", event.data["spec"])
            version = {"slug": event.data["slug"], "version": event.data["version"]}
            return {**spec, **version, "created_at": event.at, "updated_at": event.at}
        case "job_definition.revised":
            changes = cast("JsonObject", event.data["changes"])
            return {**changes, "version": event.data["version"], "updated_at": event.at}
        case _:
            msg = f"job_definitions does not know {event.topic}"
            raise ValueError(msg)


TABLE = Table("job_definitions", "job_definition", "id", COLUMNS, evolve)


def present(row: Row) -> JsonObject:
    """Return the definition as clients see it (contract, section 2)."""
    return {
        "id": row["id"],
        "slug": row["slug"],
        "name": row["name"],
        "version": row["version"],
        "type": row["type"],
        "runtime": row["runtime"],
        "entryPoint": row["entry_point"],
        "parametersSchema": row["parameters_schema"],
        "defaultParameters": row["default_parameters"],
        "outputSchema": row["output_schema"],
        "timeoutMs": row["timeout_ms"],
        "retryPolicy": row["retry_policy"],
        "metadata": row["metadata"],
        "priority": row["priority"],
        "maxConcurrentRuns": row["max_concurrent_runs"],
        "concurrencyKey": row["concurrency_key"],
        "startDeadlineMs": row["start_deadline_ms"],
        "resources": row["resources"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


async def all_by_slug(connection: Connection) -> list[Row]:
    """Return every definition, ordered bytewise by slug."""
    return await fetch_rows(
        connection, 'SELECT * FROM job_definitions ORDER BY slug COLLATE "C"', {}
    )


BY_SLUG = "SELECT * FROM job_definitions WHERE lower(slug) = lower(%(slug)s)"


async def by_slug(connection: Connection, slug: str) -> Row | None:
    """Return the definition with this slug, ignoring case."""
    rows = await fetch_rows(connection, BY_SLUG, {"slug": slug})
    return rows[0] if rows else None
