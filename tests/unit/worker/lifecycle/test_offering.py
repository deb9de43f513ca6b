"""What a worker offers is told again until it has been taken in."""

import asyncio
from collections.abc import Iterable
from typing import cast

from domain.errors import LogUnavailableError
from worker.lifecycle.offering import Offering
from worker.lifecycle.ports import Heartbeats, Work


class _Away:
    """Heartbeats and work of a database that is away once."""

    def __init__(self) -> None:
        self.asked = 0
        self.taken = asyncio.Event()
        self.offered: list[str] = []

    async def offer(self, _: str, entry_points: Iterable[str]) -> None:
        self.asked += 1
        if self.asked == 1:
            raise LogUnavailableError("away")
        self.offered = list(entry_points)
        self.taken.set()

    async def unoffered(self) -> frozenset[str]:
        return frozenset()


async def test_an_offer_that_did_not_get_through_is_told_again() -> None:
    away = _Away()
    offered = ["one"]
    offering = Offering(offered, cast("Work", away), cast("Heartbeats", away), 5.0)
    offering.announced()
    offered.append("two")
    keeping = asyncio.ensure_future(offering.keep_up("worker"))
    try:
        await asyncio.wait_for(away.taken.wait(), 20)
    finally:
        keeping.cancel()
    assert away.offered == ["one", "two"]
