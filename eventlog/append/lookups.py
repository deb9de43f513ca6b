"""What the writer's transaction reads under the lock.

First the rows that this process remembers (`RunningRows`), then `Finder`, which reads the rest:
each thing once, and as much as possible in one round trip.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from domain.errors import PositionsUsedError
from domain.identifiers import Slot
from domain.ports import Claimant, Row, State, Unit
from domain.workers import ISOLATIONS, Isolation
from eventlog.append import plan
from eventlog.append.plan import Found, Head, key_of
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.keys import LogFiles
from eventlog.pending_queue import Queue
from eventlog.personal import CIPHERTEXT_MARK, plain_states
from eventlog.rebuild.staging import MENDED, Mended
from eventlog.rehydration import found_states, states_sql
from projections import job_runs
from projections.job_runs import HOLDERS, HolderRow, asked, slot_of
from projections.rows import Connection, as_rows
from projections.table import Table, folded_on_sql
from projections.tables import BY_SUBJECT

# The rows of runs that this process has started, as it left them.
#
# Each is needed once more, when the run ends.

MOST = 4_096
"""Rows to be kept, far more than any worker has slots: those beyond belong to runs that others have
ended."""

MOST_BYTES = 16_777_216
"""The same, as JSON: the parameters of a run may have a megabyte."""


class RunningRows:
    """Rows of `job_runs` to be decided by and to be folded on, instead of being read again.

    A row says of which version of its run it is, and where the event stands that made it so; both
    are read under the lock, so none is taken for what it is no more, even if the log went back.
    Rows with personal data are not kept: an erasure changes them without an event of theirs. Nor
    are rows of which only a part was read.
    """

    def __init__(self) -> None:
        self._rows: dict[UUID, Row] = {}
        self._sizes: dict[UUID, int] = {}
        self._bytes = 0
        self._mended: int | None = None

    def note(self, rows: Mapping[UUID, Row]) -> None:
        """Take in rows as a transaction that is committed has left them."""
        for aggregate_id, row in rows.items():
            self._drop(aggregate_id)
            if _is_kept(row):
                size = len(orjson.dumps(row))
                self._rows[aggregate_id] = row
                self._sizes[aggregate_id] = size
                self._bytes += size
        while len(self._rows) > MOST or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._rows)))

    def _drop(self, aggregate_id: UUID) -> None:
        if self._rows.pop(aggregate_id, None) is not None:
            self._bytes -= self._sizes.pop(aggregate_id)

    @property
    def is_checked(self) -> bool:
        """Return whether it is known how often rows had been mended when the first was kept."""
        return self._mended is not None

    def check(self, mended: int) -> bool:
        """Forget all, and return False, if rows have been mended since: some were wrong before.

        Args:
            mended: how often that happened, as read under the lock.
        """
        if mended == self._mended:
            return True
        self.clear()
        self._mended = mended
        return False

    def knows(self, aggregate_id: UUID) -> bool:
        """Return whether there is a row."""
        return aggregate_id in self._rows

    def decisive(self, aggregate_id: UUID) -> Row | None:
        """Return the row, of whatever version, if it says all that decisions need."""
        row = self._rows.get(aggregate_id)
        if row is None or not job_runs.TABLE.is_decisive(row):
            return None
        return row

    def row(self, aggregate_id: UUID, version: int, position: int) -> Row | None:
        """Return the row, if it is of this version, and of the event at this place in the log."""
        row = self._rows.get(aggregate_id)
        if row is None:
            return None
        if (row["aggregate_version"], row["position"]) != (version, position):
            return None
        return row

    def clear(self) -> None:
        """Forget all: what was lost with a connection may have been more than the connection."""
        self._rows.clear()
        self._sizes.clear()
        self._bytes = 0


@dataclass(frozen=True)
class Remembered:
    """What a process remembers of the tables between its transactions.

    Attributes:
        running: rows of runs under way; forgotten with the connection.
        queues: the runs that wait, and what is in their way, by how far attempts are kept apart.
    """

    running: RunningRows = field(default_factory=RunningRows)
    queues: Mapping[Isolation, Queue] = field(
        default_factory=lambda: {isolation: Queue() for isolation in ISOLATIONS}
    )

    @property
    def queue(self) -> Queue:
        """The queue of runs that get a process to themselves."""
        return self.queues["process"]

    def queue_of(self, claimant: Claimant) -> Queue:
        """Return the queue in which a claimant stands."""
        if claimant.offer is None:
            return self.queue
        return self.queues[claimant.offer.isolation]

    def forget_queues(self) -> None:
        """Forget what waits: the log may be another one."""
        for queue in self.queues.values():
            queue.clear()


def _is_kept(row: Row) -> bool:
    """Return whether it is the row of a run, not of a build, that is under way."""
    return (
        row.get("status") == "running"
        and "worker_id" in row
        and "parameters" in row
        and row["personal"] is None
    )


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

    def __init__(self, connection: Connection, files: LogFiles, running: RunningRows) -> None:
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
        return Needs(heads, self._missing_rows(events), positions, self._missing_slots(units))

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

    def _missing_rows(self, events: Iterable[StoredEvent]) -> Mapping[str, Sequence[UUID]]:
        rows: dict[str, list[UUID]] = {}
        for subject, old in _old_by_subject(events).items():
            missing = [aggregate_id for aggregate_id in old if not self._is_read(aggregate_id)]
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
            self._heads = trip.ask(plan.HEADS, {"ids": needs.heads})
        if needs.positions > 0:
            self._positions = trip.ask(plan.DRAW_POSITIONS, (needs.positions,))
        if needs.slots:
            self.found.holders.update(dict.fromkeys(needs.slots))
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
                self._tables.append((table, trip.ask(folded_on_sql(table), (unknown,))))

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
        for row in as_rows(plan.HeadRow, self._heads.rows):
            head = Head(row["originator_version"], row["position"])
            correlation_id = row["correlation_id"]
            if correlation_id is not None:
                head.correlation_id = UUID(correlation_id)
            found.heads[UUID(row["originator_id"])] = head
        for holder in as_rows(HolderRow, self._holders.rows):
            found.holders[slot_of(holder)] = UUID(holder["id"])
        self._heads = Answer()
        self._holders = Answer()

    def _take_positions(self) -> None:
        drawn = as_rows(plan.PositionRow, self._positions.rows)
        self._positions = Answer()
        if not drawn:
            return
        first = drawn[0]
        if first["position"] <= first["head"]:
            raise _positions_used(first["position"], first["head"])
        self.found.positions.extend([place["position"] for place in drawn])

    def _take_rows(self) -> None:
        """Take the rows that tables have."""
        for table, answer in self._tables:
            for projected in answer.rows:
                self.found.rows[table.id_of(projected)] = projected
        self._tables.clear()

    def _take_kept(self) -> None:
        """Take rows that are kept for those of their tables, unless they may be wrong."""
        found = self.found
        if self._mended is not None:
            mended = as_rows(Mended, self._mended.rows)
            if not self._running.check(sum([row["version"] for row in mended])):
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

    async def states(self, kind: str, ids: Sequence[UUID], positions: int) -> dict[UUID, State]:
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
                if event.state.startswith(CIPHERTEXT_MARK):
                    aggregate_id, version = key_of(event)
                    states.append((aggregate_id, version, event.state))
        plain = await plain_states(self.connection, self.files.master_keys, states)
        self.found.plain.update(plain)


def ask_states(trip: RoundTrip, kind: str, ids: Sequence[UUID]) -> Answer:
    """Ask where aggregates stand."""
    return trip.ask(states_sql(kind), {"ids": ids})


def _positions_used(position: int, head: int) -> PositionsUsedError:
    sequence = plan.POSITION_SEQUENCE
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
            old.setdefault(subject, {})[aggregate_id] = None
    return {subject: list(ids) for subject, ids in old.items()}
