"""Filters of runs as SQL: the same now and at a past position.

First the filter (`RunFilter`), with jobs by their ids; then the resolved search text (`RunSearch`);
then the conditions in SQL (`sql_conditions`), and the parameters of queries (`page_values`).
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from domain.clock import to_iso
from domain.filters import Conditions, End, Label, Parameter
from domain.json_values import JsonObject, canonical
from projections import failure_search
from projections.failure_search import RecentFailures
from projections.rows import Connection, read_ids

IdRange = tuple[UUID | None, UUID | None]
"""A first and a last id, both None for no id at all."""


NO_IDS: IdRange = (None, None)


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


async def included_jobs(jobs: Jobs, conditions: Conditions) -> list[UUID] | None:
    """Return the jobs that the conditions include, None for all; some may also be excluded."""
    included = await jobs_matching(
        jobs, conditions.jobs.included, conditions.runtimes.included, conditions.modules.included
    )
    for label in conditions.labels:
        if label.is_negated:
            continue
        included = _intersection(included, await jobs.jobs_labelled(label))
    return included


async def excluded_jobs(jobs: Jobs, conditions: Conditions) -> list[UUID] | None:
    """Return the jobs that the conditions exclude, None for all."""
    excluded: list[UUID] = []
    if conditions.jobs.excluded:
        excluded += await jobs.jobs_with(_ascii(conditions.jobs.excluded))
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


async def jobs_matching(
    jobs: Jobs, slugs: frozenset[str], runtimes: frozenset[str], modules: frozenset[str]
) -> list[UUID] | None:
    """Return the jobs with one of these slugs, runtimes and modules, None for all.

    An empty set does not restrict.
    """
    matching: list[UUID] | None = None
    if slugs:
        matching = await jobs.jobs_with(_ascii(slugs))
    if runtimes:
        matching = _intersection(matching, await jobs.jobs_for(sorted(runtimes)))
    if modules:
        matching = _intersection(matching, await jobs.jobs_of_modules(sorted(modules)))
    return matching


def _ascii(slugs: frozenset[str]) -> list[str]:
    """Return the slugs that a job can have, which are ASCII."""
    return sorted(slug for slug in slugs if slug.isascii())


def _intersection(some: list[UUID] | None, others: list[UUID] | None) -> list[UUID] | None:
    """Return the jobs that are among both; None stands for all jobs."""
    if some is None or others is None:
        return others if some is None else some
    allowed = set(others)
    return [job for job in some if job in allowed]


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


_DIGITS_OF_AN_ID = 32


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


NAMED_LIKE = """(
    strpos(lower(slug), lower(%(search)s)) > 0 OR strpos(lower(name), lower(%(search)s)) > 0
)"""
"""Whether the slug or name of a job contains the text, ignoring case."""


_JOBS = f"SELECT id FROM job_definitions WHERE {NAMED_LIKE}"


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


MATCHES = "(job_definition_id = ANY(%(searched_jobs)s) OR id BETWEEN %(first_id)s AND %(last_id)s)"
"""Whether a run matches a search text."""


def sql_conditions(runs: RunFilter) -> list[str]:
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
    return [*parts, *_other_conditions(runs.conditions)]


def _other_conditions(filters: Conditions) -> Iterator[str]:
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
        yield _end_condition(index, end)
    if filters.parameters:
        yield from _parameter_conditions(filters.parameters)


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


def _end_condition(index: int, end: End) -> str:
    """Return the condition on a run's end; an end by the position never changes."""
    compared = _ENDS[end.name].format(value=f"%(end_{index})s")
    condition = f"(completed_position <= %(ended_by)s AND {compared})"
    if end.is_negated:
        return f"{condition} IS NOT TRUE"
    return condition


def _parameter_conditions(parameters: Sequence[Parameter]) -> Iterator[str]:
    """Yield the conditions on a run's parameters, which are decompressed once for all conditions.

    They may have a megabyte, compressed out of line. The concatenation decompresses them, and
    OFFSET keeps the planner from repeating that for each condition.
    """
    if any(not parameter.is_negated for parameter in parameters):
        # Can be served by an index that an operator creates.
        yield "parameters @> ANY(%(containing)s::jsonb[])"
    compared = [
        _parameter_condition(index, parameter) for index, parameter in enumerate(parameters)
    ]
    yield f"""(SELECT {" AND ".join(compared)}
        FROM (SELECT parameters || '{{}}' AS document OFFSET 0) AS unpacked)"""


def _parameter_condition(index: int, parameter: Parameter) -> str:
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
        "searched_jobs": list(search.jobs),
        "first_id": first_id,
        "last_id": last_id,
        "page_end": offset + limit + 1,
        "offset": offset,
        "limit": limit + 1,
    }


def condition_values(runs: RunFilter, position: int = NOW) -> dict[str, object]:
    """Return the parameters of `sql_conditions`, as of a position."""
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
