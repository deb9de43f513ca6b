"""What runs print: how it is named, the ports behind which it is kept, and how it is read.

First the ports (`LogStore`, `LogKeeper`) and names, then reading (`RunLogs`), then logs in a
directory that workers and API share (`DirectoryLogs`).

An attempt has one log for each of its executions: several where it was handed back and started
again. To readers they are one text. A log only ever grows at its end, so an offset that was read
once stays true.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Protocol

import anyio

STORE_AWAY_S = 30.0
"""How long a follower bears a store that does not answer."""


class RunLogsUnavailableError(Exception):
    """The store of run logs does not answer, or refuses; the message says what it said."""


@dataclass(frozen=True)
class ExecutionLog:
    """The log of one execution, as far as its store has it.

    Attributes:
        name: see `log_name`.
        size: bytes.
        complete: whether nothing more will come; a store that has what is printed at once may
            always say so.
    """

    name: str
    size: int
    complete: bool


class LogStore(Protocol):
    """Where logs are read. All methods raise RunLogsUnavailableError."""

    @property
    def follow_every_s(self) -> float:
        """How often it is worth looking for more."""

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """Return the logs of an attempt's executions, in order."""

    def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a log from `start` up to its `size`."""


class LogKeeper(Protocol):
    """Where logs are written."""

    def keeping(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Give the file that an execution's supervisor writes.

        At the end, see to it that readers find all of it.
        """


def log_name(run_id: str, attempt: int, execution: int) -> str:
    """Return the name of an execution's log: a relative path, the same in every store.

    Ids are UUIDs.
    """
    directory = run_directory(run_id)
    return f"{directory}/attempt-{attempt:02}-execution-{execution:04}.log"


def run_directory(run_id: str) -> str:
    """Return where all logs of a run lie."""
    return f"{run_id[-2:]}/{run_id}"


def logs_url(run_id: str, attempt: int) -> str:
    """Return where the API serves an attempt's log."""
    return f"/job-runs/{run_id}/logs?attempt={attempt}"


class RunLogs:
    """What attempts printed, whatever store keeps it. All methods raise RunLogsUnavailableError."""

    def __init__(self, store: LogStore) -> None:
        self._store = store

    async def size(self, run_id: str, attempt: int) -> int:
        """Return how many bytes there are."""
        logs = await self._store.executions(run_id, attempt)
        return _size(logs)

    async def tail(self, run_id: str, attempt: int, last: int) -> tuple[bytes, int]:
        """Return the last bytes, at most `last` of them, and how many there are altogether."""
        logs = await self._store.executions(run_id, attempt)
        size = _size(logs)
        start = max(0, size - last)
        end = [chunk async for chunk in self._from(logs, start)]
        return b"".join(end), size

    async def read(self, run_id: str, attempt: int, offset: int = 0) -> AsyncIterator[bytes]:
        """Return what is there now, from an offset on."""
        logs = await self._store.executions(run_id, attempt)
        return self._from(logs, offset)

    async def follow(
        self, run_id: str, attempt: int, offset: int, is_over: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Return what is there and what is still printed, up to the end of the attempt."""
        # Let a store that is away be heard of before the answer begins.
        await self._store.executions(run_id, attempt)
        reached = _Reached(offset)
        return self._follow(run_id, attempt, reached, is_over)

    async def _from(self, logs: Sequence[ExecutionLog], offset: int) -> AsyncIterator[bytes]:
        for log in logs:
            size = log.size
            if offset < size:
                async for chunk in self._store.read(log, offset):
                    yield chunk
            offset = max(0, offset - size)

    async def _follow(
        self, run_id: str, attempt: int, reached: "_Reached", is_over: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        answered_at = monotonic()
        while True:
            # Asked before reading: whatever was printed before the end is read after it.
            over = await is_over()
            try:
                logs = await self._store.executions(run_id, attempt)
                async with aclosing(self._news(logs, reached, to_the_end=over)) as news:
                    async for chunk in news:
                        yield chunk
                if over:
                    return
                answered_at = monotonic()
            except RunLogsUnavailableError:
                silent_s = monotonic() - answered_at
                if silent_s > STORE_AWAY_S:
                    raise
            await asyncio.sleep(self._store.follow_every_s)

    async def _news(
        self, logs: Sequence[ExecutionLog], reached: "_Reached", *, to_the_end: bool
    ) -> AsyncGenerator[bytes, None]:
        for log in logs:
            start = reached.position(log)
            if start < log.size:
                async for chunk in self._store.read(log, start):
                    reached.bytes_of[log.name] += len(chunk)
                    yield chunk
            if not (log.complete or to_the_end):
                return  # The next execution's log stands behind what is still to come of this one.


@dataclass
class _Reached:
    """How far a follower has come.

    Attributes:
        to_skip: what of its offset lies ahead.
        bytes_of: what it has of each log, by name.
    """

    to_skip: int
    bytes_of: dict[str, int] = field(default_factory=dict)

    def position(self, log: ExecutionLog) -> int:
        """Return where to go on in a log, having skipped what there is to skip."""
        name = log.name
        position = self.bytes_of.get(name, 0)
        ahead = max(0, log.size - position)
        skipped = min(self.to_skip, ahead)
        self.to_skip -= skipped
        position += skipped
        self.bytes_of[name] = position
        return position


def _size(logs: Sequence[ExecutionLog]) -> int:
    sizes = [log.size for log in logs]
    return sum(sizes)


# In a shared directory what is written can be read at once.

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
