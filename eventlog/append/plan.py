"""What a batch of requests comes to: which are accepted, where their events stand, which rows they change. Pure.

`eventlog.append.batch` reads what this needs under the append lock, and writes what comes out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson
from eventsourcing.persistence import StoredEvent

from domain.errors import VersionConflictError
from domain.identifiers import event_id
from domain.ports import Row, Saved, Unit
from eventlog.append import statements as schema
from eventlog.database import sql
from projections.envelope import Envelope, bare_envelope
from projections.job_runs import FIRST_STATUS
from projections.table import Changes, Table, insert_sql, update_sql
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
    positions: list[int]
    plain: dict[UUID, bytes]


@dataclass
class Plan:
    """A batch as it is to be written.

    Attributes:
        events: rows of the log, as JSON; their positions rise.
        rows: the projections' rows as they are after the batch.
    """

    found: Found
    events: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[UUID, Row] = field(default_factory=dict)
    _envelopes: dict[str, list[Envelope]] = field(default_factory=dict)

    def accept(self, unit: Unit) -> list[int]:
        """Take the unit in; return its events' positions.

        Raises:
            VersionConflictError: an event does not follow its aggregate's head, of this batch, too.
        """
        heads = self.found.heads
        for aggregate_id, version in unit.expects.items():
            if heads[aggregate_id].version != version:
                raise VersionConflictError(f"{aggregate_id} no longer has version {version}")
        own = {aggregate_id: heads[aggregate_id] for aggregate_id in unit.aggregate_ids}
        keys = [key_of(event) for event in unit.events]
        versions = _following(keys, own)
        correlation_id = _correlation_id(unit, heads)
        for aggregate_id, head in own.items():
            head.version, head.correlation_id = versions[aggregate_id], correlation_id
        why = correlation_id, unit.origin.causation_id
        return [
            self._add(
                event,
                key,
                unit.origin.actor,
                why if why[1] else (correlation_id, _previous(key, keys[0])),
            )
            for event, key in zip(unit.events, keys, strict=True)
        ]

    def statements(self) -> list[Statement]:
        """Fold the events onto their rows; return what writes both, and announces them."""
        written = [(schema.INSERT, orjson.dumps(self.events).decode())]
        for subject, envelopes in self._envelopes.items():
            written += self._project(BY_SUBJECT[subject], envelopes)
        pending = (
            sql.PENDING
            if any(row.get("status") == FIRST_STATUS for row in self.rows.values())
            else ""
        )
        return [*written, (schema.ANNOUNCE, f"{self.events[-1]['position']}{pending}")]

    def _add(
        self, event: StoredEvent, key: Key, actor: str, trace: tuple[UUID, UUID | None]
    ) -> int:
        (aggregate_id, version), (correlation_id, causation_id) = key, trace
        position = self.found.positions[len(self.events)]
        self.events.append(
            {
                "id": aggregate_id,
                "version": version,
                "position": position,
                "topic": event.topic,
                "state": event.state.decode(),
                "actor": actor,
                "correlation_id": correlation_id,
                "causation_id": causation_id,
            }
        )
        state = self.found.plain.get(aggregate_id, event.state) if version == 1 else event.state
        envelope = bare_envelope(aggregate_id, version, position, event.topic, state)
        self._envelopes.setdefault(envelope.subject, []).append(envelope)
        return position

    def _project(self, table: Table, envelopes: list[Envelope]) -> list[Statement]:
        """Fold the events onto their rows; return what writes new rows whole, and of old ones what changed."""
        new: dict[UUID, None] = {}
        changes: dict[UUID, Changes] = {}
        for envelope in envelopes:
            aggregate_id = envelope.aggregate_id
            if envelope.version == 1:
                new[aggregate_id] = None
                self.rows[aggregate_id] = table.fold(None, envelope)
                continue
            row = self.rows.get(aggregate_id) or self.found.rows.get(aggregate_id)
            changed = table.changes(row, envelope)
            self.rows[aggregate_id] = table.moved(row, changed)
            if aggregate_id not in new:
                changes.setdefault(aggregate_id, {}).update(changed)
        inserts = (
            [(insert_sql(table), _json([self.rows[aggregate_id] for aggregate_id in new]))]
            if new
            else []
        )
        return inserts + _updates(table, changes)

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
    return (
        originator_id if isinstance(originator_id, UUID) else UUID(originator_id)
    ), event.originator_version


def _following(keys: Sequence[Key], heads: Mapping[UUID, Head]) -> dict[UUID, int]:
    """Return the versions that the aggregates will have, or raise VersionConflictError."""
    versions = {aggregate_id: head.version for aggregate_id, head in heads.items()}
    for aggregate_id, version in keys:
        if version != versions[aggregate_id] + 1:
            at = f"{aggregate_id} has version {versions[aggregate_id]}"
            raise VersionConflictError(f"{at}; version {version} cannot follow")
        versions[aggregate_id] = version
    return versions


def _correlation_id(unit: Unit, heads: Mapping[UUID, Head]) -> UUID:
    """Return what the unit's events share with all that led to them: by its origin, else by the history they continue.

    The first of them that has any tells it.
    """
    if unit.origin.correlation_id:
        return unit.origin.correlation_id
    told = [*unit.aggregate_ids, *([unit.continues] if unit.continues else [])]
    known = (heads[aggregate_id].correlation_id for aggregate_id in told)
    inherited = next((correlation_id for correlation_id in known if correlation_id), None)
    return inherited or unit.origin.causation_id or uuid4()


def _previous(key: Key, first: Key) -> UUID | None:
    """Return the event before; what a unit creates beside its first aggregate is that one's doing.

    A run's success launches the next run, for example.
    """
    aggregate_id, version = key
    if version > 1:
        return event_id(aggregate_id, version - 1)
    return event_id(*first) if aggregate_id != first[0] else None


def _updates(table: Table, changes: Mapping[UUID, Changes]) -> list[Statement]:
    by_columns: dict[tuple[str, ...], list[Changes]] = {}
    for aggregate_id, changed in changes.items():
        changed[table.key] = str(aggregate_id)
        by_columns.setdefault(tuple(sorted(changed)), []).append(changed)
    return [(update_sql(table, columns), _json(rows)) for columns, rows in by_columns.items()]


def _json(rows: Iterable[Row]) -> str:
    return orjson.dumps(list(rows)).decode()
