"""Runs as they are now or were at a position, for routes that show either."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from typing_extensions import override

from domain.filters.conditions import Label
from domain.json_values import JsonObject
from domain.quarantine import Quarantine
from eventlog.history.as_of import opened
from eventlog.history.unreadable import with_unreadable_head
from eventlog.keys.log_files import LogFiles
from projections import job_definitions, job_runs
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.rows import Connection
from projections.runs import lists
from projections.runs.filter import RunFilter
from projections.runs.search import Jobs, jobs_labelled, jobs_named_like
from projections.table import rows_by_id


class View(Jobs, Protocol):
    """What can be seen of runs and jobs."""

    async def run(self, run_id: UUID) -> RunRow | None:
        """Return the run, or None."""

    async def job(self, slug: str) -> JobDefinitionRow | None:
        """Return the definition with this slug, ignoring case, or None."""

    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, JobDefinitionRow]:
        """Return those of the definitions that there are."""

    async def runs(
        self, wanted: RunFilter, limit: int, offset: int
    ) -> tuple[list[RunRow], int | None]:
        """Return a page of runs, newest first, and the offset of the next, None at the end."""

    async def with_unreadable_head(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of the runs whose last event this version of the program cannot read."""

    @property
    def position(self) -> int | None:
        """Return where in the log one looks from, None for the present."""


class Present(View):
    """The tables as they stand."""

    position: int | None = None

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    async def run(self, run_id: UUID) -> RunRow | None:
        return await lists.by_id(self._connection, run_id)

    @override
    async def job(self, slug: str) -> JobDefinitionRow | None:
        row = await job_definitions.by_slug(self._connection, slug)
        return job_definitions.unless_deleted(row)

    @override
    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, JobDefinitionRow]:
        return await rows_by_id(self._connection, job_definitions.TABLE, list(ids))

    @override
    async def jobs_with(self, slugs: Sequence[str]) -> list[UUID]:
        return await job_definitions.ids_of(self._connection, slugs)

    @override
    async def jobs_for(self, runtimes: Sequence[str]) -> list[UUID] | None:
        return await job_definitions.ids_for(self._connection, runtimes)

    @override
    async def jobs_of_modules(self, modules: Sequence[str]) -> list[UUID]:
        return await job_definitions.ids_of_modules(self._connection, modules)

    @override
    async def jobs_labelled(self, label: Label) -> list[UUID]:
        return await jobs_labelled(self._connection, label)

    @override
    async def jobs_named_like(self, search: str) -> list[UUID]:
        return await jobs_named_like(self._connection, search)

    @override
    async def runs(
        self, wanted: RunFilter, limit: int, offset: int
    ) -> tuple[list[RunRow], int | None]:
        return await lists.list_runs(self._connection, wanted, limit, offset)

    @override
    async def with_unreadable_head(self, ids: Collection[UUID]) -> set[UUID]:
        return await with_unreadable_head(self._connection, ids)


@asynccontextmanager
async def view(
    connection: Connection, files: LogFiles, as_of: int | datetime | None
) -> AsyncIterator[View]:
    """Open the view that a request asks for.

    Raises:
        InvalidInputError: it lies in the future.
    """
    if as_of is None:
        yield Present(connection)
        return
    async with opened(connection, files, as_of) as past:
        yield past


def meta_of(seen: View) -> JsonObject:
    """Return what the `meta` of an answer says of the view: nothing of the present."""
    if seen.position is None:
        return {}
    return {"asOf": seen.position}


async def presented(
    seen: View, runs: Sequence[RunRow], quarantine: Quarantine
) -> list[JsonObject]:
    """Return the runs as clients see them; those that cannot be read say so."""
    ids = [UUID(run["id"]) for run in runs]
    unreadable = await seen.with_unreadable_head(ids)
    shown: list[JsonObject] = []
    for run_id, run in zip(ids, runs, strict=True):
        one = job_runs.present(run)
        if run_id in unreadable or run_id in quarantine:
            one["quarantined"] = True
        shown.append(one)
    return shown


async def with_jobs(
    seen: View, runs: Sequence[RunRow], quarantine: Quarantine
) -> list[JsonObject]:
    """Return the runs as clients see them, each with its job in brief."""
    ids = {UUID(run["job_definition_id"]) for run in runs}
    jobs = await seen.jobs(list(ids))
    briefs = {job["id"]: _brief(job) for job in jobs.values()}
    documents = await presented(seen, runs, quarantine)
    shown: list[JsonObject] = []
    for run, document in zip(runs, documents, strict=True):
        job_id = run["job_definition_id"]
        shown.append({"run": document, "job": briefs[job_id]})
    return shown


def _brief(job: JobDefinitionRow) -> JsonObject:
    return {
        "id": job["id"],
        "slug": job["slug"],
        "name": job["name"],
        "version": job["version"],
        "type": job["type"],
        "runtime": job["runtime"],
    }
