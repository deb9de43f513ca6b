"""What the writer's transaction reads under the lock.

First the rows that this process remembers (`RunningRows`), then `LockedReader`, which reads the
rest: each thing once, and as much as possible in one round trip.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from domain.errors import PositionsUsedError
from domain.identifiers import UniqueSlot
from domain.ports import Claimant, Row, State, Unit
from domain.workers import ISOLATIONS, Isolation
from eventlog.append import plan
from eventlog.append.plan import AggregateHead, LockedState, key_of
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.keys import LogFiles
from eventlog.pending_queue import FollowedQueue
from eventlog.personal import CIPHERTEXT_MARK, plain_states
from eventlog.rebuild.fold_versions import COUNT_REPAIRS, RepairsRow
from eventlog.rehydration import states_in, states_sql
from projections import job_runs
from projections.job_runs import HOLDERS, HolderRow, holders_query, slot_of
from projections.rows import Connection, as_rows
from projections.table import Table, folded_on_sql
from projections.tables import BY_SUBJECT

# The rows of runs that this process has started: each is needed once more, when the run ends.

MAX_ROWS = 4_096
"""Far more rows than any worker has slots: the rest are of runs that other processes have ended."""

MAX_ROW_BYTES = 16_777_216
"""The same, as JSON: the parameters of a run may have a megabyte."""


class RunningRows:
    """Rows of `job_runs` that are kept in memory, to decide by and to fold on.

    A row has the version of its run and the position of its last event. Both are compared with the
    head under the lock, so an outdated row is never used, even if the log went back. Rows with
    personal data are not kept: an erasure changes them without an event of theirs. Nor are rows
    of which only a part was read.

    So the end of a run reads its row neither to decide nor to fold (docs/performance.md, under
    "What was changed because of a profile").
    """

    def __init__(self) -> None:
        self._rows: dict[UUID, Row] = {}
        self._sizes: dict[UUID, int] = {}
        self._bytes = 0
        self._repairs: int | None = None

    def remember(self, rows: Mapping[UUID, Row]) -> None:
        """Keep the rows of runs under way, as a committed transaction has left them."""
        for aggregate_id, row in rows.items():
            self._drop(aggregate_id)
            if _is_kept(row):
                size = len(orjson.dumps(row))
                self._rows[aggregate_id] = row
                self._sizes[aggregate_id] = size
                self._bytes += size
        while len(self._rows) > MAX_ROWS or self._bytes > MAX_ROW_BYTES:
            self._drop(next(iter(self._rows)))

    def _drop(self, aggregate_id: UUID) -> None:
        if self._rows.pop(aggregate_id, None) is not None:
            self._bytes -= self._sizes.pop(aggregate_id)

    @property
    def is_checked(self) -> bool:
        """Return whether the number of repairs has been read since the first row was kept."""
        return self._repairs is not None

    def check(self, repairs: int) -> bool:
        """Return False, and forget all rows, if rows were repaired since: some had been wrong.

        Args:
            repairs: the number of repairs so far, as read under the lock.
        """
        if repairs == self._repairs:
            return True
        self.clear()
        self._repairs = repairs
        return False

    def has(self, aggregate_id: UUID) -> bool:
        """Return whether a row is kept."""
        return aggregate_id in self._rows

    def decisive_row(self, aggregate_id: UUID) -> Row | None:
        """Return the row, of whatever version, if it holds all that decisions need."""
        row = self._rows.get(aggregate_id)
        if row is None or not job_runs.TABLE.is_decisive(row):
            return None
        return row

    def row(self, aggregate_id: UUID, version: int, position: int) -> Row | None:
        """Return the row if its run has this version, and its last event this position."""
        row = self._rows.get(aggregate_id)
        if row is None:
            return None
        if (row["aggregate_version"], row["position"]) != (version, position):
            return None
        return row

    def clear(self) -> None:
        """Forget all rows: with a connection, commits may have been lost, too."""
        self._rows.clear()
        self._sizes.clear()
        self._bytes = 0


@dataclass(frozen=True)
class WriterCache:
    """What a process remembers of the tables between its transactions.

    Attributes:
        running: rows of runs under way; forgotten with the connection.
        queues: the pending queues, by isolation level.
    """

    running: RunningRows = field(default_factory=RunningRows)
    queues: Mapping[Isolation, FollowedQueue] = field(
        default_factory=lambda: {isolation: FollowedQueue() for isolation in ISOLATIONS}
    )

    @property
    def queue(self) -> FollowedQueue:
        """The queue of runs that have a process of their own."""
        return self.queues["process"]

    def queue_of(self, claimant: Claimant) -> FollowedQueue:
        """Return the queue from which a claimant gets its runs."""
        if claimant.offer is None:
            return self.queue
        return self.queues[claimant.offer.isolation]

    def forget_queues(self) -> None:
        """Forget the pending runs: the log may have been replaced."""
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
    """What must still be read.

    Attributes:
        heads: aggregates whose heads are missing.
        rows: aggregates whose rows are missing, by the first word of their topics.
        positions: number of positions to draw.
        slots: whose holders are missing.
    """

    heads: Sequence[UUID]
    rows: Mapping[str, Sequence[UUID]]
    positions: int
    slots: Sequence[UniqueSlot] = ()

    def with_positions(self, more: int) -> "Needs":
        """Return these needs with more positions, for events that will probably follow."""
        return replace(self, positions=max(self.positions, 0) + more)

    def __bool__(self) -> bool:
        """Return whether there is anything to read."""
        return bool(self.heads or self.rows or self.slots or self.positions > 0)


class LockedReader:
    """Fills `locked`.

    `request` adds queries to a round trip; `read_answers` reads the answers once that is over.
    """

    def __init__(self, connection: Connection, files: LogFiles, running: RunningRows) -> None:
        self.files = files
        self.locked = LockedState()
        self._running = running
        self._kept: list[UUID] = []
        self._has_outdated = False
        self._read: set[UUID] = set()
        self.connection = connection
        self._heads = Answer()
        self._positions = Answer()
        self._repairs: Answer | None = None
        self._holders = Answer()
        self._tables: list[tuple[Table, Answer]] = []

    def needs_of(self, units: Sequence[Unit]) -> Needs:
        """Return what these units need and has not been read yet."""
        events: list[StoredEvent] = []
        for unit in units:
            events += unit.events
        positions = len(events) - len(self.locked.positions)
        heads = self._missing_heads(units)
        slots = {claim.slot: None for unit in units for claim in unit.slot_claims}
        missing_slots = [slot for slot in slots if slot not in self.locked.holders]
        return Needs(heads, self._missing_rows(events), positions, missing_slots)

    def _missing_heads(self, units: Iterable[Unit]) -> Sequence[UUID]:
        needed: dict[UUID, object] = {}
        for unit in units:
            needed |= dict.fromkeys(unit.aggregate_ids)
            needed |= unit.expects
            needed |= unit.heads
            if unit.continues is not None:
                needed[unit.continues] = None
        read = self.locked.heads
        return [aggregate_id for aggregate_id in needed if aggregate_id not in read]

    def _missing_rows(self, events: Iterable[StoredEvent]) -> Mapping[str, Sequence[UUID]]:
        """Return whose rows are there but not read, by the first word of their topics."""
        missing: dict[str, dict[UUID, None]] = {}
        for event in events:
            aggregate_id, version = key_of(event)
            if version == 1 or aggregate_id in self._read or aggregate_id in self.locked.rows:
                continue
            subject, _, _ = event.topic.partition(".")
            missing.setdefault(subject, {})[aggregate_id] = None
        return {subject: list(ids) for subject, ids in missing.items()}

    def request(self, trip: RoundTrip, needs: Needs) -> None:
        """Add the queries to a round trip."""
        if needs.heads:
            for aggregate_id in needs.heads:
                self.locked.heads[aggregate_id] = AggregateHead()
            self._heads = trip.add(plan.HEADS, {"ids": needs.heads})
        if needs.positions > 0:
            self._positions = trip.add(plan.DRAW_POSITIONS, (needs.positions,))
        if needs.slots:
            self.locked.holders.update(dict.fromkeys(needs.slots))
            self._holders = trip.add(HOLDERS, holders_query(needs.slots))
        self._request_rows(trip, needs)
        if self._kept or not self._running.is_checked:
            self._repairs = trip.add(COUNT_REPAIRS)

    def _request_rows(self, trip: RoundTrip, needs: Needs) -> None:
        """Query tables for the rows that are not kept in memory."""
        requested_heads = set(needs.heads)
        for subject, ids in needs.rows.items():
            not_remembered: list[UUID] = []
            for aggregate_id in ids:
                if aggregate_id in requested_heads and self._running.has(aggregate_id):
                    self._kept.append(aggregate_id)
                else:
                    not_remembered.append(aggregate_id)
            if not_remembered:
                # The table's answer is final, also where it has no such row.
                self._read.update(not_remembered)
                table = BY_SUBJECT[subject]
                self._tables.append((table, trip.add(folded_on_sql(table), (not_remembered,))))

    def read_answers(self) -> None:
        """Read the answers to the queries of `request`.

        Raises:
            PositionsUsedError: the sequence is behind the log; readers would miss new events.
        """
        self._read_heads()
        self._read_positions()
        self._read_rows()
        self._read_kept()

    def _read_heads(self) -> None:
        """Read the heads of histories and the holders of slots."""
        locked = self.locked
        for row in as_rows(plan.HeadRow, self._heads.rows):
            head = AggregateHead(row["originator_version"], row["position"])
            correlation_id = row["correlation_id"]
            if correlation_id is not None:
                head.correlation_id = UUID(correlation_id)
            locked.heads[UUID(row["originator_id"])] = head
        for holder in as_rows(HolderRow, self._holders.rows):
            locked.holders[slot_of(holder)] = UUID(holder["id"])
        self._heads = Answer()
        self._holders = Answer()

    def _read_positions(self) -> None:
        drawn = as_rows(plan.PositionRow, self._positions.rows)
        self._positions = Answer()
        if not drawn:
            return
        first = drawn[0]
        if first["position"] <= first["head"]:
            raise _positions_used(first["position"], first["head"])
        self.locked.positions.extend([drawn_position["position"] for drawn_position in drawn])

    def _read_rows(self) -> None:
        for table, answer in self._tables:
            for projected in answer.rows:
                self.locked.rows[table.id_of(projected)] = projected
        self._tables.clear()

    def _read_kept(self) -> None:
        """Use the rows kept in memory, unless they may be wrong."""
        locked = self.locked
        if self._repairs is not None:
            repairs = as_rows(RepairsRow, self._repairs.rows)
            if not self._running.check(sum([row["version"] for row in repairs])):
                locked.outdated.update(self._kept)
            self._repairs = None
        for aggregate_id in self._kept:
            head = locked.heads[aggregate_id]
            kept = self._running.row(aggregate_id, head.version, head.position)
            if kept is None:
                self._has_outdated = True
            else:
                locked.rows[aggregate_id] = kept
        self._kept.clear()

    async def states(self, kind: str, ids: Sequence[UUID], positions: int) -> dict[UUID, State]:
        """Return aggregates' states for a decision; draw positions for its events."""
        trip = RoundTrip(self.connection)
        answer = request_states(trip, kind, ids)
        self.request(trip, Needs((), {}, positions))
        await trip.send()
        self.read_answers()
        return self.read_states(kind, answer)

    def read_states(self, kind: str, answer: Answer) -> dict[UUID, State]:
        """Read aggregates' states from an answer, with their heads and rows."""
        stored = states_in(kind, answer.rows)
        for aggregate_id, one in stored.items():
            head = AggregateHead(one.state.version, one.position, one.correlation_id)
            self.locked.heads[aggregate_id] = head
            self._read.add(aggregate_id)
            if one.row is not None:
                self.locked.rows[aggregate_id] = one.row
        return {aggregate_id: one.state for aggregate_id, one in stored.items()}

    async def read_missing(self, units: Sequence[Unit], *, requested: bool) -> None:
        """Read whatever these units need and has not been read yet.

        The plain states of their encrypted events are among it. A kept row may turn out to be
        outdated, and is then needed from its table: so this repeats until nothing is needed.

        Args:
            units: what is to be written.
            requested: whether just their needs were requested and read before.
        """
        is_complete = requested and not self._has_outdated
        while not is_complete and (needs := self.needs_of(units)):
            trip = RoundTrip(self.connection)
            self.request(trip, needs)
            await trip.send()
            self.read_answers()
        await self._decrypt(units)

    async def _decrypt(self, units: Sequence[Unit]) -> None:
        states: list[tuple[UUID, int, bytes]] = []
        for unit in units:
            for event in unit.events:
                if event.state.startswith(CIPHERTEXT_MARK):
                    aggregate_id, version = key_of(event)
                    states.append((aggregate_id, version, event.state))
        if not states:
            return
        plain = await plain_states(self.connection, self.files.master_keys, states)
        self.locked.plain.update(plain)


def request_states(trip: RoundTrip, kind: str, ids: Sequence[UUID]) -> Answer:
    """Add the query for aggregates' states to a round trip."""
    return trip.add(states_sql(kind), {"ids": ids})


def _positions_used(position: int, head: int) -> PositionsUsedError:
    sequence = plan.POSITION_SEQUENCE
    return PositionsUsedError(
        f"the sequence {sequence} stands at {position}, but the log goes up to {head}:"
        " readers would miss an event that is appended there. Probably the log was copied"
        f" without its sequence; run: SELECT setval('{sequence}', {head})"
    )
