"""The plan of a batch of requests: which are accepted, where their events stand, which rows change.

First the SQL of an append, then what the log and its tables hold under the lock (`LockedState`),
then the plan, which is pure. `eventlog.append.transaction` reads under the append lock what the
plan needs, and writes its result.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from eventsourcing.persistence import StoredEvent
from typing_extensions import ReadOnly, TypedDict

from domain.errors import SlotTakenError, VersionConflictError
from domain.identifiers import UniqueSlot, event_id
from domain.jobs.run_events import FIRST_STATUS, RUN_TOPIC
from domain.ports import Row, Saved, Unit
from domain.state import Changes
from eventlog.database import sql
from eventlog.database.sql import (
    ARCHIVE_MARK,
    CHANNEL,
    ENVELOPE_COLUMNS,
    EVENTS_TABLE,
    HEAD,
    IDS,
    NO_ARCHIVE_MARK,
)
from projections.envelope import Envelope, bare_envelope
from projections.table import Table, insert_sql, update_sql
from projections.tables import BY_SUBJECT

HEADS = f"""
    SELECT head.* FROM unnest({IDS}) AS aggregate (id), LATERAL (
        SELECT originator_id, originator_version, notification_id AS position, correlation_id
        FROM {EVENTS_TABLE} WHERE originator_id = aggregate.id
        ORDER BY originator_version DESC LIMIT 1
    ) AS head
    UNION ALL
    SELECT id, head_version, last_position, head_correlation_id FROM archived_runs
    WHERE id = ANY({IDS}::uuid[])
"""


class HeadRow(TypedDict):
    """Where an aggregate's history ends."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    position: ReadOnly[int]
    correlation_id: ReadOnly[str | None]


POSITION_SEQUENCE = "jobs_events_notification_id_seq"


DRAW_POSITIONS = f"""
    SELECT nextval('{POSITION_SEQUENCE}') AS position, ({HEAD}) AS head
    FROM generate_series(1, (SELECT %s::integer))
"""
"""One position for each event to append, drawn under the lock, so that rows are folded before they
are written. An unused position is a gap, as after a rollback. The head is read with them: a copy
of a log may lack its sequence (logical replication copies none)."""


class PositionRow(TypedDict):
    """A position drawn from the sequence, and the log's last position."""

    position: ReadOnly[int]
    head: ReadOnly[int]


INSERT = f"""
    INSERT INTO {EVENTS_TABLE}
        (originator_id, originator_version, notification_id, topic, state, actor,
         correlation_id, causation_id)
    SELECT id, version, position, topic, convert_to(state, 'UTF8'), actor,
        correlation_id, causation_id
    FROM json_to_recordset(%s::json) AS new (
        id uuid, version bigint, position bigint, topic text, state text, actor text,
        correlation_id uuid, causation_id uuid)
"""
"""`json`, not `jsonb`: the state is text inside it, and its bytes must not change. One JSON text
costs the writer a quarter of what seven arrays do."""


ANNOUNCE = f"SELECT pg_notify('{CHANNEL}', %s)"


READ_BACK = f"""
    SELECT {ENVELOPE_COLUMNS}, {NO_ARCHIVE_MARK} FROM {EVENTS_TABLE}
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS sought (id, version)
      ON originator_id = sought.id AND originator_version = sought.version
    UNION ALL {ARCHIVE_MARK} WHERE id = ANY(%(ids)s)
"""


Statement = tuple[str, str]
"""SQL with one parameter, and the parameter: JSON, mostly."""


def by_columns(
    table: Table, rows: Iterable[Changes], statement_of: Callable[[Table, tuple[str, ...]], str]
) -> list[Statement]:
    """Return a statement for each set of columns that rows change, with its parameter."""
    by_column_names: dict[tuple[str, ...], list[Changes]] = {}
    for row in rows:
        columns = tuple(row)
        by_column_names.setdefault(columns, []).append(row)
    statements: list[Statement] = []
    for columns, same_columns in by_column_names.items():
        statement = statement_of(table, tuple(sorted(columns)))
        statements.append((statement, orjson.dumps(same_columns).decode()))
    return statements


Key = tuple[UUID, int]
"""An event's aggregate and version."""


@dataclass
class AggregateHead:
    """Where an aggregate's history ends: 0 where there is none."""

    version: int = 0
    position: int = 0
    correlation_id: UUID | None = None


@dataclass(frozen=True)
class LockedState:
    """What the log and its tables hold under the lock.

    Attributes:
        heads: of every aggregate that the units name.
        rows: of the aggregates that have events.
        positions: drawn for the new events, in order.
        plain: decrypted states of encrypted first events, by aggregate.
        outdated: runs that were decided on a row that a repair has changed since.
        holders: the runs that hold the slots that the units take.
    """

    heads: dict[UUID, AggregateHead] = field(default_factory=dict)
    rows: dict[UUID, Row] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)
    plain: dict[UUID, bytes] = field(default_factory=dict)
    outdated: set[UUID] = field(default_factory=set)
    holders: dict[UniqueSlot, UUID | None] = field(default_factory=dict)


class _Cause(NamedTuple):
    """The actor, the request and the event that caused an event."""

    actor: str
    correlation_id: UUID
    causation_id: UUID | None


RUN_TOPICS = f"{RUN_TOPIC}."


@dataclass
class Plan:
    """A batch as it is to be written.

    Attributes:
        events: rows of the log, as JSON; their positions rise.
        rows: the projections' rows as they are after the batch.
    """

    locked: LockedState
    events: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[UUID, Row] = field(default_factory=dict)
    _envelopes: dict[str, list[Envelope]] = field(default_factory=dict)

    def accept(self, unit: Unit) -> list[int]:
        """Add the unit; return its events' positions.

        Raises:
            VersionConflictError: an event does not follow its aggregate's head, or was decided on
                an outdated row.
            SlotTakenError: another run holds a slot.
        """
        self._refuse_outdated(unit)
        heads = self.locked.heads
        keys = [key_of(event) for event in unit.events]
        _refuse_gaps(keys, heads)
        if unit.slot_claims:
            _take_slots(unit, self.locked.holders)
        correlation_ids = _correlation_ids(unit, heads)
        positions: list[int] = []
        origin = unit.origin
        for event, key in zip(unit.events, keys, strict=True):
            aggregate_id, version = key
            causation_id = origin.causation_id
            if causation_id is None:
                causation_id = _previous(key, keys[0])
            correlation_id = correlation_ids[aggregate_id]
            position = self._add(event, key, _Cause(origin.actor, correlation_id, causation_id))
            heads[aggregate_id] = AggregateHead(version, position, correlation_id)
            positions.append(position)
        return positions

    def _refuse_outdated(self, unit: Unit) -> None:
        heads = self.locked.heads
        outdated = self.locked.outdated
        if outdated and not outdated.isdisjoint(unit.aggregate_ids):
            raise VersionConflictError("rows have been repaired since this was decided")
        for aggregate_id, version in unit.expects.items():
            if heads[aggregate_id].version != version:
                raise VersionConflictError(f"{aggregate_id} no longer has version {version}")
        for aggregate_id, position in unit.heads.items():
            if heads[aggregate_id].position != position:
                raise VersionConflictError(
                    f"the last event of {aggregate_id} no longer stands at {position}"
                )

    def statements(self) -> list[Statement]:
        """Fold the events onto their rows; return the statements that write and announce them."""
        statements = [(INSERT, orjson.dumps(self.events).decode())]
        for subject, envelopes in self._envelopes.items():
            statements += self._project(BY_SUBJECT[subject], envelopes)
        statements.append((ANNOUNCE, self._announcement()))
        return statements

    def _announcement(self) -> str:
        """Return the payload that `eventlog.database.listener` parses.

        `POSITION`, the last one; or, where runs are pending, `POSITION NUMBER pending`, with the id
        of the run before the last word if there is only one.
        """
        position = str(self.events[-1]["position"])
        pending = [run_id for run_id, row in self.rows.items() if row.get("status") == FIRST_STATUS]
        match pending:
            case []:
                return position
            case [run_id]:
                return f"{position} 1 {run_id}{sql.PENDING}"
            case _:
                return f"{position} {len(pending)}{sql.PENDING}"

    def _add(self, event: StoredEvent, key: Key, cause: _Cause) -> int:
        aggregate_id, version = key
        position = self.locked.positions[len(self.events)]
        self.events.append(
            {
                "id": aggregate_id,
                "version": version,
                "position": position,
                "topic": event.topic,
                "state": event.state.decode(),
                "actor": cause.actor,
                "correlation_id": cause.correlation_id,
                "causation_id": cause.causation_id,
            }
        )
        state = event.state
        if version == 1 and self.locked.plain:
            state = self.locked.plain.get(aggregate_id, state)
        envelope = bare_envelope(aggregate_id, version, position, event.topic, state)
        self._envelopes.setdefault(envelope.subject, []).append(envelope)
        return position

    def _project(self, table: Table, envelopes: list[Envelope]) -> list[Statement]:
        """Fold the events onto their rows; return the statements that write the changes."""
        new: dict[UUID, Changes] = {}
        old: dict[UUID, Changes] = {}
        for envelope in envelopes:
            aggregate_id = envelope.aggregate_id
            row: Row | None = None
            if envelope.version > 1:
                row = self.rows.get(aggregate_id) or self.locked.rows.get(aggregate_id)
            changed = table.changes(row, envelope)
            self.rows[aggregate_id] = table.moved(row, changed)
            if envelope.version == 1:
                new[aggregate_id] = changed
            elif aggregate_id in new:
                new[aggregate_id].update(changed)
            else:
                old.setdefault(aggregate_id, {}).update(changed)
        for aggregate_id, changed in old.items():
            changed[table.key] = str(aggregate_id)
        inserts = by_columns(table, new.values(), insert_sql)
        return inserts + by_columns(table, old.values(), update_sql)

    def rows_of(self, unit: Unit) -> dict[UUID, Row]:
        """Return the rows of the unit's aggregates as they are after the whole batch."""
        return {aggregate_id: self.rows[aggregate_id] for aggregate_id in unit.aggregate_ids}


def accept_or_refuse(plan: Plan, unit: Unit) -> Saved | VersionConflictError:
    """Add the unit to the plan; return its positions, or the conflict that refuses it alone."""
    try:
        return Saved(plan.accept(unit))
    except VersionConflictError as error:
        # Its traceback refers to the plan, which refers to it: megabytes of events would stay in
        # memory until the garbage collector runs.
        return error.with_traceback(None)


def key_of(event: StoredEvent) -> Key:
    """Return the event's aggregate and version."""
    aggregate_id = event.originator_id
    if not isinstance(aggregate_id, UUID):
        aggregate_id = UUID(aggregate_id)
    return aggregate_id, event.originator_version


def _refuse_gaps(keys: Sequence[Key], heads: Mapping[UUID, AggregateHead]) -> None:
    """Raise VersionConflictError unless each event follows its aggregate's head, or each other."""
    added: dict[UUID, int] = {}
    for aggregate_id, version in keys:
        last = added.get(aggregate_id, heads[aggregate_id].version)
        if version != last + 1:
            at = f"{aggregate_id} has version {last}"
            raise VersionConflictError(f"{at}; version {version} cannot follow")
        added[aggregate_id] = version


def _take_slots(unit: Unit, holders: dict[UniqueSlot, UUID | None]) -> None:
    """Give the unit's runs their slots, or raise SlotTakenError.

    A slot that is released in the same batch counts as held: its next holder decides anew.
    """
    for slot, _, replaced in unit.slot_claims:
        if holders[slot] != replaced:
            raise SlotTakenError(f"{holders[slot]} has {slot.value}, not {replaced}")
    holders.update({claim.slot: claim.run_id for claim in unit.slot_claims})


def _correlation_ids(unit: Unit, heads: Mapping[UUID, AggregateHead]) -> dict[UUID, UUID]:
    """Return the correlation id of each aggregate's events.

    A unit shares one, except for runs that are claimed or recovered together: each keeps its own.
    """
    correlation_ids = dict.fromkeys(unit.aggregate_ids, _correlation_id(unit, heads))
    if len(correlation_ids) == 1 or unit.origin.correlation_id is not None:
        return correlation_ids
    for event in unit.events:
        run_id, _ = key_of(event)
        own = heads[run_id].correlation_id
        if own is not None and event.topic.startswith(RUN_TOPICS):
            correlation_ids[run_id] = own
    return correlation_ids


def _correlation_id(unit: Unit, heads: Mapping[UUID, AggregateHead]) -> UUID:
    """Return the correlation id that the unit's events share.

    It is that of the unit's origin, else of the first history that they continue and that has one.
    A run that gives up its slot is not a cause of the run that takes it.
    """
    if unit.origin.correlation_id is not None:
        return unit.origin.correlation_id
    predecessors = list(unit.aggregate_ids)
    if unit.slot_claims:
        replaced = {claim.replaced for claim in unit.slot_claims}
        predecessors = [predecessor for predecessor in predecessors if predecessor not in replaced]
    if unit.continues is not None:
        predecessors.append(unit.continues)
    for aggregate_id in predecessors:
        inherited = heads[aggregate_id].correlation_id
        if inherited is not None:
            return inherited
    if unit.origin.causation_id is not None:
        return unit.origin.causation_id
    return uuid4()


def _previous(key: Key, first: Key) -> UUID | None:
    """Return the aggregate's previous event; for a new aggregate, the unit's first event.

    A run's success launches the next run, for example.
    """
    aggregate_id, version = key
    if version > 1:
        return event_id(aggregate_id, version - 1)
    if aggregate_id != first[0]:
        return event_id(*first)
    return None
