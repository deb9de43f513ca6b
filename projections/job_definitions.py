"""The table `job_definitions`: the current version of every job."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from typing_extensions import ReadOnly

from domain.json_values import JsonObject
from domain.ports import Row
from projections.envelope import Envelope
from projections.rows import (
    AnyJson,
    BigInt,
    Connection,
    Document,
    Id,
    Integer,
    Text,
    Time,
    columns_of,
    presented,
    read_first,
    read_ids,
    read_rows,
    shown_columns,
)
from projections.table import STATE, Changes, DecisiveRow, TableOf


class JobDefinitionRow(DecisiveRow):
    """A job, in the order in which clients see it."""

    id: ReadOnly[Id]
    slug: ReadOnly[Text]
    name: ReadOnly[Text]
    version: ReadOnly[Integer]
    type: ReadOnly[Text]
    runtime: ReadOnly[Text]
    entry_point: ReadOnly[Text]
    parameters_schema: ReadOnly[Document]
    default_parameters: ReadOnly[Document]
    output_schema: ReadOnly[Document | None]
    timeout_ms: ReadOnly[Integer | None]
    retry_policy: ReadOnly[Document | None]
    metadata: ReadOnly[AnyJson]
    priority: ReadOnly[Integer]
    max_concurrent_runs: ReadOnly[Integer | None]
    concurrency_key: ReadOnly[Text | None]
    start_deadline_ms: ReadOnly[BigInt | None]
    resources: ReadOnly[Document | None]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]


COLUMNS = columns_of(JobDefinitionRow)

SHOWN = shown_columns(JobDefinitionRow, hidden={"aggregate_version", "position", STATE})


def evolve(row: JobDefinitionRow | None, event: Envelope) -> Changes:  # noqa: ARG001 - every fold has this shape
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


TABLE: TableOf[JobDefinitionRow] = TableOf(
    "job_definitions", "job_definition", "id", COLUMNS, evolve, version=2
)


def present(row: Row) -> JsonObject:
    """Return the definition as clients see it (contract, section 2)."""
    return presented(row, SHOWN)


_JSON = [name for name, kind in COLUMNS.items() if kind == "jsonb"]

NEXT_BY_SLUG = f"""
    SELECT {", ".join(COLUMNS)}, in_part FROM (
        SELECT *, count(*) OVER () AS in_part,
            sum(size) OVER (ORDER BY slug COLLATE "C") - size AS before FROM (
            SELECT *, {" + ".join(f"coalesce(octet_length({name}::text), 0)" for name in _JSON)}
                AS size
            FROM job_definitions WHERE slug COLLATE "C" > %(after)s
            ORDER BY slug COLLATE "C" LIMIT %(limit)s
        ) AS sized
    ) AS counted
    WHERE before < %(most_bytes)s ORDER BY slug COLLATE "C"
"""


class _Next(JobDefinitionRow):
    in_part: ReadOnly[int]


@dataclass(frozen=True)
class Part:
    """Definitions, ordered bytewise by slug, and whether others may come behind."""

    rows: Sequence[JobDefinitionRow]
    goes_on: bool


async def next_by_slug(
    connection: Connection, after: str, limit: int, most_bytes: int
) -> Part:
    """Return the definitions that come next after a slug.

    None of them begins beyond so many bytes of their JSON.
    """
    values = {"after": after, "limit": limit, "most_bytes": most_bytes}
    rows = await read_rows(connection, _Next, NEXT_BY_SLUG, values)
    goes_on = len(rows) == limit or any(row["in_part"] > len(rows) for row in rows)
    return Part(rows, goes_on)


async def ids_of(connection: Connection, slugs: Sequence[str]) -> list[UUID]:
    """Return the ids of the definitions with these slugs, ignoring case."""
    query = """
        SELECT id FROM job_definitions
        WHERE lower(slug) = ANY(ARRAY(SELECT lower(unnest(%(slugs)s::text[]))))
    """
    return await read_ids(connection, query, {"slugs": list(slugs)})


async def ids_for(connection: Connection, runtimes: Sequence[str]) -> list[UUID] | None:
    """Return the ids of the definitions for one of these runtimes, None where all are."""
    values = {"runtimes": list(runtimes)}
    others = "SELECT id FROM job_definitions WHERE runtime <> ALL(%(runtimes)s) LIMIT 1"
    if not await read_ids(connection, others, values):
        return None
    query = "SELECT id FROM job_definitions WHERE runtime = ANY(%(runtimes)s)"
    return await read_ids(connection, query, values)


BY_SLUG = "SELECT * FROM job_definitions WHERE lower(slug) = lower(%(slug)s)"


async def by_slug(connection: Connection, slug: str) -> JobDefinitionRow | None:
    """Return the definition with this slug, ignoring case."""
    return await read_first(connection, JobDefinitionRow, BY_SLUG, {"slug": slug})
