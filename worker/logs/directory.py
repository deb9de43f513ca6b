"""Run logs in a directory that workers and API share: what a supervisor writes is there for readers at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from worker.logs.run_logs import ExecutionLog, run_directory

READ_BYTES = 65_536


class DirectoryLogs:
    """Implements `worker.logs.run_logs.LogStore` and `LogKeeper`: a file for each execution."""

    follow_every_s = 0.25

    def __init__(self, root: Path) -> None:
        self._root = root

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """See the port."""
        return await asyncio.to_thread(self._executions, run_id, attempt)

    async def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """See the port."""
        left = log.size - start
        async with await anyio.open_file(self._root / log.name, "rb") as file:
            await file.seek(start)
            while left > 0 and (chunk := await file.read(min(left, READ_BYTES))):
                left -= len(chunk)
                yield chunk

    @asynccontextmanager
    async def keeping(self, name: str) -> AsyncIterator[Path]:
        """See the port."""
        yield self._root / name

    def _executions(self, run_id: str, attempt: int) -> list[ExecutionLog]:
        paths = sorted(
            (self._root / run_directory(run_id)).glob(f"attempt-{attempt:02}-execution-*.log")
        )
        return [
            ExecutionLog(str(path.relative_to(self._root)), path.stat().st_size, complete=True)
            for path in paths
        ]
