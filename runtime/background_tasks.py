"""Ending background tasks for certain."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)

CANCEL_AGAIN_S = 0.5


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
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("%s had failed", task.get_name(), exc_info=error)


async def until_one_ends(*coroutines: Coroutine[Any, Any, object]) -> list[bool]:
    """Run all until one ends, end the others, and return which had ended by themselves; a failure is raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*(task for task in tasks if not task.done()))
    for failure in [task.exception() for task in ended]:
        if failure is not None:
            raise failure
    return [task in ended for task in tasks]
