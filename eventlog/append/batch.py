"""One transaction of the writer, in two round trips: what is needed is read under the lock, then all is written.

Where something is decided under the lock, what the decision reads lies in between: one round trip
for a claim. What is to be written follows from what was read by `eventlog.append.plan`; which
errors mean what is the writer's business.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.clock import from_iso
from domain.errors import VersionConflictError
from domain.ports import Claimant, Locked, Saved, Unit
from eventlog.append import statements as schema
from eventlog.append.locked_log import Claim, LockedLog
from eventlog.append.lookups import Finder
from eventlog.append.plan import Plan, Statement, key_of, outcome
from eventlog.append.running_rows import RunningRows
from eventlog.archive.reading import HistoryRow, resolved
from eventlog.database import sql
from eventlog.database.pipeline import RoundTrip, roll_back
from eventlog.keys.log_files import LogFiles
from projections.rows import Connection, read_rows
from projections.runs import claims

DecideEvents = Callable[[Locked], Awaitable[Sequence[StoredEvent]]]


@dataclass
class Request:
    """What one caller wants appended: ready events, or a decision to be made under the lock.

    Attributes:
        unit: the events; set by the batch where `decide` makes them.
        claimant: who claims runs, if that is what is decided.
        outcome: filled by the batch: what was saved, or why this unit alone was refused.
    """

    unit: Unit
    decide: DecideEvents | None = None
    claimant: Claimant | None = None
    outcome: Saved | VersionConflictError | None = None

    @property
    def appended(self) -> bool:
        """Return whether this unit's events are part of the batch's transaction."""
        return isinstance(self.outcome, Saved) and bool(self.outcome.positions)


async def prepare(
    connection: Connection, files: LogFiles, requests: list[Request], running: RunningRows
) -> list[Statement]:
    """Lock, decide, set each request's outcome; return what is to be written. Nothing: the transaction is over."""
    for request in requests:
        request.outcome = None
    deciding = next((request for request in requests if request.decide is not None), None)
    finder = Finder(connection, files, running)
    units = [request.unit for request in requests if request is not deciding]
    locked = await _begin(connection, finder, units, deciding)
    if deciding is not None and deciding.decide is not None and locked is not None:
        deciding.unit = Unit(await deciding.decide(locked), deciding.unit.origin)
        units = [deciding.unit, *units]
    await finder.find(units)
    plan = Plan(finder.found)
    # The decision first: what it saw is what it follows. Commands that it overtakes decide again.
    for request in sorted(requests, key=lambda request: request.decide is None):
        request.outcome = outcome(plan, request.unit) if request.unit.events else Saved()
    if not plan.events:
        # It may have done something beside the log, such as declaring an idle worker dead.
        await (commit(connection, []) if deciding else roll_back(connection))
        return []
    statements = plan.statements()
    for request in requests:
        if isinstance(request.outcome, Saved):
            request.outcome = Saved(request.outcome.positions, plan.rows_of(request.unit))
    return statements


async def commit(connection: Connection, statements: Iterable[Statement]) -> None:
    """Write and commit in one go: an error before the COMMIT means that there was none."""
    trip = RoundTrip(connection)
    for statement, parameter in statements:
        trip.ask(statement, (parameter,))
    trip.ask("COMMIT")
    await trip.go()


async def committed(connection: Connection, files: LogFiles, requests: Iterable[Request]) -> bool:
    """Find out whether a batch whose commit got no answer is in the log; compare id, version, topic and bytes.

    The append lock comes first: a transaction that still hangs in the server holds it, so once we
    have it, what we read is final.
    """
    wanted = {
        key_of(event): event
        for request in requests
        if request.appended
        for event in request.unit.events
    }
    await connection.execute(sql.BEGIN_LOCKED)
    values = {"ids": [key[0] for key in wanted], "versions": [key[1] for key in wanted]}
    rows = await read_rows(connection, HistoryRow, schema.READ_BACK, values)
    found = await resolved(connection, files.archive, rows)
    await roll_back(connection)
    stored = {
        (UUID(row["originator_id"]), row["originator_version"]): (row["topic"], bytes(row["state"]))
        for row in found
    }
    return all(stored.get(key) == (event.topic, event.state) for key, event in wanted.items())


async def _begin(
    connection: Connection, finder: Finder, units: Sequence[Unit], deciding: Request | None
) -> LockedLog | None:
    """Take the lock, and in the same round trip find what the units need, and what the decision will ask first."""
    trip = RoundTrip(connection)
    trip.ask(sql.BEGIN)
    trip.ask(sql.LOCK)
    time = trip.ask(claims.PRESENT) if deciding else None
    claim = Claim.ask(trip, deciding.claimant) if deciding and deciding.claimant else None
    finder.ask(trip, finder.needs_of(units))
    await trip.go()
    finder.take()
    return LockedLog(connection, from_iso(time.rows[0]["now"]), finder, claim) if time else None
