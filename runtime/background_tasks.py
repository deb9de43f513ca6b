"""Background tasks that end: short-lived ones, and how any task is ended for certain.

One that goes on for as long as its process belongs to `runtime.supervision`.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakSet

logger = logging.getLogger(__name__)

T = TypeVar("T")

CANCEL_AGAIN_S = 0.5

_running: "set[asyncio.Task[Any]]" = set()
"""The loop itself would let go of a task that nobody else holds, in the middle of its work."""

_speaking: "WeakSet[asyncio.Task[Any]]" = WeakSet()
"""Tasks whose failure is told without `end`."""


def start_once(name: str, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Run something in the background, once.

    A failure is a log line at once: whoever awaits the task may have been cancelled, or comes when
    the process stops. It is raised to whoever awaits it all the same.
    """
    task = asyncio.create_task(coroutine, name=name)
    _running.add(task)
    speaks_for_itself(task)
    task.add_done_callback(_note_end)
    return task


def speaks_for_itself(task: "asyncio.Task[Any]") -> None:
    """Have `end` say nothing of this task's failure, which is told elsewhere."""
    _speaking.add(task)


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
        if task not in _speaking:
            _log_failure(task)


async def within(limit_s: float, name: str, coroutine: Coroutine[Any, Any, T]) -> T:
    """Wait for something no longer than this, even if it cannot be cancelled at once.

    A database's driver, for example, answers a cancel by waiting for its server once more.

    Raises:
        TimeoutError: it is not over; it is ended in the background.
    """
    task = asyncio.create_task(coroutine, name=name)
    speaks_for_itself(task)
    try:
        await asyncio.wait([task], timeout=limit_s)
    finally:
        if not task.done():
            start_once(f"ending {name}", end(task))
    if not task.done():
        raise TimeoutError(f"{name} took longer than {limit_s:.1f} s")
    return task.result()


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
        speaks_for_itself(task)
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*(task for task in tasks if not task.done()))
        failures = [task.exception() for task in tasks if not task.cancelled()]
    for failure in failures:
        if failure is not None:
            raise failure
    return [task in ended for task in tasks]


def _note_end(task: "asyncio.Task[Any]") -> None:
    _running.discard(task)
    _log_failure(task)


def _log_failure(task: "asyncio.Task[Any]") -> None:
    if task.cancelled():
        return
    error = task.exception()
    if error is not None:
        logger.error("%s failed", task.get_name(), exc_info=error)
