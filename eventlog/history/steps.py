"""Rows in motion: folds the log as it passes by, to show each event with the row before and after it."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from domain.jobs.run_values import FINAL
from domain.json_values import JsonObject
from domain.personal.marks import erased_from
from domain.ports import Row
from eventlog.history.reader import Reader
from projections.envelope import Envelope
from projections.tables import BY_SUBJECT

MAX_ROWS = 10_000
"""Rows kept in memory. A row that fell out is folded again from its own events when it is
needed."""


@dataclass(frozen=True)
class Step:
    """An event, and its aggregate's row before (None for its first) and after it; empty where no table shows it."""

    event: Envelope
    before: Row | None
    after: Row


class Replay:
    """Keeps the rows of the aggregates that are still moving."""

    def __init__(self, reader: Reader, max_rows: int = MAX_ROWS) -> None:
        self._reader = reader
        self._max_rows = max_rows
        self._rows: OrderedDict[UUID, Row] = OrderedDict()

    async def steps(self, events: Sequence[Envelope]) -> list[Step]:
        """Return the events, which must come in log order, as steps."""
        await self._recall(events)
        await self._forget_erased(events)
        steps = [self._step(event) for event in events]
        # Not before: the chunk's later events need the rows of all of it.
        while len(self._rows) > self._max_rows:
            self._rows.popitem(last=False)
        return steps

    async def _recall(self, events: Sequence[Envelope]) -> None:
        """Fold what came before, for aggregates whose row is not at hand."""
        firsts: dict[UUID, int] = {}
        for event in events:
            firsts.setdefault(event.aggregate_id, event.version)
        missing = {
            key: version for key, version in firsts.items() if not self._knows(key, version - 1)
        }
        for key in missing:
            self._rows.pop(key, None)
        while missing:  # In parts: one run's history may be longer than memory.
            events = await self._reader.parts(
                {key: (self._version(key), missing[key]) for key in missing}
            )
            for event in events:
                self._rows[event.aggregate_id] = self._fold(event)
            known = [key for key in missing if not events or self._knows(key, missing[key] - 1)]
            for key in known:
                del missing[key]

    async def _forget_erased(self, events: Sequence[Envelope]) -> None:
        """Take out of the rows at hand what has been erased since they were folded: a slow client may be far behind."""
        touched = {event.aggregate_id: self._rows.get(event.aggregate_id) for event in events}
        personal = {
            key: (row, cast("dict[str, list[str]]", row["personal"]))
            for key, row in touched.items()
            if row is not None and row.get("personal") is not None
        }
        if not personal:
            return
        living = await self._reader.living_keys(
            {key_id for _, names in personal.values() for key_id in names}
        )
        for key, (row, names) in personal.items():
            gone = [
                name for key_id, those in names.items() if key_id not in living for name in those
            ]
            parameters = erased_from(cast("JsonObject", row["parameters"]), gone)
            self._rows[key] = {**row, "parameters": parameters}

    def _version(self, aggregate_id: UUID) -> int:
        row = self._rows.get(aggregate_id)
        return 0 if row is None else cast("int", row["aggregate_version"])

    def _knows(self, aggregate_id: UUID, version: int) -> bool:
        return self._version(aggregate_id) == version

    def _fold(self, event: Envelope) -> Row:
        return BY_SUBJECT[event.subject].fold(self._rows.get(event.aggregate_id), event)

    def _step(self, event: Envelope) -> Step:
        # That events were archived moves no row, and changes nothing to be seen.
        if event.subject not in BY_SUBJECT:
            return Step(event, None, {})
        before = self._rows.pop(event.aggregate_id, None)
        after = BY_SUBJECT[event.subject].fold(before, event)
        if after.get("status") not in FINAL:  # What is final never changes again.
            self._rows[event.aggregate_id] = after
        return Step(event, before, after)
