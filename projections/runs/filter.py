"""Which runs are wanted, and what a search text comes to: the same now and at a past position."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.clock import to_iso
from domain.filters.conditions import Conditions, Parameter
from domain.json_values import JsonObject, canonical
from projections.failures import asked
from projections.failures.asked import Lately
from projections.rows import Connection
from projections.runs.search import (
    NO_IDS,
    IdRange,
    Jobs,
    id_range,
    jobs_meant,
    jobs_unwanted,
)


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs to list; what is left empty does not restrict.

    Attributes:
        definition_ids: the jobs of which they may be, where these are several.
        other_ids: the jobs of which they may not be.
        search: part of the job's slug or name, or the start of a run's id.
        unsought: ranges of ids that they may not have.
        before_position: only runs created before this place in the log (a keyset cursor).
        conditions: what else must hold: who requested them, why they failed, their parameters,
            when they were created. The others are said by the fields above.
        of_large_groups: whether the failure groups that are wanted have many failures.
        lately: which of these failures count, where only the newest runs are looked at.
    """

    definition_id: UUID | None = None
    definition_ids: Sequence[UUID] = ()
    other_ids: Sequence[UUID] = ()
    statuses: Sequence[str] = ()
    search: str | None = None
    unsought: Sequence[IdRange] = ()
    before_position: int | None = None
    conditions: Conditions = field(default_factory=Conditions)
    of_large_groups: bool = False
    lately: Lately | None = None

    @property
    def is_sought(self) -> bool:
        """Return whether runs are found by the jobs or the ids that `Sought` names."""
        return self.search is not None or bool(self.definition_ids)


async def run_filter(
    connection: Connection, jobs: Jobs, conditions: Conditions
) -> RunFilter | None:
    """Return the filter for conditions, with jobs by their ids; None where no run can be meant."""
    conditions = asked.narrowed(conditions)
    if conditions.statuses == ():
        return None
    named = await jobs_meant(jobs, conditions)
    if named == []:
        return None
    others = await jobs_unwanted(jobs, conditions)
    if others is None:
        return None
    if named is not None:
        excluded = set(others)
        named = [job for job in named if job not in excluded]
        others = []
        if not named:
            return None
    ranges = map(id_range, conditions.unsought)
    return RunFilter(
        definition_ids=named or (),
        other_ids=others,
        statuses=conditions.statuses or (),
        search=conditions.search,
        unsought=[one for one in ranges if one != NO_IDS],
        conditions=conditions,
        of_large_groups=await asked.are_large(connection, conditions),
    )


@dataclass(frozen=True)
class Sought:
    """A filter whose search text has been looked up.

    Attributes:
        runs: the filter, without a text that says nothing but of which job the runs are.
        jobs: the jobs that the text matches, as far as the filter lets them pass; without a text,
            those that the filter names.
        ids: the first and last id that the text begins.
    """

    runs: RunFilter
    jobs: Sequence[UUID] = ()
    ids: IdRange = NO_IDS

    @property
    def finds_nothing(self) -> bool:
        """Return whether the filter lets no run pass, whatever runs there are."""
        return self.runs.is_sought and not self.jobs and self.ids == NO_IDS


async def looked_up(
    runs: RunFilter, jobs_named_like: Callable[[str], Awaitable[list[UUID]]]
) -> Sought:
    """Look up the filter's search text.

    Args:
        runs: the filter.
        jobs_named_like: returns the jobs whose slug or name holds a text, in any case.
    """
    each_once = dict.fromkeys(runs.statuses)
    runs = replace(runs, statuses=tuple(each_once))
    if len(runs.definition_ids) == 1:
        [job] = runs.definition_ids
        runs = _of_one_job(runs, job)
    if runs.search is None:
        return Sought(runs, runs.definition_ids)
    ids = id_range(runs.search)
    jobs = await jobs_named_like(runs.search)
    if runs.definition_id is not None:
        if runs.definition_id in jobs:
            unsearched = replace(runs, search=None)
            return Sought(unsearched)
        return Sought(runs, (), ids)
    if runs.definition_ids:
        passing = set(runs.definition_ids)
        jobs = [job for job in jobs if job in passing]
    if len(jobs) == 1 and ids == NO_IDS:
        [job] = jobs
        of_one = _of_one_job(runs, job)
        unsearched = replace(of_one, search=None)
        return Sought(unsearched)
    return Sought(runs, jobs, ids)


def _of_one_job(runs: RunFilter, job: UUID) -> RunFilter:
    return replace(runs, definition_ids=(), definition_id=job)


MATCHES = (
    "(job_definition_id = ANY(%(found)s) OR id BETWEEN %(first_id)s AND %(last_id)s)"
)
"""Whether a search text matches a run."""


def conditions(runs: RunFilter) -> list[str]:
    """Return what must hold of a run, its status and the search text apart."""
    found: list[str] = []
    if runs.definition_id is not None:
        found.append("job_definition_id = %(definition_id)s")
    if runs.definition_ids and runs.search is not None:
        found.append("job_definition_id = ANY(%(definition_ids)s)")
    if runs.before_position is not None:
        found.append("created_position < %(before_position)s")
    if runs.other_ids:
        # NOT IN, for PostgreSQL hashes its list, however long that is.
        found.append("job_definition_id NOT IN (SELECT unnest(%(other_ids)s::uuid[]))")
    found += [
        f"NOT id BETWEEN %(unsought_{index}_0)s AND %(unsought_{index}_1)s"
        for index in range(len(runs.unsought))
    ]
    found += asked.conditions(
        runs.conditions, are_large=runs.of_large_groups, lately=runs.lately
    )
    return [*found, *_further(runs.conditions)]


def _further(wanted: Conditions) -> Iterator[str]:
    if wanted.actors.wanted:
        yield "requested_by = ANY(%(actors)s)"
    if wanted.actors.unwanted:
        yield "NOT requested_by = ANY(%(other_actors)s)"
    if wanted.created_from is not None:
        yield "created_at >= %(created_from)s::timestamptz"
    if wanted.created_before is not None:
        yield "created_at < %(created_before)s::timestamptz"
    if wanted.parameters:
        yield from _of_parameters(wanted.parameters)


def _of_parameters(parameters: Sequence[Parameter]) -> Iterator[str]:
    """Yield what must hold of a run's parameters, which are unpacked once for all conditions.

    They may have a megabyte, and lie compressed elsewhere. What is concatenated is unpacked, and
    OFFSET keeps it from being taken apart and done again for each condition.
    """
    if any(not parameter.is_negated for parameter in parameters):
        # What contains the values is found by an index if an operator made one.
        yield "parameters @> ANY(%(containing)s::jsonb[])"
    compared = [
        _compared(index, parameter) for index, parameter in enumerate(parameters)
    ]
    yield f"""(SELECT {" AND ".join(compared)}
        FROM (SELECT parameters || '{{}}' AS document OFFSET 0) AS unpacked)"""


def _compared(index: int, parameter: Parameter) -> str:
    value = f"document -> %(parameter_{index})s::text"
    condition = f"({value} = ANY(%(values_{index})s::jsonb[]))"
    if parameter.is_negated:
        return f"{condition} IS NOT TRUE"
    return condition


NOW = 2**63 - 1
"""As the position that is looked at: all that has ended, has ended."""


def page_values(
    sought: Sought, limit: int, offset: int, position: int = NOW
) -> dict[str, object]:
    """Return the parameters of the query for a page.

    One run more than the limit is asked for: it tells whether more follow.
    """
    first_id, last_id = sought.ids
    return {
        **condition_values(sought.runs, position),
        "found": list(sought.jobs),
        "first_id": first_id,
        "last_id": last_id,
        "page_end": offset + limit + 1,
        "offset": offset,
        "limit": limit + 1,
    }


def condition_values(runs: RunFilter, position: int = NOW) -> dict[str, object]:
    """Return the parameters of `conditions`, as of a position."""
    wanted = runs.conditions
    values: dict[str, object] = {
        "definition_id": runs.definition_id,
        "definition_ids": list(runs.definition_ids),
        "other_ids": list(runs.other_ids),
        "before_position": runs.before_position,
        "ended_by": position,
        "actors": sorted(wanted.actors.wanted),
        "other_actors": sorted(wanted.actors.unwanted),
        **asked.values(wanted),
    }
    if runs.lately is not None:
        values["noted_after"] = runs.lately.after
        values["noted_versions"] = list(runs.lately.versions)
    if wanted.created_from is not None:
        values["created_from"] = to_iso(wanted.created_from)
    if wanted.created_before is not None:
        values["created_before"] = to_iso(wanted.created_before)
    for index, (first_id, last_id) in enumerate(runs.unsought):
        values[f"unsought_{index}_0"] = first_id
        values[f"unsought_{index}_1"] = last_id
    for index, parameter in enumerate(wanted.parameters):
        texts = [canonical(value).decode() for value in parameter.values]
        values[f"parameter_{index}"] = parameter.name
        values[f"values_{index}"] = texts
    values["containing"] = _containing(wanted.parameters)
    return values


MOST_CONTAINED = 8
"""Documents of which runs must contain one: each value of one parameter with each of others."""


def _containing(parameters: Sequence[Parameter]) -> list[str]:
    """Return documents of which the parameters of a run must contain one, in JSON."""
    documents: list[JsonObject] = [{}]
    for parameter in parameters:
        more = len(documents) * len(parameter.values)
        if not parameter.is_negated and more <= MOST_CONTAINED:
            documents = [
                {**document, parameter.name: value}
                for document in documents
                for value in parameter.values
            ]
    return [canonical(document).decode() for document in documents]
