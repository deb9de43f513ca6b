"""Checks that the log is still the one that this process has read before.

A failover to an older copy, or a restored backup, may remove events that this process has read,
kept in memory and sent to clients. So every new connection is checked before it is used. A
connection to a standby is refused: the events that it lacks may still arrive there.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from psycopg import errors
from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from projections.rows import Connection, read_first, read_one

logger = logging.getLogger(__name__)

_SERVER = """
    SELECT pg_postmaster_start_time() AS started_at, oid::bigint AS database,
        pg_is_in_recovery() AS is_standby
    FROM pg_database WHERE datname = current_database()
"""
"""Identifies the server since its start and the database: the log is checked when this changes."""

_CHECK_LOG = f"""
    SELECT id::text AS log_id, ({sql.HEAD}) AS head,
        coalesce({sql.ARCHIVED_TO}, 0) AS archived_to,
        EXISTS (
            SELECT 1 FROM {sql.EVENTS_TABLE} WHERE notification_id = %(position)s
                AND originator_id = %(aggregate_id)s AND originator_version = %(version)s
                AND sha256(state) = %(digest)s
        ) AS is_present
    FROM log_identity
"""


class _Server(TypedDict):
    started_at: ReadOnly[str]
    database: ReadOnly[int]
    is_standby: ReadOnly[bool]


class _LogRow(TypedDict):
    log_id: ReadOnly[str]
    head: ReadOnly[int]
    archived_to: ReadOnly[int]
    is_present: ReadOnly[bool]


@dataclass(frozen=True)
class _LastEvent:
    """The last event that this process has read or written.

    The digest tells it from others: after a failover another event may soon have the same position,
    and often it is the same version of the same run.
    """

    position: int
    aggregate_id: UUID
    version: int
    digest: bytes


class Continuity:
    """The last event of the log that this process has seen, and callbacks for when it is missing.

    Attributes:
        breaks: how often the log was replaced or has lost events.
    """

    def __init__(self) -> None:
        self._last: _LastEvent | None = None
        self._log_id: str | None = None
        self._server: _Server | None = None
        self._on_invalidation: list[Callable[[], None]] = []
        self._on_log_replaced: list[Callable[[str], None]] = []
        self.breaks = 0

    def on_invalidation(self, forget: Callable[[], None]) -> None:
        """Register a callback for when cached values of the log may be wrong."""
        self._on_invalidation.append(forget)

    def on_log_replaced(self, end: Callable[[str], None]) -> None:
        """Register a callback for when the log was replaced or lost events; it gets the reason."""
        self._on_log_replaced.append(end)

    def record(
        self, position: int, aggregate_id: UUID, version: int, digest: bytes, *, breaks: int
    ) -> None:
        """Record an event with its state's SHA-256, unless a later one is recorded.

        Args:
            position: where the event is in the log.
            aggregate_id: whose event it is.
            version: its number in the aggregate's history.
            digest: of its state.
            breaks: `breaks` from before the event was read or written. An answer that arrives after
                a break is about the log before, and ignored: it would look like another break.
        """
        if breaks != self.breaks:
            return
        if self._last is None or position > self._last.position:
            self._last = _LastEvent(position, aggregate_id, version, digest)

    async def check(self, connection: Connection) -> None:
        """Compare a new connection's log with the last recorded event.

        Several connections may do so at the same time. The first one handles a break; the others
        compare again, because their last event is one of the log before.

        Raises:
            ReadOnlySqlTransaction: it leads to a standby, unlike the connections before.
        """
        server = await read_one(connection, _Server, _SERVER)
        while server != self._server:
            if self._server is not None:
                if server["is_standby"]:
                    msg = "the server is a standby, and may be behind"
                    raise errors.ReadOnlySqlTransaction(msg)
                self._invalidate()
            last = self._last
            breaks = self.breaks
            if last is not None:
                row = await read_first(connection, _LogRow, _CHECK_LOG, vars(last))
                if self.breaks != breaks:
                    continue
                self._compare(last, row)
            self._server = server

    def _compare(self, last: _LastEvent, row: _LogRow | None) -> None:
        if row is None:
            self._handle_break("the log has no id: it was replaced")
            return
        if self._log_id not in {None, row["log_id"]}:
            self._handle_break(f"the log was replaced: its id is now {row['log_id']}")
            return
        self._log_id = row["log_id"]
        is_present = row["is_present"] or last.position <= row["archived_to"]
        if not is_present:
            self._handle_break(
                f"the log went back: it ends at {row['head']}, and the event at"
                f" {last.position} is gone"
            )

    def _handle_break(self, reason: str) -> None:
        logger.error("%s; all that was kept of it in memory is dropped", reason)
        self.breaks += 1
        self._last = None
        self._log_id = None
        self._invalidate()
        for end in self._on_log_replaced:
            end(reason)

    def _invalidate(self) -> None:
        for forget in self._on_invalidation:
            forget()
