"""The one writer of a process: it gathers appends and commits them in groups.

First continuity: what was decided on another log is refused. Then the requests that wait, their
answers, and their time-outs (`RequestQueue`, `WriteTimeouts`); then the `Writer`.

While one transaction is under way, requests queue up; the next takes them all. So a lone request
waits for no other, and a thousand share a commit. Many callers that repeat their requests form two
groups by themselves: one decides while the database writes what the other has decided.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic

import psycopg

from domain.errors import (
    DomainError,
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    PositionsUsedError,
    SubjectKeysUnavailableError,
    VersionConflictError,
    WorkerLostError,
)
from domain.ports import Claimant, Origin, Saved, Unit
from eventlog.append.lookups import WriterCache
from eventlog.append.plan import key_of
from eventlog.append.transaction import (
    DecideEvents,
    LockTime,
    Outcome,
    Request,
    begin_commit,
    commit,
    drop_withdrawn,
    in_log_order,
    is_committed,
    prepare,
    share_lock_time,
)
from eventlog.archive.files import ArchiveError
from eventlog.database.clock import DatabaseClock
from eventlog.database.connection import Database, answered_within
from eventlog.database.continuity import Continuity
from eventlog.database.failures import is_transient, is_unavailable
from eventlog.database.pipeline import is_sound, roll_back
from projections.rows import Connection
from runtime.metrics import Metrics
from runtime.request_writes import current_writes
from runtime.tasks import Supervised, Supervision, end_tasks, start_once

# The log's continuity (`eventlog.database.continuity`), as the writer keeps it.


def refuse_outdated(requests: Iterable[Request], continuity: Continuity) -> list[Request]:
    """Refuse the requests that were decided before the log's continuity broke; return the others.

    Nothing of those that are refused was written.
    """
    current: list[Request] = []
    for request in requests:
        if request.breaks == continuity.breaks:
            current.append(request)
        else:
            request.outcome = LogUnavailableError("the log went back: decide anew")
    return current


def record_last_event(requests: Sequence[Request], continuity: Continuity) -> None:
    """Record the last event of a committed batch."""
    for request in reversed(in_log_order(requests)):
        if not isinstance(request.outcome, Saved) or not request.appended:
            continue
        event = request.unit.events[-1]
        aggregate_id, version = key_of(event)
        digest = sha256(event.state).digest()
        position = request.outcome.positions[-1]
        continuity.record(position, aggregate_id, version, digest, breaks=request.breaks)
        return


# Requests that wait for the writer: their batches, answers and time-outs.

RETRY_PAUSE_S = 0.1
"""The pause between two tries while the database is away."""

STOPPING = "the service is stopping"

MAX_WAITING = 5_000
"""Requests that may wait. At a few thousand a second this is a second or two; a clear 429 is better
than a longer wait."""

MAX_BATCH = 256
"""Requests in one transaction: enough to make the commit's cost negligible, few enough to hold the
lock for some 50 ms."""

MAX_WAITING_BYTES = 67_108_864
"""The same, by the size of their events: one may have a megabyte, and is in memory more than
once."""

MAX_BATCH_BYTES = 4_194_304
"""The same of a batch, because others wait for the lock: a batch that reaches it takes no more."""

MIN_BATCH = 16
"""Fewer requests are never divided among two transactions, and their answers are not delayed: there
is little to overlap, and a worker waits for them with free slots."""

ANSWER_DELAY_S = 0.005
"""Longest delay of an answer, if the next batch is not on its way before."""


@dataclass(frozen=True)
class WriteTimeouts:
    """How long the writer waits for a database that is away.

    Attributes:
        write_s: from a request until it fails because nothing was written.
        locked_s: the same while another session keeps a table locked.
        settle_s: to learn whether a commit without an answer is in the log. A session that was cut
            off may hold the lock for `IDLE_IN_TRANSACTION_MS`, and a server that crashed needs
            time to recover. A stop waits as long for a server that answers nothing.
        prepare_s: until all that a transaction writes has been decided, the wait for the append
            lock included. Reads that a decision makes under the lock have no other limit.
    """

    write_s: float = 5.0
    locked_s: float = 0.4
    settle_s: float = 20.0
    prepare_s: float = 60.0


class CommitFailedError(LogUnavailableError):
    """The database was reached, but did not commit; nothing was written."""


Waiting = tuple[Request, "asyncio.Future[Saved]"]


class RequestQueue:
    """Requests that wait for the writer or are being written: a batch at a time."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(MAX_WAITING)
        self._second_decision: Waiting | None = None
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        """Return whether no request waits."""
        return self._second_decision is None and self._queue.empty()

    def put(self, request: Request) -> "asyncio.Future[Saved]":
        """Add a request; return the future of its answer.

        Raises:
            OverloadedError: too many requests or bytes wait already.
        """
        if self._bytes > MAX_WAITING_BYTES:
            raise OverloadedError(f"{self._bytes} bytes wait already")
        future: asyncio.Future[Saved] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((request, future))
        except asyncio.QueueFull:
            raise OverloadedError(f"{MAX_WAITING} appends wait already") from None
        self._bytes += request.size
        return future

    async def next_batch(self) -> list[Waiting]:
        """Wait for requests; return those to write together. Release them afterwards.

        Requests that arrive together at an idle writer mostly come from callers that it has just
        answered: in one batch again, they would decide while the database is idle, and wait while
        it writes. So half of them begin, and the others are ready when these are committed.
        With a worker's backlog in one group, the writer rests for a third of the time, else for a
        twentieth (docs/performance.md).

        Decisions under the lock do not see the batch's own events, so a batch has one of them at
        most; a second one begins the next batch.
        """
        was_at_rest = self.is_empty
        first = self._second_decision or await self._queue.get()
        self._second_decision = None
        limit = MAX_BATCH
        if was_at_rest:
            half = (1 + self._queue.qsize()) // 2
            limit = min(limit, max(half, MIN_BATCH))
        batch = [first]
        has_decision = first[0].decide is not None
        size = first[0].size
        while len(batch) < limit and size < MAX_BATCH_BYTES and not self._queue.empty():
            waiting = self._queue.get_nowait()
            request, _ = waiting
            if request.decide is not None:
                if has_decision:
                    self._second_decision = waiting
                    break
                has_decision = True
            batch.append(waiting)
            size += request.size
        return batch

    def release(self, batch: list[Waiting]) -> None:
        """Count off the requests of a batch that have their answers."""
        self._bytes -= sum([request.size for request, _ in batch])
        for _ in batch:
            self._queue.task_done()

    async def drained(self) -> None:
        """Wait until all requests have been released."""
        await self._queue.join()

    def fail_waiting(self, error: Exception) -> None:
        """Fail all requests that wait."""
        if self._second_decision is not None:
            fail_all([self._second_decision], error)
        while not self._queue.empty():
            fail_all([self._queue.get_nowait()], error)


class DelayedAnswers:
    """Answers that are delayed for a moment, until the next batch is on its way.

    Callers mostly send their next request at once. Answered before the next batch is planned, they
    would do so while the database has nothing to write; answered now, they do so while it writes:
    then a worker with a backlog is busy for 77 % of the time, else for 72 % (docs/performance.md).
    """

    def __init__(self) -> None:
        self._delayed: list[Waiting] = []

    def answer(self, saved: list[Waiting], *, others_wait: bool) -> None:
        """Answer a committed batch: at once, unless a next batch waits."""
        self.deliver()
        if not others_wait or len(saved) < MIN_BATCH:
            answer_all(saved)
            return
        self._delayed = saved
        asyncio.get_running_loop().call_later(ANSWER_DELAY_S, self._deliver_if_delayed, saved)

    def deliver(self) -> None:
        """Send the answers now."""
        delayed, self._delayed = self._delayed, []
        answer_all(delayed)

    def _deliver_if_delayed(self, saved: list[Waiting]) -> None:
        if self._delayed is saved:
            self.deliver()


def is_settled(error: Exception) -> bool:
    """Return whether the transaction has ended, so that all its requests have the same answer."""
    # An archive or a key that cannot be read interrupts a decision, and so do positions that
    # cannot be used.
    interruptions = ArchiveError | SubjectKeysUnavailableError | PositionsUsedError
    if isinstance(error, interruptions):
        return False
    return isinstance(error, LogUnavailableError | OutcomeUnknownError)


def _error_for(error: Exception, request: Request) -> Exception:
    if isinstance(error, OutcomeUnknownError):
        # A unit that was refused for itself is certainly not in the log.
        return (
            OutcomeUnknownError(request.unit.public_ids)
            if request.appended
            else VersionConflictError()
        )
    # Its traceback refers to the writer's frames, and these to all waiting requests and events.
    return error.with_traceback(None)


def fail_all(batch: list[Waiting], error: Exception) -> None:
    """Fail the requests that still wait."""
    for request, future in batch:
        if not future.done():
            future.set_exception(_error_for(error, request))


def answer_all(batch: list[Waiting]) -> None:
    """Answer the requests of a batch."""
    for request, future in batch:
        if request.is_withdrawn:
            fail_all([(request, future)], LogUnavailableError(STOPPING))
        else:
            _answer(future, request.outcome)


def _answer(future: "asyncio.Future[Saved]", outcome: Outcome | None) -> None:
    if future.done():
        # The caller went away; its events are in the log all the same.
        return
    if isinstance(outcome, Saved):
        future.set_result(outcome)
    else:
        future.set_exception(outcome or VersionConflictError())


async def pause_or_give_up(deadline: float, error: psycopg.Error, *, committing: bool) -> None:
    """Wait before the next try after the database failed.

    Raises:
        LogUnavailableError: the deadline has passed.
    """
    if monotonic() < deadline:
        await asyncio.sleep(RETRY_PAUSE_S)
        return
    message = f"the log cannot be written: {error}"
    if committing:
        raise CommitFailedError(message) from error
    raise LogUnavailableError(message) from error


logger = logging.getLogger(__name__)

_REFUSALS = (DomainError, WorkerLostError, SubjectKeysUnavailableError, ArchiveError)
"""Errors that a decision may raise; any other is a defect, which only its caller would see."""


class Writer:
    """Appends units of events with their rows. Start it in the loop that uses it."""

    def __init__(
        self,
        database: Database,
        timeouts: WriteTimeouts | None = None,
        metrics: Metrics | None = None,
        clock: DatabaseClock | None = None,
    ) -> None:
        """Write to a database.

        Args:
            database: where the log is.
            timeouts: how long to wait while it is away.
            metrics: get the times that appends take.
            clock: by which units are decided. It follows the database's where that is set back, and
                what was decided before is refused.
        """
        self.database = database
        self._clock = clock
        self._timeouts = timeouts or WriteTimeouts()
        self._metrics = metrics or Metrics()
        self._requests = RequestQueue()
        self._delayed = DelayedAnswers()
        self._connection: Connection | None = None
        self.cache = WriterCache()
        database.continuity.on_invalidation(self.cache.forget_queues)
        self._task: Supervised | None = None
        self._closing = False

    async def start(self, supervision: Supervision) -> None:
        """Start to write."""
        self._task = supervision.start("log writer", self._run)

    async def stop(self) -> None:
        """Refuse new requests, write those that wait, and close."""
        self._closing = True
        if self._task is not None:
            await self._finish(self._task)
        self._delayed.deliver()
        self._requests.fail_waiting(LogUnavailableError("the service has stopped"))
        await self._disconnect()

    async def _finish(self, writing: Supervised) -> None:
        writing.finish()
        drained = start_once("emptying the log writer's queue", self._requests.drained())
        # A writer that was cancelled from elsewhere, or dies now, will never empty its queue, and
        # one whose server answers nothing takes too long.
        await asyncio.wait(
            [drained, writing.task],
            timeout=self._timeouts.settle_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        await end_tasks(drained)
        await writing.end()

    async def append(self, unit: Unit) -> Saved:
        """Append a unit; see `domain.ports.Log.append`."""
        return await self._submit(Request(unit))

    async def append_under_lock(
        self,
        decide: DecideEvents,
        origin: Origin,
        claimant: Claimant | None = None,
        known_as: Sequence[str] = (),
    ) -> Saved:
        """Append what `decide` returns; see `domain.ports.Log.append_under_lock`."""
        return await self._submit(Request(Unit((), origin, known_as=known_as), decide, claimant))

    async def _submit(self, request: Request) -> Saved:
        writes = current_writes.get()
        if self._closing or (writes is not None and writes.is_closed):
            raise LogUnavailableError(STOPPING)
        request.breaks = self.database.continuity.breaks
        future = self._requests.put(request)
        if writes is not None:
            writes.add(request)
        try:
            return await future
        except Exception as error:
            if writes is not None and not isinstance(error, OutcomeUnknownError):
                writes.discard(request)
            raise
        finally:
            self._metrics.append_s.observe(monotonic() - request.requested_at)
            # A refusal leads to this frame. If the frame led to the refusal, both, and megabytes
            # of events, would stay until the garbage is looked through.
            del request, future

    async def _run(self) -> None:
        # A writer that died has left its session in an unknown state.
        await self._disconnect()
        while True:
            batch = await self._requests.next_batch()
            try:
                await self._write(batch, self._timeouts.write_s)
            except BaseException:
                # No request may wait for an answer that will not come.
                self._delayed.deliver()
                fail_all(batch, OutcomeUnknownError())
                raise
            finally:
                self._requests.release(batch)

    async def _write(self, batch: list[Waiting], patience_s: float) -> None:
        """Write a batch and answer each of its requests, whatever happens."""
        live = [(request, future) for request, future in batch if not future.done()]
        requests = [request for request, _ in live]
        try:
            await self._commit(requests, patience_s)
        except Exception as error:  # noqa: BLE001 - also a decision's refusal, or unfit data
            if isinstance(error, CommitFailedError) and len(live) > 1:
                await self._write_singly(live, error)
            elif is_settled(error):
                fail_all(live, error)
            else:
                await self._refuse(live, error)
        else:
            self._delayed.answer(live, others_wait=not self._requests.is_empty)

    async def _write_singly(self, live: list[Waiting], error: CommitFailedError) -> None:
        """Try each request once by itself: perhaps only one of them cannot be committed."""
        deadline = monotonic() + self._timeouts.write_s
        for waiting in live:
            if monotonic() < deadline:
                await self._write([waiting], patience_s=0.0)
            else:
                fail_all([waiting], error)

    async def _refuse(self, live: list[Waiting], error: Exception) -> None:
        """Roll back, and fail only the request that the error is about."""
        await self._rollback()
        if len(live) > 1:
            for waiting in live:
                await self._write([waiting], self._timeouts.write_s)
            return
        if isinstance(error, _REFUSALS):
            logger.info("an append was refused: %r", error)
        else:
            logger.error("an append failed: %r", error, exc_info=error)
        fail_all(live, error)

    async def _commit(self, requests: list[Request], patience_s: float) -> None:
        """Commit the requests; try again until it is certain whether they are in the log."""
        while requests := drop_withdrawn(requests):
            try:
                connection = await self._connected()
                requests = refuse_outdated(requests, self.database.continuity)
                if not requests or await self._try_commit(connection, requests):
                    return
            except psycopg.Error as error:
                if not is_unavailable(error):
                    raise
                committing = requests[0].is_committing
                if is_transient(error):
                    await self._rollback()
                else:
                    await self._disconnect()
                    if committing and await self._is_committed(requests):
                        return
                longest_s = patience_s
                if isinstance(error, psycopg.errors.LockNotAvailable):
                    # The requests are not the cause.
                    committing = False
                    longest_s = min(patience_s, self._timeouts.locked_s)
                # From the first request on: else each batch in the queue would wait as long again.
                requested_at = min(request.requested_at for request in requests)
                await pause_or_give_up(requested_at + longest_s, error, committing=committing)

    async def _try_commit(self, connection: Connection, requests: list[Request]) -> bool:
        """Commit the requests; commit none and return False if one was withdrawn meanwhile."""
        with LockTime(self._metrics.lock_hold_s.observe, self._clock) as lock:
            async with answered_within(self._timeouts.prepare_s):
                files = self.database.files
                statements = await prepare(connection, files, requests, self.cache, lock)
            if statements:
                if not begin_commit(requests):
                    await roll_back(connection)
                    return False
                self._delayed.deliver()
                await commit(connection, statements)
        if statements:
            share_lock_time(requests, lock.held_s)
            self._record_batch(requests)
        return True

    def _record_batch(self, requests: list[Request]) -> None:
        self._metrics.batch_size.observe(len(requests))
        for request in requests:
            if isinstance(request.outcome, Saved):
                self.cache.running.remember(request.outcome.rows)
        record_last_event(requests, self.database.continuity)

    async def _is_committed(self, requests: list[Request]) -> bool:
        """Return whether a batch whose commit got no answer is in the log."""
        deadline = monotonic() + self._timeouts.settle_s
        while monotonic() < deadline:
            try:
                async with answered_within(deadline - monotonic()):
                    connection = await self._connected()
                    return await is_committed(connection, self.database.files, requests)
            except (psycopg.Error, ArchiveError) as error:
                logger.warning(
                    "it is unknown whether a commit is in the log, reading again: %s", error
                )
                await self._disconnect()
                await asyncio.sleep(RETRY_PAUSE_S)
        raise OutcomeUnknownError

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self.database.connect()
        return self._connection

    async def _rollback(self) -> None:
        connection = self._connection
        try:
            if connection is not None and is_sound(connection):
                await roll_back(connection)
                return
        except psycopg.Error as error:
            logger.info("cannot roll back a transaction, so its session is closed: %s", error)
        await self._disconnect()

    async def _disconnect(self) -> None:
        self.cache.running.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
