"""Lists of definitions, now or as of a position, part by part: one may be a megabyte long."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from psycopg_pool import AsyncConnectionPool

from api.views.runs import View, view
from eventlog.database.connection import borrowed
from eventlog.database.costly_reads import CostlyReads
from eventlog.keys.log_files import LogFiles
from projections import job_definitions
from projections.job_definitions import JobDefinitionRow
from projections.rows import Connection

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
        binding = row["module_binding"]
        return binding is not None and binding["moduleId"] in self.modules

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


async def _as_seen(
    seen: View, rows: Sequence[JobDefinitionRow]
) -> list[JobDefinitionRow]:
    """Return the definitions as they were, without those that were not there."""
    ids = [UUID(row["id"]) for row in rows]
    were = await seen.jobs(ids)
    found = [were[one] for one in ids if one in were]
    return [row for row in found if row["deleted_at"] is None]
