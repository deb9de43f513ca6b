"""The table `job_definitions`: the current version of every job."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain import identifiers
from domain.jobs.definition import DefinitionState, JobDefinition
from domain.json_values import JsonObject
from domain.personal import MARK, marks
from domain.ports import Row
from projections.rows import Connection, columns_of, presented, read_first, read_ids, read_rows
from projections.table import DecisiveRow2, TableOf, shown_columns


class JobDefinitionRow(DecisiveRow2, DefinitionState):
    """A job's state, and the last event that it includes."""


COLUMNS = columns_of(JobDefinitionRow)

# `unique` is a keyword of SQL.
_RENAMED = {"uniqueRuns": "unique"}

SHOWN = {
    _RENAMED.get(name, name): column
    for name, column in shown_columns(JobDefinitionRow, {"deleted_at"}).items()
}


TABLE: TableOf[JobDefinitionRow] = TableOf(
    "job_definitions",
    "job_definition",
    "id",
    COLUMNS,
    JobDefinition.fold(),
    version=13,
    label="slug",
    id_by_name=identifiers.definition_id,
)


def present(row: Row) -> JsonObject:
    """Return the definition as clients see it (contract, section 2)."""
    return presented(row, SHOWN)


_JSON = [name for name, kind in COLUMNS.items() if kind == "jsonb"]

_NEXT_BY_SLUG = f"""
    SELECT {", ".join(COLUMNS)}, in_part FROM (
        SELECT *, count(*) OVER () AS in_part,
            sum(size) OVER (ORDER BY slug COLLATE "C") - size AS before FROM (
            SELECT *, {" + ".join(f"coalesce(octet_length({name}::text), 0)" for name in _JSON)}
                AS size
            FROM job_definitions WHERE slug COLLATE "C" > %(after)s{{there}}
            ORDER BY slug COLLATE "C" LIMIT %(limit)s
        ) AS sized
    ) AS counted
    WHERE before < %(most_bytes)s ORDER BY slug COLLATE "C"
"""

NEXT_BY_SLUG = _NEXT_BY_SLUG.format(there=" AND deleted_at IS NULL")

ANY_BY_SLUG = _NEXT_BY_SLUG.format(there="")
"""The same with deleted ones, for reads of the past."""


class _Next(JobDefinitionRow):
    in_part: ReadOnly[int]


@dataclass(frozen=True)
class Part:
    """Definitions, ordered bytewise by slug, and whether more may follow."""

    rows: Sequence[JobDefinitionRow]
    has_more: bool


async def next_by_slug(
    connection: Connection, after: str, limit: int, most_bytes: int, *, also_deleted: bool = False
) -> Part:
    """Return the next definitions after a slug, up to a number and to these bytes of JSON."""
    query = ANY_BY_SLUG if also_deleted else NEXT_BY_SLUG
    values = {"after": after, "limit": limit, "most_bytes": most_bytes}
    rows = await read_rows(connection, _Next, query, values)
    is_cut = any(row["in_part"] > len(rows) for row in rows)
    return Part(rows, has_more=len(rows) == limit or is_cut)


async def ids_of(connection: Connection, slugs: Sequence[str]) -> list[UUID]:
    """Return the ids of the definitions with these slugs, ignoring case."""
    query = """
        SELECT id FROM job_definitions
        WHERE lower(slug) = ANY(ARRAY(SELECT lower(unnest(%(slugs)s::text[]))))
    """
    return await read_ids(connection, query, {"slugs": list(slugs)})


async def ids_for(connection: Connection, runtimes: Sequence[str]) -> list[UUID] | None:
    """Return the ids of the definitions with one of these runtimes, None if all have one."""
    values = {"runtimes": list(runtimes)}
    others = "SELECT id FROM job_definitions WHERE runtime <> ALL(%(runtimes)s) LIMIT 1"
    if not await read_ids(connection, others, values):
        return None
    query = "SELECT id FROM job_definitions WHERE runtime = ANY(%(runtimes)s)"
    return await read_ids(connection, query, values)


OF_MODULES = "module_binding ->> 'moduleId' = ANY(%(modules)s)"
"""Whether a job belongs to one of these modules."""


def is_of_modules(row: JobDefinitionRow, modules: Collection[str]) -> bool:
    """Return whether a job belongs to one of these modules."""
    binding = row["module_binding"]
    return binding is not None and binding["moduleId"] in modules


async def ids_of_modules(connection: Connection, modules: Sequence[str]) -> list[UUID]:
    """Return the ids of the definitions that belong to one of these modules."""
    query = f"SELECT id FROM job_definitions WHERE {OF_MODULES}"
    return await read_ids(connection, query, {"modules": list(modules)})


BY_SLUG = f"""
    SELECT {", ".join(COLUMNS)} FROM job_definitions WHERE lower(slug) = lower(%(slug)s)
"""


async def by_slug(connection: Connection, slug: str) -> JobDefinitionRow | None:
    """Return the definition with this slug, ignoring case, also a deleted one."""
    return await read_first(connection, JobDefinitionRow, BY_SLUG, {"slug": slug})


def unless_deleted(row: JobDefinitionRow | None) -> JobDefinitionRow | None:
    """Return the definition, None if it was deleted."""
    if row is None or row["deleted_at"] is not None:
        return None
    return row


# The parameters that are personal data.


class _Schema(TypedDict):
    parameters_schema: ReadOnly[JsonObject]


_MARKED = f"""
    SELECT parameters_schema FROM job_definitions
    WHERE strpos(parameters_schema::text, '"{MARK}"') > 0
"""


async def personal_among(connection: Connection, names: Collection[str]) -> Collection[str]:
    """Return those of the parameters that some job marks as personal, or as naming a subject."""
    if not names:
        return ()
    personal: set[str] = set()
    for row in await read_rows(connection, _Schema, _MARKED):
        marked = marks(row["parameters_schema"])
        personal.update(marked.keys(), marked.values())
    return personal & set(names)
