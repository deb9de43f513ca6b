"""Who waits for the writer: their batches, what they are told, how long they may have to wait."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import psycopg

from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    PositionsUsedError,
    SubjectKeysUnavailableError,
    VersionConflictError,
)
from domain.ports import Saved
from eventlog.append.batch import Request
from eventlog.archive.files import ArchiveError

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
        first = min(request.asked_at for request in requests)
        return first + self.locked_s


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
        sizes = [request.size for request, _ in batch]
        self._bytes -= sum(sizes)
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
            OutcomeUnknownError(request.unit.aggregate_ids)
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


def _answer(
    future: "asyncio.Future[Saved]", outcome: Saved | VersionConflictError | None
) -> None:
    if future.done():
        # The caller went away; what it asked for is in the log all the same.
        return
    if isinstance(outcome, Saved):
        future.set_result(outcome)
    else:
        future.set_exception(outcome or VersionConflictError())


async def pause_or_give_up(
    deadline: float, error: psycopg.Error, *, committing: bool
) -> None:
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
