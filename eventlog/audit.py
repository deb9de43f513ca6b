"""Reading the log as auditors do: by type, subject, actor, cause and time, page by page in log order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from psycopg_pool import AsyncConnectionPool

from domain.clock import from_iso
from domain.ports import Row
from eventlog import schema
from eventlog.connection import borrowed
from eventlog.decryption import envelopes
from eventlog.event_filter import EventFilter
from projections.envelope import Envelope
from projections.table import Connection, fetch_rows

SCAN_LIMIT = 20_000
"""How many events one page may look at: a rare type in a log of millions costs several pages, never a long query."""

EXPORT_CHUNK = 2_000


@dataclass(frozen=True)
class Page:
    """Some events, and where the next page begins.

    Attributes:
        next: the position to give as `after`; None at the log's end.
        head: the log's last position when this was read.
    """

    events: list[Envelope]
    next: int | None
    head: int


class Audit:
    """Answers auditors."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    async def page(self, wanted: EventFilter, after: int, limit: int) -> Page:
        """Return the next events after a position that the filter lets pass."""
        async with borrowed(self._pool) as connection:
            if wanted.since is not None:
                after = max(after, await position_before(connection, wanted.since))
            head = await _head(connection)
            last = head if wanted.until is None else await position_before(connection, wanted.until)
            if after >= last:
                return Page([], None, head)
            end = None if wanted.is_indexed else await _scan_end(connection, after, last)
            rows = await _matching(connection, wanted, after, end, limit + 1)
            events = await envelopes(connection, rows[:limit])
        if len(rows) > limit:
            return Page(events, events[-1].position, head)
        return Page(events, end, head)

    async def everything(self, wanted: EventFilter, after: int = 0) -> AsyncIterator[list[Envelope]]:
        """Yield all matching events, page by page, up to the log's present end."""
        position: int | None = after
        while position is not None:
            page = await self.page(wanted, position, EXPORT_CHUNK)
            yield page.events
            position = page.next

    async def head(self) -> int:
        """Return the log's last position, 0 if it is empty."""
        async with borrowed(self._pool) as connection:
            return await _head(connection)

    async def position_at(self, moment: datetime) -> int:
        """Return the last position that was recorded at or before this moment, 0 if none was."""
        async with borrowed(self._pool) as connection:
            return await position_before(connection, moment, inclusive=True)


async def position_before(connection: Connection, moment: datetime, *, inclusive: bool = False) -> int:
    """Return the last position recorded before the moment (or at it), 0 if there is none.

    Positions are in commit order, and the database's clock stamps them: so this halves the log, without any index.
    """
    found, low, high = 0, 0, await _head(connection)
    while low < high:
        middle = (low + high + 1) // 2
        [row] = await fetch_rows(connection, schema.LAST_UP_TO, {"position": middle}) or [{}]
        recorded_at = from_iso(str(row["recorded_at"])) if row else None
        if recorded_at is None or recorded_at < moment or (inclusive and recorded_at == moment):
            low = middle
            found = int(str(row["position"])) if row else 0  # Not the middle, which may lie in a gap.
        else:
            high = int(str(row["position"])) - 1
    return found


async def _head(connection: Connection) -> int:
    return int(str((await fetch_rows(connection, schema.HEAD, {}))[0]["head"]))


async def _scan_end(connection: Connection, after: int, last: int) -> int | None:
    """Return the position up to which one page looks, None if that is the last one of all."""
    rows = await fetch_rows(connection, schema.NTH_AFTER, {"after": after, "skipped": SCAN_LIMIT - 1})
    end = int(str(rows[0]["position"])) if rows else None
    return end if end is not None and end < last else None


_CONDITIONS = {
    "types": "topic LIKE ANY(%(types)s)",
    "kind": "topic LIKE %(kind)s",
    "aggregate_id": "originator_id = %(aggregate_id)s",
    "actor": "actor = %(actor)s",
    "correlation_id": f"""correlation_id = %(correlation_id)s AND originator_id IN (
        SELECT originator_id FROM {schema.EVENTS_TABLE}
        WHERE correlation_id = %(correlation_id)s AND originator_version = 1
    )""",
    "until": "recorded_at < %(until)s",
    "end": "notification_id <= %(end)s",
}


async def _matching(connection: Connection, wanted: EventFilter, after: int, end: int | None, limit: int) -> list[Row]:
    values = {
        "types": [_pattern(topic) for topic in wanted.types] or None,
        "kind": _pattern(f"{wanted.kind}.*") if wanted.kind else None,
        "aggregate_id": wanted.aggregate_id,
        "actor": wanted.actor,
        "correlation_id": wanted.correlation_id,
        "until": wanted.until,
        "end": end,
    }
    conditions = [condition for name, condition in _CONDITIONS.items() if values[name] is not None]
    query = f"""
        SELECT {schema.ENVELOPE_COLUMNS} FROM {schema.EVENTS_TABLE}
        WHERE {" AND ".join(["notification_id > %(after)s", *conditions])}
        ORDER BY notification_id LIMIT %(limit)s
    """
    return await fetch_rows(connection, query, {**values, "after": after, "limit": limit})


def _pattern(topic: str) -> str:
    literal = topic.removesuffix("*").replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return literal + ("%" if topic.endswith("*") else "")
