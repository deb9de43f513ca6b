"""A few attempts begin at a time; whoever is over or has run for a moment makes room."""

import asyncio
from collections.abc import Callable

import pytest

from worker.executors.local import executor
from worker.executors.local.executor import StartThrottle


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "MAX_STARTING", 2)


async def _begun(turns: list[asyncio.Task[Callable[[], None]]]) -> int:
    """Return how many have begun once nothing moves any more."""
    for _ in range(10):
        await asyncio.sleep(0)
    return sum(turn.done() for turn in turns)


def _ask(made: StartThrottle, count: int) -> list[asyncio.Task[Callable[[], None]]]:
    return [asyncio.create_task(made.acquire()) for _ in range(count)]


async def test_the_next_begins_when_one_is_over_in_the_order_of_asking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "MAX_START_S", 3_600.0)

    turns = _ask(StartThrottle(), 5)
    assert await _begun(turns) == 2
    (await turns[1])()
    assert [turn.done() for turn in turns if await _begun(turns)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    (await turns[1])()
    assert await _begun(turns) == 3, "a turn is given back once"


async def test_one_that_goes_on_makes_room_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "MAX_START_S", 0.001)

    async with asyncio.timeout(90):
        await asyncio.gather(*_ask(StartThrottle(), 20))


async def test_who_stops_waiting_takes_nobodys_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "MAX_START_S", 3_600.0)

    turns = _ask(StartThrottle(), 4)
    assert await _begun(turns) == 2
    turns[2].cancel()
    await asyncio.wait(turns[2:3])
    (await turns[0])()
    assert await _begun(turns) == 4
    assert not turns[3].cancelled()


async def test_a_turn_that_came_together_with_the_cancel_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executor, "MAX_START_S", 3_600.0)

    made = StartThrottle()
    turns = _ask(made, 4)
    assert await _begun(turns) == 2
    (await turns[0])()
    turns[2].cancel()
    assert await _begun(turns) == 4, "the third is cancelled, and the fourth has its turn"
    assert turns[2].cancelled()
    assert not turns[3].cancelled()
