"""Apps and builds as clients see them: rows, with builds and ends of logs.

First the logs of builds: those of their runs, all attempts one after the other (`BuildLogs`). Then
`CatalogViews`; last the steps of an app's ingestions, from the log.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from catalog import app_search, build_rows, repository_rows
from catalog.app_search import relevance
from catalog.build_rows import NO_LOG, BuildRow, LogExcerpt
from catalog.messages import LATEST_BUILD
from catalog.repository import repository_id
from catalog.repository_rows import STEP_TOPICS, RepositoryRow, history_entry
from domain.json_values import JsonObject
from eventlog.database.connection import borrowed
from eventlog.history.reader import Reader, Step
from projections.rows import Connection
from worker.logs.run_logs import RunLogs, RunLogsUnavailableError

PREVIEW_CHARACTERS = 4_000
"""How much of a log's end a build shows (contract, section 4)."""

_PREVIEW_BYTES = PREVIEW_CHARACTERS * 4
"""Enough for as many characters, whatever they are."""


class BuildLogs:
    """Reads builds' logs."""

    def __init__(self, logs: RunLogs) -> None:
        self._logs = logs

    async def excerpt(self, build: BuildRow, within_s: float | None = None) -> LogExcerpt:
        """Return the end and the size of the build's log so far; an empty one if the store fails.

        Args:
            build: its row.
            within_s: how long the store may take to answer.
        """
        if build["job_run_id"] is None:
            return NO_LOG
        end, size = b"", 0
        try:
            async with asyncio.timeout(within_s):
                for attempt in reversed(_attempts(build)):
                    missing = _PREVIEW_BYTES - len(end)
                    tail, total = await self._logs.tail(build["job_run_id"], attempt, missing)
                    end, size = tail + end, size + total
        except (RunLogsUnavailableError, TimeoutError):
            return NO_LOG  # The rest of the build is shown without its log's store.
        text = end.decode("utf-8", "replace")
        preview = text[-PREVIEW_CHARACTERS:]
        is_cut = size > len(end) or len(text) > len(preview)
        return LogExcerpt(preview, size, truncated=is_cut)

    async def read(self, build: BuildRow) -> AsyncIterator[bytes]:
        """Return all that the build has printed so far, piece by piece.

        Raises:
            RunLogsUnavailableError: the store of logs does not answer.
        """
        run_id = build["job_run_id"]
        attempts = [] if run_id is None else _attempts(build)
        # The store must answer before the response begins.
        return _joined([await self._logs.read(str(run_id), attempt) for attempt in attempts])


async def _joined(logs: Sequence[AsyncIterator[bytes]]) -> AsyncIterator[bytes]:
    for log in logs:
        async for chunk in log:
            yield chunk


def _attempts(build: BuildRow) -> range:
    return range(1, build["attempt"] + 1)


APPS_A_PART = 100
"""Apps that are read, and held in memory, at a time."""

LOG_TIMEOUT_S = 1.0
"""How long the stream waits for the log of one build."""


class CatalogViews:
    """Presents rows of the catalog, with their newest builds and ends of logs."""

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
        excerpts = await asyncio.gather(*(self._logs.excerpt(row, within_s) for row in rows))
        return list(map(build_rows.present, rows, excerpts))

    async def apps(self, connection: Connection, rows: Sequence[RepositoryRow]) -> list[JsonObject]:
        """Return the apps as clients see them, each with its newest build."""
        latest = await build_rows.latest(connection, [row["id"] for row in rows])
        builds = dict(zip(latest, await self.builds([*latest.values()]), strict=True))
        return [repository_rows.present(row, builds.get(row["id"])) for row in rows]

    async def listed_apps(
        self, ids: bytes, words: Sequence[str]
    ) -> AsyncIterator[list[JsonObject]]:
        """Yield these apps part by part, none empty, as clients see them in a list.

        Args:
            ids: concatenated, as `app_search.find` returns them.
            words: of the search.
        """
        offset = 0
        while offset < len(ids):
            async with borrowed(self._pool) as connection:
                part = await app_search.read_part(connection, _ids_from(ids, offset))
                apps = await self.apps(connection, part.rows)
            for row, app in zip(part.rows, apps, strict=True):
                app["relevance"] = relevance(row, words)
            if apps:
                yield apps
            offset += part.consumed * app_search.ID_BYTES

    async def app(self, row: RepositoryRow) -> JsonObject:
        """Return one app as clients see it."""
        async with borrowed(self._pool) as connection:
            [app] = await self.apps(connection, [row])
        return app

    async def details_of(self, step: Step) -> JsonObject:
        """Return what the stream shows beside the row of an app or build, as it is at present."""
        if step.event.subject == repository_rows.TABLE.subject:
            app = repository_rows.TABLE.own(step.after)
            return {LATEST_BUILD: await self._latest_build(app["id"])}
        build = build_rows.TABLE.own(step.after)
        return (await self._logs.excerpt(build, LOG_TIMEOUT_S)).present()

    async def _latest_build(self, app_id: str) -> JsonObject | None:
        async with borrowed(self._pool) as connection:
            latest = await build_rows.latest(connection, [app_id])
        builds = await self.builds([*latest.values()], LOG_TIMEOUT_S)
        return builds[0] if builds else None


def _ids_from(ids: bytes, offset: int) -> list[UUID]:
    """Return the next ids to read, at most `APPS_A_PART`."""
    size = app_search.ID_BYTES
    end = min(len(ids), offset + APPS_A_PART * size)
    return [UUID(bytes=ids[begin : begin + size]) for begin in range(offset, end, size)]


STEPS_A_PART = 500


async def steps_before(
    reader: Reader, app_id: str, before: int, limit: int
) -> tuple[list[JsonObject], int | None]:
    """Return the steps of an app's ingestions before an event, the newest first.

    With them comes the event before which the next page begins; None at the end.
    """
    events, following = await reader.newest(repository_id(app_id), STEP_TOPICS, before, limit)
    entries = [history_entry(event, app_id) for event in events]
    return [entry for entry in entries if entry is not None], following


async def all_steps(
    reader: Reader, app_id: str, first: list[JsonObject], before: int
) -> AsyncIterator[list[JsonObject]]:
    """Yield the steps of an app's ingestions: the newest, and then all before an event."""
    yield first
    position: int | None = before
    while position is not None:
        steps, position = await steps_before(reader, app_id, position, STEPS_A_PART)
        yield steps
