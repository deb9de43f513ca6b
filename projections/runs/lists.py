"""Reading `job_runs` for clients: look-ups and lists."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from typing_extensions import ReadOnly

from projections.failures import asked
from projections.job_runs import COLUMNS, RunRow
from projections.rows import Connection, read_first, read_ids, read_rows
from projections.runs.filter import (
    MATCHES,
    NOW,
    RunFilter,
    Sought,
    conditions,
    looked_up,
    page_values,
)
from projections.runs.search import (
    jobs_named_like,
    newest_found,
    starts_many,
    whole_rows,
)

BY_ID = "SELECT * FROM job_runs WHERE id = %(id)s"


async def by_id(connection: Connection, run_id: UUID) -> RunRow | None:
    """Return the run, or None."""
    return await read_first(connection, RunRow, BY_ID, {"id": run_id})


PAGE_BYTES = 4_194_304
"""A page whose runs have this many bytes goes no further: one may have some megabytes."""

FAR = 1_000
"""Beyond this offset runs are counted off by an index alone, which is ten times as fast as row by
row."""


def newest_first(runs: RunFilter, *, far: bool = False) -> str:
    """Return the query for a page of runs, newest first.

    Each status is a branch of its own, so that each is read off the index (…, status,
    created_position) in order and no branch reads more than a page. A search text must be one that
    the newest runs match, or nearly; for others there is `search.newest_found`.

    Args:
        runs: which.
        far: whether much is to be passed over before the page.
    """
    wanted = ["true", *conditions(runs)]
    if runs.is_sought:
        wanted.append(MATCHES)
    condition = " AND ".join(wanted)
    columns = "*"
    if far:
        columns = "created_position"
    branches: list[str] = []
    for status in _statuses(runs):
        narrowed = f"{condition} AND {status}"
        branches.append(_branch(columns, narrowed))
    if not branches:
        branches.append(_branch(columns, condition))
    page = f"""
        SELECT * FROM ({" UNION ALL ".join(branches)}) AS page
        ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s
    """
    if far:
        return whole_rows(page)
    return page


def _branch(columns: str, condition: str) -> str:
    return f"""(
        SELECT {columns} FROM job_runs WHERE {condition}
        ORDER BY created_position DESC LIMIT %(page_end)s)"""


def _statuses(runs: RunFilter) -> list[str]:
    indexes = range(len(runs.statuses))
    return [f"status = %(status_{index})s" for index in indexes]


class _RunOfPage(RunRow):
    """A run, of how many the page would be if all were small, and how large those before are."""

    in_page: ReadOnly[int]
    bytes_before: ReadOnly[int]


def _size_of(column: str) -> str:
    """Return how large a value is that has no fixed size; only what is compressed is looked at."""
    return f"""coalesce(CASE WHEN pg_column_compression({column}) IS NULL
        THEN pg_column_size({column}) ELSE octet_length({column}::text) END, 0)"""


_DOCUMENTS = [name for name, kind in COLUMNS.items() if kind == "jsonb"]
_LARGE = ["error_message", *_DOCUMENTS]

_SIZE = " + ".join(map(_size_of, _LARGE))


def _within_bytes(page: str, columns: str = "run.*") -> str:
    """Return the query for the first runs of a page, newest first, up to `PAGE_BYTES`."""
    return f"""
        SELECT {columns} FROM (
            SELECT page.*, count(*) OVER () AS in_page,
                sum(size) OVER (ORDER BY created_position DESC) - size AS bytes_before
            FROM (SELECT *, {_SIZE} AS size FROM ({page}) AS page OFFSET 0) AS page
        ) AS run
        WHERE bytes_before < {PAGE_BYTES} ORDER BY created_position DESC
    """


async def list_runs(
    connection: Connection, runs: RunFilter, limit: int, offset: int
) -> tuple[list[RunRow], int | None]:
    """Return a page of runs, newest first, and the offset of the next, None where there is none."""
    named_like = partial(jobs_named_like, connection)
    sought = await looked_up(runs, named_like)
    if sought.finds_nothing:
        return [], None
    rows = await _newest_of_groups(connection, sought, limit, offset)
    if rows is None:
        rows = await _page(connection, sought, limit, offset)
    shown: list[RunRow] = [*rows[:limit]]
    has_more = bool(rows) and rows[0]["in_page"] > len(shown)
    if not has_more:
        return shown, None
    return shown, offset + len(shown)


FEW_EVENTS, MORE_EVENTS = 16, 8
"""Events of large failure groups that are read for a page, and how many times as many where these
do not fill it. Each tells of up to some thousand failures."""


async def _newest_of_groups(
    connection: Connection, sought: Sought, limit: int, offset: int
) -> list[_RunOfPage] | None:
    """Return a full page of large failure groups by their newest events; None: read them all."""
    runs = sought.runs
    events = FEW_EVENTS
    while runs.of_large_groups:
        before = NOW if runs.before_position is None else runs.before_position
        lately = await asked.lately(connection, runs.conditions, before, events)
        if lately is None:
            break
        newest = replace(sought, runs=replace(runs, lately=lately))
        rows = await _page(connection, newest, limit, offset)
        if rows and rows[0]["in_page"] > limit:
            return rows
        events *= MORE_EVENTS
    return None


async def _page(
    connection: Connection, sought: Sought, limit: int, offset: int
) -> list[_RunOfPage]:
    query = await _query(connection, sought, offset)
    values = page_values(sought, limit, offset)
    for index, status in enumerate(sought.runs.statuses):
        values[f"status_{index}"] = status
    return await read_rows(connection, _RunOfPage, _within_bytes(query), values)


_THESE = "SELECT * FROM job_runs WHERE id = ANY((SELECT %(ids)s::uuid[])::uuid[])"


async def first_of_page(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Return those of the runs, newest first, that are not too large for one page together."""
    return await read_ids(
        connection, _within_bytes(_THESE, "run.id"), {"ids": list(ids)}
    )


async def _query(connection: Connection, sought: Sought, offset: int) -> str:
    runs = sought.runs
    if not runs.is_sought or await starts_many(connection, sought.ids):
        is_far = offset >= FAR
        return newest_first(runs, far=is_far)
    return newest_found(_statuses(runs), conditions(runs))
