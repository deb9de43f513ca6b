"""A task ends even if it swallows a cancel."""

import asyncio
from contextlib import suppress

from runtime.background_tasks import end


def test_a_task_that_swallows_a_cancel_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        swallowed += 1
        await asyncio.Event().wait()

    async def scenario() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await end(task, None)
        assert task.cancelled()

    asyncio.run(scenario())
    assert swallowed == 1


def test_a_failure_among_ended_tasks_is_no_failure_of_the_end() -> None:
    async def failing() -> None:
        raise ValueError

    async def scenario() -> None:
        task = asyncio.create_task(failing())
        await asyncio.sleep(0)
        await end(task)

    asyncio.run(scenario())
