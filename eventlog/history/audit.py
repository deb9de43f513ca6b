"""Reading the log as auditors do: by type, subject, actor, cause and time.

First the filter (`EventFilter`), which is parsed from a query or the command line, then `Audit`,
which reads page by page, in log order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.errors import InvalidInputError, Issue
from domain.json_values import NUL
from domain.topics import EVENTS
from eventlog.archive.files import EVENTS_A_BLOCK, correlated_positions, run_positions
from eventlog.archive.reading import (
    first_at,
    first_between,
    last_up_to,
    merge_by_position,
    take_bytes,
)
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.history import statements
from eventlog.history.statements import (
    EventPosition,
    StoredPosition,
    StoredRow,
    is_full,
    may_be_cut,
)
from eventlog.keys import LogFiles
from eventlog.personal import envelopes
from projections.envelope import Envelope, EventRow
from projections.rows import Connection, read_first, read_rows, read_value
from projections.tables import BY_SUBJECT


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Selects events by all its attributes; an empty one selects all events.

    Attributes:
        types: topics such as `job_run.started`, or prefixes such as `job_run.*`; the event has one
            of them.
        kind: the kind of the event's aggregate, such as `job_run`.
        aggregate_id: the event's aggregate.
        actor: who caused the event.
        correlation_id: the request that the event goes back to.
        since: the event was recorded then or later.
        until: the event was recorded before then.
    """

    types: Sequence[str] = ()
    kind: str | None = None
    aggregate_id: UUID | None = None
    actor: str | None = None
    correlation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_indexed(self) -> bool:
        """Return whether an index answers this filter, so that a page's scan needs no limit."""
        return self.aggregate_id is not None or self.correlation_id is not None

    def matches(self, row: EventRow) -> bool:
        """Return whether an archived event matches all but `since`.

        For a correlation, the caller must check that the aggregate's first event has it, too.
        """
        topic = row["topic"]
        if self.types and not any(_matches(topic, pattern) for pattern in self.types):
            return False
        if self.kind is not None and not topic.startswith(f"{self.kind}."):
            return False
        if not _is_any_or_equal(self.aggregate_id, row["originator_id"]):
            return False
        if not _is_any_or_equal(self.actor, row["actor"]):
            return False
        if not _is_any_or_equal(self.correlation_id, row["correlation_id"]):
            return False
        return self.until is None or from_iso(row["recorded_at"]) < self.until

    @classmethod
    def parse(  # noqa: PLR0913 - one for each part
        cls,
        *,
        types: str = "",
        subject: str = "",
        actor: str = "",
        correlation: str = "",
        since: str = "",
        until: str = "",
    ) -> "EventFilter":
        """Parse the parts of a filter; an empty part selects all events.

        Args:
            types: topics or prefixes such as `job_run.*`, separated by commas.
            subject: an id; a kind; or `job_run:ID`, `build:ID`, `job_definition:SLUG`,
                `repository:APP`, `schedule:NAME`,
                `failure_group:FINGERPRINT`, `bulk_operation:ID`, `saved_view:NAME`.
            actor: a principal, `worker:ID` or `system`.
            correlation: a correlation id.
            since: ISO 8601.
            until: ISO 8601.

        Raises:
            InvalidInputError: names the part, as `/type`, `/subject` and so on.
        """
        for path, text in {"/type": types, "/subject": subject, "/actor": actor}.items():
            if "\x00" in text:
                raise InvalidInputError([Issue(path, NUL, "pattern")])
        kind, aggregate_id = _subject(subject)
        return cls(
            types=_types(types),
            kind=kind,
            aggregate_id=aggregate_id,
            actor=actor or None,
            correlation_id=_correlation(correlation),
            since=_time(since, "/since"),
            until=_time(until, "/until"),
        )


def _types(text: str) -> list[str]:
    types = text.replace(",", " ").split()
    for pattern in types:
        if not any(_matches(topic, pattern) for topic in EVENTS):
            message = f"there is no type {pattern!r}; {_remedy(pattern)}"
            raise InvalidInputError([Issue("/type", message, "enum")])
    return types


def _is_any_or_equal(expected: UUID | str | None, actual: str | None) -> bool:
    """Return whether the values are equal; an expected None matches all."""
    if expected is None:
        return True
    return str(expected) == actual


def _remedy(unknown: str) -> str:
    """Return a text that suggests similar topics, or lists the kinds that exist."""
    _, _, word = unknown.rpartition(".")
    with_same_word = [topic for topic in EVENTS if topic.endswith(f"_{word}")]
    similar = with_same_word or get_close_matches(unknown, EVENTS, n=3, cutoff=0.6)
    if similar:
        return f"did you mean {', '.join(similar)}?"
    kinds = sorted({topic.partition(".")[0] for topic in EVENTS})
    all_kinds = ", ".join([f"{kind}.*" for kind in kinds])
    return f"there are {all_kinds}, and for example job_run.started"


def _matches(topic: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return topic.startswith(pattern[:-1])
    return topic == pattern


def _subject(text: str) -> tuple[str | None, UUID | None]:
    """Return the kind of aggregate and its id; either may be missing."""
    kind, colon, name = text.partition(":")
    if not text:
        return None, None
    if not colon:
        if text in _kinds():
            return text, None
        return None, _uuid(text, "/subject", "; give one, or KIND:NAME as job_definition:SLUG")
    if kind not in _kinds():
        message = f"there is no {kind!r}; there are {', '.join(_kinds())}"
        raise InvalidInputError([Issue("/subject", message, "enum")])
    table = BY_SUBJECT.get(kind)
    if table is None or table.id_by_name is None:
        return kind, _uuid(name, "/subject")
    return kind, table.id_by_name(name)


def _kinds() -> tuple[str, ...]:
    """Return the kinds of subjects. Archives are one, although they have no table."""
    return (*BY_SUBJECT, "log_archive")


def _correlation(text: str) -> UUID | None:
    if not text:
        return None
    return _uuid(text, "/correlation")


def _uuid(text: str, path: str, remedy: str = "") -> UUID:
    try:
        return UUID(text)
    except ValueError:
        message = f"{text!r} is no id{remedy}"
        raise InvalidInputError([Issue(path, message, "format")]) from None


def _time(text: str, path: str) -> datetime | None:
    if not text:
        return None
    try:
        return from_iso(text)
    except ValueError:
        message = "must be a time with an offset, such as 2026-11-24T14:31:04.123Z"
        raise InvalidInputError([Issue(path, message, "format")]) from None


SCAN_LIMIT = 20_000
"""Events that are scanned for one page, so that to find a rare type in a log of millions takes
several pages, and not one long query."""

SCAN_BLOCKS = SCAN_LIMIT // EVENTS_A_BLOCK
"""The same limit for archived events, in blocks."""

MAX_SKIPPED = 500
"""Events of an aggregate that are read and skipped before a page, so that short histories need no
search for its beginning."""

PAGE_BYTES = 4_194_304
"""Bytes of states after which a page ends: an event may have a megabyte."""


@dataclass(frozen=True)
class Page:
    """Some events, and where the next page begins.

    Attributes:
        events: the events, in log order.
        next: `after` of the next page; None at the log's end.
        head: the log's last position when this was read.
    """

    events: list[Envelope]
    next: int | None
    head: int


class Audit:
    """Reads the events that match a filter."""

    def __init__(self, pool: AsyncConnectionPool[Connection], files: LogFiles) -> None:
        self._pool = pool
        self._archive = files.archive
        self._master_keys = files.master_keys

    async def page(self, event_filter: EventFilter, after: int, limit: int) -> Page:
        """Return the next matching events after a position."""
        async with borrowed(self._pool) as connection:
            return await self.page_in(connection, event_filter, after, limit)

    async def page_in(
        self, connection: Connection, event_filter: EventFilter, after: int, limit: int
    ) -> Page:
        """Return the next matching events after a position, read by the caller's connection."""
        if event_filter.since is not None:
            after = max(after, await position_before(connection, self._archive, event_filter.since))
        head = await read_value(connection, int, sql.HEAD)
        last = head
        if event_filter.until is not None:
            last = await position_before(connection, self._archive, event_filter.until)
        if after >= last:
            return Page([], None, head)
        end: int | None = None
        if not event_filter.is_indexed:
            end = await _scan_end(connection, after, last)
        rows = await _read_matching(
            connection, self._archive, event_filter, _Span(after, end, limit + 1)
        )
        page_rows = take_bytes(rows[:limit], PAGE_BYTES)
        events = await envelopes(connection, self._master_keys, page_rows)
        has_more = len(page_rows) < len(rows)
        if has_more or is_full(page_rows, PAGE_BYTES):
            end = events[-1].position
        return Page(events, end, head)

    async def names(self, events: Sequence[Envelope]) -> dict[UUID, str]:
        """Return the names of the events' aggregates, by id; those without a name are left out."""
        values = {"ids": list({event.aggregate_id for event in events})}
        async with borrowed(self._pool) as connection:
            rows = await read_rows(
                connection, statements.AggregateName, statements.names_sql(), values
            )
        return {UUID(row["id"]): row["name"] for row in rows}

    async def head(self) -> int:
        """Return the log's last position, 0 if it is empty."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, int, sql.HEAD)


async def position_before(
    connection: Connection, archive: Path | None, moment: datetime, *, inclusive: bool = False
) -> int:
    """Return the last position recorded before a time (or at it, if `inclusive`); 0 for none.

    This is a binary search: positions are in the order of commits, and their times are those of the
    database's clock.
    """
    position = low = 0
    high = await read_value(connection, int, sql.HEAD)
    while low < high:
        middle = (low + high + 1) // 2
        event = await last_event_up_to(connection, archive, middle)
        if event is None:
            low = middle
            position = 0
            continue
        recorded_at = from_iso(event["recorded_at"])
        if recorded_at < moment or (inclusive and recorded_at == moment):
            low = middle
            position = event["notification_id"]  # The middle itself may be a gap.
        else:
            high = event["notification_id"] - 1
    return position


async def last_event_up_to(
    connection: Connection, archive: Path | None, position: int
) -> EventPosition | None:
    """Return the last event up to a position, in the log or in the archives; None for none."""
    values = {"position": position}
    stored = await read_first(connection, StoredPosition, statements.LAST_UP_TO, values)
    if stored is not None and stored["archived_to"] is None:
        return stored
    archived = await last_up_to(connection, archive, position)
    if stored is None or archived is None:
        return stored or archived
    if archived["notification_id"] > stored["notification_id"]:
        return archived
    return stored


async def _scan_end(connection: Connection, after: int, last: int) -> int | None:
    """Return the position up to which one page is scanned, None if that is the last one."""
    values = {"after": after, "skipped": SCAN_LIMIT - 1, "skipped_blocks": SCAN_BLOCKS}
    end = await read_first(connection, _End, statements.NTH_AFTER, values)
    if end is None or end["position"] >= last:
        return None
    return end["position"]


class _End(TypedDict):
    position: ReadOnly[int]


@dataclass(frozen=True)
class _Span:
    """At most `limit` events in (after, until], fewer if they fill a page.

    If `until` is None, they reach up to the log's end.
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


async def _read_matching(
    connection: Connection, archive: Path | None, event_filter: EventFilter, span: _Span
) -> Sequence[EventRow]:
    rows = await _read_stored(connection, event_filter, span)
    if rows:
        archived_to = rows[0]["archived_to"]
        if archived_to is None or archived_to <= span.after:
            return rows
    if may_be_cut(rows, span.limit, PAGE_BYTES):
        # Archived events after a full page are not needed yet.
        span = replace(span, until=rows[-1]["notification_id"])
    archived = await _read_archived(connection, archive, event_filter, span)
    return merge_by_position(rows, archived, span.limit)


async def _read_archived(
    connection: Connection, archive: Path | None, event_filter: EventFilter, span: _Span
) -> list[EventRow]:
    after, until, limit = span.after, span.until, span.limit
    if event_filter.aggregate_id is not None:
        positions_by_archive = await run_positions(connection, event_filter.aggregate_id)
    elif event_filter.correlation_id is not None:
        positions_by_archive = await correlated_positions(connection, event_filter.correlation_id)
    else:
        return await first_between(
            connection, archive, after, until, limit, event_filter.matches, PAGE_BYTES
        )
    in_span: dict[int, list[int]] = {}
    for number, positions in positions_by_archive.items():
        in_span[number] = [
            position
            for position in positions
            if position > after and (until is None or position <= until)
        ]
    return await first_at(connection, archive, in_span, PAGE_BYTES, limit, event_filter.matches)


async def _read_stored(
    connection: Connection, event_filter: EventFilter, span: _Span
) -> list[StoredRow]:
    values: dict[str, object] = {
        "after": span.after,
        "limit": span.limit,
        "max_bytes": PAGE_BYTES,
        "aggregate_id": event_filter.aggregate_id,
        "actor": event_filter.actor,
        "correlation_id": event_filter.correlation_id,
        "until": event_filter.until,
        "end": span.until,
        "types": None,
        "kind": None,
    }
    if event_filter.types:
        values["types"] = [_pattern(topic) for topic in event_filter.types]
    if event_filter.kind is not None:
        values["kind"] = _pattern(f"{event_filter.kind}.*")
    conditions = ["notification_id > %(after)s"]
    for name, condition in _CONDITIONS.items():
        if values[name] is not None:
            conditions.append(condition)
    order = "notification_id"
    if event_filter.aggregate_id is not None:
        # By position, all events of others before the aggregate's first one would be read.
        values["version"] = await _version_up_to(connection, event_filter.aggregate_id, span.after)
        conditions.append("originator_version > %(version)s")
        order = "originator_version"
    query = statements.first_where(" AND ".join(conditions), order)
    return await read_rows(connection, StoredRow, query, values)


async def _version_up_to(connection: Connection, aggregate_id: UUID, position: int) -> int:
    """Return the version of an aggregate's last event up to a position, or an earlier one.

    It is earlier by `MAX_SKIPPED` at most. This is a binary search: a schedule may have a million
    events.
    """
    if not position:
        return 0
    values: dict[str, object] = {"id": aggregate_id, "position": position}
    low = 0
    high = await read_value(connection, int, statements.LAST_VERSION, values)
    while high - low > MAX_SKIPPED:
        middle = (low + high) // 2
        values["version"] = middle
        if await read_value(connection, bool, statements.IS_UP_TO, values):
            low = middle
        else:
            high = middle
    return low


def _pattern(topic: str) -> str:
    """Return a topic, or a prefix such as `job_run.*`, as a pattern of LIKE."""
    literal = topic.removesuffix("*")
    for special in ("\\", "%", "_"):
        literal = literal.replace(special, f"\\{special}")
    if topic.endswith("*"):
        return f"{literal}%"
    return literal
