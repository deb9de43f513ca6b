"""Queries of `job_runs` for clients: searches, filters and lists.

First the search for a text; then filters, which are the same now and at a past position; then
single runs and pages of runs.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal, Protocol
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.clock import to_iso
from domain.errors import InvalidInputError, Issue
from domain.filters import Conditions, End, Label, Parameter
from domain.jobs.run_events import FINAL, STATUSES
from domain.json_values import JsonObject, canonical
from projections import failure_search
from projections.failure_search import RecentFailures
from projections.job_runs import COLUMNS, RunRow
from projections.rows import Connection, read_first, read_ids, read_rows, read_value, within_page

# The search for a text, in the names of the runs' jobs and at the start of their ids.
#
# First the matching jobs are looked up, then each one's newest runs by an index, and the runs of a
# range of ids: so a search with few or no matches costs little.

IdRange = tuple[UUID | None, UUID | None]
"""A first and a last id, both None for no id at all."""

NO_IDS: IdRange = (None, None)

MAX_IDS = 1_000
"""Runs whose ids start with the text, at most, for all of them to be read. If there are more, so
many runs match that reading the newest ones soon fills a page."""

NAMED_LIKE = """(
    strpos(lower(slug), lower(%(search)s)) > 0 OR strpos(lower(name), lower(%(search)s)) > 0
)"""
"""Whether the slug or name of a job contains the text, ignoring case."""

_COLUMNS = ", ".join(COLUMNS)
"""Never `*`: a session that has prepared a statement cannot execute it any more once a migration
adds a column."""

_JOBS = f"SELECT id FROM job_definitions WHERE {NAMED_LIKE}"

_DIGITS_OF_AN_ID = 32


class Jobs(Protocol):
    """The jobs of the present, or of a past position."""

    async def jobs_with(self, slugs: Sequence[str]) -> list[UUID]:
        """Return the jobs with one of these slugs, ignoring case."""

    async def jobs_for(self, runtimes: Sequence[str]) -> list[UUID] | None:
        """Return the jobs with one of these runtimes, None if all jobs have one."""

    async def jobs_of_modules(self, modules: Sequence[str]) -> list[UUID]:
        """Return the jobs that belong to one of these modules."""

    async def jobs_named_like(self, search: str) -> list[UUID]:
        """Return the jobs whose slug or name contains the text, ignoring case."""

    async def jobs_labelled(self, label: Label) -> list[UUID]:
        """Return the jobs that require the label of workers, with any of its values."""


async def included_jobs(jobs: Jobs, conditions: Conditions) -> list[UUID] | None:
    """Return the jobs that the conditions include, None for all; some may also be excluded."""
    included = await jobs_matching(
        jobs, conditions.jobs.included, conditions.runtimes.included, conditions.modules.included
    )
    for label in conditions.labels:
        if label.is_negated:
            continue
        included = _both(included, await jobs.jobs_labelled(label))
    return included


async def jobs_matching(
    jobs: Jobs, slugs: frozenset[str], runtimes: frozenset[str], modules: frozenset[str]
) -> list[UUID] | None:
    """Return the jobs with one of these slugs, runtimes and modules, None for all.

    An empty set does not restrict.
    """
    matching: list[UUID] | None = None
    if slugs:
        matching = await jobs.jobs_with(_possible(slugs))
    if runtimes:
        matching = _both(matching, await jobs.jobs_for(sorted(runtimes)))
    if modules:
        matching = _both(matching, await jobs.jobs_of_modules(sorted(modules)))
    return matching


async def excluded_jobs(jobs: Jobs, conditions: Conditions) -> list[UUID] | None:
    """Return the jobs that the conditions exclude, None for all."""
    excluded: list[UUID] = []
    if conditions.jobs.excluded:
        excluded += await jobs.jobs_with(_possible(conditions.jobs.excluded))
    if conditions.runtimes.excluded:
        of_runtimes = await jobs.jobs_for(sorted(conditions.runtimes.excluded))
        if of_runtimes is None:
            return None
        excluded += of_runtimes
    if conditions.modules.excluded:
        excluded += await jobs.jobs_of_modules(sorted(conditions.modules.excluded))
    for label in conditions.labels:
        if label.is_negated:
            excluded += await jobs.jobs_labelled(label)
    for text in conditions.excluded_searches:
        excluded += await jobs.jobs_named_like(text)
    return list(dict.fromkeys(excluded))


def _possible(slugs: frozenset[str]) -> list[str]:
    """Return the slugs that a job can have, which are ASCII."""
    return sorted(slug for slug in slugs if slug.isascii())


def _both(some: list[UUID] | None, others: list[UUID] | None) -> list[UUID] | None:
    """Return the jobs that are among both; None stands for all jobs."""
    if some is None or others is None:
        return others if some is None else some
    allowed = set(others)
    return [job for job in some if job in allowed]


async def jobs_named_like(connection: Connection, search: str) -> list[UUID]:
    """Return the jobs whose slug or name contains the text, ignoring case."""
    return await read_ids(connection, _JOBS, {"search": search})


async def jobs_labelled(connection: Connection, label: Label) -> list[UUID]:
    """Return the jobs that require the label of workers, with any of its values."""
    query = """
        SELECT id FROM job_definitions
        WHERE worker_labels <> '{}' AND worker_labels ->> %(name)s = ANY(%(values)s)
    """
    return await read_ids(connection, query, {"name": label.name, "values": list(label.values)})


def id_range(search: str) -> IdRange:
    """Return the first and the last id that start with the text, `NO_IDS` if none can."""
    digits = search.replace("-", "").lower()
    if not digits or len(digits) > _DIGITS_OF_AN_ID or set(digits) - set("0123456789abcdef"):
        return NO_IDS
    first = UUID(digits.ljust(_DIGITS_OF_AN_ID, "0"))
    last = UUID(digits.ljust(_DIGITS_OF_AN_ID, "f"))
    if not str(first).startswith(search.lower()):
        return NO_IDS
    return first, last


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

    These are the runs of the jobs `%(found)s`, and those with ids in the range. First only
    positions are read, from an index; whole rows are read only for the page.

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
            SELECT part.created_position FROM unnest(%(found)s::uuid[]) AS job (id)
            CROSS JOIN LATERAL (
                SELECT created_position FROM ({" UNION ALL ".join(branches)}) AS branch
                ORDER BY created_position DESC LIMIT %(page_end)s
            ) AS part
            UNION SELECT created_position FROM named WHERE {" AND ".join(named)}
        ) AS found
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


# Filters, and the resolved search: the same now and at a past position.


Order = Literal["created", "started", "ended", "duration"]
"""By creation, newest first; or, of the runs that have ended, by start or end, newest first, or by
duration, longest first. Start and duration are those of the last execution; runs that never started
have neither."""


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """The runs to list; an empty field does not restrict.

    Attributes:
        definition_id: the job, if there is one.
        definition_ids: the jobs, if there are several.
        other_ids: the excluded jobs.
        search: part of the job's slug or name, or the start of a run's id.
        excluded_ids: excluded ranges of ids.
        before_position: the position of the cursor's run: only runs after that one in `order`.
        order: of the list.
        conditions: all other conditions.
        of_large_groups: whether the failure groups of the conditions have many failures.
        recent_failures: the newest of these failures, if only the newest runs are read.
    """

    definition_id: UUID | None = None
    definition_ids: Sequence[UUID] = ()
    other_ids: Sequence[UUID] = ()
    statuses: Sequence[str] = ()
    search: str | None = None
    excluded_ids: Sequence[IdRange] = ()
    before_position: int | None = None
    order: Order = "created"
    conditions: Conditions = field(default_factory=Conditions)
    of_large_groups: bool = False
    recent_failures: RecentFailures | None = None

    @property
    def is_search(self) -> bool:
        """Return whether the runs are selected by the jobs or ids of a `RunSearch`."""
        return self.search is not None or bool(self.definition_ids)


async def run_filter(
    connection: Connection, jobs: Jobs, conditions: Conditions
) -> RunFilter | None:
    """Return the filter for conditions, with jobs by their ids; None if no run can match."""
    conditions = failure_search.narrowed(conditions)
    if conditions.statuses == ():
        return None
    included = await included_jobs(jobs, conditions)
    if included == []:
        return None
    excluded = await excluded_jobs(jobs, conditions)
    if excluded is None:
        return None
    if included is not None:
        left_out = set(excluded)
        included = [job for job in included if job not in left_out]
        excluded = []
        if not included:
            return None
    ranges = map(id_range, conditions.excluded_searches)
    return RunFilter(
        definition_ids=included or (),
        other_ids=excluded,
        statuses=conditions.statuses or (),
        search=conditions.search,
        excluded_ids=[one for one in ranges if one != NO_IDS],
        conditions=conditions,
        of_large_groups=await failure_search.are_large(connection, conditions),
    )


@dataclass(frozen=True)
class RunSearch:
    """A filter whose search text has been resolved to jobs and ids.

    Attributes:
        runs: the filter, without the text if that only selects one job.
        jobs: the jobs that match both the text and the filter; without a text, the filter's.
        ids: the first and the last id that start with the text.
    """

    runs: RunFilter
    jobs: Sequence[UUID] = ()
    ids: IdRange = NO_IDS

    @property
    def matches_nothing(self) -> bool:
        """Return whether no run can match."""
        return self.runs.is_search and not self.jobs and self.ids == NO_IDS


async def resolve_search(
    runs: RunFilter, jobs_named_like: Callable[[str], Awaitable[list[UUID]]]
) -> RunSearch:
    """Resolve the filter's search text to jobs and ids.

    Args:
        runs: the filter.
        jobs_named_like: returns the jobs whose slug or name contains a text, ignoring case.
    """
    runs = replace(runs, statuses=tuple(dict.fromkeys(runs.statuses)))
    if len(runs.definition_ids) == 1:
        [job] = runs.definition_ids
        runs = _of_one_job(runs, job)
    if runs.search is None:
        return RunSearch(runs, runs.definition_ids)
    ids = id_range(runs.search)
    jobs = await jobs_named_like(runs.search)
    if runs.definition_id is not None:
        if runs.definition_id in jobs:
            unsearched = replace(runs, search=None)
            return RunSearch(unsearched)
        return RunSearch(runs, (), ids)
    if runs.definition_ids:
        allowed = set(runs.definition_ids)
        jobs = [job for job in jobs if job in allowed]
    if len(jobs) == 1 and ids == NO_IDS:
        [job] = jobs
        unsearched = replace(_of_one_job(runs, job), search=None)
        return RunSearch(unsearched)
    return RunSearch(runs, jobs, ids)


def _of_one_job(runs: RunFilter, job: UUID) -> RunFilter:
    return replace(runs, definition_ids=(), definition_id=job)


MATCHES = "(job_definition_id = ANY(%(found)s) OR id BETWEEN %(first_id)s AND %(last_id)s)"
"""Whether a run matches a search text."""


def conditions(runs: RunFilter) -> list[str]:
    """Return the SQL conditions of a filter, without its status and search text."""
    parts: list[str] = []
    if runs.definition_id is not None:
        parts.append("job_definition_id = %(definition_id)s")
    if runs.definition_ids and runs.search is not None:
        parts.append("job_definition_id = ANY(%(definition_ids)s)")
    if runs.before_position is not None and runs.order == "created":
        parts.append("created_position < %(before_position)s")
    if runs.other_ids:
        # NOT IN, as PostgreSQL hashes its list, however long it is.
        parts.append("job_definition_id NOT IN (SELECT unnest(%(other_ids)s::uuid[]))")
    parts += [
        f"NOT id BETWEEN %(excluded_{index}_0)s AND %(excluded_{index}_1)s"
        for index in range(len(runs.excluded_ids))
    ]
    parts += failure_search.conditions(
        runs.conditions, are_large=runs.of_large_groups, recent=runs.recent_failures
    )
    return [*parts, *_further(runs.conditions)]


def _further(filters: Conditions) -> Iterator[str]:
    if filters.actors.included:
        yield "requested_by = ANY(%(actors)s)"
    if filters.actors.excluded:
        yield "NOT requested_by = ANY(%(other_actors)s)"
    if filters.workers.included:
        yield f"(started_by ?| %(workers)s::text[] AND {_STARTED.format(values='workers')})"
    if filters.workers.excluded:
        yield f"{_STARTED.format(values='other_workers')} IS NOT TRUE"
    if filters.created_from is not None:
        yield "created_at >= %(created_from)s::timestamptz"
    if filters.created_before is not None:
        yield "created_at < %(created_before)s::timestamptz"
    for index, end in enumerate(filters.ends):
        yield _of_end(index, end)
    if filters.parameters:
        yield from _of_parameters(filters.parameters)


_STARTED = """(
    (SELECT min((started_by ->> worker)::bigint) FROM unnest(%({values})s::text[]) AS worker)
    <= %(ended_by)s
)"""
"""Whether one of these workers had started a run by the position. The operator `?|` beside it is
faster, and can be served by an index that an operator creates."""

_ENDS = {
    "endedAfter": "completed_at >= {value}::timestamptz",
    "endedBefore": "completed_at < {value}::timestamptz",
    "minDurationMs": "duration_ms >= {value}::bigint",
    "maxDurationMs": "duration_ms <= {value}::bigint",
    "error": "strpos(lower(error_message), lower({value}::text)) > 0",
}


def _of_end(index: int, end: End) -> str:
    """Return the condition on a run's end; an end by the position never changes."""
    compared = _ENDS[end.name].format(value=f"%(end_{index})s")
    condition = f"(completed_position <= %(ended_by)s AND {compared})"
    if end.is_negated:
        return f"{condition} IS NOT TRUE"
    return condition


def _of_parameters(parameters: Sequence[Parameter]) -> Iterator[str]:
    """Yield the conditions on a run's parameters, which are decompressed once for all conditions.

    They may have a megabyte, compressed out of line. The concatenation decompresses them, and
    OFFSET keeps the planner from repeating that for each condition.
    """
    if any(not parameter.is_negated for parameter in parameters):
        # Can be served by an index that an operator creates.
        yield "parameters @> ANY(%(containing)s::jsonb[])"
    compared = [_compared(index, parameter) for index, parameter in enumerate(parameters)]
    yield f"""(SELECT {" AND ".join(compared)}
        FROM (SELECT parameters || '{{}}' AS document OFFSET 0) AS unpacked)"""


def _compared(index: int, parameter: Parameter) -> str:
    value = f"document -> %(parameter_{index})s::text"
    condition = f"({value} = ANY(%(values_{index})s::jsonb[]))"
    if parameter.is_negated:
        return f"{condition} IS NOT TRUE"
    return condition


NOW = 2**63 - 1
"""A position after all events."""


def page_values(
    search: RunSearch, limit: int, offset: int, position: int = NOW
) -> dict[str, object]:
    """Return the parameters of the query for a page.

    It reads one run more than the limit, to find out whether more follow.
    """
    first_id, last_id = search.ids
    return {
        **condition_values(search.runs, position),
        "found": list(search.jobs),
        "first_id": first_id,
        "last_id": last_id,
        "page_end": offset + limit + 1,
        "offset": offset,
        "limit": limit + 1,
    }


def condition_values(runs: RunFilter, position: int = NOW) -> dict[str, object]:
    """Return the parameters of `conditions`, as of a position."""
    filters = runs.conditions
    values: dict[str, object] = {
        "definition_id": runs.definition_id,
        "definition_ids": list(runs.definition_ids),
        "other_ids": list(runs.other_ids),
        "before_position": runs.before_position,
        "ended_by": position,
        "actors": sorted(filters.actors.included),
        "other_actors": sorted(filters.actors.excluded),
        "workers": sorted(filters.workers.included),
        "other_workers": sorted(filters.workers.excluded),
        **failure_search.values(filters),
    }
    if runs.recent_failures is not None:
        values["recent_after"] = runs.recent_failures.after
        values["recent_versions"] = list(runs.recent_failures.versions)
    if filters.created_from is not None:
        values["created_from"] = to_iso(filters.created_from)
    if filters.created_before is not None:
        values["created_before"] = to_iso(filters.created_before)
    for index, end in enumerate(filters.ends):
        value = end.value
        values[f"end_{index}"] = to_iso(value) if isinstance(value, datetime) else value
    for index, (first_id, last_id) in enumerate(runs.excluded_ids):
        values[f"excluded_{index}_0"] = first_id
        values[f"excluded_{index}_1"] = last_id
    for index, parameter in enumerate(filters.parameters):
        texts = [canonical(value).decode() for value in parameter.values]
        values[f"parameter_{index}"] = parameter.name
        values[f"values_{index}"] = texts
    values["containing"] = _containing(filters.parameters)
    return values


MAX_CONTAINED = 8
"""Documents in `containing`, at most: each combination of the parameters' values is one."""


def _containing(parameters: Sequence[Parameter]) -> list[str]:
    """Return JSON documents, one of which a run's parameters must contain."""
    documents: list[JsonObject] = [{}]
    for parameter in parameters:
        more = len(documents) * len(parameter.values)
        if not parameter.is_negated and more <= MAX_CONTAINED:
            documents = [
                {**document, parameter.name: value}
                for document in documents
                for value in parameter.values
            ]
    return [canonical(document).decode() for document in documents]


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
    parts = ["true", *conditions(runs)]
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


_THESE = f"SELECT {_COLUMNS} FROM job_runs WHERE id = ANY((SELECT %(ids)s::uuid[])::uuid[])"


def _of_page(columns: str) -> str:
    """Return the query for the first of the runs `%(ids)s`, in their order, up to `PAGE_BYTES`."""
    return within_page(_THESE, _LARGE, "array_position(%(ids)s::uuid[], id)", columns)


async def first_of_page(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Return the first of the runs, in their order, that fit into one page."""
    return await read_ids(connection, _of_page("page.id"), {"ids": list(ids)})


class _RunEnd(TypedDict):
    completed_position: ReadOnly[int | None]
    duration_ms: ReadOnly[int | None]
    started_at: ReadOnly[str | None]


_BY: Mapping[Order, str] = {"started": "started_at", "duration": "duration_ms"}
"""By which column an order goes; after it, and else alone, by the position of the end."""


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
    if runs.order in _BY:
        columns.insert(0, _BY[runs.order])
    parts = [
        "completed_position <= %(ended_by)s",
        *[f"{column} IS NOT NULL" for column in columns],
        # As literals, so that an index of failed runs can serve them.
        f"status IN ({', '.join(statuses)})",
        *conditions(runs),
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
    return newest_matching(_statuses(runs), conditions(runs))
