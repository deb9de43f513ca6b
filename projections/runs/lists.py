"""Reading `job_runs` for clients: look-ups and lists."""

from functools import partial
from uuid import UUID

from projections.job_runs import RunRow
from projections.rows import Connection, read_first, read_rows
from projections.runs.filter import (
    MATCHES,
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


async def list_runs(
    connection: Connection, runs: RunFilter, limit: int, offset: int
) -> tuple[list[RunRow], bool]:
    """Return a page of runs, newest first, and whether more follow."""
    sought = await looked_up(runs, partial(jobs_named_like, connection))
    if sought.finds_nothing:
        return [], False
    query = await _query(connection, sought, offset)
    values = page_values(sought, limit, offset)
    for index, status in enumerate(sought.runs.statuses):
        values[f"status_{index}"] = status
    rows = await read_rows(connection, RunRow, query, values)
    shown = rows[:limit]
    has_more = len(rows) > limit
    return shown, has_more


async def _query(connection: Connection, sought: Sought, offset: int) -> str:
    runs = sought.runs
    if not runs.is_sought or await starts_many(connection, sought.ids):
        is_far = offset >= FAR
        return newest_first(runs, far=is_far)
    return newest_found(_statuses(runs), conditions(runs))
