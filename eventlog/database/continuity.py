"""Whether the log that is reached now is the one that this process has seen before.

A failover to an older copy, or a restored backup, may remove events that this process has seen,
remembered and sent to others. So every new connection is checked before it is used.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from projections.rows import Connection, read_first, read_one

logger = logging.getLogger(__name__)

_SERVER = """
    SELECT pg_postmaster_start_time() AS started_at, oid::bigint AS database
    FROM pg_database WHERE datname = current_database()
"""
"""Another server, the same one started anew, or another database under the old name."""

_SEEN = f"""
    SELECT id::text AS log_id, ({sql.HEAD}) AS head,
        coalesce({sql.ARCHIVED_TO}, 0) AS archived_to,
        EXISTS (
            SELECT 1 FROM {sql.EVENTS_TABLE} WHERE notification_id = %(position)s
                AND originator_id = %(aggregate_id)s AND originator_version = %(version)s
                AND sha256(state) = %(digest)s
        ) AS is_there
    FROM log_identity
"""


class _Server(TypedDict):
    started_at: ReadOnly[str]
    database: ReadOnly[int]


class _Found(TypedDict):
    log_id: ReadOnly[str]
    head: ReadOnly[int]
    archived_to: ReadOnly[int]
    is_there: ReadOnly[bool]


@dataclass(frozen=True)
class _Seen:
    """The last event that this process knows of.

    Its digest, too: after a failover another event soon stands at the same place, and often it is
    the same version of the same run.
    """

    position: int
    aggregate_id: UUID
    version: int
    digest: bytes


class Continuity:
    """What this process has seen of its log, and whom to tell when that is no more.

    Attributes:
        breaks: how often the log turned out to be another one, or to have gone back.
    """

    def __init__(self) -> None:
        self._seen: _Seen | None = None
        self._log_id: str | None = None
        self._server: _Server | None = None
        self._forgetting: list[Callable[[], None]] = []
        self._ending: list[Callable[[str], None]] = []
        self.breaks = 0

    def on_doubt(self, forget: Callable[[], None]) -> None:
        """Let it be called when what is remembered of the log may be wrong."""
        self._forgetting.append(forget)

    def on_break(self, end: Callable[[str], None]) -> None:
        """Let it be called with the reason when the log certainly is not the one seen before."""
        self._ending.append(end)

    def record(self, position: int, aggregate_id: UUID, version: int, digest: bytes) -> None:
        """Remember an event that has been seen, with its state's SHA-256, if none after it was."""
        if self._seen is None or position > self._seen.position:
            self._seen = _Seen(position, aggregate_id, version, digest)

    async def check(self, connection: Connection) -> None:
        """Compare a new connection's log with what has been seen."""
        server = await read_one(connection, _Server, _SERVER)
        if server == self._server:
            return
        if self._server is not None:
            self._forget()
        seen = self._seen
        if seen is not None:
            self._compare(seen, await read_first(connection, _Found, _SEEN, vars(seen)))
        self._server = server

    def _compare(self, seen: _Seen, found: _Found | None) -> None:
        if found is None:
            self._break("the log has no name: it is another one")
            return
        if self._log_id not in {None, found["log_id"]}:
            self._break(f"the log is another one: {found['log_id']}")
            return
        self._log_id = found["log_id"]
        is_there = found["is_there"] or seen.position <= found["archived_to"]
        if not is_there:
            self._break(
                f"the log went back: it ends at {found['head']}, and what stood at"
                f" {seen.position} is gone"
            )

    def _break(self, reason: str) -> None:
        logger.error("%s; what was remembered of it is forgotten", reason)
        self.breaks += 1
        self._seen = None
        self._log_id = None
        self._forget()
        for end in self._ending:
            end(reason)

    def _forget(self) -> None:
        for forget in self._forgetting:
            forget()
