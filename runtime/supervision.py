"""Background tasks that go on for as long as their process: none of them dies unseen, or for good.

What a task can foresee, such as a database that is away, it deals with itself. Supervision is for
what it did not expect.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import SystemRandom
from time import monotonic
from typing import Literal

from runtime.back_off import BackOff
from runtime.background_tasks import end, speaks_for_itself

logger = logging.getLogger(__name__)

Status = Literal["running", "backing off", "ended"]


@dataclass(frozen=True)
class TaskState:
    """What is to be seen of a supervised task.

    Attributes:
        name: what it does.
        status: `backing off` while it waits to be started again.
        status_s: for how long it has been in that status.
        deaths: how often it has died of what it did not expect, since the process began.
        last_error: of what it died last; None if it never did.
    """

    name: str
    status: Status
    status_s: float
    deaths: int
    last_error: str | None


class StrayCancelError(Exception):
    """What a task waited for was cancelled, though nobody asked the task to end."""


class Supervised:
    """A task that is started again, after a pause, whenever it dies. Made by `Supervision`."""

    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        back_off: BackOff,
        outcomes: tuple[type[Exception], ...],
        chance: "Chance",
    ) -> None:
        self.name = name
        self.deaths = 0
        self._run = run
        self._back_off = back_off
        self._outcomes = outcomes
        self._chance = chance
        self._status: Status = "running"
        self._since = chance.clock()
        self._deaths_in_a_row = 0
        self._last_error: str | None = None
        self._finishing = asyncio.Event()
        self.task = asyncio.create_task(self._keep_running(), name=name)
        speaks_for_itself(self.task)

    @property
    def state(self) -> TaskState:
        """Return what is to be seen of it now."""
        status_s = self._chance.clock() - self._since
        return TaskState(
            self.name, self._status, status_s, self.deaths, self._last_error
        )

    def finish(self) -> None:
        """Let it come to its own end: it no longer waits to be started again, and dies for good."""
        self._finishing.set()

    async def end(self) -> None:
        """End it at once, whatever it does."""
        await end(self.task)
        # Also where it was cancelled before it began.
        self._turn("ended")

    async def _keep_running(self) -> None:
        try:
            while True:
                pause_s = await self._live()
                if pause_s is None:
                    return
                await self._wait(pause_s)
        finally:
            self._turn("ended")

    async def _live(self) -> float | None:
        """Run until it dies; return how long to wait then, None if it came to its own end."""
        self._turn("running")
        try:
            await self._run_once()
        except self._outcomes:
            raise
        except Exception as error:
            pause_s = self._count_death(error)
            if self._finishing.is_set():
                logger.exception(
                    "background task %s died while it was being stopped", self.name
                )
                raise
            logger.exception(
                "background task %s died (deaths so far: %d); it starts again in %.1f s",
                self.name,
                self.deaths,
                pause_s,
            )
            return pause_s
        return None

    async def _run_once(self) -> None:
        try:
            await self._run()
        except asyncio.CancelledError as error:
            if self.task.cancelling():
                raise
            raise StrayCancelError(
                "what it waited for was cancelled by somebody else"
            ) from error

    def _count_death(self, error: Exception) -> float:
        ran_s = self._chance.clock() - self._since
        if ran_s >= self._back_off.forget_after_s:
            self._deaths_in_a_row = 0
        self._deaths_in_a_row += 1
        self.deaths += 1
        self._last_error = repr(error)
        return self._back_off.pause_s(self._deaths_in_a_row, self._chance.random)

    async def _wait(self, pause_s: float) -> None:
        self._turn("backing off")
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._finishing.wait()

    def _turn(self, status: Status) -> None:
        self._status = status
        self._since = self._chance.clock()


@dataclass(frozen=True)
class Chance:
    """What pauses depend on.

    Attributes:
        clock: returns seconds that only grow.
        random: returns a number from 0 up to 1.
    """

    clock: Callable[[], float] = monotonic
    random: Callable[[], float] = SystemRandom().random


class Supervision:
    """All supervised tasks of a process, by name."""

    def __init__(self, chance: Chance | None = None) -> None:
        self._chance = chance or Chance()
        self._tasks: dict[str, Supervised] = {}

    def start(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        back_off: BackOff | None = None,
        outcomes: tuple[type[Exception], ...] = (),
    ) -> Supervised:
        """Run something in the background from now on, started again whenever it dies.

        It ends by returning, by an outcome, or by being ended.

        Args:
            name: says what it does; only one task at a time may have it. The next one of this name
                goes on with the count of deaths.
            run: is called for each start.
            back_off: how long to wait after a death.
            outcomes: what it may raise on purpose: its task ends with that.
        """
        before = self._tasks.get(name)
        if before is not None and not before.task.done():
            raise ValueError(f"the background task {name} runs already")
        task = Supervised(name, run, back_off or BackOff(), outcomes, self._chance)
        task.deaths = before.deaths if before else 0
        self._tasks[name] = task
        return task

    def states(self) -> list[TaskState]:
        """Return what is to be seen of each task."""
        return [task.state for task in self._tasks.values()]
