"""Run logs in a directory that workers and API share: what is written can be read at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
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
        """Return the logs of an attempt's executions, in order, each as long as it is now."""
        return await asyncio.to_thread(self._executions, run_id, attempt)

    async def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a log from `start` up to its `size`."""
        path = self._root / log.name
        left = log.size - start
        async with await anyio.open_file(path, "rb") as file:
            await file.seek(start)
            while left > 0:
                size = min(left, READ_BYTES)
                chunk = await file.read(size)
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk

    def keeping(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Give the file that readers find."""
        return nullcontext(self._root / name)

    def _executions(self, run_id: str, attempt: int) -> list[ExecutionLog]:
        directory = self._root / run_directory(run_id)
        pattern = f"attempt-{attempt:02}-execution-*.log"
        paths = sorted(directory.glob(pattern))
        return [self._execution(path) for path in paths]

    def _execution(self, path: Path) -> ExecutionLog:
        name = path.relative_to(self._root)
        size = path.stat().st_size
        return ExecutionLog(str(name), size, complete=True)
