"""Apps and builds as clients see them: with what stands beside their rows, builds with the end of their log."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from api.views.build_logs import BuildLogs
from domain.json_values import JsonObject
from domain.ports import Row
from eventlog.database.connection import borrowed
from eventlog.history.steps import Step
from projections import builds, repositories
from projections.messages import NOTHING, Beside
from projections.rows import Connection

PATIENCE_S = 1.0
"""How long the stream, with all that it has to tell, waits for the log of one build."""


class CatalogViews:
    """Looks up what a row of the catalog is shown with."""

    def __init__(self, pool: AsyncConnectionPool[Connection], logs: BuildLogs) -> None:
        self._pool = pool
        self._logs = logs

    async def builds(self, rows: Sequence[Row], within_s: float | None = None) -> list[JsonObject]:
        """Return the builds as clients see them; without their logs where these are not to be had in that time."""
        excerpts = await asyncio.gather(*(self._logs.excerpt(row, within_s) for row in rows))
        return [builds.present(row, excerpt) for row, excerpt in zip(rows, excerpts, strict=True)]

    async def apps(self, connection: Connection, rows: Sequence[Row]) -> list[JsonObject]:
        """Return the apps as clients see them, each with its newest build."""
        latest = await builds.latest(connection, [str(row["id"]) for row in rows])
        shown = dict(zip(latest, await self.builds(list(latest.values())), strict=True))
        return [repositories.present(row, shown.get(str(row["id"]))) for row in rows]

    async def app(self, row: Row) -> JsonObject:
        """Return one app as clients see it."""
        async with borrowed(self._pool) as connection:
            return (await self.apps(connection, [row]))[0]

    async def beside(self, step: Step) -> Beside:
        """Return what the stream shows with an event's row; nothing for all that is no app or build."""
        match step.event.subject:
            case "repository":
                async with borrowed(self._pool) as connection:
                    latest = await builds.latest(connection, [str(step.after["id"])])
                shown = await self.builds(list(latest.values()), PATIENCE_S)
                return Beside(latest_build=shown[0] if shown else None)
            case "build":
                return Beside(log=await self._logs.excerpt(step.after, PATIENCE_S))
            case _:
                return NOTHING


def build_id_of(text: str) -> UUID | None:
    """Return a build's id, or None: what is no id names no build."""
    try:
        return UUID(text)
    except ValueError:
        return None
