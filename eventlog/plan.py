"""What a batch of requests comes to: which are accepted, where their events stand, which rows they change. Pure.

`eventlog.batch` reads what this needs under the append lock, and writes what comes out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import orjson
from eventsourcing.persistence import StoredEvent

from domain.errors import VersionConflictError
from domain.identifiers import event_id
from domain.json_values import JsonObject
from domain.ports import Origin, Row, Saved, Unit
from eventlog import schema
from projections.envelope import Envelope, bare_envelope
from projections.table import Table, insert_sql, update_sql
from projections.tables import BY_SUBJECT

Key = tuple[UUID, int]
"""An event's aggregate and version."""

Statement = tuple[str, str]
"""SQL with one parameter, and the parameter: JSON, mostly."""


@dataclass
class Head:
    """Where an aggregate's history ends: 0 where there is none."""

    version: int = 0
    correlation_id: UUID | None = None


@dataclass(frozen=True)
class Found:
    """What the log and its tables say under the lock.

    Attributes:
        heads: of every aggregate that the units name.
        rows: of those that have events already.
        positions: places in the log, one for each event, in order.
        plain: the first events that are encrypted, decrypted, by aggregate.
    """

    heads: dict[UUID, Head]
    rows: dict[UUID, Row]
    positions: Sequence[int]
    plain: dict[UUID, bytes]


@dataclass
class Plan:
    """A batch as it is to be written.

    Attributes:
        events: rows of the log, as JSON.
        positions: where each accepted event stands.
        rows: the projections' rows as they are after the batch.
    """

    found: Found
    events: list[JsonObject] = field(default_factory=list)
    positions: dict[Key, int] = field(default_factory=dict)
    rows: dict[UUID, Row] = field(default_factory=dict)
    _envelopes: dict[str, list[Envelope]] = field(default_factory=dict)

    def accept(self, unit: Unit) -> list[int]:
        """Take the unit in; return its events' positions.

        Raises:
            VersionConflictError: an event does not follow its aggregate's head, of this batch, too.
        """
        versions = self._following(unit)
        traces = _traces(unit, self.found.heads)
        for aggregate_id, version in versions.items():
            self.found.heads[aggregate_id].version = version
        return [self._add(event, unit.origin.actor, traces[key_of(event)]) for event in unit.events]

    def statements(self) -> list[Statement]:
        """Fold the events onto their rows; return what writes both, and announces them."""
        written = [(schema.INSERT, orjson.dumps(self.events).decode())]
        for subject, envelopes in self._envelopes.items():
            written += self._project(BY_SUBJECT[subject], envelopes)
        return [*written, (schema.ANNOUNCE, str(max(self.positions.values())))]

    def _following(self, unit: Unit) -> dict[UUID, int]:
        heads = self.found.heads
        for aggregate_id, version in unit.expects.items():
            if heads[aggregate_id].version != version:
                raise VersionConflictError(f"{aggregate_id} no longer has version {version}")
        versions = {aggregate_id: heads[aggregate_id].version for aggregate_id in unit.aggregate_ids}
        for event in unit.events:
            aggregate_id, version = key_of(event)
            if version != versions[aggregate_id] + 1:
                at = f"{aggregate_id} has version {versions[aggregate_id]}"
                raise VersionConflictError(f"{at}; version {version} cannot follow")
            versions[aggregate_id] = version
        return versions

    def _add(self, event: StoredEvent, actor: str, trace: tuple[UUID, UUID | None]) -> int:
        aggregate_id, version = key_of(event)
        position = self.found.positions[len(self.events)]
        correlation_id, causation_id = trace
        self.events.append(
            {
                "id": str(aggregate_id),
                "version": version,
                "position": position,
                "topic": event.topic,
                "state": event.state.decode(),
                "actor": actor,
                "correlation_id": str(correlation_id),
                "causation_id": str(causation_id) if causation_id else None,
            }
        )
        self.positions[aggregate_id, version] = position
        state = self.found.plain.get(aggregate_id, event.state) if version == 1 else event.state
        envelope = bare_envelope(aggregate_id, version, position, event.topic, state)
        self._envelopes.setdefault(envelope.subject, []).append(envelope)
        return position

    def _project(self, table: Table, envelopes: list[Envelope]) -> list[Statement]:
        """Fold the events onto their rows; return what writes new rows whole, and of old ones what changed."""
        new = {envelope.aggregate_id: None for envelope in envelopes if envelope.version == 1}
        changes: dict[UUID, Row] = {}
        for envelope in envelopes:
            row = self.rows.get(envelope.aggregate_id) or self.found.rows.get(envelope.aggregate_id)
            changed = table.changes(row, envelope)
            self.rows[envelope.aggregate_id] = {**(row or dict.fromkeys(table.columns)), **changed}
            changes.setdefault(envelope.aggregate_id, {}).update(changed)
        by_columns: dict[tuple[str, ...], list[Row]] = {}
        for aggregate_id, changed in changes.items():
            if aggregate_id not in new:
                changed[table.key] = str(aggregate_id)
                by_columns.setdefault(tuple(sorted(changed)), []).append(changed)
        inserts = [(insert_sql(table), _json([self.rows[aggregate_id] for aggregate_id in new]))] if new else []
        return inserts + [(update_sql(table, columns), _json(rows)) for columns, rows in by_columns.items()]

    def rows_of(self, unit: Unit) -> dict[UUID, Row]:
        """Return the rows of the unit's aggregates as they are after the whole batch."""
        return {aggregate_id: self.rows[aggregate_id] for aggregate_id in unit.aggregate_ids}


def outcome(plan: Plan, unit: Unit) -> Saved | VersionConflictError:
    """Take the unit into the plan; return where its events stand, or why it is refused alone."""
    try:
        return Saved(plan.accept(unit))
    except VersionConflictError as error:
        return error


def key_of(event: StoredEvent) -> Key:
    """Return the event's aggregate and version."""
    originator_id = event.originator_id
    return (originator_id if isinstance(originator_id, UUID) else UUID(originator_id)), event.originator_version


def _traces(unit: Unit, heads: dict[UUID, Head]) -> dict[Key, tuple[UUID, UUID | None]]:
    """Return why each event came to be, and note it: from its origin, else from the history that it continues."""
    origin: Origin = unit.origin
    told = [*unit.aggregate_ids, *([unit.continues] if unit.continues else [])]
    known = (heads[aggregate_id].correlation_id for aggregate_id in told)
    inherited = next((correlation_id for correlation_id in known if correlation_id), None)
    correlation_id = origin.correlation_id or inherited or origin.causation_id or uuid4()
    traces: dict[Key, tuple[UUID, UUID | None]] = {}
    first = key_of(unit.events[0])
    for event in unit.events:
        traces[key_of(event)] = correlation_id, origin.causation_id or _previous(key_of(event), first)
    for aggregate_id in unit.aggregate_ids:
        heads[aggregate_id].correlation_id = correlation_id
    return traces


def _previous(key: Key, first: Key) -> UUID | None:
    """Return the event before; what a unit creates beside its first aggregate is that one's doing.

    A run's success launches the next run, for example.
    """
    aggregate_id, version = key
    if version > 1:
        return event_id(aggregate_id, version - 1)
    return event_id(*first) if aggregate_id != first[0] else None


def _json(rows: Iterable[Row]) -> str:
    return orjson.dumps(list(rows)).decode()
