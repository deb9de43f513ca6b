"""Reading the log as auditors do: by type, subject, actor, cause and time.

Answers come page by page, in log order.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from eventlog.archive.files import EVENTS_A_BLOCK, to_row
from eventlog.archive.index import run_places, story_places
from eventlog.archive.reading import (
    events_at,
    first_between,
    last_up_to,
    merged,
    within,
)
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.history import statements
from eventlog.history.event_filter import EventFilter
from eventlog.history.statements import (
    FoundPlace,
    Place,
    StoredRow,
    fill,
    may_be_cut,
)
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import envelopes
from projections.envelope import Envelope, EventRow
from projections.rows import Connection, read_first, read_rows, read_value

SCAN_LIMIT = 20_000
"""How many events one page may look at: a rare type in a log of millions costs several pages, never
a long query."""

SCAN_BLOCKS = SCAN_LIMIT // EVENTS_A_BLOCK
"""The same where events are archived."""

EXPORT_CHUNK = 2_000

PAGE_BYTES = 4_194_304
"""A page whose events have this many bytes goes no further: one may be a megabyte long."""


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
            return await self.page_in(connection, wanted, after, limit)

    async def page_in(
        self, connection: Connection, wanted: EventFilter, after: int, limit: int
    ) -> Page:
        """Return the same by a connection of the caller's."""
        if wanted.since is not None:
            before = await position_before(connection, self._archive, wanted.since)
            after = max(after, before)
        head = await read_value(connection, int, sql.HEAD)
        last = head
        if wanted.until is not None:
            last = await position_before(connection, self._archive, wanted.until)
        if after >= last:
            return Page([], None, head)
        end: int | None = None
        if not wanted.is_indexed:
            end = await _scan_end(connection, after, last)
        stretch = _Stretch(after, end, limit + 1)
        rows = await _matching(connection, self._archive, wanted, stretch)
        shown = within(rows[:limit], PAGE_BYTES)
        events = await envelopes(connection, self._master_keys, shown)
        has_more = len(shown) < len(rows)
        if has_more or fill(shown, PAGE_BYTES):
            last_shown = events[-1]
            end = last_shown.position
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

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Return what people call the things that the events are about, by aggregate.

        What has no name, or is gone, is left out.
        """
        ids = {event.aggregate_id for event in events}
        values = {"ids": list(ids)}
        async with borrowed(self._pool) as connection:
            rows = await read_rows(
                connection, statements.Named, statements.NAMES, values
            )
        return {UUID(row["id"]): row["name"] for row in rows}

    async def head(self) -> int:
        """Return the log's last position, 0 if it is empty."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, int, sql.HEAD)

    async def position_at(self, moment: datetime) -> int:
        """Return the last position that was recorded at or before this moment, 0 if none was."""
        async with borrowed(self._pool) as connection:
            return await position_before(
                connection, self._archive, moment, inclusive=True
            )


async def position_before(
    connection: Connection,
    archive: Path | None,
    moment: datetime,
    *,
    inclusive: bool = False,
) -> int:
    """Return the last position recorded before the moment (or at it), 0 if there is none.

    Positions are in commit order, and the database's clock stamps them: so this halves the log,
    without any index.
    """
    found = low = 0
    high = await read_value(connection, int, sql.HEAD)
    while low < high:
        middle = (low + high + 1) // 2
        place = await last_place_up_to(connection, archive, middle)
        if place is None:
            low = middle
            found = 0
            continue
        recorded_at = from_iso(place["recorded_at"])
        if recorded_at < moment or (inclusive and recorded_at == moment):
            low = middle
            # Not the middle, which may lie in a gap.
            found = place["notification_id"]
        else:
            high = place["notification_id"] - 1
    return found


async def last_place_up_to(
    connection: Connection, archive: Path | None, position: int
) -> Place | None:
    """Return the last event up to a position, of the log or of the archives."""
    values = {"position": position}
    stored = await read_first(connection, FoundPlace, statements.LAST_UP_TO, values)
    if stored is not None and stored["archived_to"] is None:
        return stored
    archived = await last_up_to(connection, archive, position)
    if stored is None or archived is None:
        return stored or archived
    if archived["notification_id"] > stored["notification_id"]:
        return archived
    return stored


async def _scan_end(connection: Connection, after: int, last: int) -> int | None:
    """Return the position up to which one page looks, None if that is the last one of all."""
    values = {"after": after, "skipped": SCAN_LIMIT - 1, "skipped_blocks": SCAN_BLOCKS}
    end = await read_first(connection, _End, statements.NTH_AFTER, values)
    if end is None or end["position"] >= last:
        return None
    return end["position"]


class _End(TypedDict):
    position: ReadOnly[int]


@dataclass(frozen=True)
class _Stretch:
    """At most `limit` events in (after, until]; the log's end where `until` is None.

    There may be fewer, if they fill a page.
    """

    after: int
    until: int | None
    limit: int


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


async def _matching(
    connection: Connection, archive: Path | None, wanted: EventFilter, stretch: _Stretch
) -> Sequence[EventRow]:
    rows = await _matching_in_log(connection, wanted, stretch)
    if rows:
        archived_to = rows[0]["archived_to"]
        if archived_to is None or archived_to <= stretch.after:
            return rows
    if may_be_cut(rows, stretch.limit, PAGE_BYTES):
        # What lies beyond a full page is not wanted yet.
        last = rows[-1]
        stretch = replace(stretch, until=last["notification_id"])
    archived = await _matching_archived(connection, archive, wanted, stretch)
    return merged(rows, archived, stretch.limit)


async def _matching_archived(
    connection: Connection, archive: Path | None, wanted: EventFilter, stretch: _Stretch
) -> list[EventRow]:
    after, until, limit = stretch.after, stretch.until, stretch.limit
    if wanted.aggregate_id is not None:
        places = await run_places(connection, wanted.aggregate_id)
    elif wanted.correlation_id is not None:
        places = await story_places(connection, wanted.correlation_id)
    else:
        return await first_between(
            connection, archive, after, until, limit, wanted.lets_pass, PAGE_BYTES
        )
    if not places:
        return []
    found = await events_at(connection, archive, places)
    rows: list[EventRow] = []
    for position in sorted(found):
        if position > after and (until is None or position <= until):
            row = to_row(found[position])
            if wanted.lets_pass(row):
                rows.append(row)
    return rows[:limit]


async def _matching_in_log(
    connection: Connection, wanted: EventFilter, stretch: _Stretch
) -> list[StoredRow]:
    values: dict[str, object] = {
        "after": stretch.after,
        "limit": stretch.limit,
        "max_bytes": PAGE_BYTES,
        "aggregate_id": wanted.aggregate_id,
        "actor": wanted.actor,
        "correlation_id": wanted.correlation_id,
        "until": wanted.until,
        "end": stretch.until,
        "types": None,
        "kind": None,
    }
    if wanted.types:
        values["types"] = [_pattern(topic) for topic in wanted.types]
    if wanted.kind is not None:
        values["kind"] = _pattern(f"{wanted.kind}.*")
    conditions = ["notification_id > %(after)s"]
    for name, condition in _CONDITIONS.items():
        if values[name] is not None:
            conditions.append(condition)
    query = statements.first_where(" AND ".join(conditions))
    return await read_rows(connection, StoredRow, query, values)


def _pattern(topic: str) -> str:
    """Return the topic, or its beginning, as a pattern of LIKE."""
    literal = topic.removesuffix("*")
    for special in ("\\", "%", "_"):
        literal = literal.replace(special, f"\\{special}")
    if topic.endswith("*"):
        return f"{literal}%"
    return literal
