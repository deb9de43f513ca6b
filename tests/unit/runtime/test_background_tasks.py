"""A short-lived task tells of its failure, and any task ends even if it swallows a cancel."""

import asyncio
import gc
import threading
from contextlib import suppress

import pytest

from runtime.tasks import end_tasks, run_in_thread, run_until_one_ends, start_once


async def failing() -> None:
    raise ValueError


async def test_a_task_that_swallows_a_cancel_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_tasks(task, None)
    assert task.cancelled()
    assert swallowed == 1


async def test_a_failure_among_ended_tasks_is_no_failure_of_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = asyncio.create_task(failing(), name="a duty")
    await asyncio.sleep(0)
    await end_tasks(task)
    assert [record.getMessage() for record in caplog.records] == ["a duty failed"]


async def test_a_failure_is_told_once_though_nobody_awaits_the_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = start_once("a duty", failing())
    await asyncio.wait([task])
    await asyncio.sleep(0)
    [record] = caplog.records
    assert (record.getMessage(), bool(record.exc_info)) == ("a duty failed", True)
    with pytest.raises(ValueError):
        await task
    await end_tasks(task)
    assert len(caplog.records) == 1


async def test_what_is_started_once_is_named_and_gives_its_result() -> None:
    async def seven() -> int:
        return 7

    task = start_once("counting", seven())
    assert task.get_name() == "counting"
    assert await task == 7


async def goes_away() -> None:
    """Fail as a sender does whose client leaves while it is ended."""
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionResetError("the client is gone")


async def test_a_failure_while_the_others_are_ended_is_the_callers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ConnectionResetError):
        await run_until_one_ends(asyncio.sleep(0), goes_away())
    assert caplog.records == []


async def test_what_ends_while_its_caller_is_cancelled_dies_quietly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting = asyncio.create_task(run_until_one_ends(goes_away()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await end_tasks(waiting)
    del waiting
    gc.collect()
    assert caplog.records == []


async def test_who_is_canceled_waits_for_the_thread_nevertheless() -> None:
    started, may_end = threading.Event(), threading.Event()

    def compute() -> None:
        started.set()
        may_end.wait()

    waiting = asyncio.create_task(run_in_thread(compute))
    await asyncio.to_thread(started.wait)
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await run_in_thread(lambda: 3) == 3
