"""Histories, runs and definitions, now or as of a position, for routes that show either.

First histories, page by page or part by part; then `View`, whose kinds are the present and the
past; last the lists of definitions.
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

from domain.errors import NotFoundError
from domain.filters import Label
from domain.json_values import JsonObject
from domain.quarantine import Quarantine
from eventlog.database.connection import borrowed
from eventlog.database.costly_reads import CostlyReads
from eventlog.history.as_of import opened
from eventlog.history.reader import Reader, with_unreadable_head
from eventlog.keys import LogFiles
from eventlog.workers import Heartbeats
from projections import job_definitions, job_runs
from projections.envelope import Envelope
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.rows import Connection
from projections.runs import lists
from projections.runs.attempts import AttemptFolder
from projections.runs.lists import Jobs, RunFilter, jobs_labelled, jobs_named_like
from projections.table import rows_by_id

# Histories as clients see them: page by page, or all of it part by part.

MAX_BYTES = 4_194_304
"""A page of executions goes no further: each may tell of a long error."""


async def all_events(
    reader: Reader, run_id: UUID, first: Sequence[Envelope], after: int
) -> AsyncIterator[list[JsonObject]]:
    """Yield a run's events: the first, and then all after a version."""
    yield [event.present() for event in first]
    position: int | None = after
    while position is not None:
        events, position = await reader.history(run_id, position)
        yield [event.present() for event in events]


async def executions_after(
    reader: Reader, run_id: UUID, after: int, limit: int
) -> tuple[list[JsonObject], int | None]:
    """Return a run's executions that began after an event, at most so many.

    With them comes after which event the next begins, None where there is none.
    """
    folder = AttemptFolder()
    found: list[JsonObject] = []
    size = 0
    position: int | None = after
    while position is not None:
        events, position = await reader.landmarks(run_id, position)
        for event in events:
            over = folder.add(event)
            if over is None:
                continue
            found.append(over)
            size += len(orjson.dumps(over))
            if len(found) == limit or size > MAX_BYTES:
                return found, folder.began_at - 1
    last = folder.end()
    if last is not None:
        found.append(last)
    return found, None


# A run log that is not found here may have been written elsewhere: say so, and by which worker.


async def refuse_logs_elsewhere(heartbeats: Heartbeats, worker_id: str, here: str | None) -> None:
    """Say so where a worker's log is not empty but out of reach.

    Raises:
        NotFoundError: the worker has another data directory or store.
    """
    writer = await heartbeats.writer_of_logs(worker_id)
    if writer is None or writer["logs_at"] in {None, here}:
        return
    where = "another data directory or store of logs than this API"
    message = (
        f"the log is with the worker {worker_id} on {writer['host']}, which has {where};"
        " start both with the same --data-dir, or with the same --logs-store"
    )
    raise NotFoundError("logs_elsewhere", message)


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


async def presented(seen: View, runs: Sequence[RunRow], quarantine: Quarantine) -> list[JsonObject]:
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


async def with_jobs(seen: View, runs: Sequence[RunRow], quarantine: Quarantine) -> list[JsonObject]:
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


# Lists of definitions, part by part: a single one may be a megabyte long.

PART_BYTES = 262_144
"""A part of a list has no more, unless a single definition does."""

PAGE_BYTES = 4_194_304
"""A page of a list ends with the definition that reaches this."""

AT_ONCE = 50
"""Definitions that are read, and held in memory, at a time."""


@dataclass(frozen=True)
class Part:
    """Some definitions, as JSON, and whether others may come behind the last slug.

    Of those that were read, some may not have been there at the moment that is asked for.

    Attributes:
        slugs: of the definitions in `texts`.
    """

    slugs: list[str]
    texts: list[bytes]
    read: int
    last_slug: str
    goes_on: bool


@dataclass(frozen=True)
class JobLists:
    """All definitions, ordered by slug.

    Attributes:
        pool: for the present.
        costly: for the past.
        as_of: a position or a time; None for the present.
        modules: only those that belong to one of these; empty for all.
    """

    pool: AsyncConnectionPool[Connection]
    costly: CostlyReads
    files: LogFiles
    as_of: int | datetime | None
    modules: frozenset[str] = frozenset()

    async def after(self, slug: str, at_once: int, *, is_new: bool = True) -> Part:
        """Return the definitions that come next after a slug.

        Args:
            slug: of the last one that is known.
            at_once: definitions at most.
            is_new: whether this is the first part.

        Raises:
            OverloadedError, TooCostlyError: as `CostlyReads.turn`.
            InvalidInputError: `as_of` is still to come.
        """
        is_past = self.as_of is not None
        async with (
            self._connection(is_new=is_new) as connection,
            view(connection, self.files, self.as_of) as seen,
        ):
            some = await job_definitions.next_by_slug(
                connection, slug, at_once, PART_BYTES, also_deleted=is_past
            )
            rows = some.rows
            if is_past:
                rows = await _as_seen(seen, some.rows)
        rows = [row for row in rows if self._belongs(row)]
        slugs = [row["slug"] for row in rows]
        documents = [job_definitions.present(row) for row in rows]
        texts = [orjson.dumps(document) for document in documents]
        if not some.rows:
            return Part(slugs, texts, 0, slug, goes_on=False)
        read = len(some.rows)
        last = some.rows[-1]
        last_slug = last["slug"]
        return Part(slugs, texts, read, last_slug, some.goes_on)

    def _belongs(self, row: JobDefinitionRow) -> bool:
        if not self.modules:
            return True
        return job_definitions.is_of_modules(row, self.modules)

    async def page(self, after: str, limit: int) -> tuple[list[bytes], str | None]:
        """Return a page behind a slug, and the last slug on it where others follow.

        Raises:
            InvalidInputError: `as_of` is still to come.
        """
        slugs: list[str] = []
        texts: list[bytes] = []
        size = 0
        goes_on = True
        last_slug = after
        while goes_on and len(texts) <= limit and size < PAGE_BYTES:
            part = await self.after(last_slug, min(limit + 1 - len(texts), AT_ONCE))
            slugs += part.slugs
            texts += part.texts
            size += sum(map(len, part.texts))
            last_slug, goes_on = part.last_slug, part.goes_on
        if len(texts) > limit:
            return texts[:limit], slugs[limit - 1]
        return texts, last_slug if goes_on else None

    def _connection(self, *, is_new: bool) -> AbstractAsyncContextManager[Connection]:
        if self.as_of is None:
            return borrowed(self.pool)
        return self.costly.turn(["/asOf"], is_new=is_new)


async def _as_seen(seen: View, rows: Sequence[JobDefinitionRow]) -> list[JobDefinitionRow]:
    """Return the definitions as they were, without those that were not there."""
    ids = [UUID(row["id"]) for row in rows]
    were = await seen.jobs(ids)
    found = [were[one] for one in ids if one in were]
    return [row for row in found if row["deleted_at"] is None]
