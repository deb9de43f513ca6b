"""The query parameter `asOf`, and reads of runs and jobs from the view that it selects."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from api.http.dependencies import job_not_found, possible_slug, run_id_of, run_not_found
from api.views.lists import View
from domain.clock import from_iso
from domain.errors import InvalidInputError, Issue
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow

_DESCRIPTION = (
    "show the state at a position of the log, or at an ISO 8601 time:"
    " the last position recorded at or before it"
)


async def _as_of(
    as_of: Annotated[
        str | None,
        Query(
            alias="asOf",
            max_length=40,
            description=_DESCRIPTION,
            examples=["1234", "2026-11-24T14:31:04.123Z"],
        ),
    ] = None,
) -> int | datetime | None:
    if as_of is None:
        return None
    if as_of.isascii() and as_of.isdigit():
        return int(as_of)
    try:
        return from_iso(as_of)
    except ValueError:
        message = (
            "must be a position (0, 1, 2, …)"
            " or a time with an offset, such as 2026-11-24T14:31:04.123Z"
        )
        if " " in as_of:
            message += "; write + as %2B"
        raise InvalidInputError([Issue("/asOf", message, "format")]) from None


AsOfDep = Annotated[int | datetime | None, Depends(_as_of)]


async def job_in(view: View, slug: str) -> JobDefinitionRow:
    """Return a job, or raise NotFoundError `job_not_found`."""
    job = await view.job(possible_slug(slug))
    if job is None:
        raise job_not_found()
    return job


async def run_in(view: View, run_id: str) -> RunRow:
    """Return a run, or raise NotFoundError `run_not_found`."""
    run = await view.run(run_id_of(run_id))
    if run is None:
        raise run_not_found()
    return run
