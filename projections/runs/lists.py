"""Lists of runs as they are now, page by page.

First the query for runs that match a text; then single runs, and pages by any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.errors import InvalidInputError, Issue
from domain.jobs.run_events import FINAL, STATUSES
from projections import failure_search
from projections.job_runs import COLUMNS, RunRow
from projections.rows import Connection, read_first, read_ids, read_rows, read_value, within_page
from projections.runs.filters import (
    MATCHES,
    NO_IDS,
    NOW,
    IdRange,
    Order,
    RunFilter,
    RunSearch,
    jobs_named_like,
    page_values,
    resolve_search,
    sql_conditions,
)

MAX_IDS = 1_000
"""Runs whose ids start with the text, at most, for all of them to be read. If there are more, so
many runs match that reading the newest ones soon fills a page."""

_COLUMNS = ", ".join(COLUMNS)
"""Never `*`: a session that has prepared a statement cannot execute it any more once a migration
adds a column."""

_IN_RANGE = "SELECT id FROM job_runs WHERE id BETWEEN %(first_id)s AND %(last_id)s ORDER BY id"


async def matches_many_ids(connection: Connection, ids: IdRange) -> bool:
    """Return whether more than `MAX_IDS` runs have an id in the range."""
    if ids == NO_IDS:
        return False
    first_id, last_id = ids
    query = f"SELECT count(*) FROM ({_IN_RANGE} LIMIT {MAX_IDS + 1}) AS named"
    count = await read_value(connection, int, query, {"first_id": first_id, "last_id": last_id})
    return count > MAX_IDS


def newest_matching(statuses: Sequence[str], conditions: Sequence[str]) -> str:
    """Return the query for a page of runs that match a text, newest first.

    These are the newest runs of each of the jobs `%(searched_jobs)s`, and those with ids in the
    range: so a search with few matches costs little. First only positions are read, from an index;
    whole rows are read only for the page.

    Args:
        statuses: conditions on the status, each a separate branch; empty for all.
        conditions: other conditions.
    """
    of_job = " AND ".join(["job_definition_id = job.id", *conditions])
    branches = [_search_branch(of_job)]
    named = ["true", *conditions]
    if statuses:
        branches = [_search_branch(f"{of_job} AND {status}") for status in statuses]
        named.append(f"({' OR '.join(statuses)})")
    return rows_at(f"""
        WITH named AS MATERIALIZED (
            SELECT * FROM job_runs
            WHERE id BETWEEN %(first_id)s AND %(last_id)s
        )
        SELECT created_position FROM (
            SELECT part.created_position FROM unnest(%(searched_jobs)s::uuid[]) AS job (id)
            CROSS JOIN LATERAL (
                SELECT created_position FROM ({" UNION ALL ".join(branches)}) AS branch
                ORDER BY created_position DESC LIMIT %(page_end)s
            ) AS part
            UNION SELECT created_position FROM named WHERE {" AND ".join(named)}
        ) AS matching
        ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s
    """)


def _search_branch(condition: str) -> str:
    return f"""(
        SELECT created_position FROM job_runs WHERE {condition}
        ORDER BY created_position DESC LIMIT %(page_end)s)"""


def rows_at(positions: str) -> str:
    """Return the query for the runs at the positions that a query yields as `created_position`."""
    return f"""
        SELECT run.* FROM ({positions}) AS page CROSS JOIN LATERAL (
            SELECT {_COLUMNS} FROM job_runs WHERE created_position = page.created_position LIMIT 1
        ) AS run
        ORDER BY page.created_position DESC
    """


BY_ID = f"SELECT {_COLUMNS} FROM job_runs WHERE id = %(id)s"


async def by_id(connection: Connection, run_id: UUID) -> RunRow | None:
    """Return the run, None if there is none."""
    return await read_first(connection, RunRow, BY_ID, {"id": run_id})


FAR = 1_000
"""From this offset on, runs are skipped by an index only, ten times as fast as row by row."""


def newest_first(runs: RunFilter, *, far: bool = False) -> str:
    """Return the query for a page of runs, newest first.

    Each status is a separate branch, which is read in order from an index (…, status,
    created_position), and no further than the page. A search text must match most of the newest
    runs; otherwise use `newest_matching`.

    Args:
        runs: the filter.
        far: whether the page has a large offset.
    """
    parts = ["true", *sql_conditions(runs)]
    if runs.is_search:
        parts.append(MATCHES)
    condition = " AND ".join(parts)
    columns = _COLUMNS
    if far:
        columns = "created_position"
    branches = [_branch(columns, f"{condition} AND {status}") for status in _statuses(runs)]
    if not branches:
        branches.append(_branch(columns, condition))
    page = f"""
        SELECT * FROM ({" UNION ALL ".join(branches)}) AS page
        ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s
    """
    if far:
        return rows_at(page)
    return page


def _branch(columns: str, condition: str) -> str:
    return f"""(
        SELECT {columns} FROM job_runs WHERE {condition}
        ORDER BY created_position DESC LIMIT %(page_end)s)"""


def _statuses(runs: RunFilter) -> list[str]:
    indexes = range(len(runs.statuses))
    return [f"status = %(status_{index})s" for index in indexes]


class _RunOfPage(RunRow):
    """A run, the number of runs of the whole page, and the bytes of the runs before."""

    in_page: ReadOnly[int]
    bytes_before: ReadOnly[int]


_DOCUMENTS = [name for name, kind in COLUMNS.items() if kind == "jsonb"]
_LARGE = ["error_message", *_DOCUMENTS]


async def list_runs(
    connection: Connection, runs: RunFilter, limit: int, offset: int
) -> tuple[list[RunRow], int | None]:
    """Return a page of runs, and the offset of the next page, None if there is none."""
    search = await resolve_search(runs, partial(jobs_named_like, connection))
    if search.matches_nothing:
        return [], None
    rows = await _newest_of_groups(connection, search, limit, offset)
    if rows is None:
        rows = await _page(connection, search, limit, offset)
    page: list[RunRow] = [*rows[:limit]]
    has_more = bool(rows) and rows[0]["in_page"] > len(page)
    if not has_more:
        return page, None
    return page, offset + len(page)


FEW_EVENTS, MORE_EVENTS = 16, 8
"""Newest events of large failure groups that are read for a page, and the factor by which more are
read if these do not fill it. Each may have some thousand failures."""


async def _newest_of_groups(
    connection: Connection, search: RunSearch, limit: int, offset: int
) -> list[_RunOfPage] | None:
    """Return a page from the newest events of large groups, None if these do not fill it."""
    runs = search.runs
    events = FEW_EVENTS
    while runs.of_large_groups and runs.order == "created":
        before = NOW if runs.before_position is None else runs.before_position
        recent = await failure_search.recent_failures(connection, runs.conditions, before, events)
        if recent is None:
            break
        newest = replace(search, runs=replace(runs, recent_failures=recent))
        rows = await _page(connection, newest, limit, offset)
        if rows and rows[0]["in_page"] > limit:
            return rows
        events *= MORE_EVENTS
    return None


async def _page(
    connection: Connection, search: RunSearch, limit: int, offset: int
) -> list[_RunOfPage]:
    if search.runs.order != "created":
        ids = await ids_by_end(connection, search, limit, offset)
        return await read_rows(connection, _RunOfPage, _of_page("page.*"), {"ids": ids})
    page = await _query(connection, search, offset)
    values = page_values(search, limit, offset)
    for index, status in enumerate(search.runs.statuses):
        values[f"status_{index}"] = status
    query = within_page(page, _LARGE, "created_position DESC")
    return await read_rows(connection, _RunOfPage, query, values)


_BY_IDS = f"SELECT {_COLUMNS} FROM job_runs WHERE id = ANY((SELECT %(ids)s::uuid[])::uuid[])"


def _of_page(columns: str) -> str:
    """Return the query for the first of the runs `%(ids)s`, in their order, up to `PAGE_BYTES`."""
    return within_page(_BY_IDS, _LARGE, "array_position(%(ids)s::uuid[], id)", columns)


async def first_of_page(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Return the first of the runs, in their order, that fit into one page."""
    return await read_ids(connection, _of_page("page.id"), {"ids": list(ids)})


class _RunEnd(TypedDict):
    completed_position: ReadOnly[int | None]
    duration_ms: ReadOnly[int | None]
    started_at: ReadOnly[str | None]


_ORDER_COLUMNS: Mapping[Order, str] = {"started": "started_at", "duration": "duration_ms"}
"""The column of an order that comes before the position of the end; other orders have none."""


async def ids_by_end(
    connection: Connection, search: RunSearch, limit: int, offset: int, position: int = NOW
) -> list[UUID]:
    """Return a page of the runs that had ended by a position, and one more run if more follow.

    All matching runs are read and sorted: an index would make the end of each run costlier. As the
    end of a run never changes, this serves the past, too.

    Raises:
        InvalidInputError: the run of the cursor is gone, or has no end or no duration.
    """
    runs = search.runs
    statuses = [f"'{status}'" for status in runs.statuses or STATUSES if status in FINAL]
    if not statuses:
        return []
    columns = ["completed_position"]
    if runs.order in _ORDER_COLUMNS:
        columns.insert(0, _ORDER_COLUMNS[runs.order])
    parts = [
        "completed_position <= %(ended_by)s",
        *[f"{column} IS NOT NULL" for column in columns],
        # As literals, so that an index of failed runs can serve them.
        f"status IN ({', '.join(statuses)})",
        *sql_conditions(runs),
    ]
    values = page_values(search, limit, offset, position)
    if runs.is_search:
        parts.append(MATCHES)
    if runs.before_position is not None:
        values |= await _end_of(connection, runs.before_position, columns)
        last = ", ".join(f"%({column})s" for column in columns)
        parts.append(f"({', '.join(columns)}) < ({last})")
    order = ", ".join(f"{column} DESC" for column in columns)
    query = f"""
        SELECT id FROM job_runs WHERE {" AND ".join(parts)}
        ORDER BY {order} OFFSET %(offset)s LIMIT %(limit)s
    """
    return await read_ids(connection, query, values)


async def _end_of(connection: Connection, created_position: int, columns: Sequence[str]) -> _RunEnd:
    query = f"""
        SELECT completed_position, duration_ms, started_at FROM job_runs
        WHERE created_position = %(created)s
            AND {" AND ".join(f"{column} IS NOT NULL" for column in columns)}
    """
    end = await read_first(connection, _RunEnd, query, {"created": created_position})
    if end is None:
        message = (
            "the run at which the page before ended is not among these; begin with the first page"
        )
        raise InvalidInputError([Issue("/cursor", message, "enum")])
    return end


async def _query(connection: Connection, search: RunSearch, offset: int) -> str:
    runs = search.runs
    if not runs.is_search or await matches_many_ids(connection, search.ids):
        is_far = offset >= FAR
        return newest_first(runs, far=is_far)
    return newest_matching(_statuses(runs), sql_conditions(runs))
