"""Tasks for the executors of tests."""

import asyncio
from pathlib import Path
from typing import Any

from worker.executors.port import Task


def task_of(
    handler: str,
    log: Path,
    timeout_ms: int | None = None,
    memory_mb: int | None = None,
    **parameters: Any,
) -> Task:
    """Return a task for one of `tests.support.handlers`, without its `test.`."""
    return Task(
        run={"id": "r", "slug": "s", "attempt": 1, "maxAttempts": 1, "context": {}},
        definition={},
        entry_point=f"test.{handler}",
        parameters=parameters,
        inputs={},
        settings={},
        timeout_ms=timeout_ms,
        memory_mb=memory_mb,
        deadline=None,
        log_path=log,
    )


async def printed(log: Path) -> None:
    """Wait until an attempt has printed something."""
    while not (log.exists() and log.stat().st_size):
        await asyncio.sleep(0.01)
