"""Launches that want the same slot are decided one after the other, and none waits for ever."""

import asyncio
from uuid import UUID

import pytest

from domain.commands.uniqueness import SlotQueues
from domain.errors import OverloadedError
from domain.identifiers import UniqueSlot

SLOT = UniqueSlot(UUID(int=1), '{"k":1}')

OTHER = UniqueSlot(UUID(int=1), '{"k":2}')


async def test_one_has_the_turn_of_a_slot_at_a_time_as_they_came() -> None:
    queues = SlotQueues()
    order: list[str] = []

    async def take(name: str, slot: UniqueSlot) -> None:
        async with queues.turn(slot):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async with queues.turn(SLOT):
        await take("other", OTHER)
    assert order == ["other begins", "other ends"]
    order.clear()
    await asyncio.gather(take("a", SLOT), take("b", SLOT))
    assert order == ["a begins", "a ends", "b begins", "b ends"]


async def test_who_waits_for_too_long_is_refused_and_in_nobodys_way() -> None:
    queues = SlotQueues(longest_wait_s=0.01)
    async with queues.turn(SLOT):
        with pytest.raises(OverloadedError, match="ask again"):
            async with queues.turn(SLOT):
                pytest.fail("two have the same turn")
    async with queues.turn(SLOT):
        pass
