"""What those who wait for the writer are told, and how long they may have to wait."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import psycopg

from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    PositionsUsedError,
    SubjectKeysUnavailableError,
    VersionConflictError,
)
from domain.ports import Saved
from eventlog.append.batch import Request
from eventlog.archive.files import ArchiveError

RETRY_PAUSE_S = 0.1


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
    return error


def fail_all(waiting: list[Waiting], error: Exception) -> None:
    """Tell all who still wait that their units failed."""
    for request, future in waiting:
        if not future.done():
            future.set_exception(_for_one(error, request))


def answer(
    future: "asyncio.Future[Saved]", outcome: Saved | VersionConflictError | None
) -> None:
    """Tell a caller what became of its unit."""
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
