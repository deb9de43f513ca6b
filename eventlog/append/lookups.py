"""What the writer's transaction reads under the lock.

Each thing is read once, and as much as possible in one round trip.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.errors import PositionsUsedError
from domain.identifiers import Slot
from domain.ports import State, Unit
from eventlog.append import statements
from eventlog.append.plan import Found, Head, key_of
from eventlog.append.running_rows import RunningRows
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.keys.log_files import LogFiles
from eventlog.personal.cipher import MARK
from eventlog.personal.reading import plain_states
from eventlog.rebuild.versions import MENDED, Mended
from eventlog.recall.states import found_states, states_sql
from projections.rows import Connection, as_rows
from projections.run_rows.holders import HOLDERS, HolderRow, asked, slot_of
from projections.table import Table, folded_on_sql
from projections.tables import BY_SUBJECT


@dataclass(frozen=True)
class Needs:
    """What is not known yet.

    Attributes:
        heads: aggregates whose histories' ends are to be found.
        rows: by the first word of their topics, aggregates whose rows are.
        positions: how many places in the log are to be drawn.
        slots: that runs want for themselves.
    """

    heads: Sequence[UUID]
    rows: Mapping[str, Sequence[UUID]]
    positions: int
    slots: Sequence[Slot] = ()

    def with_a_place(self) -> "Needs":
        """Return these needs, and a place in the log for an event that will probably come."""
        return replace(self, positions=max(self.positions, 0) + 1)

    def __bool__(self) -> bool:
        """Return whether there is anything to ask."""
        return bool(self.heads or self.rows or self.slots or self.positions > 0)


class Finder:
    """Fills `found`.

    `ask` adds questions to a round trip; `take` reads the answers once that is over.
    """

    def __init__(
        self, connection: Connection, files: LogFiles, running: RunningRows
    ) -> None:
        self.files = files
        self.found = Found()
        self._running = running
        self._kept: list[UUID] = []
        self._has_outdated = False
        self._read: set[UUID] = set()
        self.connection = connection
        self._heads = Answer()
        self._positions = Answer()
        self._mended: Answer | None = None
        self._holders = Answer()
        self._tables: list[tuple[Table, Answer]] = []

    def needs_of(self, units: Sequence[Unit]) -> Needs:
        """Return what these units need and is not known yet."""
        events: list[StoredEvent] = []
        for unit in units:
            events += unit.events
        positions = len(events) - len(self.found.positions)
        heads = self._missing_heads(units)
        rows = self._missing_rows(events)
        slots = self._missing_slots(units)
        return Needs(heads, rows, positions, slots)

    def _missing_heads(self, units: Iterable[Unit]) -> Sequence[UUID]:
        known = self.found.heads
        missing: dict[UUID, None] = {}
        for unit in units:
            for named in (unit.aggregate_ids, unit.expects, unit.heads):
                for aggregate_id in named:
                    if aggregate_id not in known:
                        missing[aggregate_id] = None
            continued = unit.continues
            if continued is not None and continued not in known:
                missing[continued] = None
        return list(missing)

    def _missing_rows(
        self, events: Iterable[StoredEvent]
    ) -> Mapping[str, Sequence[UUID]]:
        rows: dict[str, list[UUID]] = {}
        for subject, old in _old_by_subject(events).items():
            missing = [
                aggregate_id for aggregate_id in old if not self._is_read(aggregate_id)
            ]
            if missing:
                rows[subject] = missing
        return rows

    def _missing_slots(self, units: Iterable[Unit]) -> Sequence[Slot]:
        known = self.found.holders
        wanted = {taking.slot: None for unit in units for taking in unit.takings}
        return [slot for slot in wanted if slot not in known]

    def _is_read(self, aggregate_id: UUID) -> bool:
        return aggregate_id in self.found.rows or aggregate_id in self._read

    def ask(self, trip: RoundTrip, needs: Needs) -> None:
        """Add the questions."""
        if needs.heads:
            for aggregate_id in needs.heads:
                self.found.heads[aggregate_id] = Head()
            self._heads = trip.ask(statements.HEADS, {"ids": needs.heads})
        if needs.positions > 0:
            drawn = (needs.positions,)
            self._positions = trip.ask(statements.DRAW_POSITIONS, drawn)
        if needs.slots:
            unheld = dict.fromkeys(needs.slots)
            self.found.holders.update(unheld)
            self._holders = trip.ask(HOLDERS, asked(needs.slots))
        self._ask_rows(trip, needs)
        if self._kept or not self._running.is_checked:
            self._mended = trip.ask(MENDED)

    def _ask_rows(self, trip: RoundTrip, needs: Needs) -> None:
        """Ask tables for the rows that are not kept."""
        asked_heads = set(needs.heads)
        for subject, ids in needs.rows.items():
            unknown: list[UUID] = []
            for aggregate_id in ids:
                if aggregate_id in asked_heads and self._running.knows(aggregate_id):
                    self._kept.append(aggregate_id)
                else:
                    unknown.append(aggregate_id)
            if unknown:
                # The table's answer is final, also where it has no such row.
                self._read.update(unknown)
                table = BY_SUBJECT[subject]
                answer = trip.ask(folded_on_sql(table), (unknown,))
                self._tables.append((table, answer))

    def take(self) -> None:
        """Read the answers to what was asked.

        Raises:
            PositionsUsedError: readers would never see what is appended now.
        """
        self._take_heads()
        self._take_positions()
        self._take_rows()
        self._take_kept()

    def _take_heads(self) -> None:
        """Take where histories end, and who holds slots."""
        found = self.found
        for row in as_rows(statements.HeadRow, self._heads.rows):
            head = Head(row["originator_version"], row["position"])
            correlation_id = row["correlation_id"]
            if correlation_id is not None:
                head.correlation_id = UUID(correlation_id)
            aggregate_id = UUID(row["originator_id"])
            found.heads[aggregate_id] = head
        for holder in as_rows(HolderRow, self._holders.rows):
            slot = slot_of(holder)
            found.holders[slot] = UUID(holder["id"])
        self._heads = Answer()
        self._holders = Answer()

    def _take_positions(self) -> None:
        drawn = as_rows(statements.PositionRow, self._positions.rows)
        self._positions = Answer()
        if not drawn:
            return
        first = drawn[0]
        if first["position"] <= first["head"]:
            raise _positions_used(first["position"], first["head"])
        places = [place["position"] for place in drawn]
        self.found.positions.extend(places)

    def _take_rows(self) -> None:
        """Take the rows that tables have."""
        for table, answer in self._tables:
            for projected in answer.rows:
                aggregate_id = table.id_of(projected)
                self.found.rows[aggregate_id] = projected
        self._tables.clear()

    def _take_kept(self) -> None:
        """Take rows that are kept for those of their tables, unless they may be wrong."""
        found = self.found
        if self._mended is not None:
            mended = as_rows(Mended, self._mended.rows)
            times = [row["version"] for row in mended]
            if not self._running.check(sum(times)):
                found.doubted.update(self._kept)
            self._mended = None
        for aggregate_id in self._kept:
            head = found.heads[aggregate_id]
            kept = self._running.row(aggregate_id, head.version, head.position)
            if kept is None:
                self._has_outdated = True
            else:
                found.rows[aggregate_id] = kept
        self._kept.clear()

    async def states(
        self, kind: str, ids: Sequence[UUID], positions: int
    ) -> dict[UUID, State]:
        """Return where aggregates stand, for a decision; draw so many places for its events."""
        trip = RoundTrip(self.connection)
        asked = ask_states(trip, kind, ids)
        self.ask(trip, Needs((), {}, positions))
        await trip.go()
        self.take()
        return self.take_states(kind, asked)

    def take_states(self, kind: str, asked: Answer) -> dict[UUID, State]:
        """Read where aggregates stand; their heads and rows are then known."""
        found = found_states(kind, asked.rows)
        for aggregate_id, one in found.items():
            head = Head(one.state.version, one.position, one.correlation_id)
            self.found.heads[aggregate_id] = head
            self._read.add(aggregate_id)
            if one.row is not None:
                self.found.rows[aggregate_id] = one.row
        return {aggregate_id: one.state for aggregate_id, one in found.items()}

    async def find(self, units: Sequence[Unit], *, asked: bool) -> None:
        """Find whatever these units need that is not known yet.

        The plain states of their encrypted events are among it. A kept row may turn out to be
        outdated, and is then needed from its table: so ask until nothing is needed.

        Args:
            units: what is to be written.
            asked: whether their needs, and no others, were asked for and taken just now.
        """
        is_complete = asked and not self._has_outdated
        while not is_complete and (needs := self.needs_of(units)):
            trip = RoundTrip(self.connection)
            self.ask(trip, needs)
            await trip.go()
            self.take()
        await self._decrypt(units)

    async def _decrypt(self, units: Sequence[Unit]) -> None:
        states: list[tuple[UUID, int, bytes]] = []
        for unit in units:
            for event in unit.events:
                if event.state.startswith(MARK):
                    aggregate_id, version = key_of(event)
                    states.append((aggregate_id, version, event.state))
        plain = await plain_states(self.connection, self.files.master_keys, states)
        self.found.plain.update(plain)


def ask_states(trip: RoundTrip, kind: str, ids: Sequence[UUID]) -> Answer:
    """Ask where aggregates stand."""
    return trip.ask(states_sql(kind), {"ids": ids})


def _positions_used(position: int, head: int) -> PositionsUsedError:
    sequence = statements.POSITION_SEQUENCE
    return PositionsUsedError(
        f"the sequence {sequence} stands at {position}, but the log goes up to {head}:"
        " appended there, an event would be seen by nobody. Probably the log was copied without"
        f" its sequence; run: SELECT setval('{sequence}', {head})"
    )


def _old_by_subject(events: Iterable[StoredEvent]) -> dict[str, list[UUID]]:
    """Return, by the first word of their topics, the aggregates whose rows exist already."""
    old: dict[str, dict[UUID, None]] = {}
    for event in events:
        aggregate_id, version = key_of(event)
        if version > 1:
            subject, _, _ = event.topic.partition(".")
            of_subject = old.setdefault(subject, {})
            of_subject[aggregate_id] = None
    return {subject: list(ids) for subject, ids in old.items()}
