"""Apps and builds as clients see them: rows with what stands beside them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from api.views.build_logs import BuildLogs
from domain.json_values import JsonObject
from eventlog.database.connection import borrowed
from eventlog.history.steps import Step
from projections import builds, repositories
from projections.apps import search
from projections.apps.relevance import relevance
from projections.builds import BuildRow
from projections.messages import NOTHING, Beside
from projections.repositories import RepositoryRow
from projections.rows import Connection

AT_ONCE = 100
"""Apps that are read, and held in memory, at a time."""

PATIENCE_S = 1.0
"""How long the stream, with all that it has to tell, waits for the log of one build."""


class CatalogViews:
    """Looks up what a row of the catalog is shown with."""

    def __init__(self, pool: AsyncConnectionPool[Connection], logs: BuildLogs) -> None:
        self._pool = pool
        self._logs = logs

    async def builds(
        self, rows: Sequence[BuildRow], within_s: float | None = None
    ) -> list[JsonObject]:
        """Return the builds as clients see them, each with the end of its log.

        Args:
            rows: the builds.
            within_s: how long the store of logs may take; then builds are shown without.
        """
        reading = [self._logs.excerpt(row, within_s) for row in rows]
        excerpts = await asyncio.gather(*reading)
        shown: list[JsonObject] = []
        for row, excerpt in zip(rows, excerpts, strict=True):
            build = builds.present(row, excerpt)
            shown.append(build)
        return shown

    async def apps(
        self, connection: Connection, rows: Sequence[RepositoryRow]
    ) -> list[JsonObject]:
        """Return the apps as clients see them, each with its newest build."""
        ids = [row["id"] for row in rows]
        latest = await builds.latest(connection, ids)
        latest_rows = list(latest.values())
        shown_builds = await self.builds(latest_rows)
        by_app = dict(zip(latest, shown_builds, strict=True))
        shown: list[JsonObject] = []
        for row in rows:
            latest_build = by_app.get(row["id"])
            app = repositories.present(row, latest_build)
            shown.append(app)
        return shown

    async def listed_apps(
        self, ids: bytes, words: Sequence[str]
    ) -> AsyncIterator[list[JsonObject]]:
        """Yield these apps part by part, none empty, as clients see them in a list.

        Args:
            ids: one behind the other, as `search.find` returns them.
            words: that they were sought by.
        """
        at = 0
        while at < len(ids):
            wanted = _some(ids, at)
            async with borrowed(self._pool) as connection:
                part = await search.part(connection, wanted)
                shown = await self.apps(connection, part.rows)
            for row, app in zip(part.rows, shown, strict=True):
                app["relevance"] = relevance(row, words)
            if shown:
                yield shown
            at += part.passed * search.ID_BYTES

    async def app(self, row: RepositoryRow) -> JsonObject:
        """Return one app as clients see it."""
        async with borrowed(self._pool) as connection:
            [shown] = await self.apps(connection, [row])
        return shown

    async def beside(self, step: Step) -> Beside:
        """Return what the stream shows with an event's row; nothing but for apps and builds."""
        if step.event.unreadable is not None:
            return NOTHING
        match step.event.subject:
            case "repository":
                app = repositories.TABLE.own(step.after)
                latest_build = await self._latest_build(app["id"])
                return Beside(latest_build=latest_build)
            case "build":
                build = builds.TABLE.own(step.after)
                log = await self._logs.excerpt(build, PATIENCE_S)
                return Beside(log=log)
            case _:
                return NOTHING

    async def _latest_build(self, app_id: str) -> JsonObject | None:
        async with borrowed(self._pool) as connection:
            latest = await builds.latest(connection, [app_id])
        if not latest:
            return None
        rows = list(latest.values())
        [shown] = await self.builds(rows, PATIENCE_S)
        return shown


def _some(ids: bytes, at: int) -> list[UUID]:
    """Return as many of the ids as are looked up at a time."""
    next_at = at + AT_ONCE * search.ID_BYTES
    end = min(len(ids), next_at)
    found: list[UUID] = []
    for begin in range(at, end, search.ID_BYTES):
        id_end = begin + search.ID_BYTES
        id_bytes = ids[begin:id_end]
        found.append(UUID(bytes=id_bytes))
    return found


def build_id_of(text: str) -> UUID | None:
    """Return a build's id, or None: what is no id names no build."""
    try:
        return UUID(text)
    except ValueError:
        return None
