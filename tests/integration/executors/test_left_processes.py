"""What handlers make of their process costs neither their own attempt nor the next one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.executors.submitting import Submitting
from tests.support.handlers.tasks import printed, task_of
from tests.support.packages import package_of
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.executor import ProcessExecutor
from worker.executors.port import Outcome


class Slot:
    """An executor with one slot: one attempt after the other, as long as it goes well."""

    def __init__(self, executor: ProcessExecutor, directory: Path) -> None:
        self._executor = executor
        self._directory = directory
        self._count = 0

    @property
    def log(self) -> Path:
        """Return where what the last attempt prints is kept."""
        return self._directory / str(self._count)

    async def submit(self, handler: str, **parameters: Any) -> ProcessAttempt:
        self._count += 1
        task = task_of(handler, self.log, **parameters)
        return await self._executor.submit(task, lambda _: None, monotonic() + 60)

    async def run(self, handler: str, **parameters: Any) -> Outcome:
        attempt = await self.submit(handler, **parameters)
        return await asyncio.wait_for(attempt.outcome(), 90)

    async def result(self, handler: str, **parameters: Any) -> Any:
        outcome = await self.run(handler, **parameters)
        assert outcome.kind == "result", outcome
        return outcome.message["result"]


@pytest.fixture
async def slot(tmp_path: Path) -> AsyncIterator[Slot]:
    """Give an executor with one slot."""
    executor = ProcessExecutor(package_of("tests.support.handlers"), 1)
    yield Slot(executor, tmp_path)
    await executor.aclose()


@pytest.mark.parametrize(
    "handler", ["replace_output", "lose_output", "replace_environment", "take_next_place"]
)
async def test_an_attempt_ends_as_its_handler_did_whatever_became_of_the_process(
    slot: Slot, handler: str
) -> None:
    assert await slot.result(handler)
    assert await slot.result("echo")
    assert "printed by the handler" in slot.log.read_text()


async def test_what_an_attempt_prints_is_kept_though_one_before_sent_it_elsewhere(
    slot: Slot,
) -> None:
    before = await slot.result("redirect_output")
    assert await slot.result("sleep", forMs=0) != before
    assert "waiting in" in slot.log.read_text()


async def test_a_timer_that_was_left_strikes_nobody(slot: Slot) -> None:
    before = await slot.result("set_timer")
    assert await slot.result("compute") == before, "both had the same process"


async def test_a_cancel_is_heard_though_an_attempt_before_has_blocked_it(slot: Slot) -> None:
    await slot.result("block_cancels")
    attempt = await slot.submit("wait")
    await printed(slot.log)
    attempt.cancel(20.0)
    assert (await asyncio.wait_for(attempt.outcome(), 90)).kind == "result"


@pytest.mark.parametrize("raises", [False, True])
async def test_a_fork_that_a_handler_lost_speaks_for_no_attempt(
    slot: Slot, *, raises: bool
) -> None:
    await slot.result("noop")
    assert await slot.result("lose_fork", raises=raises) == "parent"
    assert await slot.result("wait", forMs=1_000) == "waited"


@pytest.mark.parametrize("reports", [False, True])
async def test_what_is_nested_too_deeply_to_be_read_is_told_as_that(
    slot: Slot, shared: Submitting, *, reports: bool
) -> None:
    for where in (slot, shared):
        outcome = await where.run("nest_deeply", levels=2_000, reports=reports)
        assert outcome.kind == "invalid"
        assert "nested too deeply" in outcome.message["message"]
        assert (await where.run("noop")).kind == "result"


async def test_what_only_just_can_be_read_is_read(slot: Slot) -> None:
    outcome = await slot.run("nest_deeply", levels=400)
    assert outcome.kind == "result"


@pytest.mark.parametrize(
    ("handler", "message"), [("raise_untold", "UntoldError"), ("raise_unseen", "the reason")]
)
async def test_an_error_is_told_though_it_cannot_be_printed(
    slot: Slot, handler: str, message: str
) -> None:
    outcome = await slot.run(handler)
    assert (outcome.kind, outcome.message["message"]) == ("error", message)
