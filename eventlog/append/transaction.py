"""One transaction of the writer, in two round trips.

    prepare   BEGIN, the append lock; heads, rows, positions, and what a claim needs first
              decide, if there is a decision: it may read more, in further round trips
              plan: which units are accepted, which rows come out (`eventlog.append.plan`)
    commit    events, rows, notification, COMMIT

The writer handles the errors (decision 1 has the figures). docs/claims.md counts a claim's reads.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Self
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from typing_extensions import ReadOnly, TypedDict

from domain.clock import CLOCK_STEP, from_iso
from domain.errors import LogUnavailableError, VersionConflictError
from domain.ports import Claimant, Locked, Saved, Unit
from eventlog.append.locked_log import LockedLog, PipelinedClaim
from eventlog.append.lookups import LockedReader, WriterCache
from eventlog.append.plan import READ_BACK, Key, Plan, Statement, accept_or_refuse, key_of
from eventlog.archive.reading import HistoryRow, resolve_marks
from eventlog.database import sql
from eventlog.database.clock import DatabaseClock
from eventlog.database.pipeline import Answer, RoundTrip, roll_back
from eventlog.keys import LogFiles
from projections.flow import candidates
from projections.rows import Connection, as_rows, read_rows

DecideEvents = Callable[[Locked], Awaitable[Sequence[StoredEvent]]]

Outcome = Saved | VersionConflictError | LogUnavailableError
"""What was saved, or why one request of a batch was refused."""


@dataclass
class Request:
    """One caller's append: events that are ready, or a decision to be made under the lock.

    Attributes:
        unit: the events; set by the batch where `decide` makes them.
        claimant: who claims runs, if the decision is a claim.
        breaks: number of breaks of the log's continuity when this was requested.
        outcome: filled by the batch.
        is_committing: whether its events may be in the log.
        is_withdrawn: whether they must no longer be appended.
        requested_at: seconds of the monotonic clock.
        size: bytes of the events that were ready when it was made.
    """

    unit: Unit
    decide: DecideEvents | None = None
    claimant: Claimant | None = None
    breaks: int = 0
    outcome: Outcome | None = None
    is_committing: bool = False
    is_withdrawn: bool = False
    requested_at: float = field(default_factory=monotonic)
    size: int = field(init=False)

    def __post_init__(self) -> None:
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
    """Measures how long a transaction holds the append lock, without its wait for it.

    Attributes:
        held_s: set at the end; 0 where the lock was not acquired.
    """

    def __init__(
        self, observe: Callable[[float], None], clock: DatabaseClock | None = None
    ) -> None:
        """Call `observe` with the seconds at the end, if the lock was acquired.

        The clock follows the database's as soon as the lock is acquired, before any decision.
        """
        self._observe = observe
        self._clock = clock
        self._began = monotonic()
        self._began_at: datetime | None = None
        self._waited_s: float | None = None
        self._acquired_at: datetime | None = None
        self.held_s = 0.0

    def acquired(self, answer: Answer) -> None:
        """Read the answer to `sql.LOCK`."""
        [row] = as_rows(_Lock, answer.rows)
        self._waited_s = row["acquired_s"] - row["requested_s"]
        if self._clock is not None and self._began_at is not None:
            self._acquired_at = datetime.fromtimestamp(row["acquired_s"], UTC)
            self._clock.follow(self._began_at, self._acquired_at)

    def is_before(self, moment: datetime | None) -> bool:
        """Return whether a present is still to come: the database's clock was set back since."""
        if moment is None or self._acquired_at is None:
            return False
        return moment > self._acquired_at + CLOCK_STEP

    def __enter__(self) -> Self:
        """Begin."""
        self._began = monotonic()
        if self._clock is not None:
            self._began_at = self._clock()
        return self

    def __exit__(self, *_: object) -> None:
        """Observe how long the lock was held, also after an error."""
        if self._waited_s is not None:
            self.held_s = monotonic() - self._began - self._waited_s
            self._observe(self.held_s)


class _Lock(TypedDict):
    requested_s: ReadOnly[float]
    acquired_s: ReadOnly[float]


async def prepare(
    connection: Connection,
    files: LogFiles,
    requests: list[Request],
    cache: WriterCache,
    lock: LockTime,
) -> list[Statement]:
    """Lock, decide and set each request's outcome; return the statements to execute.

    Without statements, the transaction has ended.
    """
    for request in requests:
        request.outcome = None
    deciding = next((request for request in requests if request.decide is not None), None)
    reader = LockedReader(connection, files, cache.running)
    units = [request.unit for request in requests if request is not deciding]
    locked = await _begin(reader, cache, units, deciding, lock)
    if deciding is not None and deciding.decide is not None and locked is not None:
        deciding.unit = replace(deciding.unit, events=await deciding.decide(locked))
        units.insert(0, deciding.unit)
    await reader.read_missing(units, requested=deciding is None)
    plan = Plan(reader.locked)
    for request in in_log_order(requests):
        if lock.is_before(request.unit.decided_at):
            request.outcome = VersionConflictError("the clock was set back since it was decided")
        elif request.unit.events:
            request.outcome = accept_or_refuse(plan, request.unit)
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


def in_log_order(requests: Sequence[Request]) -> list[Request]:
    """Return a batch's requests in the order of their events in the log.

    The decision first: its events follow the log that it has read. Commands behind it decide again.
    """
    decisions = [request for request in requests if request.decide is not None]
    return decisions + [request for request in requests if request.decide is None]


async def _end_without_events(connection: Connection, deciding: Request | None) -> None:
    if deciding is None:
        await roll_back(connection)
    else:
        # It may have written other tables, such as the workers' when an idle worker is lost.
        await commit(connection, [])


def drop_withdrawn(requests: Sequence[Request]) -> list[Request]:
    """Return the requests that were not withdrawn; certainly none of them is in the log."""
    for request in requests:
        request.is_committing = False
    return [request for request in requests if not request.is_withdrawn]


def begin_commit(requests: Sequence[Request]) -> bool:
    """Keep the requests from being withdrawn; return False if one has been."""
    if any(request.is_withdrawn for request in requests):
        return False
    for request in requests:
        request.is_committing = True
    return True


async def commit(connection: Connection, written: Iterable[Statement]) -> None:
    """Write and commit in one round trip: after an error before COMMIT, nothing is committed."""
    trip = RoundTrip(connection)
    for statement, parameter in written:
        trip.add(statement, (parameter,))
    trip.add("COMMIT")
    await trip.send()


def share_lock_time(requests: Sequence[Request], held_s: float) -> None:
    """Set each unit's share of the time that the lock was held."""
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


async def is_committed(
    connection: Connection, files: LogFiles, requests: Iterable[Request]
) -> bool:
    """Return whether a batch is in the log whose commit got no answer.

    Compares id, version, topic and bytes. Takes the append lock first: a transaction that is still
    open in the server holds it, so what is read after that is final.
    """
    expected: dict[Key, tuple[str, bytes]] = {}
    for request in requests:
        if not request.appended:
            continue
        for event in request.unit.events:
            key = key_of(event)
            expected[key] = (event.topic, event.state)
    await connection.execute(sql.BEGIN_LOCKED)
    ids = [aggregate_id for aggregate_id, _ in expected]
    values = {"ids": ids, "versions": [version for _, version in expected]}
    rows = await read_rows(connection, HistoryRow, READ_BACK, values)
    stored_rows = await resolve_marks(connection, files.archive, rows)
    await roll_back(connection)
    stored: dict[Key, tuple[str, bytes]] = {}
    for row in stored_rows:
        key = (UUID(row["originator_id"]), row["originator_version"])
        stored[key] = (row["topic"], row["state"])
    return all(stored.get(key) == content for key, content in expected.items())


class _Present(TypedDict):
    now: ReadOnly[str]


async def _begin(
    reader: LockedReader,
    cache: WriterCache,
    units: Sequence[Unit],
    deciding: Request | None,
    lock: LockTime,
) -> LockedLog | None:
    """Take the lock, and read what units and decision need first, in one round trip."""
    connection = reader.connection
    trip = RoundTrip(connection)
    trip.add(sql.BEGIN)
    locking = trip.add(sql.LOCK)
    present: Answer | None = None
    claim: PipelinedClaim | None = None
    if deciding is not None:
        present = trip.add(candidates.PRESENT)
        if deciding.claimant is not None:
            queue = cache.queue_of(deciding.claimant)
            claim = PipelinedClaim.request(trip, queue, deciding.claimant)
    needs = reader.needs_of(units)
    if claim is not None and claim.expected is not None:
        needs = needs.with_positions(len(claim.expected.run_ids))
    reader.request(trip, needs)
    await trip.send()
    lock.acquired(locking)
    reader.read_answers()
    if present is None:
        return None
    [row] = as_rows(_Present, present.rows)
    return LockedLog(connection, from_iso(row["now"]), reader, claim)
