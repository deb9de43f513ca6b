"""Rows in motion: the log folded as it passes by.

So each event is shown with the row before and after it.
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.jobs.run_values import FINAL
from domain.personal.marks import erased_from
from domain.ports import Row
from eventlog.history.reader import Reader
from projections import job_runs
from projections.envelope import UNFOLDABLE, Envelope
from projections.job_runs import RunRow
from projections.table import ProjectedRow
from projections.tables import BY_SUBJECT

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
                after = self._version(key)
                wanted[key] = (after, before)
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
                table = BY_SUBJECT[event.subject]
                self._rows[key] = table.fold(before, event)
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
    parameters = erased_from(run["parameters"], gone)
    return {**run, "parameters": parameters}
