"""What a worker offers is told again until it has been taken in."""

import asyncio
from collections.abc import Iterable
from typing import cast

import pytest

from cli.start.options import WorkOptions
from domain.errors import LogUnavailableError
from worker.offer import WorkerOffer
from worker.ports import Heartbeats, Work
from worker.worker import WorkerSettings


class _Away:
    """Heartbeats and work of a database that is away once."""

    def __init__(self) -> None:
        self.calls = 0
        self.taken = asyncio.Event()
        self.offered: list[str] = []

    async def offer(self, _: str, entry_points: Iterable[str], __: object) -> None:
        self.calls += 1
        if self.calls == 1:
            raise LogUnavailableError("away")
        self.offered = list(entry_points)
        self.taken.set()

    async def unoffered_entry_points(self) -> frozenset[str]:
        return frozenset({"nobodys"})

    def wake(self) -> None:
        pass


async def test_an_offer_that_did_not_get_through_is_told_again() -> None:
    away = _Away()
    offered = ["one"]
    offer = WorkerOffer(offered, cast("Work", away), cast("Heartbeats", away), 5.0)
    offer.mark_announced()
    offered.append("two")
    keeping = asyncio.ensure_future(offer.keep_current("worker"))
    try:
        await asyncio.wait_for(away.taken.wait(), 90)
    finally:
        keeping.cancel()
    assert away.offered == ["one", "two"]


@pytest.mark.parametrize(
    ("after_s", "abandoned"), [(None, set()), (3_600.0, set()), (0.0, {"nobodys"})]
)
async def test_nothing_is_abandoned_unless_the_operator_says_after_how_long(
    after_s: float | None, abandoned: set[str]
) -> None:
    away = _Away()
    offer = WorkerOffer(["one"], cast("Work", away), cast("Heartbeats", away), after_s)
    await offer.read_unoffered()
    assert offer.unoffered_count == 1
    assert offer.current("process").abandoned == abandoned
    assert offer.is_abandoned("nobodys") is bool(abandoned)


def test_a_worker_gives_nothing_up_by_default() -> None:
    assert WorkOptions().no_handler_after_s is None
    assert WorkerSettings().no_handler_after_s is None
