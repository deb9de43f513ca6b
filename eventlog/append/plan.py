"""The plan of a batch of requests: which are accepted, where their events stand, which rows change.

First the SQL of an append, then what the log and its tables say under the lock (`Found`), then the
plan, which is pure. `eventlog.append.transaction` reads what it needs under the append lock and
writes its result.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from eventsourcing.persistence import StoredEvent
from typing_extensions import ReadOnly, TypedDict

from domain.errors import ValueTakenError, VersionConflictError
from domain.identifiers import Slot, event_id
from domain.jobs.run_events import RUN_TOPIC
from domain.ports import Row, Saved, Unit
from eventlog.database import sql
from eventlog.database.sql import (
    _IDS,
    _MARK,
    _NO_MARK,
    CHANNEL,
    ENVELOPE_COLUMNS,
    EVENTS_TABLE,
    HEAD,
)
from projections.envelope import Envelope, bare_envelope
from projections.job_runs import FIRST_STATUS
from projections.table import Changes, Table, insert_sql, update_sql
from projections.tables import BY_SUBJECT

HEADS = f"""
    SELECT head.* FROM unnest({_IDS}) AS wanted (id), LATERAL (
        SELECT originator_id, originator_version, notification_id AS position, correlation_id
        FROM {EVENTS_TABLE} WHERE originator_id = wanted.id
        ORDER BY originator_version DESC LIMIT 1
    ) AS head
    UNION ALL
    SELECT id, head_version, last_position, head_correlation_id FROM archived_runs
    WHERE id = ANY({_IDS}::uuid[])
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
"""Drawn under the lock, as many as there are events to append, so that rows can be folded before
they are written. What is not used is a gap, as after a rollback. Beside them stands the head:
a copy of a log need not have its sequence (logical replication copies none)."""


class PositionRow(TypedDict):
    """A place in the log that was drawn, and the last one that is taken."""

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
"""`json`, not `jsonb`: the state is text inside of it, and must come out as the very bytes that
went in. One JSON text costs the writer a quarter of what seven arrays do."""


ANNOUNCE = f"SELECT pg_notify('{CHANNEL}', %s)"


READ_BACK = f"""
    SELECT {ENVELOPE_COLUMNS}, {_NO_MARK} FROM {EVENTS_TABLE}
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS sought (id, version)
      ON originator_id = sought.id AND originator_version = sought.version
    UNION ALL {_MARK} WHERE id = ANY(%(ids)s)
"""


def by_columns(
    table: Table, rows: Iterable[Changes], statement_of: Callable[[Table, Sequence[str]], str]
) -> list[tuple[str, str]]:
    """Write rows that say the same columns together: return the SQL, each with its parameter."""
    alike: dict[tuple[str, ...], list[Changes]] = {}
    for row in rows:
        columns = tuple(row)
        alike.setdefault(columns, []).append(row)
    written: list[tuple[str, str]] = []
    for columns, together in alike.items():
        written.append((statement_of(table, sorted(columns)), orjson.dumps(together).decode()))
    return written


Key = tuple[UUID, int]
"""An event's aggregate and version."""

Statement = tuple[str, str]
"""SQL with one parameter, and the parameter: JSON, mostly."""


@dataclass
class Head:
    """Where an aggregate's history ends: 0 where there is none."""

    version: int = 0
    position: int = 0
    correlation_id: UUID | None = None


@dataclass(frozen=True)
class Found:
    """What the log and its tables say under the lock.

    Attributes:
        heads: of every aggregate that the units name.
        rows: of those that have events already.
        positions: places in the log, one for each event, in order.
        plain: the first events that are encrypted, decrypted, by aggregate.
        doubted: runs about which was decided on a row that turned out to be doubtful.
        holders: of slots that the units take.
    """

    heads: dict[UUID, Head] = field(default_factory=dict)
    rows: dict[UUID, Row] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)
    plain: dict[UUID, bytes] = field(default_factory=dict)
    doubted: set[UUID] = field(default_factory=set)
    holders: dict[Slot, UUID | None] = field(default_factory=dict)


class _Why(NamedTuple):
    """Who caused an event, and what led to it."""

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

    found: Found
    events: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[UUID, Row] = field(default_factory=dict)
    _envelopes: dict[str, list[Envelope]] = field(default_factory=dict)

    def accept(self, unit: Unit) -> list[int]:
        """Take the unit in; return its events' positions.

        Raises:
            VersionConflictError: an event does not follow its aggregate's head, of this batch, too;
                or it was decided on a row that is doubtful; ValueTakenError, a slot is taken.
        """
        self._refuse_outdated(unit)
        heads = self.found.heads
        keys = [key_of(event) for event in unit.events]
        _refuse_gaps(keys, heads)
        _take_slots(unit, self.found.holders)
        stories = _stories(unit, heads)
        positions: list[int] = []
        origin = unit.origin
        for event, key in zip(unit.events, keys, strict=True):
            aggregate_id, version = key
            causation_id = origin.causation_id
            if causation_id is None:
                causation_id = _previous(key, keys[0])
            story = stories[aggregate_id]
            position = self._add(event, key, _Why(origin.actor, story, causation_id))
            heads[aggregate_id] = Head(version, position, story)
            positions.append(position)
        return positions

    def _refuse_outdated(self, unit: Unit) -> None:
        heads = self.found.heads
        doubted = self.found.doubted
        if doubted and not doubted.isdisjoint(unit.aggregate_ids):
            raise VersionConflictError("rows have been mended since this was decided")
        for aggregate_id, version in unit.expects.items():
            if heads[aggregate_id].version != version:
                raise VersionConflictError(f"{aggregate_id} no longer has version {version}")
        for aggregate_id, position in unit.heads.items():
            if heads[aggregate_id].position != position:
                raise VersionConflictError(
                    f"the last event of {aggregate_id} no longer stands at {position}"
                )

    def statements(self) -> list[Statement]:
        """Fold the events onto their rows; return what writes both, and announces them."""
        written = [(INSERT, orjson.dumps(self.events).decode())]
        for subject, envelopes in self._envelopes.items():
            written += self._project(BY_SUBJECT[subject], envelopes)
        news = str(self.events[-1]["position"])
        pending = [run_id for run_id, row in self.rows.items() if row.get("status") == FIRST_STATUS]
        if pending:
            news += f" {len(pending)}"
        if len(pending) == 1:
            news += f" {pending[0]}"
        if pending:
            news += sql.PENDING
        written.append((ANNOUNCE, news))
        return written

    def _add(self, event: StoredEvent, key: Key, why: _Why) -> int:
        aggregate_id, version = key
        position = self.found.positions[len(self.events)]
        self.events.append(
            {
                "id": aggregate_id,
                "version": version,
                "position": position,
                "topic": event.topic,
                "state": event.state.decode(),
                "actor": why.actor,
                "correlation_id": why.correlation_id,
                "causation_id": why.causation_id,
            }
        )
        state = event.state
        if version == 1 and self.found.plain:
            state = self.found.plain.get(aggregate_id, state)
        envelope = bare_envelope(aggregate_id, version, position, event.topic, state)
        self._envelopes.setdefault(envelope.subject, []).append(envelope)
        return position

    def _project(self, table: Table, envelopes: list[Envelope]) -> list[Statement]:
        """Fold the events onto their rows; return what writes what they have changed."""
        new: dict[UUID, Changes] = {}
        old: dict[UUID, Changes] = {}
        for envelope in envelopes:
            aggregate_id = envelope.aggregate_id
            row = self._row_before(envelope)
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

    def _row_before(self, envelope: Envelope) -> Row | None:
        if envelope.version == 1:
            return None
        row = self.rows.get(envelope.aggregate_id)
        if row is None:
            row = self.found.rows.get(envelope.aggregate_id)
        return row

    def rows_of(self, unit: Unit) -> dict[UUID, Row]:
        """Return the rows of the unit's aggregates as they are after the whole batch."""
        return {aggregate_id: self.rows[aggregate_id] for aggregate_id in unit.aggregate_ids}


def outcome(plan: Plan, unit: Unit) -> Saved | VersionConflictError:
    """Take the unit into the plan; return where its events stand, or why it is refused alone."""
    try:
        return Saved(plan.accept(unit))
    except VersionConflictError as error:
        # Its traceback leads to all that is planned, which leads to it: nothing of it, megabytes
        # of events, would be free before garbage is looked for.
        return error.with_traceback(None)


def key_of(event: StoredEvent) -> Key:
    """Return the event's aggregate and version."""
    aggregate_id = event.originator_id
    if not isinstance(aggregate_id, UUID):
        aggregate_id = UUID(aggregate_id)
    return aggregate_id, event.originator_version


def _refuse_gaps(keys: Sequence[Key], heads: Mapping[UUID, Head]) -> None:
    """Raise VersionConflictError unless each event follows its aggregate's head, or each other."""
    added: dict[UUID, int] = {}
    for aggregate_id, version in keys:
        last = added.get(aggregate_id, heads[aggregate_id].version)
        if version != last + 1:
            at = f"{aggregate_id} has version {last}"
            raise VersionConflictError(f"{at}; version {version} cannot follow")
        added[aggregate_id] = version


def _take_slots(unit: Unit, holders: dict[Slot, UUID | None]) -> None:
    """Let the unit's runs have their slots, or raise ValueTakenError.

    Who gives a slot up in the same batch is not looked at: whoever wants it decides anew.
    """
    for slot, _, replaced in unit.takings:
        if holders[slot] != replaced:
            raise ValueTakenError(f"{holders[slot]} has {slot.value}, not {replaced}")
    holders.update({taking.slot: taking.run_id for taking in unit.takings})


def _stories(unit: Unit, heads: Mapping[UUID, Head]) -> dict[UUID, UUID]:
    """Return the correlation id of each aggregate's events.

    A unit shares one. But runs that are claimed or recovered together have nothing else in common,
    so each goes on with its own.
    """
    stories = dict.fromkeys(unit.aggregate_ids, _correlation_id(unit, heads))
    if len(stories) == 1 or unit.origin.correlation_id is not None:
        return stories
    for event in unit.events:
        run_id, _ = key_of(event)
        own = heads[run_id].correlation_id
        if own is not None and event.topic.startswith(RUN_TOPICS):
            stories[run_id] = own
    return stories


def _correlation_id(unit: Unit, heads: Mapping[UUID, Head]) -> UUID:
    """Return what the unit's events share with all that led to them.

    Its origin tells it, else the first history that they continue and that has any. A run that
    gives its slot up has not led to the one that takes it.
    """
    if unit.origin.correlation_id is not None:
        return unit.origin.correlation_id
    continued = list(unit.aggregate_ids)
    if unit.takings:
        replaced = {taking.replaced for taking in unit.takings}
        continued = [one for one in continued if one not in replaced]
    if unit.continues is not None:
        continued.append(unit.continues)
    for aggregate_id in continued:
        inherited = heads[aggregate_id].correlation_id
        if inherited is not None:
            return inherited
    if unit.origin.causation_id is not None:
        return unit.origin.causation_id
    return uuid4()


def _previous(key: Key, first: Key) -> UUID | None:
    """Return the event before; what a unit creates beside its first aggregate is that one's doing.

    A run's success launches the next run, for example.
    """
    aggregate_id, version = key
    if version > 1:
        return event_id(aggregate_id, version - 1)
    if aggregate_id != first[0]:
        return event_id(*first)
    return None
