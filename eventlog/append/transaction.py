"""One transaction of the writer, in two round trips.

First what is needed is read under the lock, then all is written. Where something is decided under
the lock, what the decision reads lies in between: one round trip for a claim. What is to be written
follows from what was read by `eventlog.append.plan`; which errors mean what is the writer's
business.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Self
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.errors import VersionConflictError
from domain.ports import Claimant, Locked, Saved, Unit
from eventlog.append import plan as statements
from eventlog.append.locked_log import Claim, LockedLog
from eventlog.append.lookups import Finder, Remembered
from eventlog.append.plan import Key, Plan, Statement, key_of, outcome
from eventlog.archive.reading import HistoryRow, resolved
from eventlog.database import sql
from eventlog.database.pipeline import Answer, RoundTrip, roll_back
from eventlog.keys import LogFiles
from projections.flow import candidates
from projections.rows import Connection, as_rows, read_rows

DecideEvents = Callable[[Locked], Awaitable[Sequence[StoredEvent]]]


@dataclass
class Request:
    """What one caller wants appended: ready events, or a decision to be made under the lock.

    Attributes:
        unit: the events; set by the batch where `decide` makes them.
        claimant: who claims runs, if that is what is decided.
        breaks: how often the log had turned out to be another one when this was asked for.
        outcome: filled by the batch: what was saved, or why this unit alone was refused.
        is_committing: whether its events may be in the log.
        is_withdrawn: whether they must not get there any more.
        asked_at: when, by the monotonic clock.
        size: of the events that were ready when it was made, in bytes.
    """

    unit: Unit
    decide: DecideEvents | None = None
    claimant: Claimant | None = None
    breaks: int = 0
    outcome: Saved | VersionConflictError | None = None
    is_committing: bool = False
    is_withdrawn: bool = False
    asked_at: float = field(default_factory=monotonic)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        """Measure the events."""
        self.size = 0
        for event in self.unit.events:
            self.size += len(event.state)

    def withdraw(self) -> Sequence[str] | None:
        """See `runtime.request_writes.Write`."""
        if self.is_committing:
            return self.unit.public_ids
        self.is_withdrawn = True
        return None

    @property
    def appended(self) -> bool:
        """Return whether this unit's events are part of the batch's transaction."""
        return isinstance(self.outcome, Saved) and bool(self.outcome.positions)


class LockTime:
    """Measures for how long a transaction holds the append lock.

    That is from its beginning, less the time that it waited for the lock, to the end of its commit.

    Attributes:
        held_s: once it is over; 0 where the lock was not had.
    """

    def __init__(self, note: Callable[[float], None]) -> None:
        """Hand the seconds to `note`, if the lock was had at all."""
        self._note = note
        self._began = monotonic()
        self._waited_s: float | None = None
        self.held_s = 0.0

    def got(self, answer: Answer) -> None:
        """Take in the answer to `sql.LOCK`."""
        [row] = as_rows(_Lock, answer.rows)
        self._waited_s = row["got_s"] - row["asked_s"]

    def __enter__(self) -> Self:
        """Begin."""
        self._began = monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Tell how long it was held, whatever came of it."""
        if self._waited_s is not None:
            self.held_s = monotonic() - self._began - self._waited_s
            self._note(self.held_s)


class _Lock(TypedDict):
    asked_s: ReadOnly[float]
    got_s: ReadOnly[float]


async def prepare(
    connection: Connection,
    files: LogFiles,
    requests: list[Request],
    remembered: Remembered,
    lock: LockTime,
) -> list[Statement]:
    """Lock, decide and set each request's outcome; return what is to be written.

    Where that is nothing, the transaction is over.
    """
    for request in requests:
        request.outcome = None
    deciding = next((request for request in requests if request.decide is not None), None)
    finder = Finder(connection, files, remembered.running)
    units = [request.unit for request in requests if request is not deciding]
    locked = await _begin(finder, remembered, units, deciding, lock)
    if deciding is not None and deciding.decide is not None and locked is not None:
        deciding.unit = replace(deciding.unit, events=await deciding.decide(locked))
        units.insert(0, deciding.unit)
    await finder.find(units, asked=deciding is None)
    plan = Plan(finder.found)
    for request in in_order(requests):
        if request.unit.events:
            request.outcome = outcome(plan, request.unit)
        else:
            request.outcome = Saved()
    if not plan.events:
        await _end_without_events(connection, deciding)
        return []
    written = plan.statements()
    for request in requests:
        if isinstance(request.outcome, Saved):
            request.outcome.rows = plan.rows_of(request.unit)
    return written


def in_order(requests: Sequence[Request]) -> list[Request]:
    """Return a batch's requests as their events follow each other in the log.

    The decision first: what it saw is what it follows. Commands that it overtakes decide again.
    """
    decisions = [request for request in requests if request.decide is not None]
    return decisions + [request for request in requests if request.decide is None]


async def _end_without_events(connection: Connection, deciding: Request | None) -> None:
    if deciding is None:
        await roll_back(connection)
    else:
        # It may have done something beside the log, such as declaring an idle worker dead.
        await commit(connection, [])


def still_wanted(requests: Sequence[Request]) -> list[Request]:
    """Return what was not withdrawn of requests of which certainly nothing is in the log."""
    for request in requests:
        request.is_committing = False
    return [request for request in requests if not request.is_withdrawn]


def begin_commit(requests: Sequence[Request]) -> bool:
    """Let none be withdrawn any more; return whether none has been."""
    if any(request.is_withdrawn for request in requests):
        return False
    for request in requests:
        request.is_committing = True
    return True


async def commit(connection: Connection, written: Iterable[Statement]) -> None:
    """Write and commit in one go: an error before the COMMIT means that there was none."""
    trip = RoundTrip(connection)
    for statement, parameter in written:
        trip.ask(statement, (parameter,))
    trip.ask("COMMIT")
    await trip.go()


def tell_held(requests: Sequence[Request], held_s: float) -> None:
    """Tell each unit of a commit its part of the time for which the lock was held."""
    appended: list[Saved] = []
    events = 0
    for request in requests:
        saved = request.outcome
        if isinstance(saved, Saved):
            appended.append(saved)
            events += len(saved.positions)
    for saved in appended:
        share = len(saved.positions) / events
        saved.held_ms = held_s * 1000 * share


async def committed(connection: Connection, files: LogFiles, requests: Iterable[Request]) -> bool:
    """Find out whether a batch whose commit got no answer is in the log.

    Compared are id, version, topic and bytes. The append lock comes first: a transaction that still
    hangs in the server holds it, so once we have it, what we read is final.
    """
    wanted: dict[Key, tuple[str, bytes]] = {}
    for request in requests:
        if not request.appended:
            continue
        for event in request.unit.events:
            key = key_of(event)
            wanted[key] = (event.topic, event.state)
    await connection.execute(sql.BEGIN_LOCKED)
    ids = [aggregate_id for aggregate_id, _ in wanted]
    values = {"ids": ids, "versions": [version for _, version in wanted]}
    rows = await read_rows(connection, HistoryRow, statements.READ_BACK, values)
    found = await resolved(connection, files.archive, rows)
    await roll_back(connection)
    stored: dict[Key, tuple[str, bytes]] = {}
    for row in found:
        key = (UUID(row["originator_id"]), row["originator_version"])
        stored[key] = (row["topic"], row["state"])
    return all(stored.get(key) == content for key, content in wanted.items())


class _Present(TypedDict):
    now: ReadOnly[str]


async def _begin(
    finder: Finder,
    remembered: Remembered,
    units: Sequence[Unit],
    deciding: Request | None,
    lock: LockTime,
) -> LockedLog | None:
    """Take the lock, and find what the units need, in one round trip.

    Also asked is what the decision will want to know first.
    """
    connection = finder.connection
    trip = RoundTrip(connection)
    trip.ask(sql.BEGIN)
    locking = trip.ask(sql.LOCK)
    present: Answer | None = None
    claim: Claim | None = None
    if deciding is not None:
        present = trip.ask(candidates.PRESENT)
        if deciding.claimant is not None:
            claim = Claim.ask(trip, remembered.queue_of(deciding.claimant), deciding.claimant)
    needs = finder.needs_of(units)
    if claim is not None and claim.likely is not None:
        needs = needs.with_a_place()
    finder.ask(trip, needs)
    await trip.go()
    lock.got(locking)
    finder.take()
    if present is None:
        return None
    [row] = as_rows(_Present, present.rows)
    return LockedLog(connection, from_iso(row["now"]), finder, claim)
