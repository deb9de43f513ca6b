"""The one writer of a process: gathers what is to be appended and commits it in groups.

While one transaction is under way, requests queue up; the next takes them all. So a lone request
waits for nobody, and a thousand share a commit. Many callers who ask again and again fall into two
groups by themselves: one decides while the database writes what the other has decided
(`eventlog.append.waiting`).
"""

import asyncio
import logging
from time import monotonic

import psycopg

from domain.errors import (
    DomainError,
    LogUnavailableError,
    OutcomeUnknownError,
    SubjectKeysUnavailableError,
    WorkerBuriedError,
)
from domain.ports import Claimant, Origin, Saved, Unit
from eventlog.append.batch import (
    DecideEvents,
    LockTime,
    Request,
    begin_commit,
    commit,
    committed,
    prepare,
    still_wanted,
    tell_held,
)
from eventlog.append.running_rows import Remembered
from eventlog.append.seen import note_last, refuse_outdated
from eventlog.append.waiting import (
    RETRY_PAUSE_S,
    STOPPING,
    CommitFailedError,
    HeldBack,
    Line,
    Patience,
    Waiting,
    fail_all,
    is_settled,
    pause_or_give_up,
)
from eventlog.archive.files import ArchiveError
from eventlog.database.connection import Database
from eventlog.database.failures import is_passing, is_unavailable
from eventlog.database.pipeline import is_sound, roll_back
from projections.rows import Connection
from runtime.background_tasks import end, start_once
from runtime.metrics import Metrics
from runtime.request_writes import current_writes
from runtime.supervision import Supervised, Supervision

logger = logging.getLogger(__name__)

_REFUSALS = (DomainError, WorkerBuriedError, SubjectKeysUnavailableError, ArchiveError)
"""What a decision may well answer; anything else is a defect, of which nobody would know more than
its caller."""


class Writer:
    """Appends units of events with their rows. Start it in the loop that uses it."""

    def __init__(
        self,
        database: Database,
        patience: Patience | None = None,
        metrics: Metrics | None = None,
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
        self, decide: DecideEvents, origin: Origin, claimant: Claimant | None = None
    ) -> Saved:
        """Append what `decide` returns; see `domain.ports.Log.append_under_lock`."""
        undecided = Unit((), origin)
        return await self._submit(Request(undecided, decide, claimant))

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

    async def _write_singly(
        self, live: list[Waiting], error: CommitFailedError
    ) -> None:
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

    async def _try_commit(
        self, connection: Connection, requests: list[Request]
    ) -> bool:
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
                return await committed(
                    await self._connected(), self.database.files, requests
                )
            except (psycopg.Error, ArchiveError) as error:
                logger.warning(
                    "the fate of a commit is unknown, asking again: %s", error
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
            logger.info("cannot undo a transaction, so its session ends: %s", error)
        await self._disconnect()

    async def _disconnect(self) -> None:
        self.remembered.running.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
