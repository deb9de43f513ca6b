"""Attempts that share a process: who pays for whose end."""

import asyncio
import os
import signal
from pathlib import Path
from time import monotonic

import pytest

from apphub_jobs.process.shared import MAX_THREADS
from tests.integration.executors.submitting import Submitting, ended
from tests.support.handlers.tasks import printed
from worker.executors.shared_process import SharedAttempt

GRACE_S = 0.2


async def test_who_does_not_heed_costs_the_process_and_others_begin_again(
    shared: Submitting,
) -> None:
    waiting = await shared.submit("sleep")
    threaded = await shared.submit("wait")
    deaf = await shared.submit("stay")
    await printed(shared.log(2))
    deaf.cancel(GRACE_S)
    assert (await ended(deaf)).kind == "canceled"
    assert [(await ended(one)).kind for one in (waiting, threaded)] == ["stopped"] * 2
    assert (await shared.run("noop")).kind == "result"


async def stuck(shared: Submitting, sign: Path, handler: str) -> SharedAttempt:
    """Submit what lets nobody go on, and give the process up because somebody cannot end."""
    canceled = await shared.submit("sleep")
    blocking = await shared.submit(handler, sign=str(sign))
    while not sign.exists():
        await asyncio.sleep(0.01)
    canceled.cancel(GRACE_S)
    assert (await ended(canceled)).kind == "canceled"
    return blocking


@pytest.mark.parametrize("handler", ["block", "block_in_a_task"])
async def test_who_is_in_the_way_is_told_by_its_stack_and_fails(
    shared: Submitting, tmp_path: Path, handler: str
) -> None:
    waiting = await shared.submit("sleep")
    outcome = await ended(await stuck(shared, tmp_path / "sign", handler))
    assert outcome.kind == "error"
    assert "kept the other attempts" in outcome.message["message"]
    assert "time.sleep(60)" in outcome.message["stack"]
    assert (await ended(waiting)).kind == "stopped"


async def test_who_is_interrupted_and_goes_on_was_in_nobodys_way(
    shared: Submitting, tmp_path: Path
) -> None:
    innocent = await stuck(shared, tmp_path / "sign", "block_until_told")
    assert (await ended(innocent)).kind == "stopped"


async def test_a_signal_to_all_processes_ends_no_attempt(shared: Submitting) -> None:
    attempt = await shared.submit("sleep", forMs=1_000)
    await printed(shared.log(0))
    number = shared.log(0).read_text().split()[-1]
    os.kill(int(number), signal.SIGTERM)
    assert (await ended(attempt)).kind == "result"


async def test_a_plain_function_that_still_waits_for_a_thread_ends_alone(
    shared: Submitting,
) -> None:
    going_on = [await shared.submit("wait") for _ in range(MAX_THREADS)]
    await printed(shared.log(MAX_THREADS - 1))
    waiting = await shared.submit("wait")
    await shared.run("sleep", forMs=0)  # Begun after it, which waits by now.
    waiting.cancel(30.0)
    assert (await ended(waiting)).kind == "canceled"
    for attempt in going_on:
        attempt.cancel(30.0)
    outcomes = [await ended(attempt) for attempt in going_on]
    assert {outcome.kind for outcome in outcomes} == {"result"}


async def test_where_nobody_can_be_named_nobody_begins_again_for_nothing(
    shared: Submitting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocking = await stuck(shared, tmp_path / "sign", "block_in_c")
    outcome = await ended(blocking)
    assert outcome.kind == "signal"
    assert "any of its attempts may have been why" in outcome.message["message"]
    async with asyncio.timeout(90):
        while "in block_in_c" not in caplog.text:
            await asyncio.sleep(0.01)


async def test_a_crash_ends_what_ran_there_and_says_how_many_these_were(shared: Submitting) -> None:
    beside = await shared.submit("sleep")
    limited = await shared.submit("sleep", memory_mb=500, forMs=1_000)
    crashing = await shared.submit("segfault")
    for attempt in (beside, crashing):
        outcome = await ended(attempt)
        assert outcome.kind == "signal"
        assert "SIGSEGV; 2 attempts shared the process" in outcome.message["message"]
    assert (await ended(limited)).kind == "result", "another limit, another process"


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("raise_beyond", "error", "beyond all"),
        ("interrupt", "error", "KeyboardInterrupt"),
        ("leave_in_a_task", "exit", "exited with code 7"),
    ],
)
async def test_whatever_is_raised_ends_its_attempt_alone(
    shared: Submitting, handler: str, kind: str, message: str
) -> None:
    beside = await shared.submit("sleep", forMs=1_000)
    await printed(shared.log(0))
    outcome = await shared.run(handler)
    assert outcome.kind == kind
    assert message in outcome.message["message"]
    assert (await ended(beside)).kind == "result"


async def test_the_lease_ends_the_process_and_all_that_is_in_it(shared: Submitting) -> None:
    attempts = [await shared.submit(name) for name in ("sleep", "stay", "wait")]
    await printed(shared.log(2))
    shared.where.renew(monotonic() + 0.2)
    assert [(await ended(one)).kind for one in attempts] == ["lease"] * 3


async def test_a_canceled_attempt_that_has_not_begun_says_so(shared: Submitting) -> None:
    attempt = await shared.submit("sleep")
    attempt.cancel(30.0)
    assert (await ended(attempt)).kind == "canceled"


async def test_processes_that_were_left_behind_and_ended_are_cleared_away(
    shared: Submitting,
) -> None:
    outcome = await shared.run("leave_orphans", count=5)
    assert outcome.message["result"] == 0


@pytest.mark.parametrize("handler", ["lose_fork", "lose_fork_of_all"])
async def test_a_fork_that_a_handler_lost_goes_on_with_no_attempt(
    shared: Submitting, handler: str
) -> None:
    beside = await shared.submit("chat", name="beside")
    forking = await shared.submit(handler)
    waiting = await shared.submit("sleep", forMs=1_000)
    assert (await ended(forking)).message["result"] == "parent"
    assert (await ended(waiting)).kind == "result"
    assert (await ended(beside)).message["result"] == "beside"
