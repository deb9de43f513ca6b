"""The one tailing reader of a process: every event once, in log order, as envelopes.

First the reader; then the log replayed with each event's row before and after it (`Replay`); then
aggregates that a newer version of the program has written.

Positions appear in commit order (the append lock ensures it), so "after the last one" skips
nothing. The gaps that rollbacks leave are never filled later.
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
from eventlog import personal as personal_statements
from eventlog.archive.reading import HistoryRow, first_between, merged, resolved, within
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.continuity import Continuity
from eventlog.database.listener import Signal
from eventlog.database.sql import EVENTS_TABLE
from eventlog.history import statements
from eventlog.history.statements import LastRow, NewestRow, StoredRow
from eventlog.keys import LogFiles
from eventlog.personal import SubjectKeyRow, envelopes
from eventlog.rehydration import read_part, read_parts
from projections import job_runs
from projections.envelope import UNFOLDABLE, Envelope, EventRow
from projections.job_runs import RunRow
from projections.rows import Connection, read_first, read_rows, read_value
from projections.table import ProjectedRow
from projections.tables import BY_SUBJECT

CHUNK = 500
"""Events read at a time: bounds memory, and how long the loop is busy decoding."""

CHUNK_BYTES = 4_194_304
"""The same, by the size of their states: one may be a megabyte long."""

POLL_S = 1.0
"""The longest an event stays unseen when its notification is lost."""


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
        """Return the name of this log; a restored or replaced one has another."""
        async with borrowed(self._pool) as connection:
            return await read_value(connection, str, sql.LOG_ID)

    async def head(self) -> int:
        """Return the last position, 0 for an empty log."""
        async with borrowed(self._pool) as connection:
            last = await read_first(connection, LastRow, statements.LAST)
        if last is None:
            return 0
        self._note(last, last["digest"])
        return last["notification_id"]

    def _note(self, event: LastRow | EventRow, digest: bytes) -> None:
        aggregate_id = UUID(event["originator_id"])
        position = event["notification_id"]
        self._continuity.record(position, aggregate_id, event["originator_version"], digest)

    async def after(
        self, position: int, limit: int = CHUNK, max_bytes: int = CHUNK_BYTES
    ) -> list[Envelope]:
        """Return the next events after a position, at least one where there is any."""
        values = {"after": position, "limit": limit, "max_bytes": max_bytes}
        async with borrowed(self._pool) as connection:
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
                    rows = within(merged(stored, archived, limit), max_bytes)
            if rows:
                last = rows[-1]
                self._note(last, sha256(last["state"]).digest())
            return await envelopes(connection, self._master_keys, rows)

    async def news(self, signal: Signal) -> None:
        """Wait until the log is said to have moved on, or may have without a word."""
        await signal.wait(POLL_S)

    async def histories(self, ids: Sequence[UUID]) -> list[Envelope]:
        """Return every event of these aggregates, one aggregate after the other, each in order."""
        async with borrowed(self._pool) as connection:
            values = {"ids": list(ids)}
            rows = await read_rows(connection, HistoryRow, statements.READ_SUBJECTS, values)
            events = await resolved(connection, self._archive, rows)
            return await envelopes(connection, self._master_keys, events)

    async def history(
        self, aggregate_id: UUID, after: int, limit: int = CHUNK
    ) -> tuple[list[Envelope], int | None]:
        """Return an aggregate's events after a version, some at a time.

        With them comes the version after which to go on, None at the end.
        """
        async with borrowed(self._pool) as connection:
            part = await read_part(connection, self._files, aggregate_id, after, limit)
            events = await envelopes(connection, self._master_keys, part.rows)
        return events, part.next

    async def landmarks(self, run_id: UUID, after: int) -> tuple[list[Envelope], int | None]:
        """Return the same of a run, without reports that its attempts do not tell of."""
        async with borrowed(self._pool) as connection:
            part = await read_part(connection, self._files, run_id, after, landmarks=True)
            events = await envelopes(connection, self._master_keys, part.rows)
        return events, part.next

    async def newest(
        self, aggregate_id: UUID, topics: Sequence[str], before: int, limit: int
    ) -> tuple[list[Envelope], int | None]:
        """Return an app's last events of some kinds before a version, the newest first.

        With them comes the version before which to go on, None at the end.
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
        following: int | None = None
        if rows and rows[0]["found"] > len(rows):
            following = rows[-1]["originator_version"]
        return events, following

    async def parts(self, wanted: Mapping[UUID, tuple[int, int]]) -> list[Envelope]:
        """Return the next events of each aggregate between two versions: some of each, few in all.

        Args:
            wanted: by aggregate, the version after which to begin and the one to end before.
        """
        async with borrowed(self._pool) as connection:
            part = await read_parts(connection, self._files, wanted)
            return await envelopes(connection, self._master_keys, part.rows)

    async def living_keys(self, ids: Collection[str]) -> set[str]:
        """Return those of the subjects' keys that have not been destroyed."""
        async with borrowed(self._pool) as connection:
            rows = await read_rows(
                connection, SubjectKeyRow, personal_statements.SUBJECT_KEYS, {"ids": list(ids)}
            )
        return {row["key_id"] for row in rows}


# The log replayed: each event is shown with its aggregate's row before and after it.

MAX_ROWS = 10_000
"""Rows kept in memory. A row that fell out is folded again from its own events when it is
needed."""

MAX_BYTES = 16_777_216
"""The same by the largest event of each: the parameters of a run may have a megabyte, and take
several times as much as a row."""


@dataclass(frozen=True)
class Step:
    """An event, and its aggregate's row before and after it.

    Before its first event there is none; after it is empty where no table shows the aggregate, and
    where the event is unreadable, which it also is if one before it was.
    """

    event: Envelope
    before: Row | None
    after: Row


class Replay:
    """Keeps the rows of the aggregates that are still moving."""

    def __init__(self, reader: Reader, max_rows: int = MAX_ROWS) -> None:
        self._reader = reader
        self._max_rows = max_rows
        self._rows: OrderedDict[UUID, ProjectedRow] = OrderedDict()
        self._sizes: dict[UUID, int] = {}
        self._bytes = 0
        self._unreadable: OrderedDict[UUID, str] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """Return how much the events have that the rows at hand stand for, the largest of each."""
        return self._bytes

    async def steps(self, events: Sequence[Envelope]) -> list[Step]:
        """Return the events, which must come in log order, as steps."""
        await self._recall(events)
        await self._forget_erased(events)
        steps = [self._step(event) for event in events]
        # Not before: the chunk's later events need the rows of all of it.
        while len(self._rows) > self._max_rows or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._rows)))
        while len(self._unreadable) > self._max_rows:
            self._unreadable.popitem(last=False)
        return steps

    async def _recall(self, events: Sequence[Envelope]) -> None:
        """Fold what came before, for aggregates whose row is not at hand."""
        missing = self._missing(events)
        while missing:  # In parts: one run's history may be longer than memory.
            wanted: dict[UUID, tuple[int, int]] = {}
            for key, before in missing.items():
                wanted[key] = (self._version(key), before)
            part = await self._reader.parts(wanted)
            if not part:
                return
            for event in part:
                self._fold(event)
            for key, (_, before) in wanted.items():
                is_there = self._version(key) == before - 1
                if is_there or key in self._unreadable:
                    del missing[key]

    def _missing(self, events: Sequence[Envelope]) -> dict[UUID, int]:
        """Return, by aggregate, the version up to before which its row must be folded first."""
        firsts: dict[UUID, int] = {}
        for event in events:
            known = event.subject in BY_SUBJECT
            if known and event.aggregate_id not in self._unreadable:
                firsts.setdefault(event.aggregate_id, event.version)
        missing: dict[UUID, int] = {}
        for key, version in firsts.items():
            if self._version(key) != version - 1:
                missing[key] = version
                self._drop(key)
        return missing

    async def _forget_erased(self, events: Sequence[Envelope]) -> None:
        """Take out of the rows at hand what has been erased since they were folded.

        A slow client may be far behind.
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
        living = await self._reader.living_keys(key_ids)
        for aggregate_id, run in personal.items():
            self._rows[aggregate_id] = _without_erased(run, living)

    def _version(self, aggregate_id: UUID) -> int:
        row = self._rows.get(aggregate_id)
        if row is None:
            return 0
        return row["aggregate_version"]

    def _fold(self, event: Envelope) -> str | None:
        """Fold the event onto its row; return why that cannot be done, if so."""
        key = event.aggregate_id
        before = self._rows.get(key)
        size = max(self._sizes.get(key, 0), event.size)
        self._drop(key)
        why = self._unreadable.get(key, event.unreadable)
        if why is None:
            try:
                self._rows[key] = BY_SUBJECT[event.subject].fold(before, event)
                self._sizes[key] = size
                self._bytes += size
            except UNFOLDABLE as error:
                why = repr(error)
        if why is not None:
            self._unreadable[key] = why
        return why

    def _step(self, event: Envelope) -> Step:
        # That events were archived moves no row, and changes nothing to be seen.
        if event.subject not in BY_SUBJECT:
            return Step(event, None, {})
        before = self._rows.get(event.aggregate_id)
        why = self._fold(event)
        if why is not None:
            return Step(replace(event, unreadable=why), None, {})
        after = self._rows[event.aggregate_id]
        if after.get("status") in FINAL:  # What is final never changes again.
            self._drop(event.aggregate_id)
        return Step(event, before, after)

    def _drop(self, aggregate_id: UUID) -> None:
        self._rows.pop(aggregate_id, None)
        self._bytes -= self._sizes.pop(aggregate_id, 0)


def _without_erased(run: RunRow, living: Collection[str]) -> RunRow:
    personal = run["personal"] or {}
    gone: list[str] = []
    for key_id, names in personal.items():
        if key_id not in living:
            gone += names
    return {**run, "parameters": erased_from(run["parameters"], gone)}


# Aggregates that a newer version of the program has written since, as their last events tell.

_TAIL = 40
"""Bytes of a state that hold its shape's number, which the codec writes last."""

_HEADS = f"""
    SELECT head.* FROM unnest((SELECT %(ids)s::uuid[])) AS wanted (id), LATERAL (
        SELECT originator_id, topic,
            substr(state, greatest(octet_length(state) - {_TAIL}, 1)) AS tail
        FROM {EVENTS_TABLE} WHERE originator_id = wanted.id
        ORDER BY originator_version DESC LIMIT 1
    ) AS head
"""

_SHAPE = re.compile(rb'"class_version":(\d{1,9})\}$')


class _Head(TypedDict):
    originator_id: ReadOnly[str]
    topic: ReadOnly[str]
    tail: ReadOnly[bytes]


async def with_unreadable_head(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Return those of the aggregates whose last event this version of the program cannot read."""
    if not ids:
        return set()
    heads = await read_rows(connection, _Head, _HEADS, {"ids": list(ids)})
    return {UUID(head["originator_id"]) for head in heads if not _is_readable(head)}


def _is_readable(head: _Head) -> bool:
    try:
        newest = class_version(head["topic"])
    except UnreadableEventError:
        return False
    shape = _SHAPE.search(head["tail"])
    return shape is None or int(shape[1]) <= newest
