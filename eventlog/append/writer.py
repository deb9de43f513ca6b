"""The one writer of a process: gathers what is to be appended and commits it in groups.

First continuity: what was decided on another log is refused. Then the requests that wait, their
answers, and how long they may have to wait (`Line`, `Patience`); then the `Writer`.

While one transaction is under way, requests queue up; the next takes them all. So a lone request
waits for none, and a thousand share a commit. Many callers that repeat their requests fall into two
groups by themselves: one decides while the database writes what the other has decided.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
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
    WorkerBuriedError,
)
from domain.ports import Claimant, Origin, Saved, Unit
from eventlog.append.lookups import Remembered
from eventlog.append.plan import key_of
from eventlog.append.transaction import (
    DecideEvents,
    LockTime,
    Request,
    begin_commit,
    commit,
    committed,
    in_order,
    prepare,
    still_wanted,
    tell_held,
)
from eventlog.archive.files import ArchiveError
from eventlog.database.connection import Database
from eventlog.database.continuity import Continuity
from eventlog.database.failures import is_passing, is_unavailable
from eventlog.database.pipeline import is_sound, roll_back
from projections.rows import Connection
from runtime.metrics import Metrics
from runtime.request_writes import current_writes
from runtime.tasks import Supervised, Supervision, end, start_once

# The log's continuity (`eventlog.database.continuity`), as the writer keeps it.


def refuse_outdated(requests: Iterable[Request], continuity: Continuity) -> None:
    """Refuse what was decided on a log that is no more.

    Raises:
        LogUnavailableError: there is such a request; nothing was written.
    """
    if any(request.breaks != continuity.breaks for request in requests):
        raise LogUnavailableError("the log went back: decide anew")


def note_last(requests: Sequence[Request], continuity: Continuity) -> None:
    """Remember the last event of a batch that is committed."""
    for request in reversed(in_order(requests)):
        if not isinstance(request.outcome, Saved) or not request.appended:
            continue
        event = request.unit.events[-1]
        aggregate_id, version = key_of(event)
        digest = sha256(event.state).digest()
        continuity.note(request.outcome.positions[-1], aggregate_id, version, digest)
        return


# Requests that wait for the writer: their batches, their answers, how long they may have to wait.

RETRY_PAUSE_S = 0.1

STOPPING = "the service is stopping"

MAX_WAITING = 5_000
"""Requests that may wait. At a few thousand a second this is a second or two; beyond, a clear 429
is kinder."""

MAX_BATCH = 256
"""Requests in one transaction: enough to make the commit's cost vanish, few enough to keep the lock
for some 50 ms."""

MAX_WAITING_BYTES = 67_108_864
"""The same, by the size of their events: one may be a megabyte long, and is held more than once."""

MAX_BATCH_BYTES = 4_194_304
"""The same of a batch, for others wait for the lock: one that is reached takes no more."""

WORTH_A_COMMIT = 16
"""As many requests as are never divided among two transactions. Answers to fewer are not held back
either: there is little to overlap, and a worker waits for them with free slots."""

HELD_S = 0.005
"""For how long an answer may be held back, should the next batch not be on its way before."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a database that is away.

    Attributes:
        write_s: before a request is told that nothing was written.
        locked_s: the same where somebody keeps a table locked. Counted from when it was asked.
        settle_s: for the fate of a commit without an answer. A session that was cut off may hold
            the lock for `IDLE_IN_TRANSACTION_MS`, and a server that crashed needs its time to
            recover.
    """

    write_s: float = 5.0
    locked_s: float = 0.4
    settle_s: float = 20.0

    def locked_until(self, requests: Iterable[Request]) -> float:
        """Return until when these may wait for a table that is locked, by the monotonic clock."""
        return min(request.asked_at for request in requests) + self.locked_s


class CommitFailedError(LogUnavailableError):
    """The database was reached, but did not commit what it was given; nothing was written."""


Waiting = tuple[Request, "asyncio.Future[Saved]"]


class Line:
    """Requests that wait for the writer, or that it has in hand."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(MAX_WAITING)
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        """Return whether nobody waits to be taken."""
        return self._queue.empty()

    def join(self, request: Request) -> "asyncio.Future[Saved]":
        """Have a request wait; return what it waits for.

        Raises:
            OverloadedError: as many wait as may.
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

    async def take(self) -> list[list[Waiting]]:
        """Wait for requests; return what to write, in turn. Each is to be let go of afterwards.

        Those who come at once to a writer at rest are mostly those whom it has just answered: in
        one batch again, they would decide while the database rests, and wait while it writes. So
        half of them begin, and the others are ready by the time that these are committed.
        """
        was_at_rest = self._queue.empty()
        first = await self._queue.get()
        most = MAX_BATCH
        if was_at_rest:
            half = (1 + self._queue.qsize()) // 2
            most = min(most, max(half, WORTH_A_COMMIT))
        return self._batches(first, most)

    def _batches(self, first: Waiting, most: int) -> list[list[Waiting]]:
        """Take what fits beside the first.

        Decisions under the lock read the log before the batch's own events: only one of them in a
        batch is exact. A second one has a batch of its own.
        """
        taken = [first]
        has_decision = first[0].decide is not None
        size = first[0].size
        with suppress(asyncio.QueueEmpty):
            while len(taken) < most and size < MAX_BATCH_BYTES:
                waiting = self._queue.get_nowait()
                request, _ = waiting
                if request.decide is not None and has_decision:
                    return [taken, [waiting]]
                taken.append(waiting)
                size += request.size
                has_decision = has_decision or request.decide is not None
        return [taken]

    def let_go(self, batch: list[Waiting]) -> None:
        """Count those no more who have their answers."""
        self._bytes -= sum([request.size for request, _ in batch])
        for _ in batch:
            self._queue.task_done()

    async def emptied(self) -> None:
        """Wait until all who came have been let go."""
        await self._queue.join()

    def dissolve(self, error: Exception) -> None:
        """Tell all who wait to be taken that their units failed."""
        while not self._queue.empty():
            fail_all([self._queue.get_nowait()], error)


class HeldBack:
    """Answers that are held back for a moment, until the next batch is on its way.

    Whoever is answered mostly asks for more at once. Told before the next batch is planned, they
    would do so before the database has anything to write; told now, they do so while it writes.
    """

    def __init__(self) -> None:
        self._held: list[Waiting] = []

    def answer(self, saved: list[Waiting], *, others_wait: bool) -> None:
        """Answer those of a batch that is committed: at once, unless a next batch is at hand."""
        self.tell()
        if not others_wait or len(saved) < WORTH_A_COMMIT:
            tell_all(saved)
            return
        self._held = saved
        asyncio.get_running_loop().call_later(HELD_S, self._tell_if_held, saved)

    def tell(self) -> None:
        """Give the answers now."""
        held, self._held = self._held, []
        tell_all(held)

    def _tell_if_held(self, saved: list[Waiting]) -> None:
        if self._held is saved:
            self.tell()


def is_settled(error: Exception) -> bool:
    """Return whether the transaction is over, so that all its requests have the same answer."""
    # An archive or a key that cannot be read breaks off a decision in its middle, and so do
    # positions that are of no use.
    broken_off = ArchiveError | SubjectKeysUnavailableError | PositionsUsedError
    if isinstance(error, broken_off):
        return False
    return isinstance(error, LogUnavailableError | OutcomeUnknownError)


def _for_one(error: Exception, request: Request) -> Exception:
    if isinstance(error, OutcomeUnknownError):
        # A unit that was refused for itself is certainly not in the log.
        return (
            OutcomeUnknownError(request.unit.public_ids)
            if request.appended
            else VersionConflictError()
        )
    # It leads to the frames of the writer, and these to those who wait and to all their events.
    return error.with_traceback(None)


def fail_all(waiting: list[Waiting], error: Exception) -> None:
    """Tell all who still wait that their units failed."""
    for request, future in waiting:
        if not future.done():
            future.set_exception(_for_one(error, request))


def tell_all(committed: list[Waiting]) -> None:
    """Tell all of a batch what became of their units."""
    for request, future in committed:
        if request.is_withdrawn:
            fail_all([(request, future)], LogUnavailableError(STOPPING))
        else:
            _answer(future, request.outcome)


def _answer(future: "asyncio.Future[Saved]", outcome: Saved | VersionConflictError | None) -> None:
    if future.done():
        # The caller went away; what it asked for is in the log all the same.
        return
    if isinstance(outcome, Saved):
        future.set_result(outcome)
    else:
        future.set_exception(outcome or VersionConflictError())


async def pause_or_give_up(deadline: float, error: psycopg.Error, *, committing: bool) -> None:
    """Wait before a database that failed is tried again, unless that went on for too long.

    Raises:
        LogUnavailableError: it did.
    """
    if monotonic() < deadline:
        await asyncio.sleep(RETRY_PAUSE_S)
        return
    message = f"the log cannot be written: {error}"
    if committing:
        raise CommitFailedError(message) from error
    raise LogUnavailableError(message) from error


logger = logging.getLogger(__name__)

_REFUSALS = (DomainError, WorkerBuriedError, SubjectKeysUnavailableError, ArchiveError)
"""What a decision may well answer; anything else is a defect, of which nobody would know more than
its caller."""


class Writer:
    """Appends units of events with their rows. Start it in the loop that uses it."""

    def __init__(
        self, database: Database, patience: Patience | None = None, metrics: Metrics | None = None
    ) -> None:
        self.database = database
        self._patience = patience or Patience()
        self._metrics = metrics or Metrics()
        self._line = Line()
        self._held_back = HeldBack()
        self._connection: Connection | None = None
        self.remembered = Remembered()
        database.continuity.on_doubt(self.remembered.forget_queues)
        self._task: Supervised | None = None
        self._closing = False

    async def start(self, supervision: Supervision) -> None:
        """Begin to work off the queue."""
        self._task = supervision.start("log writer", self._run)

    async def stop(self) -> None:
        """Refuse what is new, finish what waits, and close."""
        self._closing = True
        if self._task is not None:
            await self._finish(self._task)
        self._held_back.tell()
        self._line.dissolve(LogUnavailableError("the service has stopped"))
        await self._disconnect()

    async def _finish(self, writing: Supervised) -> None:
        writing.finish()
        emptied = start_once("emptying the log writer's queue", self._line.emptied())
        # A writer that was cancelled from elsewhere, or dies now, will never empty its queue.
        await asyncio.wait([emptied, writing.task], return_when=asyncio.FIRST_COMPLETED)
        await end(emptied)
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
        if self._closing or (writes is not None and writes.are_withdrawn):
            raise LogUnavailableError(STOPPING)
        request.breaks = self.database.continuity.breaks
        future = self._line.join(request)
        if writes is not None:
            writes.begin(request)
        try:
            return await future
        except Exception as error:
            if writes is not None and not isinstance(error, OutcomeUnknownError):
                writes.refused(request)
            raise
        finally:
            self._metrics.append_s.observe(monotonic() - request.asked_at)
            # A refusal leads to this frame. If the frame led to the refusal, both, and megabytes
            # of events, would stay until the garbage is looked through.
            del request, future

    async def _run(self) -> None:
        # One that died has left its session in the middle of anything.
        await self._disconnect()
        while True:
            batches = await self._line.take()
            try:
                for batch in batches:
                    await self._write(batch, self._patience.write_s)
            except BaseException:
                # Nobody waits for an answer that nobody will give.
                self._held_back.tell()
                for batch in batches:
                    fail_all(batch, OutcomeUnknownError())
                raise
            finally:
                for batch in batches:
                    self._line.let_go(batch)

    async def _write(self, batch: list[Waiting], patience_s: float) -> None:
        """Write a batch and answer everyone in it, whatever happens."""
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
            self._held_back.answer(live, others_wait=not self._line.is_empty)

    async def _write_singly(self, live: list[Waiting], error: CommitFailedError) -> None:
        """Try each request once by itself: it may be one of them that cannot be committed."""
        deadline = monotonic() + self._patience.write_s
        for one in live:
            if monotonic() < deadline:
                await self._write([one], patience_s=0.0)
            else:
                fail_all([one], error)

    async def _refuse(self, live: list[Waiting], error: Exception) -> None:
        """Undo what an error has left half done, and tell whom it is about, and nobody else."""
        await self._rollback()
        if len(live) > 1:
            for one in live:
                await self._write([one], self._patience.write_s)
            return
        if isinstance(error, _REFUSALS):
            logger.info("an append was refused: %r", error)
        else:
            logger.error("an append failed: %r", error, exc_info=error)
        fail_all(live, error)

    async def _commit(self, requests: list[Request], patience_s: float) -> None:
        """Commit the requests, through lost connections, until their fate is certain."""
        deadline = monotonic() + patience_s
        while requests := still_wanted(requests):
            try:
                connection = await self._connected()
                refuse_outdated(requests, self.database.continuity)
                if await self._try_commit(connection, requests):
                    return
            except psycopg.Error as error:
                if not is_unavailable(error):
                    raise
                committing = requests[0].is_committing
                if is_passing(error):
                    await self._rollback()
                else:
                    await self._disconnect()
                    if committing and await self._settled(requests):
                        return
                if isinstance(error, psycopg.errors.LockNotAvailable):
                    # It is none of the requests that cannot be committed.
                    committing = False
                    deadline = min(deadline, self._patience.locked_until(requests))
                await pause_or_give_up(deadline, error, committing=committing)

    async def _try_commit(self, connection: Connection, requests: list[Request]) -> bool:
        """Commit the requests; return False if one was withdrawn meanwhile, then none is."""
        with LockTime(self._metrics.lock_hold_s.observe) as lock:
            statements = await prepare(
                connection, self.database.files, requests, self.remembered, lock
            )
            if statements:
                if not begin_commit(requests):
                    await roll_back(connection)
                    return False
                self._held_back.tell()
                await commit(connection, statements)
        if statements:
            tell_held(requests, lock.held_s)
            self._note(requests)
        return True

    def _note(self, requests: list[Request]) -> None:
        self._metrics.batch_size.observe(len(requests))
        for request in requests:
            if isinstance(request.outcome, Saved):
                self.remembered.running.note(request.outcome.rows)
        note_last(requests, self.database.continuity)

    async def _settled(self, requests: list[Request]) -> bool:
        """Return whether a batch whose commit got no answer is in the log."""
        deadline = monotonic() + self._patience.settle_s
        while monotonic() < deadline:
            try:
                return await committed(await self._connected(), self.database.files, requests)
            except (psycopg.Error, ArchiveError) as error:
                logger.warning("the fate of a commit is unknown, asking again: %s", error)
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
            logger.info("cannot undo a transaction, so its session ends: %s", error)
        await self._disconnect()

    async def _disconnect(self) -> None:
        self.remembered.running.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
