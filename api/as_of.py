"""`asOf`: routes that show runs and jobs ask a view, which is the present or the past, and need not know which."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from api.context import job_not_found, possible_slug, run_id_of, run_not_found
from domain.clock import from_iso
from domain.errors import InvalidInputError, Issue
from domain.json_values import JsonObject
from domain.ports import Row
from eventlog.past import opened
from projections import job_definitions, job_runs, run_queries
from projections.run_queries import RunFilter
from projections.table import Connection, rows_by_id

_DESCRIPTION = (
    "show what there was then: a position of the log, or an ISO 8601 time, which means the last position recorded at"
    " or before it"
)


async def _as_of(
    as_of: Annotated[str | None, Query(alias="asOf", max_length=40, description=_DESCRIPTION)] = None,
) -> int | datetime | None:
    if as_of is None:
        return None
    if as_of.isascii() and as_of.isdigit():
        return int(as_of)
    try:
        return from_iso(as_of)
    except (ValueError, OverflowError):
        hint = "; write + as %2B" if " " in as_of else ""
        message = f"must be a position (0, 1, 2, …) or a time with an offset, such as 2026-11-24T14:31:04.123Z{hint}"
        raise InvalidInputError([Issue("/asOf", message, "format")]) from None


AsOfDep = Annotated[int | datetime | None, Depends(_as_of)]


class RunCounts(BaseModel):
    """How many runs there are in each status."""

    model_config = ConfigDict(extra="forbid")

    pending: int
    running: int
    succeeded: int
    failed: int
    canceled: int
    expired: int


class CountsMeta(BaseModel):
    """The place in the log that counts are exact for; with `asOf` under both names."""

    model_config = ConfigDict(extra="forbid")

    position: int
    asOf: int | None = None  # noqa: N815 - the contract's name


class View(Protocol):
    """What can be seen of runs and jobs."""

    async def run(self, run_id: UUID) -> Row | None:
        """Return the run, or None."""

    async def job(self, slug: str) -> Row | None:
        """Return the definition with this slug, ignoring case, or None."""

    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Return those of the definitions that there are."""

    async def runs(self, wanted: RunFilter, limit: int, offset: int) -> tuple[list[Row], bool]:
        """Return a page of runs, newest first, and whether more follow."""

    @property
    def position(self) -> int | None:
        """Return where in the log one looks from, None for the present."""


class Present:
    """The tables as they stand."""

    position: int | None = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def run(self, run_id: UUID) -> Row | None:
        """See `View`."""
        return await run_queries.by_id(self._connection, run_id)

    async def job(self, slug: str) -> Row | None:
        """See `View`."""
        return await job_definitions.by_slug(self._connection, slug)

    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, Row]:
        """See `View`."""
        return await rows_by_id(self._connection, job_definitions.TABLE, list(ids))

    async def runs(self, wanted: RunFilter, limit: int, offset: int) -> tuple[list[Row], bool]:
        """See `View`."""
        return await run_queries.list_runs(self._connection, wanted, limit, offset)


@asynccontextmanager
async def view(connection: Connection, as_of: int | datetime | None) -> AsyncIterator[View]:
    """Open the view that a request asks for.

    Raises:
        InvalidInputError: it lies in the future.
    """
    if as_of is None:
        yield Present(connection)
        return
    async with opened(connection, as_of) as past:
        yield past


def meta_of(seen: View) -> JsonObject:
    """Return what the `meta` of an answer says of the view: nothing of the present."""
    return {} if seen.position is None else {"asOf": seen.position}


async def job_in(seen: View, slug: str) -> Row:
    """Return a job, or raise NotFoundError `job_not_found`."""
    job = await seen.job(possible_slug(slug))
    if job is None:
        raise job_not_found()
    return job


async def run_in(seen: View, run_id: str) -> Row:
    """Return a run, or raise NotFoundError `run_not_found`."""
    run = await seen.run(run_id_of(run_id))
    if run is None:
        raise run_not_found()
    return run


async def with_jobs(seen: View, runs: Sequence[Row]) -> list[JsonObject]:
    """Return the runs as clients see them, each with its job in brief."""
    jobs = await seen.jobs(list({UUID(str(run["job_definition_id"])) for run in runs}))
    return [{"run": job_runs.present(run), "job": _brief(jobs[UUID(str(run["job_definition_id"]))])} for run in runs]


def _brief(job: Row) -> JsonObject:
    return {name: job[name] for name in ("id", "slug", "name", "version", "type")}
