"""One transaction of the writer, in two round trips: what is needed is read under the lock, then all is written.

What follows from the one for the other is `eventlog.plan`; which errors mean what is the writer's business.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.clock import from_iso
from domain.errors import VersionConflictError
from domain.ports import Locked, Row, Saved, Unit
from eventlog import schema
from eventlog.decryption import plain_states
from eventlog.locked import LockedLog
from eventlog.plan import Found, Head, Plan, Statement, key_of, outcome
from projections.table import Connection, select_sql
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


async def prepare(connection: Connection, requests: list[Request]) -> list[Statement]:
    """Lock, decide, set each request's outcome; return what is to be written. Nothing: the transaction is over."""
    for request in requests:
        request.outcome = None
    deciding = [request for request in requests if request.decide is not None]
    if deciding:
        await _decide(connection, deciding)
    found = await _find(connection, [request.unit for request in requests], begin=not deciding)
    plan = Plan(found)
    # Decisions first: what they saw is what they follow. Commands that they overtake decide again.
    for request in sorted(requests, key=lambda request: request.decide is None):
        request.outcome = outcome(plan, request.unit) if request.unit.events else Saved()
    if not plan.events:
        # A decision may have done something beside the log, such as declaring an idle worker dead.
        await connection.execute("COMMIT" if deciding else "ROLLBACK")
        return []
    statements = plan.statements()
    for request in requests:
        if isinstance(request.outcome, Saved):
            request.outcome = Saved(request.outcome.positions, plan.rows_of(request.unit))
    return statements


async def commit(connection: Connection, statements: Iterable[Statement]) -> None:
    """Write and commit in one go: an error before the COMMIT means that there was none."""
    async with connection.pipeline():
        for statement, parameter in statements:
            await connection.execute(statement, (parameter,))
        await connection.execute("COMMIT")


async def committed(connection: Connection, requests: Iterable[Request]) -> bool:
    """Find out whether a batch whose commit got no answer is in the log; compare id, version, topic and bytes.

    The append lock comes first: a transaction that still hangs in the server holds it, so once we have it, what we
    read is final.
    """
    wanted = {key_of(event): event for request in requests if request.appended for event in request.unit.events}
    await connection.execute(schema.BEGIN_LOCKED)
    keys = list(wanted)
    cursor = await connection.execute(schema.READ_BACK, ([key[0] for key in keys], [key[1] for key in keys]))
    found = await cursor.fetchall()
    await connection.execute("ROLLBACK")
    same = [
        row
        for row in found
        if (event := wanted[UUID(str(row["originator_id"])), row["originator_version"]]).topic == row["topic"]
        and event.state == bytes(row["state"])
    ]
    return len(same) == len(wanted)


async def _decide(connection: Connection, requests: Iterable[Request]) -> None:
    """Begin, and let the requests decide under the lock, one after the other."""
    async with connection.pipeline():
        await connection.execute(schema.BEGIN)
        await connection.execute(schema.LOCK)
        time = await connection.execute(schema.NOW)
    now = from_iso(str((await time.fetchall())[0]["now"]))
    for request in requests:
        if request.decide is not None:
            request.unit = Unit(await request.decide(LockedLog(connection, now)), request.unit.origin)


async def _find(connection: Connection, units: Sequence[Unit], *, begin: bool) -> Found:
    """Read what accepting the units takes, after beginning if need be, in one round trip."""
    ids = dict.fromkeys(aggregate_id for unit in units for aggregate_id in (*unit.aggregate_ids, *unit.expects))
    ids |= dict.fromkeys(unit.continues for unit in units if unit.continues is not None)
    events = [event for unit in units for event in unit.events]
    async with connection.pipeline():
        if begin:
            await connection.execute(schema.BEGIN)
            await connection.execute(schema.LOCK)
        heads = await connection.execute(schema.HEADS, (list(ids),))
        positions = await connection.execute(schema.DRAW_POSITIONS, (len(events),))
        tables = [
            (BY_SUBJECT[subject], await connection.execute(select_sql(BY_SUBJECT[subject]), (old,)))
            for subject, old in _old_by_subject(events).items()
        ]
    drawn = [row["position"] for row in await positions.fetchall()]
    plain = await plain_states(connection, ((*key_of(event), event.state) for event in events))
    found = Found({aggregate_id: Head() for aggregate_id in ids}, {}, drawn, plain)
    for row in await heads.fetchall():
        correlation_id = row["correlation_id"]
        head = Head(row["originator_version"], UUID(correlation_id) if correlation_id else None)
        found.heads[UUID(row["originator_id"])] = head
    for table, cursor in tables:
        for row in await cursor.fetchall():
            found.rows[UUID(row[table.key])] = row
    return found


def _old_by_subject(events: Iterable[StoredEvent]) -> dict[str, list[UUID]]:
    """Return, by the first word of their topics, the aggregates whose rows exist already."""
    old: dict[str, dict[UUID, Row | None]] = {}
    for event in events:
        aggregate_id, version = key_of(event)
        if version > 1:
            old.setdefault(event.topic.partition(".")[0], {})[aggregate_id] = None
    return {subject: list(ids) for subject, ids in old.items()}
