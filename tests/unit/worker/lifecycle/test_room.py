"""How many runs a worker claims: as many as it has slots, and its executor has room for."""

import asyncio
import math
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest

from worker.attempts import Attempts, AttemptSettings
from worker.offer import WorkerOffer


@pytest.mark.parametrize(
    ("capacity", "free", "slots"), [(math.inf, 3, 4), (7, 3, 4), (2, 2, 3), (0, 0, 1), (-1, 0, 1)]
)
async def test_no_more_are_claimed_than_there_are_slots_and_room(
    capacity: float, free: int, slots: int
) -> None:
    going_on = asyncio.Event()
    executor: Any = Mock(capacity=capacity, submit=AsyncMock(side_effect=going_on.wait))
    offer = WorkerOffer(["it"], Mock(), Mock(), 0.0)
    made = Attempts(AttemptSettings(4, {}), AsyncMock(), executor, offer, _Logs(), Mock())
    made.renew(math.inf)
    assert made.free_slots == min(max(capacity, 0), 4)
    made.start(Mock(run=Mock(id=UUID(int=1), entry_point="it")))
    assert made.free_slots == free
    assert made.slots == slots
    made.renew(-math.inf)  # Without a lease nothing may begin.
    assert made.free_slots == 0


class _Logs:
    @asynccontextmanager
    async def keep(self, name: str) -> Any:
        yield name
