"""The library's recorder and factory on our settings: read through the library, written by the group-commit writer."""

import asyncio
from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import InfrastructureFactory, Mapper, StoredEvent, Transcoder
from eventsourcing.postgres import (
    ConnectionPool,
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from eventsourcing.utils import Environment
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.ports import Origin, Unit
from eventlog.codec import PlainMapper, PlainTranscoder
from eventlog.schema import EVENTS_TABLE
from eventlog.writer import Writer


class UrlDatastore(PostgresDatastore):
    """A datastore that keeps every option of its URL, and connects only once somebody reads."""

    def __init__(self, url: str) -> None:
        super().__init__(dbname="", host="", port="", user="", password="")
        self.pool = ConnectionPool(
            url,
            connection_class=Connection[DictRow],
            kwargs={"row_factory": dict_row},
            min_size=1,
            max_size=5,
            open=False,
            configure=self.after_connect_func(),
        )

    def register_type_adapters(self) -> None:
        """Do nothing: our inserts use no composite type, and construction must not connect."""


class LogRecorder(PostgresApplicationRecorder):
    """The library's recorder, whose inserts go the one way that events are written here."""

    def __init__(self, datastore: PostgresDatastore, writer: Writer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(datastore, events_table_name=EVENTS_TABLE)
        self._writer = writer
        self._loop = loop

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Append through the writer and wait. Call it from another thread than the writer's loop.

        The library's own version retries blindly ten times, which turns a commit whose answer was lost into a
        conflict; and its hook for extra writes runs before positions exist.
        """
        origin: Origin = kwargs.get("origin", Origin(actor="system"))
        unit = Unit(stored_events, origin)
        return asyncio.run_coroutine_threadsafe(self._writer.append(unit), self._loop).result().positions


class LogFactory(PostgresFactory):
    """The library's factory, built from our settings; the process's environment changes nothing about it."""

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
        return PlainMapper(transcoder=transcoder or self.transcoder())

    def application_recorder(self) -> LogRecorder:
        """Return the recorder; alembic made its table."""
        return LogRecorder(self.datastore, self._writer, self._loop)
