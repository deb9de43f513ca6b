"""Background tasks: deaths are logged, and tasks that run as long as their process restart.

First the pauses between attempts (`BackOff`) and two loops that survive expected errors (`repeat`,
`retry`); then short tasks and how any task is ended for certain (`start_once`, `end_tasks`,
`run_within`); then `Supervision`, which restarts tasks that die; last a bounded queue
(`ConcurrencyLimiter`). A task itself handles the errors that it expects, such as an unreachable
database; supervision handles all others.
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

MAX_DOUBLINGS = 32
"""Without a limit, the power would overflow; this one reaches every sensible maximum."""


@dataclass(frozen=True)
class BackOff:
    """Pauses that double with each failure in a row.

    Attributes:
        initial_s: the longest pause after the first failure, in seconds.
        max_s: the longest pause after any failure.
        reset_after_s: after running this long without a failure, the initial pause applies again.
    """

    initial_s: float = 0.1
    max_s: float = 5.0
    reset_after_s: float = 30.0

    def pause_s(self, failures: int, random: Callable[[], float]) -> float:
        """Return the seconds to wait after a number of failures in a row.

        The pause is random, from half of the doubled pause to all of it: processes that failed for
        the same reason do not all come back at once.

        Args:
            failures: at least 1.
            random: returns a number from 0 up to 1.
        """
        doublings = min(failures - 1, MAX_DOUBLINGS)
        longest_s = min(self.initial_s * 2.0**doublings, self.max_s)
        return longest_s * (1 + random()) / 2


# Two loops that survive expected errors: each error is logged as a warning, and the loop continues.

Errors = type[Exception] | tuple[type[Exception], ...]


async def repeat(
    step: Callable[[], Awaitable[float]], failure: str, expected: Errors, pause_s: float
) -> NoReturn:
    """Repeat a step for as long as the process runs.

    Args:
        step: returns the seconds until the next step.
        failure: how the warning about an expected error begins, such as `cannot read`.
        expected: the errors after which the step is repeated; any other is raised.
        pause_s: the seconds until the next step after an expected error.
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
        action: called for each try.
        failure: how the warning about an expected error begins, such as `cannot read`.
        expected: the errors after which the action is tried again; any other is raised.
        pause_s: the seconds between two tries.
    """
    while True:
        try:
            return await action()
        except expected as error:
            logger.warning("%s, trying again: %s", failure, error)
            await asyncio.sleep(pause_s)


# Short background tasks, and how any task is ended for certain.

CANCEL_AGAIN_S = 0.5

_running: "set[asyncio.Task[Any]]" = set()
"""Keeps tasks alive: the event loop has weak references only, so a task could be collected while it
runs."""

_reported_elsewhere: "WeakSet[asyncio.Task[Any]]" = WeakSet()
"""Tasks whose failures `end_tasks` does not log."""


def start_once(name: str, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Run a coroutine in the background, once.

    A failure is logged at once, as the code that awaits the task may be cancelled, or get to it
    only when the process stops. Awaiting the task raises it as well.
    """
    task = asyncio.create_task(coroutine, name=name)
    _running.add(task)
    mark_as_reported(task)
    task.add_done_callback(_on_end)
    return task


def mark_as_reported(task: "asyncio.Task[Any]") -> None:
    """Let `end_tasks` log no failure of this task, as that is reported elsewhere."""
    _reported_elsewhere.add(task)


async def end_tasks(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancel the tasks until all have ended, and log their failures.

    Cancelling once is not enough: before Python 3.12, `asyncio.wait_for` swallows a cancel that
    comes together with its result.
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


async def run_within(limit_s: float, name: str, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine for `limit_s` seconds at most, even if it cannot be cancelled at once.

    A database driver, for example, may respond to a cancel by waiting for its server once more.

    Raises:
        TimeoutError: the coroutine took longer; it is ended in the background.
    """
    task = asyncio.create_task(coroutine, name=name)
    mark_as_reported(task)
    try:
        await asyncio.wait([task], timeout=limit_s)
    finally:
        if not task.done():
            start_once(f"ending {name}", end_tasks(task))
    if not task.done():
        raise TimeoutError(f"{name} took longer than {limit_s:.1f} s")
    return task.result()


async def run_in_thread(compute: Callable[[], T]) -> T:
    """Call a function in a thread, and wait for its end even when this task is cancelled.

    Nothing can end a thread from outside, so a limit of concurrent threads has to count this one
    until its end.
    """
    call = asyncio.ensure_future(asyncio.to_thread(compute))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        while not call.done():
            # This task may be cancelled again.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([call])
        if not call.cancelled():
            call.exception()  # Marked as retrieved: asyncio would log it as an error.
        raise


async def run_until_one_ends(*coroutines: Coroutine[Any, Any, object]) -> list[bool]:
    """Run coroutines until one of them ends, and end the others.

    Returns:
        For each coroutine, whether it ended by itself.

    Raises:
        Exception: the first error of a coroutine, also of one that failed while it was ended.
    """
    # The caller decides whether a failure is worth a log line: a client may just have disconnected.
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    for task in tasks:
        mark_as_reported(task)
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks(*(task for task in tasks if not task.done()))
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
        name: what the task does.
        status: `backing off` while it waits to be started again.
        status_s: the seconds that it has been in this status.
        deaths: how often it has died of an unexpected error since the process started.
        last_error: the last of these errors; None if there was none.
    """

    name: str
    status: Status
    status_s: float
    deaths: int
    last_error: str | None


class StrayCancelError(Exception):
    """Another task cancelled what a task was waiting for, and not the task itself."""


class Supervised:
    """A task that is restarted, after a pause, whenever it dies. `Supervision` makes it."""

    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        back_off: BackOff,
        final_errors: tuple[type[Exception], ...],
        sources: "ClockAndRandom",
    ) -> None:
        self.name = name
        self.deaths = 0
        self._run = run
        self._back_off = back_off
        self._final_errors = final_errors
        self._sources = sources
        self._status: Status = "running"
        self._since = sources.clock()
        self._deaths_in_a_row = 0
        self._last_error: str | None = None
        self._finishing = asyncio.Event()
        self.task = asyncio.create_task(self._keep_running(), name=name)
        mark_as_reported(self.task)

    @property
    def state(self) -> TaskState:
        """The task's state now."""
        status_s = self._sources.clock() - self._since
        return TaskState(self.name, self._status, status_s, self.deaths, self._last_error)

    def finish(self) -> None:
        """Let the task end when it returns or dies, without a restart."""
        self._finishing.set()

    async def end(self) -> None:
        """Cancel the task, and wait for its end."""
        await end_tasks(self.task)
        # A task that is cancelled before its first step does not set this itself.
        self._set_status("ended")

    async def _keep_running(self) -> None:
        try:
            while True:
                pause_s = await self._run_until_death()
                if pause_s is None:
                    return
                await self._wait_to_restart(pause_s)
        finally:
            self._set_status("ended")

    async def _run_until_death(self) -> float | None:
        """Run until the task dies; return the seconds until its restart, None if it returned."""
        self._set_status("running")
        try:
            await self._run_once()
        except self._final_errors:
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
        ran_s = self._sources.clock() - self._since
        if ran_s >= self._back_off.reset_after_s:
            self._deaths_in_a_row = 0
        self._deaths_in_a_row += 1
        self.deaths += 1
        self._last_error = repr(error)
        return self._back_off.pause_s(self._deaths_in_a_row, self._sources.random)

    async def _wait_to_restart(self, pause_s: float) -> None:
        self._set_status("backing off")
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._finishing.wait()

    def _set_status(self, status: Status) -> None:
        self._status = status
        self._since = self._sources.clock()


@dataclass(frozen=True)
class ClockAndRandom:
    """The sources of time and randomness that pauses depend on; tests replace them.

    Attributes:
        clock: returns the seconds of a monotonic clock.
        random: returns a number from 0 up to 1.
    """

    clock: Callable[[], float] = monotonic
    random: Callable[[], float] = SystemRandom().random


class Supervision:
    """All supervised tasks of a process, by name."""

    def __init__(self, sources: ClockAndRandom | None = None) -> None:
        self._sources = sources or ClockAndRandom()
        self._tasks: dict[str, Supervised] = {}

    def start(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        back_off: BackOff | None = None,
        final_errors: tuple[type[Exception], ...] = (),
    ) -> Supervised:
        """Run a background task from now on, and restart it whenever it dies.

        The task ends when `run` returns or raises one of the final errors, or by `Supervised.end`.

        Args:
            name: what the task does; unique among running tasks. A later task of the same name
                continues its count of deaths.
            run: called for each start.
            back_off: the pauses after deaths. Default: `BackOff()`.
            final_errors: the errors that end the task for good; whoever awaits it gets them.

        Raises:
            ValueError: a task of this name is running.
        """
        previous = self._tasks.get(name)
        if previous is not None and not previous.task.done():
            raise ValueError(f"the background task {name} runs already")
        task = Supervised(name, run, back_off or BackOff(), final_errors, self._sources)
        task.deaths = previous.deaths if previous else 0
        self._tasks[name] = task
        return task

    def states(self) -> list[TaskState]:
        """Return the state of each task."""
        return [task.state for task in self._tasks.values()]


class QueueFullError(Exception):
    """The queue of waiting work is full."""


class ConcurrencyLimiter:
    """Limits concurrent work that takes much memory; further work queues in order."""

    def __init__(self, max_concurrent: int, max_waiting: int) -> None:
        self._semaphore = asyncio.Semaphore(max_concurrent)
        self._max_waiting = max_waiting
        self._waiting = 0

    @asynccontextmanager
    async def permit(self, *, is_new: bool = True) -> AsyncIterator[None]:
        """Wait for a permit, and hold it inside the block.

        Args:
            is_new: whether the work may be refused; work that has begun must come to its end.

        Raises:
            QueueFullError: the queue is full.
        """
        if is_new and self._waiting >= self._max_waiting:
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
