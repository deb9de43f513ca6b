"""The logs of runs: their names, the ports behind which they are kept, and how they are read.

First the ports (`LogStore`, `LogKeeper`) and names, then reading (`RunLogs`), then logs in a
directory that workers and API share (`DirectoryLogs`).

An attempt has one log for each of its executions: several where it was handed back and started
again. To readers they are one text. A log only ever grows at its end, so an offset stays valid.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal, Protocol

import anyio

STORE_AWAY_S = 30.0
"""How long a follower waits for a store that does not answer."""


class RunLogsUnavailableError(Exception):
    """The store of run logs does not answer, or refuses; the message contains its error."""


@dataclass(frozen=True)
class ExecutionLog:
    """The log of one execution, as far as its store has it.

    Attributes:
        name: see `log_name`.
        size: bytes.
        complete: whether it grows no more; always true in a store that has output at once.
    """

    name: str
    size: int
    complete: bool


Stream = Literal["stdout", "stderr"]

_OTHER_ZONE: dict[Stream, bytes] = {"stdout": b"z ", "stderr": b"Z "}
"""How the times end with which the lines of the other stream begin (`supervisor.Log`)."""

_ZONE = slice(len("2026-01-01T00:00:00.000"), len("2026-01-01T00:00:00.000Z "))

_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
"""Lines, and the beginning of the last one."""


class LinesOf:
    """Selects the lines of a stream; notes of the worker's own, which have no time, are of both.

    In logs from before streams were told apart, all lines count as standard output.
    """

    def __init__(self, stream: Stream) -> None:
        self._other_zone = _OTHER_ZONE[stream]
        # Of the line under way: its beginning until that says its stream, then whether it is of it.
        self._beginning = b""
        self._is_selected: bool | None = None

    def add(self, chunk: bytes) -> bytes:
        """Return what the next chunk has of the stream's lines, which may be long."""
        parts: list[bytes] = _LINES.findall(self._beginning + chunk)
        self._beginning = b""
        selected: list[bytes] = []
        for part in parts:
            is_over = part.endswith(b"\n")
            if self._is_selected is None:
                if not is_over and len(part) < _ZONE.stop:
                    self._beginning = part
                    break
                self._is_selected = self._has(part)
            if self._is_selected:
                selected.append(part)
            if is_over:
                self._is_selected = None
        return b"".join(selected)

    def rest(self) -> bytes:
        """Return the last line, if it is shorter than a time, and so of both streams."""
        return self._beginning

    def _has(self, line: bytes) -> bool:
        return line[_ZONE] != self._other_zone


async def _lines_of(stream: Stream, output: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream."""
    lines = LinesOf(stream)
    async for chunk in output:
        if selected := lines.add(chunk):
            yield selected
    yield lines.rest()


class LogStore(Protocol):
    """A store from which logs are read. All methods raise RunLogsUnavailableError."""

    @property
    def follow_every_s(self) -> float:
        """How often followers should look for more."""

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """Return the logs of an attempt's executions, in order."""

    def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a log from `start` up to its `size`."""


class LogKeeper(Protocol):
    """Brings the logs of running attempts to a store."""

    def keeping(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Provide the file that an execution's supervisor writes.

        After the block, readers can read all of it.
        """


def log_name(run_id: str, attempt: int, execution: int) -> str:
    """Return the name of an execution's log: a relative path, the same in every store.

    Ids are UUIDs.
    """
    directory = run_directory(run_id)
    return f"{directory}/attempt-{attempt:02}-execution-{execution:04}.log"


def run_directory(run_id: str) -> str:
    """Return the directory of all logs of a run."""
    return f"{run_id[-2:]}/{run_id}"


def logs_url(run_id: str, attempt: int) -> str:
    """Return the path under which the API serves an attempt's log."""
    return f"/job-runs/{run_id}/logs?attempt={attempt}"


MAX_LOOKS_PER_S = 250
"""Looks of all followers of a process together, each with a query of the database: beyond that,
each of them looks more seldom."""


class RunLogs:
    """The logs of attempts in any store. All methods raise RunLogsUnavailableError."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._followers = 0

    async def size(self, run_id: str, attempt: int) -> int:
        """Return the size of an attempt's log in bytes."""
        logs = await self._store.executions(run_id, attempt)
        return _size(logs)

    async def tail(self, run_id: str, attempt: int, last: int) -> tuple[bytes, int]:
        """Return the last bytes, at most `last` of them, and the number of all."""
        logs = await self._store.executions(run_id, attempt)
        size = _size(logs)
        start = max(0, size - last)
        end = [chunk async for chunk in self._read_from(logs, start)]
        return b"".join(end), size

    async def read(
        self, run_id: str, attempt: int, offset: int = 0, stream: Stream | None = None
    ) -> AsyncIterator[bytes]:
        """Return the present log from an offset on, or its lines of one stream."""
        logs = await self._store.executions(run_id, attempt)
        output = self._read_from(logs, offset)
        return output if stream is None else _lines_of(stream, output)

    async def follow(
        self,
        run_id: str,
        attempt: int,
        offset: int,
        is_over: Callable[[], Awaitable[bool]],
        stream: Stream | None = None,
    ) -> AsyncIterator[bytes]:
        """Return the log, or its lines of one stream, as it grows up to the end of the attempt."""
        # An error of the store must be raised before the response begins.
        await self._store.executions(run_id, attempt)
        output = self._follow(run_id, attempt, _FollowPosition(offset), is_over)
        return output if stream is None else _lines_of(stream, output)

    async def _read_from(self, logs: Sequence[ExecutionLog], offset: int) -> AsyncIterator[bytes]:
        for log in logs:
            size = log.size
            if offset < size:
                async for chunk in self._store.read(log, offset):
                    yield chunk
            offset = max(0, offset - size)

    async def _follow(
        self,
        run_id: str,
        attempt: int,
        position: "_FollowPosition",
        is_over: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[bytes]:
        answered_at = monotonic()
        with self._counted():
            while True:
                # Read before the log: all output of before the end is read after it.
                over = await is_over()
                try:
                    logs = await self._store.executions(run_id, attempt)
                    new_output = self._new_output(logs, position, to_the_end=over)
                    async with aclosing(new_output) as output:
                        async for chunk in output:
                            yield chunk
                    if over:
                        return
                    answered_at = monotonic()
                except RunLogsUnavailableError:
                    if monotonic() - answered_at > STORE_AWAY_S:
                        raise
                pause_s = self._followers / MAX_LOOKS_PER_S
                await asyncio.sleep(max(self._store.follow_every_s, pause_s))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1

    async def _new_output(
        self, logs: Sequence[ExecutionLog], position: "_FollowPosition", *, to_the_end: bool
    ) -> AsyncGenerator[bytes, None]:
        for log in logs:
            start = position.start_in(log)
            if start < log.size:
                async for chunk in self._store.read(log, start):
                    position.bytes_of[log.name] += len(chunk)
                    yield chunk
            if not (log.complete or to_the_end):
                return  # The next execution's log comes after the rest of this one.


@dataclass
class _FollowPosition:
    """The position of a follower in the logs of an attempt.

    Attributes:
        to_skip: how many bytes to skip yet, up to the follower's offset.
        bytes_of: how many bytes of each log were sent or skipped, by name.
    """

    to_skip: int
    bytes_of: dict[str, int] = field(default_factory=dict)

    def start_in(self, log: ExecutionLog) -> int:
        """Return the offset at which to continue in a log; skip what is to be skipped there."""
        start = self.bytes_of.get(log.name, 0)
        skipped = min(self.to_skip, max(0, log.size - start))
        self.to_skip -= skipped
        self.bytes_of[log.name] = start + skipped
        return start + skipped


def _size(logs: Sequence[ExecutionLog]) -> int:
    return sum(log.size for log in logs)


READ_BYTES = 65_536


class DirectoryLogs:
    """Implements `LogStore` and `LogKeeper` by a shared directory: a file for each execution."""

    follow_every_s = 0.25

    def __init__(self, root: Path) -> None:
        self._root = root

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """Return the logs of an attempt's executions, in order, each as long as it is now."""
        return await asyncio.to_thread(self._executions, run_id, attempt)

    async def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a log from `start` up to its `size`."""
        path = self._root / log.name
        remaining_bytes = log.size - start
        async with await anyio.open_file(path, "rb") as file:
            await file.seek(start)
            while remaining_bytes > 0:
                chunk = await file.read(min(remaining_bytes, READ_BYTES))
                if not chunk:
                    return
                remaining_bytes -= len(chunk)
                yield chunk

    def keeping(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Provide the file, which readers can read at once."""
        return nullcontext(self._root / name)

    def _executions(self, run_id: str, attempt: int) -> list[ExecutionLog]:
        directory = self._root / run_directory(run_id)
        paths = sorted(directory.glob(f"attempt-{attempt:02}-execution-*.log"))
        return [self._execution(path) for path in paths]

    def _execution(self, path: Path) -> ExecutionLog:
        name = str(path.relative_to(self._root))
        return ExecutionLog(name, path.stat().st_size, complete=True)
