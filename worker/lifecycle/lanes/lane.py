"""Attempts of one isolation: claimed for their own slots, beside those of others."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from domain.commands.executions import Executions
from domain.errors import OutcomeUnknownError, WorkerBuriedError
from domain.workers.isolation import Isolation
from worker.executors.port import Executor
from worker.lifecycle.attempts import Attempts
from worker.lifecycle.claiming import Claiming
from worker.lifecycle.offering import Offering
from worker.lifecycle.ports import AWAY, Work

logger = logging.getLogger(__name__)


class BuriedError(Exception):
    """Others count this worker as dead, or soon will: it must stop what it runs and begin anew."""


class Life(Protocol):
    """The worker's life for which a lane claims."""

    @property
    def worker_id(self) -> str:
        """Its id."""

    @property
    def others(self) -> Sequence[str]:
        """The ids of the other living workers, as last seen."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""

    @property
    def is_ending(self) -> bool:
        """Whether it claims no more."""


@dataclass(frozen=True)
class Sharing:
    """Where attempts share processes, and what waits for that."""

    executor: Executor
    work: Work


@dataclass
class Lane:
    """Attempts that are kept apart in the same way.

    Attributes:
        work: what waits for these slots; nobody else asks it.
        poll_s: how often it looks without being told.
        claims: whether it has begun to claim.
    """

    isolation: Isolation
    attempts: Attempts
    work: Work
    offering: Offering
    executions: Executions
    poll_s: float
    claims: bool = field(default=False, init=False)

    async def claim(self, life: Life, looks_first: Callable[[], bool]) -> None:
        """Claim until the worker claims no more, then wait until what runs has ended.

        Args:
            life: for which it claims.
            looks_first: whether news may well be for another lane.

        Raises:
            BuriedError: nobody knows what was claimed.
        """
        if self.isolation == "shared":
            await self._until_wanted(life)
        await self._claim(life, looks_first)
        while self.attempts.any_left and not life.is_stopping:
            # The end of each, and `stop`, wake it.
            await self.work.wait(self.poll_s, only_pending=True)

    async def _until_wanted(self, life: Life) -> None:
        """Wait until there is a job whose attempts share processes: most services have none."""
        while not life.is_ending:
            try:
                if await self.work.any_shared():
                    return
            except AWAY as error:
                logger.warning("cannot look for jobs at the moment: %s", error)
            await self._rest(life)

    async def _rest(self, life: Life) -> None:
        """Let a moment pass, whatever runs there is news of."""
        until = monotonic() + self.poll_s
        while monotonic() < until:
            if life.is_ending:
                return
            left_s = max(until - monotonic(), 0.0)
            await self.work.wait(left_s, only_pending=True)

    async def _claim(self, life: Life, looks_first: Callable[[], bool]) -> None:
        self.claims = True
        claiming = Claiming(
            life.worker_id,
            self.executions,
            self.attempts,
            self.offering.of(self.isolation),
            self.work,
            self.poll_s,
            looks_first,
        )
        news = await claiming.wait(0.0)
        while not life.is_ending:
            try:
                pause_s = await claiming.claim(life.others, news)
            except (WorkerBuriedError, OutcomeUnknownError) as error:
                # Runs may have been claimed that nobody knows of here: only a new life makes them
                # free again.
                raise BuriedError(f"a claim went wrong: {error!r}") from error
            except AWAY as error:
                logger.warning("cannot claim at the moment: %s", error)
                pause_s = self.poll_s
            news = await claiming.wait(pause_s)
