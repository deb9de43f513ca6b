"""Attempts for a shared executor, each with a log of its own."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from tests.support.handlers.tasks import task_of
from worker.executors.port import Outcome
from worker.executors.shared import SharedExecutor
from worker.executors.shared_process import SharedAttempt


class Submitting:
    """Submits attempts to a shared executor, each with a log of its own."""

    def __init__(self, where: SharedExecutor, directory: Path) -> None:
        self.where = where
        self.updates: list[Mapping[str, Any]] = []
        self._directory = directory
        self._count = 0

    def log(self, number: int) -> Path:
        """Return where what the attempt prints is kept."""
        return self._directory / str(number)

    async def submit(self, handler: str, **more: Any) -> SharedAttempt:
        """Submit the next attempt."""
        task = task_of(handler, self.log(self._count), **more)
        self._count += 1
        return await self.where.submit(task, self.updates.append, monotonic() + 60)

    async def run(self, handler: str, **more: Any) -> Outcome:
        """Submit an attempt, and wait for its end."""
        return await ended(await self.submit(handler, **more))


async def ended(attempt: SharedAttempt) -> Outcome:
    """Return how an attempt ended, in time."""
    return await asyncio.wait_for(attempt.outcome(), 90)
