"""A node of Ray whose watcher is silent: attempts end with their lease, and so does the wait."""

import asyncio
from time import monotonic

import pytest

from worker.executors.ray import driver
from worker.executors.ray.driver import Node


class Silent:
    """What Ray gives for a watcher, of a cluster that is gone."""

    def __init__(self) -> None:
        self.calls = 0

    @property
    def renew(self) -> "Silent":
        return self

    @property
    def end(self) -> "Silent":
        return self

    def remote(self, *_: object) -> "asyncio.Future[bool]":
        self.calls += 1
        return asyncio.get_running_loop().create_future()


async def test_nobody_waits_for_a_silent_node_beyond_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "ANSWER_S", 0.05)
    watcher = Silent()
    node = Node("gone", watcher, monotonic(), errors=())
    until = monotonic() + 0.3
    renewing = asyncio.create_task(node.renew(until, 1))
    await asyncio.sleep(0)
    async with asyncio.timeout(90):
        await node.end("an attempt")
    renewing.cancel()
    assert monotonic() >= until
    assert watcher.calls > 2
