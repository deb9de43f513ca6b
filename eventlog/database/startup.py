"""How a start of the service waits for a database that is away.

A server may also go away after the first check: it may restart, or recover from a crash. So each
step of a start that uses the database is repeated until it succeeds; each may be done twice. The
service's log says what the start waits for, at first and every `WARN_EVERY_S`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic, sleep
from typing import TypeVar

import psycopg

from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    PositionsUsedError,
    SubjectKeysUnavailableError,
)
from eventlog.database.failures import is_unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between two tries to reach a server that is away."""

WARN_EVERY_S = 5.0

_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
)
"""Parts of error messages after which waiting does not help."""

AWAY = (psycopg.Error, LogUnavailableError, OutcomeUnknownError, OverloadedError)
"""What a step may raise while the database is away."""


class StartupWait:
    """Waits for a database that is away, for `max_wait_s` each time."""

    def __init__(self, max_wait_s: float = 0.0) -> None:
        self._max_wait_s = max_wait_s
        self._away_since: float | None = None
        self._warned_at = float("-inf")

    def wait(self, step: Callable[[], T]) -> T:
        """Do a step of the start; repeat it while the database is away.

        Raises the step's last error once the wait is over, or at once if waiting does not help.
        """
        while True:
            try:
                result = step()
            except AWAY as error:
                sleep(self._pause_s(error))
            else:
                self._away_since = None
                return result

    async def wait_async(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do the same without blocking the event loop."""
        while True:
            try:
                result = await step()
            except AWAY as error:
                await asyncio.sleep(self._pause_s(error))
            else:
                self._away_since = None
                return result

    def _pause_s(self, error: Exception) -> float:
        """Return how long to pause before the next try; raise the error if there is none."""
        now = monotonic()
        if self._away_since is None:
            self._away_since = now
        remaining_s = self._away_since + self._max_wait_s - now
        if remaining_s <= 0 or not _is_temporary(error):
            raise error
        if now - self._warned_at > WARN_EVERY_S:
            self._warned_at = now
            reason = " ".join(str(error).split())
            logger.warning(
                "the database is away, waiting for up to %.0f s: %s", remaining_s, reason
            )
        return min(PAUSE_S, remaining_s)


def _is_temporary(error: Exception) -> bool:
    if isinstance(error, (SubjectKeysUnavailableError, PositionsUsedError)):
        return False  # An operator must do something first.
    if any(refusal in str(error) for refusal in _REFUSALS):
        return False
    return not isinstance(error, psycopg.Error) or is_unavailable(error)
