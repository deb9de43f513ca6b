"""Reading the log as auditors do: by type, subject, actor, cause and time, page by page in log order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg_pool import AsyncConnectionPool

from domain.clock import from_iso
from eventlog.archive.files import EVENTS_A_BLOCK, to_row
from eventlog.archive.index import run_places, story_places
from eventlog.archive.reading import events_at, first_between, last_up_to, merged
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.encoding.columns import LogRow
from eventlog.history import statements
from eventlog.history.event_filter import EventFilter
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import envelopes
from projections.envelope import Envelope
from projections.rows import Connection, fetch_rows

SCAN_LIMIT = 20_000
"""How many events one page may look at: a rare type in a log of millions costs several pages, never
a long query."""

SCAN_BLOCKS = SCAN_LIMIT // EVENTS_A_BLOCK
"""The same where events are archived."""

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

    def __init__(self, pool: AsyncConnectionPool[Connection], files: LogFiles) -> None:
        self._pool = pool
        self._archive = files.archive
        self._master_keys = files.master_keys

    async def page(self, wanted: EventFilter, after: int, limit: int) -> Page:
        """Return the next events after a position that the filter lets pass."""
        async with borrowed(self._pool) as connection:
            if wanted.since is not None:
                after = max(after, await position_before(connection, self._archive, wanted.since))
            head = await _head(connection)
            last = head
            if wanted.until is not None:
                last = await position_before(connection, self._archive, wanted.until)
            if after >= last:
                return Page([], None, head)
            end = None if wanted.is_indexed else await _scan_end(connection, after, last)
            rows = await _matching(connection, self._archive, wanted, after, end, limit + 1)
            events = await envelopes(connection, self._master_keys, rows[:limit])
        if len(rows) > limit:
            return Page(events, events[-1].position, head)
        return Page(events, end, head)

    async def everything(
        self, wanted: EventFilter, after: int = 0
    ) -> AsyncIterator[list[Envelope]]:
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
            return await position_before(connection, self._archive, moment, inclusive=True)


async def position_before(
    connection: Connection, archive: Path | None, moment: datetime, *, inclusive: bool = False
) -> int:
    """Return the last position recorded before the moment (or at it), 0 if there is none.

    Positions are in commit order, and the database's clock stamps them: so this halves the log,
    without any index.
    """
    found, low, high = 0, 0, await _head(connection)
    while low < high:
        middle = (low + high + 1) // 2
        row = await _last_up_to(connection, archive, middle)
        recorded_at = from_iso(str(row["recorded_at"])) if row else None
        if recorded_at is None or recorded_at < moment or (inclusive and recorded_at == moment):
            low = middle
            # Not the middle, which may lie in a gap.
            found = int(row["notification_id"]) if row else 0
        else:
            high = int(row["notification_id"]) - 1 if row else 0
    return found


async def _last_up_to(connection: Connection, archive: Path | None, position: int) -> LogRow | None:
    """Return the last event up to a position: of the log, or of the archives where that one comes later."""
    rows: list[LogRow] = await fetch_rows(connection, statements.LAST_UP_TO, {"position": position})
    if not rows or rows[0]["archived_to"] is not None:
        archived = await last_up_to(connection, archive, position)
        rows += [archived] if archived else []
    return max(rows, key=lambda row: int(row["notification_id"]), default=None)


async def _head(connection: Connection) -> int:
    return int(str((await fetch_rows(connection, sql.HEAD, {}))[0]["head"]))


async def _scan_end(connection: Connection, after: int, last: int) -> int | None:
    """Return the position up to which one page looks, None if that is the last one of all."""
    values = {"after": after, "skipped": SCAN_LIMIT - 1, "skipped_blocks": SCAN_BLOCKS}
    rows = await fetch_rows(connection, statements.NTH_AFTER, values)
    end = int(str(rows[0]["position"])) if rows else None
    return end if end is not None and end < last else None


_CONDITIONS = {
    "types": "topic LIKE ANY(%(types)s)",
    "kind": "topic LIKE %(kind)s",
    "aggregate_id": "originator_id = %(aggregate_id)s",
    "actor": "actor = %(actor)s",
    "correlation_id": f"""correlation_id = %(correlation_id)s AND originator_id IN (
        SELECT originator_id FROM {sql.EVENTS_TABLE}
        WHERE correlation_id = %(correlation_id)s AND originator_version = 1
    )""",
    "until": "recorded_at < %(until)s",
    "end": "notification_id <= %(end)s",
}


async def _matching(  # noqa: PLR0913 - a filter and a page
    connection: Connection,
    archive: Path | None,
    wanted: EventFilter,
    after: int,
    end: int | None,
    limit: int,
) -> list[LogRow]:
    rows = await _matching_in_log(connection, wanted, after, end, limit)
    if rows and (rows[0]["archived_to"] or 0) <= after:
        return rows
    # What lies beyond a full page is not wanted yet.
    until = int(rows[-1]["notification_id"]) if len(rows) == limit else end
    archived = await _matching_archived(connection, archive, wanted, after, until, limit)
    return merged(rows, archived, limit)


async def _matching_archived(  # noqa: PLR0913 - a filter and a page
    connection: Connection,
    archive: Path | None,
    wanted: EventFilter,
    after: int,
    until: int | None,
    limit: int,
) -> list[LogRow]:
    if wanted.aggregate_id is not None:
        places = await run_places(connection, wanted.aggregate_id)
    elif wanted.correlation_id is not None:
        places = await story_places(connection, wanted.correlation_id)
    else:
        return await first_between(connection, archive, after, until, limit, wanted.lets_pass)
    found = await events_at(connection, archive, places) if places else {}
    positions = [
        position
        for position in sorted(found)
        if after < position and (until is None or position <= until)
    ]
    return [row for row in map(to_row, map(found.__getitem__, positions)) if wanted.lets_pass(row)][
        :limit
    ]


async def _matching_in_log(
    connection: Connection, wanted: EventFilter, after: int, end: int | None, limit: int
) -> list[LogRow]:
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
        SELECT {sql.ENVELOPE_COLUMNS}, {sql.ARCHIVED_TO} AS archived_to FROM {sql.EVENTS_TABLE}
        WHERE {" AND ".join(["notification_id > %(after)s", *conditions])}
        ORDER BY notification_id LIMIT %(limit)s
    """
    return await fetch_rows(connection, query, {**values, "after": after, "limit": limit})


def _pattern(topic: str) -> str:
    literal = topic.removesuffix("*").replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return literal + ("%" if topic.endswith("*") else "")
