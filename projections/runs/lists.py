"""Reading `job_runs`: look-ups, lists for clients, and what workers ask before and while they claim."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.ports import Row
from projections.rows import Connection, fetch_rows
from projections.runs.search import id_range, jobs_named_like, newest_found, starts_many, whole_rows

BY_ID = "SELECT * FROM job_runs WHERE id = %(id)s"


async def by_id(connection: Connection, run_id: UUID) -> Row | None:
    """Return the run, or None."""
    rows = await fetch_rows(connection, BY_ID, {"id": run_id})
    return rows[0] if rows else None


# Lists ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs to list; what is left empty does not restrict.

    Attributes:
        search: part of the job's slug or name, or the start of a run's id.
        before_position: only runs created before this place in the log (a keyset cursor).
    """

    definition_id: UUID | None = None
    statuses: Sequence[str] = ()
    search: str | None = None
    before_position: int | None = None


FAR = 1_000
"""Beyond this offset runs are counted off by an index alone, which is ten times as fast as row by
row."""


def newest_first(runs: RunFilter, *, far: bool = False) -> str:
    """Return the query for a page of runs, newest first.

    Each status is a branch of its own, so that each is read off the index (…, status,
    created_position) in order and no branch reads more than a page. A search text must be one that
    the newest runs match, or nearly: see `run_search`.

    Args:
        runs: which.
        far: whether much is to be passed over before the page.
    """
    conditions = ["true", *_conditions(runs)]
    if runs.search is not None:
        conditions.append(
            "(job_definition_id = ANY(%(found)s) OR id BETWEEN %(first_id)s AND %(last_id)s)"
        )
    columns = "created_position" if far else "*"
    branches = [
        f"(SELECT {columns} FROM job_runs WHERE {' AND '.join([*conditions, *status])}"
        " ORDER BY created_position DESC LIMIT %(page_end)s)"
        for status in ([[status] for status in _statuses(runs)] or [[]])
    ]
    page = (
        f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS page"
        " ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s"
    )
    return whole_rows(page) if far else page


def _conditions(runs: RunFilter) -> list[str]:
    of_job = [] if runs.definition_id is None else ["job_definition_id = %(definition_id)s"]
    before = [] if runs.before_position is None else ["created_position < %(before_position)s"]
    return of_job + before


def _statuses(runs: RunFilter) -> list[str]:
    return [f"status = %(status_{index})s" for index in range(len(runs.statuses))]


async def list_runs(
    connection: Connection, runs: RunFilter, limit: int, offset: int
) -> tuple[list[Row], bool]:
    """Return a page of runs, newest first, and whether more follow."""
    runs = replace(runs, statuses=tuple(dict.fromkeys(runs.statuses)))
    found: list[UUID] = []
    ids = id_range(runs.search or "")
    if runs.search is not None:
        found = await jobs_named_like(connection, runs.search)
        found = [job_id for job_id in found if runs.definition_id in {None, job_id}]
        runs = narrowed(runs, found, ids)
        if runs.search is not None and not found and ids == (None, None):
            return [], False
    values = {
        "definition_id": runs.definition_id,
        "before_position": runs.before_position,
        "found": found,
        "first_id": ids[0],
        "last_id": ids[1],
        "page_end": offset + limit + 1,
        "offset": offset,
        "limit": limit + 1,
        **{f"status_{index}": status for index, status in enumerate(runs.statuses)},
    }
    if runs.search is None or await starts_many(connection, ids):
        query = newest_first(runs, far=offset >= FAR)
    else:
        query = newest_found(_statuses(runs), _conditions(runs))
    rows = await fetch_rows(connection, query, values)
    return rows[:limit], len(rows) > limit


def narrowed(
    runs: RunFilter, found: Sequence[UUID], ids: tuple[UUID | None, UUID | None]
) -> RunFilter:
    """Return the filter without a search text that says nothing but of which job the runs are.

    Args:
        runs: a filter with a search text.
        found: the jobs whose slug or name holds the text.
        ids: the first and last id that begin with it.
    """
    if runs.definition_id in found:
        return replace(runs, search=None)
    if runs.definition_id is None and len(found) == 1 and ids == (None, None):
        return replace(runs, search=None, definition_id=found[0])
    return runs


# What workers ask ----------------------------------------------------------------------------------------------
