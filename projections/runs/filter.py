"""Which runs are wanted, and what a search text comes to: the same now and at a past position."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from projections.runs.search import NO_IDS, IdRange, id_range


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs to list; what is left empty does not restrict.

    Attributes:
        definition_ids: the jobs of which they may be, where these are several.
        search: part of the job's slug or name, or the start of a run's id.
        before_position: only runs created before this place in the log (a keyset cursor).
    """

    definition_id: UUID | None = None
    definition_ids: Sequence[UUID] = ()
    statuses: Sequence[str] = ()
    search: str | None = None
    before_position: int | None = None

    @property
    def is_sought(self) -> bool:
        """Return whether runs are found by the jobs or the ids that `Sought` names."""
        return self.search is not None or bool(self.definition_ids)


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
    runs = replace(runs, statuses=tuple(dict.fromkeys(runs.statuses)))
    if len(runs.definition_ids) == 1:
        [job] = runs.definition_ids
        runs = replace(runs, definition_ids=(), definition_id=job)
    if runs.search is None:
        return Sought(runs, runs.definition_ids)
    ids = id_range(runs.search)
    jobs = await jobs_named_like(runs.search)
    if runs.definition_id is not None:
        if runs.definition_id in jobs:
            return Sought(replace(runs, search=None))
        return Sought(runs, (), ids)
    if runs.definition_ids:
        passing = set(runs.definition_ids)
        jobs = [job for job in jobs if job in passing]
    if len(jobs) == 1 and ids == NO_IDS:
        [job] = jobs
        of_one = replace(runs, search=None, definition_ids=(), definition_id=job)
        return Sought(of_one)
    return Sought(runs, jobs, ids)


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
    return found


def page_values(sought: Sought, limit: int, offset: int) -> dict[str, object]:
    """Return the parameters of the query for a page.

    One run more than the limit is asked for: it tells whether more follow.
    """
    first_id, last_id = sought.ids
    return {
        "definition_id": sought.runs.definition_id,
        "definition_ids": list(sought.runs.definition_ids),
        "before_position": sought.runs.before_position,
        "found": list(sought.jobs),
        "first_id": first_id,
        "last_id": last_id,
        "page_end": offset + limit + 1,
        "offset": offset,
        "limit": limit + 1,
    }
