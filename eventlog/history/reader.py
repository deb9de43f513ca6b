"""Reads the log in order, as envelopes, and replays it with the rows of its aggregates.

First the reader; then the replay, which adds to each event its aggregate's row before and after it
(`Replay`); then which aggregates a newer version of the program has written.

The append lock makes positions appear in the order of commits, so a reader that continues after the
last position skips no event. Gaps are positions of rollbacks, and are never filled.
"""

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.errors import UnreadableEventError
from domain.jobs.run_events import FINAL
from domain.personal import erased_from
from domain.ports import Row
from domain.topics import class_version
from eventlog.archive.reading import (
    HistoryRow,
    first_between,
    merge_by_position,
    resolve_marks,
    take_bytes,
)
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.continuity import Continuity
from eventlog.database.sql import EVENTS_TABLE
from eventlog.history import statements
from eventlog.history.statements import LastRow, NewestRow, StoredRow
from eventlog.keys import LogFiles
from eventlog.personal import SUBJECT_KEYS, SubjectKeyRow, envelopes
from eventlog.rehydration import read_part, read_parts
from projections import job_runs
from projections.envelope import UNFOLDABLE, Envelope, EventRow
from projections.job_runs import RunRow
from projections.rows import Connection, read_first, read_rows, read_value
from projections.table import ProjectedRow
from projections.tables import BY_SUBJECT

CHUNK = 500
"""Events that are read at a time; this bounds memory, and how long decoding blocks the event
loop."""

CHUNK_BYTES = 4_194_304
"""The same, by the size of their states: one may have a megabyte."""


class Reader:
    """Reads the log."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        files: LogFiles,
        continuity: Continuity | None = None,
    ) -> None:
        self._pool = pool
        self._continuity = continuity or Continuity()
        self._files = files
        self._archive = files.archive
        self._master_keys = files.master_keys

    async def log_id(self) -> str:
        """Return the log's id; a replaced log has another."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, str, sql.LOG_ID)

    async def head(self) -> int:
        """Return the last position, 0 for an empty log."""
        async with borrowed(self._pool) as connection:
            breaks = self._continuity.breaks
            last = await read_first(connection, LastRow, statements.LAST)
        if last is None:
            return 0
        self._record(last, last["digest"], breaks)
        return last["notification_id"]

    def _record(self, event: LastRow | EventRow, digest: bytes, breaks: int) -> None:
        self._continuity.record(
            event["notification_id"],
            UUID(event["originator_id"]),
            event["originator_version"],
            digest,
            breaks=breaks,
        )

    async def after(
        self, position: int, limit: int = CHUNK, max_bytes: int = CHUNK_BYTES
    ) -> list[Envelope]:
        """Return the next events after a position, none only if it is the last one."""
        values = {"after": position, "limit": limit, "max_bytes": max_bytes}
        async with borrowed(self._pool) as connection:
            breaks = self._continuity.breaks
            rows: Sequence[EventRow] = ()
            stored = await read_rows(connection, StoredRow, statements.READ_AFTER, values)
            if stored:
                rows = stored
                archived_to = stored[0]["archived_to"]
                if archived_to is not None and archived_to > position:
                    until = stored[-1]["notification_id"]
                    archived = await first_between(
                        connection, self._archive, position, until, limit, max_bytes=max_bytes
                    )
                    rows = take_bytes(merge_by_position(stored, archived, limit), max_bytes)
            if rows:
                last = rows[-1]
                self._record(last, sha256(last["state"]).digest(), breaks)
            return await envelopes(connection, self._master_keys, rows)

    async def histories(self, ids: Sequence[UUID]) -> list[Envelope]:
        """Return every event of these aggregates, one aggregate after the other, each in order."""
        async with borrowed(self._pool) as connection:
            return await whole_histories(connection, self._files, ids)

    async def history(
        self, aggregate_id: UUID, after: int, limit: int = CHUNK
    ) -> tuple[list[Envelope], int | None]:
        """Return an aggregate's next events after a version.

        Returns:
            The events, and the version to continue after, None at the end.
        """
        async with borrowed(self._pool) as connection:
            part = await read_part(connection, self._files, aggregate_id, after, limit)
            events = await envelopes(connection, self._master_keys, part.rows)
        return events, part.next

    async def landmarks(self, run_id: UUID, after: int) -> tuple[list[Envelope], int | None]:
        """Return a run's next events, without progress reports that the list of attempts omits.

        Returns:
            The events, and the version to continue after, None at the end.
        """
        async with borrowed(self._pool) as connection:
            part = await read_part(connection, self._files, run_id, after, landmarks=True)
            events = await envelopes(connection, self._master_keys, part.rows)
        return events, part.next

    async def newest(
        self, aggregate_id: UUID, topics: Sequence[str], before: int, limit: int
    ) -> tuple[list[Envelope], int | None]:
        """Return an aggregate's last events of these topics before a version, newest first.

        Returns:
            The events, and the version to continue before, None at the end.
        """
        values = {
            "id": aggregate_id,
            "topics": list(topics),
            "before": before,
            "limit": limit,
            "max_bytes": CHUNK_BYTES,
        }
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, NewestRow, statements.NEWEST, values)
            events = await envelopes(connection, self._master_keys, rows)
        if rows and rows[0]["rows_read"] > len(rows):
            return events, rows[-1]["originator_version"]
        return events, None

    async def histories_between(self, ranges: Mapping[UUID, tuple[int, int]]) -> list[Envelope]:
        """Return the next events of several aggregates: some of each, a limited number together.

        Args:
            ranges: by aggregate, the version after which to begin and the version before which to
                end.
        """
        async with borrowed(self._pool) as connection:
            part = await read_parts(connection, self._files, ranges)
            return await envelopes(connection, self._master_keys, part.rows)

    async def existing_keys(self, ids: Collection[str]) -> set[str]:
        """Return those of the subjects' keys that still exist."""
        async with borrowed(self._pool) as connection:
            rows = await read_rows(connection, SubjectKeyRow, SUBJECT_KEYS, {"ids": list(ids)})
        return {row["key_id"] for row in rows}


async def whole_histories(
    connection: Connection, files: LogFiles, ids: Sequence[UUID]
) -> list[Envelope]:
    """Return every event of these aggregates, one aggregate after the other, each in order."""
    rows = await read_rows(connection, HistoryRow, statements.READ_SUBJECTS, {"ids": list(ids)})
    events = await resolve_marks(connection, files.archive, rows)
    return await envelopes(connection, files.master_keys, events)


# The replay of the log: each event with its aggregate's row before and after it.

MAX_ROWS = 10_000
"""Rows kept in memory. A row that was dropped is folded again from its events when it is needed."""

MAX_BYTES = 16_777_216
"""The same by the size of each row's largest event: a run's parameters may have a megabyte, and
take several times as much in a row."""


@dataclass(frozen=True)
class Step:
    """An event, and its aggregate's row before and after it.

    Attributes:
        event: the event.
        before: the row before it; None for the first event.
        after: the row after it; empty if the aggregate has no table, or if this event or an earlier
            one is unreadable.
    """

    event: Envelope
    before: Row | None
    after: Row


class Replay:
    """Folds the events of the log in order; keeps the rows of aggregates that may still change."""

    def __init__(self, reader: Reader, max_rows: int = MAX_ROWS) -> None:
        self._reader = reader
        self._max_rows = max_rows
        self._rows: OrderedDict[UUID, ProjectedRow] = OrderedDict()
        self._sizes: dict[UUID, int] = {}
        self._bytes = 0
        self._unreadable: OrderedDict[UUID, str] = OrderedDict()

    @property
    def kept_bytes(self) -> int:
        """Return the bytes of the largest event of each row in memory."""
        return self._bytes

    async def steps(self, events: Sequence[Envelope]) -> list[Step]:
        """Return the steps of events, which must come in log order."""
        await self._load_rows(events)
        await self._remove_erased(events)
        steps = [self._step(event) for event in events]
        # Not before: later events of the chunk need all its rows.
        while len(self._rows) > self._max_rows or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._rows)))
        while len(self._unreadable) > self._max_rows:
            self._unreadable.popitem(last=False)
        return steps

    async def _load_rows(self, events: Sequence[Envelope]) -> None:
        """Fold the earlier events of aggregates whose row is not in memory."""
        missing = self._missing(events)
        for key in missing:
            self._drop(key)
        while missing:  # In parts: one run's history may be longer than memory.
            ranges: dict[UUID, tuple[int, int]] = {}
            for key, before in missing.items():
                ranges[key] = (self._version(key), before)
            part = await self._reader.histories_between(ranges)
            if not part:
                return
            for event in part:
                self._fold(event)
            for key, (_, before) in ranges.items():
                if self._version(key) == before - 1 or key in self._unreadable:
                    del missing[key]

    def _missing(self, events: Sequence[Envelope]) -> dict[UUID, int]:
        """Return the aggregates whose row in memory lacks events before these, or is missing.

        The value is the version of the aggregate's first event among these.
        """
        firsts: dict[UUID, int] = {}
        for event in events:
            if event.subject in BY_SUBJECT and event.aggregate_id not in self._unreadable:
                firsts.setdefault(event.aggregate_id, event.version)
        return {
            key: version for key, version in firsts.items() if self._version(key) != version - 1
        }

    async def _remove_erased(self, events: Sequence[Envelope]) -> None:
        """Remove personal values that were erased since their rows were folded.

        That may be long ago, since a slow client may be far behind.
        """
        personal: dict[UUID, RunRow] = {}
        key_ids: set[str] = set()
        for event in events:
            row = self._rows.get(event.aggregate_id)
            if row is None or row.get("personal") is None:
                continue
            run = job_runs.TABLE.own(row)
            personal[event.aggregate_id] = run
            key_ids.update(run["personal"] or ())
        if not personal:
            return
        existing = await self._reader.existing_keys(key_ids)
        for aggregate_id, run in personal.items():
            self._rows[aggregate_id] = _without_erased(run, existing)

    def _version(self, aggregate_id: UUID) -> int:
        row = self._rows.get(aggregate_id)
        if row is None:
            return 0
        return row["aggregate_version"]

    def _fold(self, event: Envelope) -> str | None:
        """Fold an event onto its aggregate's row; return the reason if that is impossible."""
        key = event.aggregate_id
        before = self._rows.get(key)
        size = max(self._sizes.get(key, 0), event.size)
        self._drop(key)
        reason = self._unreadable.get(key, event.unreadable)
        if reason is None:
            try:
                self._rows[key] = BY_SUBJECT[event.subject].fold(before, event)
                self._sizes[key] = size
                self._bytes += size
            except UNFOLDABLE as error:
                reason = repr(error)
        if reason is not None:
            self._unreadable[key] = reason
        return reason

    def _step(self, event: Envelope) -> Step:
        if event.subject not in BY_SUBJECT:  # The aggregate, an archive, has no table.
            return Step(event, None, {})
        before = self._rows.get(event.aggregate_id)
        reason = self._fold(event)
        if reason is not None:
            return Step(replace(event, unreadable=reason), None, {})
        after = self._rows[event.aggregate_id]
        if after.get("status") in FINAL:  # A final row never changes.
            self._drop(event.aggregate_id)
        return Step(event, before, after)

    def _drop(self, aggregate_id: UUID) -> None:
        self._rows.pop(aggregate_id, None)
        self._bytes -= self._sizes.pop(aggregate_id, 0)


def _without_erased(run: RunRow, existing: Collection[str]) -> RunRow:
    personal = run["personal"] or {}
    erased: list[str] = []
    for key_id, names in personal.items():
        if key_id not in existing:
            erased += names
    return {**run, "parameters": erased_from(run["parameters"], erased)}


# Aggregates whose last event was written by a newer version of the program.

_TAIL = 40
"""Bytes at the end of a state that include its class version, which the codec writes last."""

_HEADS = f"""
    SELECT head.* FROM unnest((SELECT %(ids)s::uuid[])) AS aggregate (id), LATERAL (
        SELECT originator_id, topic,
            substr(state, greatest(octet_length(state) - {_TAIL}, 1)) AS tail
        FROM {EVENTS_TABLE} WHERE originator_id = aggregate.id
        ORDER BY originator_version DESC LIMIT 1
    ) AS head
"""

_CLASS_VERSION = re.compile(rb'"class_version":(\d{1,9})\}$')


class _LastEventRow(TypedDict):
    originator_id: ReadOnly[str]
    topic: ReadOnly[str]
    tail: ReadOnly[bytes]


async def with_unreadable_head(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Return the aggregates whose last event this version of the program cannot read."""
    if not ids:
        return set()
    heads = await read_rows(connection, _LastEventRow, _HEADS, {"ids": list(ids)})
    return {UUID(head["originator_id"]) for head in heads if not _is_readable(head)}


def _is_readable(head: _LastEventRow) -> bool:
    try:
        newest = class_version(head["topic"])
    except UnreadableEventError:
        return False
    match = _CLASS_VERSION.search(head["tail"])
    return match is None or int(match[1]) <= newest
