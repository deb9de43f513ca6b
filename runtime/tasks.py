"""Background tasks that run for as long as their process: deaths are logged, and they restart.

First the pauses between attempts (`BackOff`) and two loops that survive expected errors (`repeat`,
`retry`); then short tasks and how any task is ended for certain (`start_once`, `end`, `within`);
then `Supervision`, which restarts tasks that die; last a bounded queue for memory (`Turns`). A task
handles the errors that it expects, such as a database that is away; supervision is for the others.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import SystemRandom
from time import monotonic
from typing import Any, Literal, NoReturn, TypeVar
from weakref import WeakSet

logger = logging.getLogger(__name__)

T = TypeVar("T")

# How long to wait before a failed action is tried again.

MAX_DOUBLINGS = 32
"""Enough for every sensible bound; without a limit, the power would become too large a number."""


@dataclass(frozen=True)
class BackOff:
    """Pauses that double with each failure in a row.

    Attributes:
        first_s: the longest pause after the first failure.
        at_most_s: the longest pause of all.
        forget_after_s: after running this long without a failure, the first pause applies again.
    """

    first_s: float = 0.1
    at_most_s: float = 5.0
    forget_after_s: float = 30.0

    def pause_s(self, failures: int, random: Callable[[], float]) -> float:
        """Return how long to wait after a number of failures in a row.

        It lies between a half and the whole of the doubled pause, so that many processes that fail
        for one reason do not come back all at once.

        Args:
            failures: at least 1.
            random: returns a number from 0 up to 1.
        """
        doublings = min(failures - 1, MAX_DOUBLINGS)
        longest_s = min(self.first_s * 2.0**doublings, self.at_most_s)
        return longest_s * (1 + random()) / 2


# Two loops that survive expected errors: each error is a warning, and the loop continues.

Errors = type[Exception] | tuple[type[Exception], ...]


async def repeat(
    step: Callable[[], Awaitable[float]], failure: str, expected: Errors, pause_s: float
) -> NoReturn:
    """Repeat a step for as long as the process runs.

    Args:
        step: returns the seconds until its next time.
        failure: begins the warning about an expected error, such as `cannot read`.
        expected: the errors after which the step is simply repeated; any other is raised.
        pause_s: the seconds until the next time after an expected error.
    """
    while True:
        next_s = pause_s
        try:
            next_s = await step()
        except expected as error:
            logger.warning("%s: %s", failure, error)
        await asyncio.sleep(next_s)


async def retry(
    action: Callable[[], Awaitable[T]], failure: str, expected: Errors, pause_s: float
) -> T:
    """Try an action until it succeeds; return its result.

    Args:
        action: is called for each try.
        failure: begins the warning about an expected error, such as `cannot read`.
        expected: the errors after which it is tried again; any other is raised.
        pause_s: the seconds between two tries.
    """
    while True:
        try:
            return await action()
        except expected as error:
            logger.warning("%s, trying again: %s", failure, error)
            await asyncio.sleep(pause_s)


# Short background tasks, and how any task is ended for certain. `Supervision` is for the tasks that
# run for as long as their process.

CANCEL_AGAIN_S = 0.5

_running: "set[asyncio.Task[Any]]" = set()
"""Keeps tasks alive: the event loop has weak references only, and would drop one in mid-work."""

_reported_elsewhere: "WeakSet[asyncio.Task[Any]]" = WeakSet()
"""Tasks whose failure `end` does not log."""


def start_once(name: str, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Run something in the background, once.

    A failure is a log line at once: whoever awaits the task may have been cancelled, or comes when
    the process stops. It is raised to whoever awaits it all the same.
    """
    task = asyncio.create_task(coroutine, name=name)
    _running.add(task)
    reports_itself(task)
    task.add_done_callback(_on_end)
    return task


def reports_itself(task: "asyncio.Task[Any]") -> None:
    """Do not log this task's failure in `end`: it is reported elsewhere."""
    _reported_elsewhere.add(task)


async def end(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancel the tasks until all have ended; a failure among them is logged.

    Once is not enough: before Python 3.12, `asyncio.wait_for` swallows a cancel that comes together
    with its result.
    """
    pending = {task for task in tasks if task is not None}
    ended = set(pending)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
    for task in ended:
        if task not in _reported_elsewhere:
            _log_failure(task)


async def within(limit_s: float, name: str, coroutine: Coroutine[Any, Any, T]) -> T:
    """Wait for something no longer than this, even if it cannot be cancelled at once.

    A database's driver, for example, answers a cancel by waiting for its server once more.

    Raises:
        TimeoutError: it is not over; it is ended in the background.
    """
    task = asyncio.create_task(coroutine, name=name)
    reports_itself(task)
    try:
        await asyncio.wait([task], timeout=limit_s)
    finally:
        if not task.done():
            start_once(f"ending {name}", end(task))
    if not task.done():
        raise TimeoutError(f"{name} took longer than {limit_s:.1f} s")
    return task.result()


async def finished_in_thread(compute: Callable[[], T]) -> T:
    """Compute something in a thread, and return no sooner than it has ended, not even canceled.

    A thread cannot be ended from outside, so a limit on their number must wait for their end.
    """
    computing = asyncio.ensure_future(asyncio.to_thread(compute))
    try:
        return await asyncio.shield(computing)
    except asyncio.CancelledError:
        while not computing.done():
            # This task may be cancelled again.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([computing])
        if not computing.cancelled():
            computing.exception()
        raise


async def until_one_ends(*coroutines: Coroutine[Any, Any, object]) -> list[bool]:
    """Run all until one ends, and end the others.

    Returns:
        for each whether it ended by itself.

    Raises:
        Exception: what one of them failed with, be it that it failed as it was ended.
    """
    # A failure is the caller's: it may be no more than a client that went away.
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    for task in tasks:
        reports_itself(task)
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*(task for task in tasks if not task.done()))
        failures = [task.exception() for task in tasks if not task.cancelled()]
    for failure in failures:
        if failure is not None:
            raise failure
    return [task in ended for task in tasks]


def _on_end(task: "asyncio.Task[Any]") -> None:
    _running.discard(task)
    _log_failure(task)


def _log_failure(task: "asyncio.Task[Any]") -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        logger.error("%s failed", task.get_name(), exc_info=error)


Status = Literal["running", "backing off", "ended"]


@dataclass(frozen=True)
class TaskState:
    """The state of a supervised task, for metrics and readiness.

    Attributes:
        name: what it does.
        status: `backing off` while it waits to be started again.
        status_s: for how long it has been in that status.
        deaths: how often it has died of an unexpected error since the process began.
        last_error: the last of these errors; None if it never died.
    """

    name: str
    status: Status
    status_s: float
    deaths: int
    last_error: str | None


class StrayCancelError(Exception):
    """Something that a task awaited was cancelled, though the task itself was not."""


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
        reports_itself(self.task)

    @property
    def state(self) -> TaskState:
        """Its state now."""
        status_s = self._chance.clock() - self._since
        return TaskState(self.name, self._status, status_s, self.deaths, self._last_error)

    def finish(self) -> None:
        """Restart it no more: it ends when it returns or dies."""
        self._finishing.set()

    async def end(self) -> None:
        """Cancel it, whatever it does, and wait for its end."""
        await end(self.task)
        # Also where it was cancelled before it began.
        self._enter("ended")

    async def _keep_running(self) -> None:
        try:
            while True:
                pause_s = await self._live()
                if pause_s is None:
                    return
                await self._wait(pause_s)
        finally:
            self._enter("ended")

    async def _live(self) -> float | None:
        """Run until it dies; return the seconds until its restart, None if it returned."""
        self._enter("running")
        try:
            await self._run_once()
        except self._outcomes:
            raise
        except Exception as error:
            pause_s = self._count_death(error)
            if self._finishing.is_set():
                logger.exception("background task %s died while it was being stopped", self.name)
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
            raise StrayCancelError("what it waited for was cancelled by another task") from error

    def _count_death(self, error: Exception) -> float:
        ran_s = self._chance.clock() - self._since
        if ran_s >= self._back_off.forget_after_s:
            self._deaths_in_a_row = 0
        self._deaths_in_a_row += 1
        self.deaths += 1
        self._last_error = repr(error)
        return self._back_off.pause_s(self._deaths_in_a_row, self._chance.random)

    async def _wait(self, pause_s: float) -> None:
        self._enter("backing off")
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._finishing.wait()

    def _enter(self, status: Status) -> None:
        self._status = status
        self._since = self._chance.clock()


@dataclass(frozen=True)
class Chance:
    """The clock and the randomness that pauses depend on.

    Attributes:
        clock: returns the seconds of a monotonic clock.
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
            name: says what it does; only one task at a time may have it. A later one of this name
                continues the count of deaths.
            run: is called for each start.
            back_off: how long to wait after a death.
            outcomes: the errors that it may raise on purpose: its task ends with them.
        """
        before = self._tasks.get(name)
        if before is not None and not before.task.done():
            raise ValueError(f"the background task {name} runs already")
        task = Supervised(name, run, back_off or BackOff(), outcomes, self._chance)
        task.deaths = before.deaths if before else 0
        self._tasks[name] = task
        return task

    def states(self) -> list[TaskState]:
        """Return the state of each task."""
        return [task.state for task in self._tasks.values()]


# A bounded queue for work that takes much memory.


class QueueFullError(Exception):
    """Too many wait already."""


class Turns:
    """Admits a few at a time, first come, first served."""

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self._semaphore = asyncio.Semaphore(at_once)
        self._most_waiting = most_waiting
        self._waiting = 0

    @asynccontextmanager
    async def taken(self, *, is_new: bool = True) -> AsyncIterator[None]:
        """Wait for a turn, and hold it inside the block.

        Args:
            is_new: whether it may be refused; work that has begun must come to an end.

        Raises:
            QueueFullError: too many wait already.
        """
        if is_new and self._waiting >= self._most_waiting:
            raise QueueFullError
        self._waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._semaphore.release()
