"""How a start waits for a database that is away: every step of it, through one place.

A server may go away after the first look as well, be it restarted, or recovering from a crash. So
whatever a start asks of the database is a step that is done again until it succeeds; all of them
may be done twice. One line tells what is waited for, and that again now and then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic, sleep
from typing import TypeVar

import psycopg

from domain.errors import LogUnavailableError, OutcomeUnknownError, OverloadedError
from eventlog.database.failures import is_unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between two tries to reach a server that is away."""

TELL_EVERY_S = 5.0

_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
)
"""What servers answer that will not change their mind."""

AWAY = (psycopg.Error, LogUnavailableError, OutcomeUnknownError, OverloadedError)
"""What a step may raise while the database is away."""


class Patience:
    """Waits for a database for so long each time that it goes away."""

    def __init__(self, longest_s: float = 0.0) -> None:
        self._longest_s = longest_s
        self._away_since: float | None = None
        self._told_at = float("-inf")

    def wait(self, step: Callable[[], T]) -> T:
        """Do a step of the start, again and again while the database is away.

        Raises whatever the step raises last.
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
        """Do the same without holding up others."""
        while True:
            try:
                result = await step()
            except AWAY as error:
                await asyncio.sleep(self._pause_s(error))
            else:
                self._away_since = None
                return result

    def _pause_s(self, error: Exception) -> float:
        """Return how long to wait before the next try; raise the error if there is to be none."""
        now = monotonic()
        if self._away_since is None:
            self._away_since = now
        left_s = self._away_since + self._longest_s - now
        if left_s <= 0 or not _may_pass(error):
            raise error
        if now - self._told_at > TELL_EVERY_S:
            self._told_at = now
            reason = " ".join(str(error).split())
            logger.warning(
                "the database is away, waiting for up to %.0f s: %s", left_s, reason
            )
        return min(PAUSE_S, left_s)


def _may_pass(error: Exception) -> bool:
    if any(refusal in str(error) for refusal in _REFUSALS):
        return False
    return not isinstance(error, psycopg.Error) or is_unavailable(error)
