"""Histories, runs and definitions, now or as of a position, for routes that show either.

First the histories of runs; then `View`, which is implemented by `Present` here and by
`eventlog.history.as_of.Past`; last lists of definitions.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import orjson
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from domain.filters import Label
from domain.json_values import JsonObject
from domain.quarantine import Quarantine
from eventlog.database.connection import borrowed
from eventlog.database.costly_reads import CostlyReads
from eventlog.history.as_of import open_past
from eventlog.history.reader import Reader, with_unreadable_head
from eventlog.keys import LogFiles
from projections import job_definitions, job_runs
from projections.envelope import Envelope
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.rows import Connection
from projections.runs import lists
from projections.runs.attempts import AttemptFolder
from projections.runs.filters import Jobs, RunFilter, jobs_labelled, jobs_named_like
from projections.table import rows_by_id

MAX_BYTES = 4_194_304
"""Size at which a page of executions ends: each may hold a long error message."""


async def all_events(
    reader: Reader, run_id: UUID, first: Sequence[Envelope], after: int
) -> AsyncIterator[list[JsonObject]]:
    """Yield a run's events in parts.

    Args:
        reader: reads the log.
        run_id: the run.
        first: the first part, which the caller has read.
        after: the version of this part's last event.
    """
    yield [event.present() for event in first]
    version: int | None = after
    while version is not None:
        events, version = await reader.history(run_id, version)
        yield [event.present() for event in events]


async def executions_after(
    reader: Reader, run_id: UUID, after: int, limit: int
) -> tuple[list[JsonObject], int | None]:
    """Return at most `limit` executions of a run that began after a version.

    Args:
        reader: reads the log.
        run_id: the run.
        after: the version after which they began.
        limit: number of executions.

    Returns:
        The executions, and the `after` of the next page, None at the end.
    """
    folder = AttemptFolder()
    executions: list[JsonObject] = []
    size = 0
    version: int | None = after
    while version is not None:
        events, version = await reader.landmarks(run_id, version)
        for event in events:
            execution = folder.add(event)
            if execution is None:
                continue
            executions.append(execution)
            size += len(orjson.dumps(execution))
            if len(executions) == limit or size > MAX_BYTES:
                return executions, folder.began_at - 1
    last = folder.end()
    if last is not None:
        executions.append(last)
    return executions, None


class View(Jobs, Protocol):
    """Runs and jobs, now or at a position of the log."""

    async def run(self, run_id: UUID) -> RunRow | None:
        """Return the run, or None."""

    async def job(self, slug: str) -> JobDefinitionRow | None:
        """Return the definition with this slug, ignoring case, or None."""

    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, JobDefinitionRow]:
        """Return the definitions that exist, by id."""

    async def runs(
        self, run_filter: RunFilter, limit: int, offset: int
    ) -> tuple[list[RunRow], int | None]:
        """Return a page of runs, newest first, and the offset of the next, None at the end."""

    async def with_unreadable_head(self, ids: Collection[UUID]) -> set[UUID]:
        """Return the runs whose last event this version of the program cannot read."""

    @property
    def position(self) -> int | None:
        """Return the log position that is shown, None for the present."""


class Present(View):
    """The tables as they are now."""

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
        self, run_filter: RunFilter, limit: int, offset: int
    ) -> tuple[list[RunRow], int | None]:
        return await lists.list_runs(self._connection, run_filter, limit, offset)

    @override
    async def with_unreadable_head(self, ids: Collection[UUID]) -> set[UUID]:
        return await with_unreadable_head(self._connection, ids)


@asynccontextmanager
async def open_view(
    connection: Connection, files: LogFiles, as_of: int | datetime | None
) -> AsyncIterator[View]:
    """Open the present, or the past at a position or time.

    Raises:
        InvalidInputError: `as_of` lies in the future.
    """
    if as_of is None:
        yield Present(connection)
        return
    async with open_past(connection, files, as_of) as past:
        yield past


def view_meta(view: View) -> JsonObject:
    """Return the view's part of a response's `meta`: `asOf`, or nothing for the present."""
    return {} if view.position is None else {"asOf": view.position}


async def present_runs(
    view: View, runs: Sequence[RunRow], quarantine: Quarantine
) -> list[JsonObject]:
    """Return the runs as JSON; those that this version cannot read are marked `quarantined`."""
    ids = [UUID(run["id"]) for run in runs]
    unreadable = await view.with_unreadable_head(ids)
    documents: list[JsonObject] = []
    for run_id, run in zip(ids, runs, strict=True):
        document = job_runs.present(run)
        if run_id in unreadable or run_id in quarantine:
            document["quarantined"] = True
        documents.append(document)
    return documents


async def with_jobs(view: View, runs: Sequence[RunRow], quarantine: Quarantine) -> list[JsonObject]:
    """Return the runs as JSON, each with its job in brief."""
    ids = {UUID(run["job_definition_id"]) for run in runs}
    jobs = await view.jobs(list(ids))
    briefs = {job["id"]: _brief(job) for job in jobs.values()}
    documents = await present_runs(view, runs, quarantine)
    return [
        {"run": document, "job": briefs[run["job_definition_id"]]}
        for run, document in zip(runs, documents, strict=True)
    ]


def _brief(job: JobDefinitionRow) -> JsonObject:
    return {
        "id": job["id"],
        "slug": job["slug"],
        "name": job["name"],
        "version": job["version"],
        "type": job["type"],
        "runtime": job["runtime"],
    }


PART_BYTES = 262_144
"""Size at which a part of a list ends; a single definition may be larger."""

PAGE_BYTES = 4_194_304
"""A page of a list ends with the definition that reaches this size."""

MAX_PART = 50
"""Definitions that are read, and held in memory, at a time."""


@dataclass(frozen=True)
class DefinitionsPart:
    """Some definitions as JSON, ordered by slug.

    Attributes:
        slugs: slugs of the definitions in `texts`.
        texts: the definitions.
        rows_read: rows that were read, including those that the view or the module filter left out.
        last_slug: slug of the last row that was read.
        has_more: whether more rows may follow it.
        position: the log position that they show; None for the present.
    """

    slugs: list[str]
    texts: list[bytes]
    rows_read: int
    last_slug: str
    has_more: bool
    position: int | None


@dataclass(frozen=True)
class JobLists:
    """Reads lists of definitions, ordered by slug.

    Attributes:
        pool: connections for reading the present.
        costly: connections for reading the past.
        as_of: a position or a time; None for the present.
        modules: only jobs that belong to one of these modules; empty for all jobs.
    """

    pool: AsyncConnectionPool[Connection]
    costly: CostlyReads
    files: LogFiles
    as_of: int | datetime | None
    modules: frozenset[str] = frozenset()

    async def after(self, slug: str, limit: int, *, is_new: bool = True) -> DefinitionsPart:
        """Return at most `limit` definitions that come after a slug.

        Args:
            slug: the last slug of the part before; empty for the first part.
            limit: how many definitions to read at most.
            is_new: whether this is the first part.

        Raises:
            OverloadedError, TooCostlyError: as `CostlyReads.turn`.
            InvalidInputError: `as_of` lies in the future.
        """
        is_past = self.as_of is not None
        async with (
            self._connection(is_new=is_new) as connection,
            open_view(connection, self.files, self.as_of) as view,
        ):
            part = await job_definitions.next_by_slug(
                connection, slug, limit, PART_BYTES, also_deleted=is_past
            )
            rows = await _as_of_view(view, part.rows) if is_past else part.rows
        if self.modules:
            rows = [row for row in rows if job_definitions.is_of_modules(row, self.modules)]
        slugs = [row["slug"] for row in rows]
        texts = [orjson.dumps(job_definitions.present(row)) for row in rows]
        if not part.rows:
            return DefinitionsPart(slugs, texts, 0, slug, False, view.position)
        last_slug = part.rows[-1]["slug"]
        rows_read = len(part.rows)
        return DefinitionsPart(slugs, texts, rows_read, last_slug, part.has_more, view.position)

    async def page(self, after: str, limit: int) -> tuple[list[bytes], str | None, int | None]:
        """Return the definitions after a slug as JSON, and the `after` of the next page.

        Last the log position that they show; None for the present.

        Raises:
            InvalidInputError: `as_of` lies in the future.
        """
        slugs: list[str] = []
        texts: list[bytes] = []
        size = 0
        has_more = True
        last_slug = after
        position: int | None = None
        while has_more and len(texts) <= limit and size < PAGE_BYTES:
            part = await self.after(last_slug, min(limit + 1 - len(texts), MAX_PART))
            slugs += part.slugs
            texts += part.texts
            size += sum(map(len, part.texts))
            last_slug, has_more, position = part.last_slug, part.has_more, part.position
        if len(texts) > limit:
            return texts[:limit], slugs[limit - 1], position
        return texts, last_slug if has_more else None, position

    def _connection(self, *, is_new: bool) -> AbstractAsyncContextManager[Connection]:
        if self.as_of is None:
            return borrowed(self.pool)
        return self.costly.turn(["/asOf"], is_new=is_new)


async def _as_of_view(view: View, rows: Sequence[JobDefinitionRow]) -> list[JobDefinitionRow]:
    """Return the definitions of the view; those that it lacks, or has deleted, are left out."""
    ids = [UUID(row["id"]) for row in rows]
    jobs = await view.jobs(ids)
    existing = [jobs[job_id] for job_id in ids if job_id in jobs]
    return [row for row in existing if row["deleted_at"] is None]
