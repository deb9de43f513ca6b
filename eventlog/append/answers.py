"""What those who wait for the writer are told."""

import asyncio

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
