"""The domain's log on PostgreSQL, and the library's recorder and factory on our settings.

First `PostgresLog`, which writes through the writer and reads through the pool; then the library's
side (`LogRecorder`, `LogFactory`), which reads through the library and inserts through the same
writer.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.persistence import (
    InfrastructureFactory,
    Mapper,
    Notification,
    StoredEvent,
    Transcoder,
)
from eventsourcing.postgres import (
    ConnectionPool,
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from eventsourcing.utils import Environment
from psycopg import Connection as SyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from domain.identifiers import UniqueSlot
from domain.jobs.run_events import FIRST_STATUS
from domain.ports import Claimant, Log, Origin, Row, Saved, State, Unit
from eventlog.append.transaction import DecideEvents
from eventlog.append.writer import Writer
from eventlog.archive.reading import first_between
from eventlog.database.connection import borrowed
from eventlog.database.sql import EVENTS_TABLE
from eventlog.encoding import FIRST, PlainMapper, PlainTranscoder
from eventlog.keys import LogFiles
from eventlog.personal import encrypted_unit
from eventlog.rehydration import next_events, next_of_topics, read_states
from projections.envelope import EventRow
from projections.job_runs import HOLDERS, HolderRow, holders_query, slot_of
from projections.rows import Connection, read_rows
from projections.schedules import backfilled_among, statuses_of, watch_clock


class PostgresLog(Log):
    """The log, written through the writer and read through the pool."""

    def __init__(
        self, writer: Writer, pool: AsyncConnectionPool[Connection], files: LogFiles
    ) -> None:
        self._writer = writer
        self._pool = pool
        self._files = files

    @override
    async def append(self, unit: Unit) -> Saved:
        if unit.personal:
            async with borrowed(self._pool) as connection:
                unit = await encrypted_unit(connection, self._files.master_keys, unit)
        return await self._writer.append(unit)

    @override
    async def append_under_lock(
        self,
        decide: DecideEvents,
        origin: Origin,
        claimant: Claimant | None = None,
        known_as: Sequence[str] = (),
    ) -> Saved:
        if claimant is not None:
            await self._follow_queue(claimant)
        return await self._writer.append_under_lock(decide, origin, claimant, known_as)

    @override
    async def states_of(self, kind: str, ids: Iterable[UUID]) -> dict[UUID, State]:
        async with borrowed(self._pool) as connection:
            return await read_states(connection, kind, ids)

    @override
    async def holders_of(self, slots: Iterable[UniqueSlot]) -> dict[UniqueSlot, tuple[UUID, bool]]:
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, HolderRow, HOLDERS, holders_query(slots))
        return {slot_of(row): (UUID(row["id"]), row["status"] == FIRST_STATUS) for row in rows}

    @override
    async def run_statuses(self, run_ids: Iterable[UUID]) -> dict[UUID, str]:
        async with borrowed(self._pool) as connection:
            return await statuses_of(connection, list(run_ids))

    @override
    async def watch_clock(self, begun: datetime, now: datetime) -> datetime:
        async with borrowed(self._pool) as connection:
            return await watch_clock(connection, begun, now)

    @override
    def cached_run(self, run_id: UUID) -> Row | None:
        return self._writer.cache.running.decisive_row(run_id)

    @override
    async def backfilled_among(self, schedule_id: UUID, run_ids: Collection[UUID]) -> set[UUID]:
        if not run_ids:
            return set()
        async with borrowed(self._pool) as connection:
            return await backfilled_among(connection, schedule_id, run_ids)

    @override
    async def events_after(
        self, aggregate_id: UUID, version: int, topics: Collection[str] = ()
    ) -> list[StoredEvent]:
        async with borrowed(self._pool) as connection:
            if topics:
                return await next_of_topics(connection, aggregate_id, version, topics)
            return await next_events(connection, self._files, aggregate_id, version)

    async def _follow_queue(self, claimant: Claimant) -> None:
        """Bring the pending queue up to date, so that little is read under the lock."""
        queue = self._writer.cache.queue_of(claimant)
        if queue.is_stale(claimant.offer):
            async with borrowed(self._pool) as connection:
                await queue.follow(connection, claimant.offer)


T = TypeVar("T")


class UrlDatastore(PostgresDatastore):
    """A datastore that keeps every option of its URL, and connects at the first read."""

    def __init__(self, url: str) -> None:
        super().__init__(dbname="", host="", port="", user="", password="")
        self.pool = ConnectionPool(
            url,
            connection_class=SyncConnection[DictRow],
            kwargs={"row_factory": dict_row},
            min_size=1,
            max_size=5,
            open=False,
            configure=self.after_connect_func(),
        )

    def register_type_adapters(self) -> None:
        """Do nothing: our inserts use no composite type, and construction must not connect."""


class LogRecorder(PostgresApplicationRecorder):
    """The library's recorder; it inserts through the writer."""

    def __init__(
        self, datastore: PostgresDatastore, writer: Writer, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(datastore, events_table_name=EVENTS_TABLE)
        self._writer = writer
        self._database = writer.database
        self._loop = loop

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Append through the writer and wait. Call it from another thread than the writer's loop.

        The library's own version retries blindly ten times, which turns a commit whose answer was
        lost into a conflict; and its hook for extra writes runs before positions exist.
        """
        origin: Origin = kwargs.get("origin", Origin(actor="system"))
        appending = self._writer.append(Unit(stored_events, origin))
        return self._wait_for(appending).positions

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Read a history, archived or not. Call it from another thread than the writer's loop."""
        stored: Sequence[StoredEvent] = super().select_events(
            originator_id, gt=gt, lte=lte, desc=desc, limit=limit
        )
        if stored:  # A history is either archived or in the log.
            return stored
        reading = self._history(UUID(str(originator_id)))
        events = _with_versions(self._wait_for(reading), gt, lte)
        if desc:
            events.reverse()
        return events[:limit]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Read the log by position, archived events among the others.

        Call it from another thread than the writer's loop.
        """
        stored = super().select_notifications(
            start, limit, stop, topics, inclusive_of_start=inclusive_of_start
        )
        after = FIRST
        if start is not None:
            after = start
            if inclusive_of_start:
                after -= 1
        until = stop
        if stored and len(stored) == limit:
            until = stored[-1].id
        archived = self._wait_for(self._between(after, until, limit, topics))
        by_position = {one.id: one for one in archived}
        for one in stored:
            by_position[one.id] = one
        first_positions = sorted(by_position)[:limit]
        return [by_position[position] for position in first_positions]

    async def _history(self, run_id: UUID) -> list[StoredEvent]:
        files = self._database.files
        history: list[StoredEvent] = []
        version = 0
        async with await self._database.connect() as connection:
            while events := await next_events(connection, files, run_id, version):
                history += events
                version = events[-1].originator_version
        return history

    async def _between(
        self, after: int, until: int | None, limit: int, topics: Sequence[str]
    ) -> list[Notification]:
        def matches(row: EventRow) -> bool:
            return not topics or row["topic"] in topics

        archive = self._database.files.archive
        async with await self._database.connect() as connection:
            rows = await first_between(connection, archive, after, until, limit, matches)
        return [_notification(row) for row in rows]

    def _wait_for(self, reading: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(reading, self._loop).result()


def _with_versions(
    events: list[StoredEvent], above: int | None, up_to: int | None
) -> list[StoredEvent]:
    """Return the events whose versions lie in (above, up_to]; None means no bound."""
    if above is not None:
        events = [event for event in events if event.originator_version > above]
    if up_to is not None:
        events = [event for event in events if event.originator_version <= up_to]
    return events


def _notification(row: EventRow) -> Notification:
    return Notification(
        id=row["notification_id"],
        originator_id=UUID(row["originator_id"]),
        originator_version=row["originator_version"],
        topic=row["topic"],
        state=row["state"],
    )


class LogFactory(PostgresFactory):
    """The library's factory, built from our settings.

    The process's environment changes nothing about it.
    """

    def __init__(self, url: str, writer: Writer) -> None:
        InfrastructureFactory.__init__(self, Environment("Jobs", {}))
        self.datastore = UrlDatastore(url)
        self._writer = writer
        self._loop = asyncio.get_running_loop()

    def transcoder(self) -> Transcoder:
        """Return the codec of events."""
        return PlainTranscoder()

    def mapper(
        self, transcoder: Transcoder | None = None, mapper_class: type[Mapper[Any]] | None = None
    ) -> Mapper[Any]:
        """Return the mapper of events."""
        del mapper_class
        if transcoder is None:
            transcoder = self.transcoder()
        return PlainMapper(transcoder=transcoder)

    def application_recorder(self) -> LogRecorder:
        """Return the recorder; alembic made its table."""
        return LogRecorder(self.datastore, self._writer, self._loop)
