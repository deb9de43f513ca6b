"""Finding apps: which ones, in which order, and their rows part by part.

What is found is a row of ids first, sixteen bytes each. Rows are read for a part of them at a time:
one may hold four megabytes of pictures, and a catalog a million of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.catalog.repository_state import IngestStatus
from projections.apps.filter import AppFilter, Sort, conditions, values_of
from projections.apps.relevance import WEIGHTS
from projections.repositories import RepositoryRow
from projections.rows import Connection, read_one, read_rows

STATUSES: tuple[IngestStatus, ...] = get_args(IngestStatus)

ID_BYTES = 16

_UPDATED = 'updated_at DESC, id COLLATE "C"'

_ORDERS: dict[Sort, str] = {
    "relevance": f"score DESC, {_UPDATED}",
    "updated": _UPDATED,
    "name": 'left(lower(name), 200) COLLATE "C", id COLLATE "C"',
}


_TEXTS = {
    "name": "name",
    "description": "description",
    "tags": "jsonb_path_query_array(tags, '$[*].*')::text",
}
"""What is looked through for words."""


class _Found(TypedDict):
    ids: ReadOnly[bytes | None]


async def find(
    connection: Connection,
    apps: AppFilter,
    sort: Sort,
    limit: int | None,
    offset: int,
) -> bytes:
    """Return the ids of a page of apps, one behind the other; of all without a limit."""
    page_end: int | None = None
    if limit is not None:
        page_end = offset + limit
    values = {
        **values_of(apps),
        "words": list(apps.words),
        "limit": limit,
        "offset": offset,
        "page_end": page_end,
    }
    order = _ORDERS[sort]
    page = _branch(conditions(apps), order, _score(apps))
    if apps.is_by_status:
        page, of_status = _by_status(apps.statuses or STATUSES, order)
        values |= of_status
    query = f"""
        SELECT string_agg(uuid_send(aggregate_id), ''::bytea ORDER BY {order}) AS ids
        FROM (
            SELECT * FROM ({page}) AS page ORDER BY {order} OFFSET %(offset)s LIMIT %(limit)s
        ) AS page
    """
    found = await read_one(connection, _Found, query, values)
    return found["ids"] or b""


def _branch(condition: str, order: str, score: str = "0") -> str:
    return f"""(
        SELECT aggregate_id, id, name, updated_at, {score} AS score FROM repositories
        WHERE {condition} ORDER BY {order} LIMIT %(page_end)s)"""


def _by_status(statuses: Sequence[str], order: str) -> tuple[str, dict[str, object]]:
    """Return a query for what comes first of each status, read off the index in its order."""
    named: dict[str, object] = {}
    branches: list[str] = []
    for place, status in enumerate(statuses):
        name = f"status_{place}"
        named[name] = status
        branch = _branch(f"ingest_status = %({name})s", order)
        branches.append(branch)
    return " UNION ALL ".join(branches), named


def _score(apps: AppFilter) -> str:
    """Return how relevant an app is, as `relevance` says it."""
    if not apps.words:
        return "0"
    parts: list[str] = []
    for place, text in _TEXTS.items():
        weight = WEIGHTS[place]
        hits = _hits(text)
        parts.append(f"{weight} * {hits}")
    return " + ".join(parts)


def _hits(text: str) -> str:
    return f"""(
        SELECT count(*) FROM unnest(%(words)s::text[]) AS word
        WHERE strpos(lower({text}), word) > 0)"""


MAX_PART_BYTES = 4_194_304
"""Of the pictures that are read at a time, as the database keeps them."""

_PART = """
    SELECT * FROM (
        SELECT app.*, sum(pg_column_size(preview_tiles)) OVER (ORDER BY place) AS bytes, place,
            min(place) OVER () AS first
        FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
        JOIN repositories AS app ON app.aggregate_id = wanted.id
    ) AS part
    WHERE place = first OR bytes <= %(most)s ORDER BY place
"""


class _Placed(RepositoryRow):
    place: ReadOnly[int]


@dataclass(frozen=True)
class Part:
    """Some apps that were found.

    Attributes:
        rows: theirs, in their order, but for those that are there no more.
        passed: how many of the wanted ids need not be asked for again.
    """

    rows: Sequence[RepositoryRow]
    passed: int


async def part(connection: Connection, ids: Sequence[UUID]) -> Part:
    """Return the first of these apps in their order: as many as fit, one if any is there."""
    values = {"ids": list(ids), "most": MAX_PART_BYTES}
    rows = await read_rows(connection, _Placed, _PART, values)
    if not rows:
        return Part(rows, len(ids))
    return Part(rows, rows[-1]["place"])
