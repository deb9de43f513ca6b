"""One transaction of the writer: lock, heads, events, rows, announcement, commit.

Every step is a function of the connection and of what came before; which errors mean what is the writer's business.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import orjson
from eventsourcing.persistence import StoredEvent

from domain.clock import from_iso
from domain.errors import VersionConflictError
from domain.identifiers import event_id
from domain.ports import Locked, Origin, Row, Saved, Unit
from eventlog import schema
from eventlog.archived import resolved
from eventlog.locked import LockedLog
from projections.envelope import Envelope, bare_envelope
from projections.table import Connection, Table, fetch_rows, rows_by_id
from projections.tables import BY_SUBJECT

DecideEvents = Callable[[Locked], Awaitable[Sequence[StoredEvent]]]


@dataclass
class Request:
    """What one caller wants appended: ready events, or a decision to be made under the lock.

    Attributes:
        unit: the events; set by the batch where `decide` makes them.
        outcome: filled by the batch: what was saved, or why this unit alone was refused.
    """

    unit: Unit
    decide: DecideEvents | None = None
    outcome: Saved | VersionConflictError | None = None

    @property
    def appended(self) -> bool:
        """Return whether this unit's events are part of the batch's transaction."""
        return isinstance(self.outcome, Saved) and bool(self.outcome.positions)


@dataclass
class Head:
    """Where an aggregate's history ends: 0 where there is none."""

    version: int = 0
    correlation_id: UUID | None = None


@dataclass
class _Batch:
    requests: list[Request]
    heads: dict[UUID, Head] = field(default_factory=dict)
    metadata: dict[tuple[UUID, int], tuple[UUID, UUID | None]] = field(default_factory=dict)


async def prepare(connection: Connection, requests: list[Request]) -> bool:
    """Do everything but the commit, setting each request's outcome; return whether there is anything to commit."""
    batch = _Batch(requests)
    await connection.execute(schema.BEGIN_LOCKED)
    for request in requests:
        request.outcome = None
        if request.decide is not None:
            await _decide(connection, request, request.decide)
    await _read_heads(connection, batch)
    # Decisions first: what they saw is what they follow. Commands that they overtake decide again.
    in_order = sorted(requests, key=lambda request: request.decide is None)
    accepted = [request for request in in_order if _accept(batch, request)]
    events = [event for request in accepted for event in request.unit.events]
    if not events:
        # A decision may have done something beside the log, such as declaring an idle worker dead.
        decided = any(request.decide is not None for request in requests)
        await connection.execute("COMMIT" if decided else "ROLLBACK")
        return False
    positions = await _insert(connection, batch, accepted)
    rows = await _project(connection, events, positions)
    await connection.execute(schema.ANNOUNCE, (str(max(positions.values())),))
    for request in accepted:
        keys = [_key(event) for event in request.unit.events]
        unit_rows = {aggregate_id: rows[aggregate_id] for aggregate_id, _ in keys}
        request.outcome = Saved([positions[key] for key in keys], unit_rows)
    return True


async def committed(connection: Connection, requests: Iterable[Request]) -> bool:
    """Find out whether a batch whose commit got no answer is in the log; compare id, version, topic and bytes.

    The append lock comes first: a transaction that still hangs in the server holds it, so once we have it, what we
    read is final.
    """
    wanted = {_key(event): event for request in requests if request.appended for event in request.unit.events}
    await connection.execute(schema.BEGIN_LOCKED)
    values = {"ids": [key[0] for key in wanted], "versions": [key[1] for key in wanted]}
    found = await resolved(connection, await fetch_rows(connection, schema.READ_BACK, values))
    await connection.execute("ROLLBACK")
    stored = {
        (UUID(row["originator_id"]), row["originator_version"]): (row["topic"], bytes(row["state"])) for row in found
    }
    return all(stored.get(key) == (event.topic, event.state) for key, event in wanted.items())


async def _decide(connection: Connection, request: Request, decide: DecideEvents) -> None:
    now = from_iso(str((await fetch_rows(connection, schema.NOW, {}))[0]["now"]))
    request.unit = Unit(await decide(LockedLog(connection, now)), request.unit.origin)
    if not request.unit.events:
        request.outcome = Saved()


async def _read_heads(connection: Connection, batch: _Batch) -> None:
    units = [request.unit for request in batch.requests]
    ids = list({aggregate_id for unit in units for aggregate_id in (*unit.aggregate_ids, *unit.expects)})
    ids += [unit.continues for unit in units if unit.continues is not None and unit.continues not in ids]
    batch.heads = {aggregate_id: Head() for aggregate_id in ids}
    cursor = await connection.execute(schema.HEADS, {"ids": ids})
    for row in await cursor.fetchall():
        correlation_id = row["correlation_id"]
        head = Head(row["originator_version"], UUID(correlation_id) if correlation_id else None)
        batch.heads[UUID(row["originator_id"])] = head


def _accept(batch: _Batch, request: Request) -> bool:
    """Take the unit in if each of its events follows its aggregate's head, in this batch, too; else it fails alone."""
    if not request.unit.events:
        return False
    for aggregate_id, version in request.unit.expects.items():
        if batch.heads[aggregate_id].version != version:
            request.outcome = VersionConflictError(f"{aggregate_id} no longer has version {version}")
            return False
    versions = {aggregate_id: batch.heads[aggregate_id].version for aggregate_id in request.unit.aggregate_ids}
    for event in request.unit.events:
        aggregate_id, version = _key(event)
        if version != versions[aggregate_id] + 1:
            at = f"{aggregate_id} has version {versions[aggregate_id]}"
            request.outcome = VersionConflictError(f"{at}; version {version} cannot follow")
            return False
        versions[aggregate_id] = version
    _trace(batch, request.unit)
    for aggregate_id, version in versions.items():
        batch.heads[aggregate_id].version = version
    return True


def _trace(batch: _Batch, unit: Unit) -> None:
    """Note why each event came to be: from its origin, else from the history that it continues."""
    origin: Origin = unit.origin
    told = [*unit.aggregate_ids, *([unit.continues] if unit.continues else [])]
    known = (batch.heads[aggregate_id].correlation_id for aggregate_id in told)
    inherited = next((correlation_id for correlation_id in known if correlation_id), None)
    correlation_id = origin.correlation_id or inherited or origin.causation_id or uuid4()
    first = _key(unit.events[0])
    for event in unit.events:
        aggregate_id, version = _key(event)
        # What a unit creates beside its first aggregate is that one's doing: a run's success launches the next run.
        beginning = event_id(*first) if aggregate_id != first[0] else None
        previous = event_id(aggregate_id, version - 1) if version > 1 else beginning
        batch.metadata[aggregate_id, version] = (correlation_id, origin.causation_id or previous)
    for aggregate_id in unit.aggregate_ids:
        batch.heads[aggregate_id].correlation_id = correlation_id


async def _insert(connection: Connection, batch: _Batch, accepted: list[Request]) -> dict[tuple[UUID, int], int]:
    columns: list[list[object]] = [[] for _ in range(7)]
    for request in accepted:
        for event in request.unit.events:
            correlation_id, causation_id = batch.metadata[_key(event)]
            row = (*_key(event), event.topic, event.state, request.unit.origin.actor, correlation_id, causation_id)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    cursor = await connection.execute(schema.INSERT, columns)
    return {
        (UUID(row["originator_id"]), row["originator_version"]): row["notification_id"]
        for row in await cursor.fetchall()
    }


async def _project(
    connection: Connection, events: list[StoredEvent], positions: dict[tuple[UUID, int], int]
) -> dict[UUID, Row]:
    """Fold the events onto their rows and write what changed; return the rows as they are now."""
    by_table: dict[str, list[Envelope]] = {}
    for event in events:
        envelope = _envelope(event, positions[_key(event)])
        by_table.setdefault(envelope.subject, []).append(envelope)
    rows: dict[UUID, Row] = {}
    for subject, envelopes in by_table.items():
        rows.update(await _project_table(connection, BY_SUBJECT[subject], envelopes))
    return rows


async def _project_table(connection: Connection, table: Table, envelopes: list[Envelope]) -> dict[UUID, Row]:
    new = {envelope.aggregate_id for envelope in envelopes if envelope.version == 1}
    old = list({envelope.aggregate_id for envelope in envelopes} - new)
    rows = await rows_by_id(connection, table, old) if old else {}
    changes: dict[UUID, Row] = {}
    for envelope in envelopes:
        row = rows.get(envelope.aggregate_id)
        changed = table.changes(row, envelope)
        rows[envelope.aggregate_id] = {**(row or dict.fromkeys(table.columns)), **changed}
        changes.setdefault(envelope.aggregate_id, {}).update(changed)
    if new:
        await _write(connection, insert_sql(table), [rows[aggregate_id] for aggregate_id in new])
    by_columns: dict[tuple[str, ...], list[Row]] = {}
    for aggregate_id in old:
        changed = {**changes[aggregate_id], table.key: str(aggregate_id)}
        by_columns.setdefault(tuple(sorted(changed)), []).append(changed)
    for columns, changed_rows in by_columns.items():
        await _write(connection, update_sql(table, columns), changed_rows)
    return rows


async def _write(connection: Connection, statement: str, rows: list[Row]) -> None:
    await connection.execute(statement, (orjson.dumps(rows).decode(),))


def insert_sql(table: Table) -> str:
    """Return the statement that inserts whole rows, given as one JSON array."""
    names = ", ".join(table.columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_recordset(table, table.columns)}"


def update_sql(table: Table, columns: Iterable[str]) -> str:
    """Return the statement that sets these columns of rows, given as one JSON array."""
    settings = ", ".join(f"{name} = new.{name}" for name in columns if name != table.key)
    changed = _recordset(table, columns)
    return f"UPDATE {table.name} AS t SET {settings} FROM {changed} WHERE t.{table.key} = new.{table.key}"


def _recordset(table: Table, columns: Iterable[str]) -> str:
    typed = ", ".join(f"{name} {table.columns[name]}" for name in columns)
    return f"jsonb_to_recordset(%s::jsonb) AS new ({typed})"


def _envelope(event: StoredEvent, position: int) -> Envelope:
    return bare_envelope(*_key(event), position, event.topic, event.state)


def _key(event: StoredEvent) -> tuple[UUID, int]:
    originator_id = event.originator_id
    return (originator_id if isinstance(originator_id, UUID) else UUID(originator_id)), event.originator_version
