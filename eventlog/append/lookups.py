"""What the writer's transaction reads under the lock: each thing once, and as much as possible in one round trip."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.ports import Unit
from eventlog.append import statements
from eventlog.append.plan import Found, Head, key_of
from eventlog.append.running_rows import RunningRows
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import plain_states
from projections.rows import Connection
from projections.table import Table, select_sql
from projections.tables import BY_SUBJECT


@dataclass(frozen=True)
class Needs:
    """What is not known yet.

    Attributes:
        heads: aggregates whose histories' ends are to be found.
        rows: by the first word of their topics, aggregates whose rows are.
        positions: how many places in the log are to be drawn.
    """

    heads: Sequence[UUID]
    rows: Mapping[str, Sequence[UUID]]
    positions: int

    def __bool__(self) -> bool:
        """Return whether there is anything to ask."""
        return bool(self.heads or self.rows or self.positions > 0)


class Finder:
    """Fills `found`: `ask` adds questions to a round trip; `take` reads the answers once that is over."""

    def __init__(self, connection: Connection, files: LogFiles, running: RunningRows) -> None:
        self.files = files
        self.found = Found({}, {}, [], {})
        self._running = running
        self._kept: list[UUID] = []
        self._read: set[UUID] = set()
        self._connection = connection
        self._heads = self._positions = Answer()
        self._tables: list[tuple[Table, Answer]] = []

    def needs_of(self, units: Iterable[Unit]) -> Needs:
        """Return what these units need and is not known yet."""
        units = list(units)
        ids = dict.fromkeys(
            aggregate_id for unit in units for aggregate_id in (*unit.aggregate_ids, *unit.expects)
        )
        ids |= dict.fromkeys(unit.continues for unit in units if unit.continues is not None)
        events = [event for unit in units for event in unit.events]
        rows = {
            subject: missing
            for subject, old in _old_by_subject(events).items()
            if (
                missing := [
                    id_ for id_ in old if id_ not in self.found.rows and id_ not in self._read
                ]
            )
        }
        heads = [aggregate_id for aggregate_id in ids if aggregate_id not in self.found.heads]
        return Needs(heads, rows, len(events) - len(self.found.positions))

    def ask(self, trip: RoundTrip, needs: Needs) -> None:
        """Add the questions."""
        self.found.heads.update((aggregate_id, Head()) for aggregate_id in needs.heads)
        if needs.heads:
            self._heads = trip.ask(statements.HEADS, {"ids": needs.heads})
        if needs.positions > 0:
            self._positions = trip.ask(statements.DRAW_POSITIONS, (needs.positions,))
        asked_heads = set(needs.heads)
        for subject, ids in needs.rows.items():
            kept = [
                aggregate_id
                for aggregate_id in ids
                if aggregate_id in asked_heads and self._running.knows(aggregate_id)
            ]
            self._kept += kept
            if unknown := [aggregate_id for aggregate_id in ids if aggregate_id not in kept]:
                # The table's answer is final, also where it has no such row.
                self._read.update(unknown)
                table = BY_SUBJECT[subject]
                self._tables.append((table, trip.ask(select_sql(table), (unknown,))))

    def take(self) -> None:
        """Read the answers to what was asked."""
        for row in self._heads.rows:
            correlation_id = row["correlation_id"]
            head = Head(row["originator_version"], UUID(correlation_id) if correlation_id else None)
            self.found.heads[UUID(row["originator_id"])] = head
        self.found.positions.extend([row["position"] for row in self._positions.rows])
        for table, answer in self._tables:
            self.found.rows.update((UUID(row[table.key]), row) for row in answer.rows)
        for aggregate_id in self._kept:
            kept = self._running.row(aggregate_id, self.found.heads[aggregate_id].version)
            if kept is not None:
                self.found.rows[aggregate_id] = kept
        self._heads = self._positions = Answer()
        self._kept.clear()
        self._tables.clear()

    async def find(self, units: Sequence[Unit]) -> None:
        """Find whatever these units need that is not known yet, their encrypted events' plain states among it.

        A kept row may turn out to be outdated, and is then needed from its table: so ask until
        nothing is needed.
        """
        while needs := self.needs_of(units):
            trip = RoundTrip(self._connection)
            self.ask(trip, needs)
            await trip.go()
            self.take()
        events = [event for unit in units for event in unit.events]
        self.found.plain.update(
            await plain_states(
                self._connection,
                self.files.master_keys,
                ((*key_of(event), event.state) for event in events),
            )
        )


def _old_by_subject(events: Iterable[StoredEvent]) -> dict[str, list[UUID]]:
    """Return, by the first word of their topics, the aggregates whose rows exist already."""
    old: dict[str, dict[UUID, None]] = {}
    for event in events:
        aggregate_id, version = key_of(event)
        if version > 1:
            old.setdefault(event.topic.partition(".")[0], {})[aggregate_id] = None
    return {subject: list(ids) for subject, ids in old.items()}
