"""Reading `job_runs`: look-ups, lists for clients, and what workers ask before and while they claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.json_values import Json
from domain.ports import Row
from projections.table import Connection, fetch_rows

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


def newest_first(runs: RunFilter) -> str:
    """Return the query for a page of runs, newest first.

    Each status is a branch of its own, so that each is read off the index (…, status, created_position) in order and
    no branch reads more than a page.
    """
    conditions = ["true"]
    if runs.definition_id is not None:
        conditions.append("job_definition_id = %(definition_id)s")
    if runs.before_position is not None:
        conditions.append("created_position < %(before_position)s")
    if runs.search is not None:
        conditions.append(_SEARCH)
    branches = [
        f"(SELECT * FROM job_runs WHERE {' AND '.join([*conditions, *status])}"
        " ORDER BY created_position DESC LIMIT %(page_end)s)"
        for status in ([[f"status = %(status_{index})s"] for index in range(len(runs.statuses))] or [[]])
    ]
    page = " UNION ALL ".join(branches)
    return f"SELECT * FROM ({page}) AS page ORDER BY created_position DESC OFFSET %(offset)s LIMIT %(limit)s"


_SEARCH = """(
    job_definition_id IN (
        SELECT id FROM job_definitions
        WHERE strpos(lower(slug), lower(%(search)s)) > 0 OR strpos(lower(name), lower(%(search)s)) > 0
    )
    OR id BETWEEN %(first_id)s AND %(last_id)s
)"""


async def list_runs(connection: Connection, runs: RunFilter, limit: int, offset: int) -> tuple[list[Row], bool]:
    """Return a page of runs, newest first, and whether more follow."""
    first_id, last_id = id_range(runs.search or "")
    values = {
        "definition_id": runs.definition_id,
        "before_position": runs.before_position,
        "search": runs.search,
        "first_id": first_id,
        "last_id": last_id,
        "page_end": offset + limit + 1,
        "offset": offset,
        "limit": limit + 1,
        **{f"status_{index}": status for index, status in enumerate(dict.fromkeys(runs.statuses))},
    }
    distinct = RunFilter(**{**vars(runs), "statuses": tuple(dict.fromkeys(runs.statuses))})
    rows = await fetch_rows(connection, newest_first(distinct), values)
    return rows[:limit], len(rows) > limit


def id_range(search: str) -> tuple[UUID | None, UUID | None]:
    """Return the first and last id that start with the text; (None, None) where it is no id's beginning."""
    digits = search.replace("-", "").lower()
    if not digits or len(digits) > 32 or set(digits) - set("0123456789abcdef"):  # noqa: PLR2004 - a UUID's digits
        return None, None
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return (first, last) if str(first).startswith(search.lower()) else (None, None)


# Claims ---------------------------------------------------------------------------------------------------------

_DUE = """
    SELECT run.id, run.job_definition_id, run.concurrency_value, definition.max_concurrent_runs
    FROM job_runs AS run JOIN job_definitions AS definition ON definition.id = run.job_definition_id
    WHERE run.status = 'pending' AND run.scheduled_at <= %(now)s
      AND (run.execution > 0 OR run.start_deadline_at IS NULL OR run.start_deadline_at > %(now)s)
      AND NOT run.id = ANY(%(picked)s)
      AND NOT run.job_definition_id = ANY(%(full)s)
      AND (run.concurrency_value IS NULL OR (
          NOT (run.job_definition_id::text || ' ' || run.concurrency_value) = ANY(%(taken)s)
          AND NOT EXISTS (
              SELECT 1 FROM job_runs AS running
              WHERE running.status = 'running' AND running.job_definition_id = run.job_definition_id
                AND running.concurrency_value = run.concurrency_value)))
    ORDER BY run.priority DESC, run.scheduled_at, run.id
    LIMIT %(limit)s
"""

_LIMITED = """
    SELECT definition.id, definition.max_concurrent_runs, count(run.id) AS running
    FROM job_definitions AS definition
    LEFT JOIN job_runs AS run ON run.job_definition_id = definition.id AND run.status = 'running'
    WHERE definition.max_concurrent_runs IS NOT NULL
    GROUP BY definition.id
"""


class _Limits:
    """How much of each job's concurrency is left, as the claim goes along."""

    def __init__(self, limited: list[Row]) -> None:
        self._left = {str(job["id"]): _whole(job["max_concurrent_runs"]) - _whole(job["running"]) for job in limited}
        self.taken: set[str] = set()

    @property
    def full(self) -> list[UUID]:
        """Return the jobs of which no run may start any more."""
        return [UUID(job) for job, left in self._left.items() if left <= 0]

    def admit(self, run: Row) -> bool:
        """Count the run in, if its job and its key have room."""
        job, key = str(run["job_definition_id"]), run["concurrency_value"]
        group = None if key is None else f"{job} {key}"
        if self._left.get(job, 1) <= 0 or group in self.taken:
            return False
        if job in self._left:
            self._left[job] -= 1
        if group is not None:
            self.taken.add(group)
        return True


async def claim_candidates(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    """Return the due runs to start now, by priority and then schedule, within every limit of concurrency.

    Exact only under the log's lock. Jobs and keys that are found full are left out of the next look, so that however
    many of their runs wait in front, they cannot hide the runs behind them.
    """
    first: dict[str, object] = {"now": now, "picked": [], "full": [], "taken": [], "limit": limit}
    async with connection.pipeline():
        limited = await connection.execute(_LIMITED)
        due = await connection.execute(_DUE, first)
    limits, candidates = _Limits(await limited.fetchall()), await due.fetchall()
    picked: list[UUID] = []
    while candidates:
        asked = limit - len(picked)
        picked += [UUID(str(run["id"])) for run in candidates if limits.admit(run)]
        if len(candidates) < asked or len(picked) == limit:
            break  # There were no others, or there is no room for them.
        values = {**first, "picked": picked, "full": limits.full, "taken": list(limits.taken)}
        candidates = await fetch_rows(connection, _DUE, {**values, "limit": limit - len(picked)})
    return picked


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0


_NEXT_DUE = """
    SELECT min(scheduled_at) AS next_at, clock_timestamp() AS now,
        (SELECT min(start_deadline_at) FROM job_runs
         WHERE status = 'pending' AND execution = 0 AND start_deadline_at IS NOT NULL) AS next_deadline_at
    FROM job_runs WHERE status = 'pending'
"""


async def next_due(connection: Connection) -> Row:
    """Return `now`, and when the next pending run is due (`next_at`) or expires (`next_deadline_at`), or null."""
    return (await fetch_rows(connection, _NEXT_DUE, {}))[0]


async def overdue(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    """Return pending runs that never started and whose start deadline is over."""
    query = """
        SELECT id FROM job_runs
        WHERE status = 'pending' AND execution = 0 AND start_deadline_at <= %(now)s
        ORDER BY start_deadline_at LIMIT %(limit)s
    """
    return [UUID(str(row["id"])) for row in await fetch_rows(connection, query, {"now": now, "limit": limit})]


async def cancel_requested(connection: Connection, worker_id: str) -> list[UUID]:
    """Return the runs that this worker holds and that somebody asked to cancel."""
    query = """
        SELECT id FROM job_runs
        WHERE status = 'running' AND worker_id = %(worker_id)s AND cancel_requested_at IS NOT NULL
    """
    return [UUID(str(row["id"])) for row in await fetch_rows(connection, query, {"worker_id": worker_id})]
