"""The logs of runs: their names, the ports of their stores, and how they are read.

First the lines of one stream (`StreamFilter`), then the ports (`LogStore`, `LogKeeper`) and names,
then reading (`RunLogs`); last logs in a directory that workers and the API share (`DirectoryLogs`).

An attempt has a log for each of its executions: more than one if it was handed back and started
again. Readers see them as one text. A log only grows at its end, so an offset stays valid.
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

STORE_TIMEOUT_S = 30.0
"""How long a follower waits for a store that does not answer before it fails."""


class RunLogsUnavailableError(Exception):
    """The store of run logs does not answer, or refuses; the message has its error."""


@dataclass(frozen=True)
class ExecutionLog:
    """The log of one execution, as far as its store has it.

    Attributes:
        name: as `log_name` returns it.
        size: in bytes.
        complete: whether it grows no more; always true in a store that is written directly.
    """

    name: str
    size: int
    complete: bool


Stream = Literal["stdout", "stderr"]

_OTHER_STREAM_MARK: dict[Stream, bytes] = {"stdout": b"z ", "stderr": b"Z "}
"""How the timestamps of the lines of the other stream end (`supervisor.Log`)."""

_MARK = slice(len("2026-01-01T00:00:00.000"), len("2026-01-01T00:00:00.000Z "))

_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
"""A line, or an unfinished last one."""


class StreamFilter:
    """Selects the lines of a stream, and the worker's own notes, which have no timestamp.

    Logs of older versions do not distinguish streams: all their lines count as standard output.
    """

    def __init__(self, stream: Stream) -> None:
        self._other_mark = _OTHER_STREAM_MARK[stream]
        # Of an unfinished line: its start, while that is too short to show the stream; after that,
        # whether the line is selected.
        self._line_start = b""
        self._is_selected: bool | None = None

    def add(self, chunk: bytes) -> bytes:
        """Return the parts of the next chunk that belong to selected lines."""
        parts: list[bytes] = _LINES.findall(self._line_start + chunk)
        self._line_start = b""
        selected: list[bytes] = []
        for part in parts:
            ends_line = part.endswith(b"\n")
            if self._is_selected is None:
                if not ends_line and len(part) < _MARK.stop:
                    self._line_start = part
                    break
                self._is_selected = part[_MARK] != self._other_mark
            if self._is_selected:
                selected.append(part)
            if ends_line:
                self._is_selected = None
        return b"".join(selected)

    def flush(self) -> bytes:
        """Return an unfinished last line that is too short for a timestamp: it is a note."""
        return self._line_start


async def _filter_stream(stream: Stream, output: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream."""
    lines = StreamFilter(stream)
    async for chunk in output:
        if selected := lines.add(chunk):
            yield selected
    yield lines.flush()


class LogStore(Protocol):
    """A store from which logs are read. All methods may raise RunLogsUnavailableError."""

    @property
    def follow_every_s(self) -> float:
        """How often followers should look for new output."""

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """Return the logs of an attempt's executions, in order."""

    def read(self, log: ExecutionLog, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a log from `start` up to its `size`."""


class LogKeeper(Protocol):
    """Keeps the logs of running attempts in a store."""

    def keep(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Provide the file to which an execution's supervisor writes.

        After the block, readers find all of it in the store.
        """


def log_name(run_id: str, attempt: int, execution: int) -> str:
    """Return the name of an execution's log: a relative path, the same in every store."""
    directory = run_directory(run_id)
    return f"{directory}/attempt-{attempt:02}-execution-{execution:04}.log"


def run_directory(run_id: str) -> str:
    """Return the relative path of the directory of a run's logs."""
    return f"{run_id[-2:]}/{run_id}"


def logs_url(run_id: str, attempt: int) -> str:
    """Return the path under which the API serves an attempt's log."""
    return f"/job-runs/{run_id}/logs?attempt={attempt}"


MAX_READS_PER_S = 250
"""How often all followers of a process together look for new output, each time with a query of the
database. If there are many followers, each looks less often."""


class RunLogs:
    """Reads the logs of attempts from any store. All methods may raise RunLogsUnavailableError."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._followers = 0

    async def size(self, run_id: str, attempt: int) -> int:
        """Return the size of an attempt's log in bytes."""
        logs = await self._store.executions(run_id, attempt)
        return _size(logs)

    async def tail(self, run_id: str, attempt: int, last: int) -> tuple[bytes, int]:
        """Return the last bytes of an attempt's log, at most `last` of them, and its size."""
        logs = await self._store.executions(run_id, attempt)
        size = _size(logs)
        chunks = [chunk async for chunk in self._read_from(logs, max(0, size - last))]
        return b"".join(chunks), size

    async def read(
        self, run_id: str, attempt: int, offset: int = 0, stream: Stream | None = None
    ) -> AsyncIterator[bytes]:
        """Return the present log from an offset on, or its lines of one stream."""
        logs = await self._store.executions(run_id, attempt)
        output = self._read_from(logs, offset)
        return output if stream is None else _filter_stream(stream, output)

    async def follow(
        self,
        run_id: str,
        attempt: int,
        offset: int,
        is_over: Callable[[], Awaitable[bool]],
        stream: Stream | None = None,
    ) -> AsyncIterator[bytes]:
        """Return the log from an offset on, as it grows, up to the end of the attempt.

        Args:
            run_id: the run's id.
            attempt: the attempt's number.
            offset: the number of bytes to skip.
            is_over: returns whether the attempt has ended.
            stream: only lines of this stream; None for all.
        """
        # An error of the store must be raised before the response begins.
        await self._store.executions(run_id, attempt)
        output = self._follow(run_id, attempt, _FollowPosition(offset), is_over)
        return output if stream is None else _filter_stream(stream, output)

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
        answered_s = monotonic()
        with self._count_follower():
            while True:
                # Checked before the log is read, so that the last reading is after the end.
                has_ended = await is_over()
                try:
                    logs = await self._store.executions(run_id, attempt)
                    new_output = self._read_new(logs, position, has_ended=has_ended)
                    async with aclosing(new_output) as output:
                        async for chunk in output:
                            yield chunk
                    if has_ended:
                        return
                    answered_s = monotonic()
                except RunLogsUnavailableError:
                    if monotonic() - answered_s > STORE_TIMEOUT_S:
                        raise
                pause_s = self._followers / MAX_READS_PER_S
                await asyncio.sleep(max(self._store.follow_every_s, pause_s))

    @contextmanager
    def _count_follower(self) -> Iterator[None]:
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1

    async def _read_new(
        self, logs: Sequence[ExecutionLog], position: "_FollowPosition", *, has_ended: bool
    ) -> AsyncGenerator[bytes, None]:
        """Yield the output after a position, and advance the position."""
        for log in logs:
            start = position.start_in(log)
            if start < log.size:
                async for chunk in self._store.read(log, start):
                    position.read_bytes[log.name] += len(chunk)
                    yield chunk
            if not (log.complete or has_ended):
                return  # The rest of this log comes before the next execution's log.


@dataclass
class _FollowPosition:
    """The position of a follower in the logs of an attempt.

    Attributes:
        skip_bytes: how many more bytes to skip to reach the follower's offset.
        read_bytes: how many bytes of each log were sent or skipped, by name.
    """

    skip_bytes: int
    read_bytes: dict[str, int] = field(default_factory=dict)

    def start_in(self, log: ExecutionLog) -> int:
        """Return the offset from which to read a log; skip what is to be skipped in it."""
        start = self.read_bytes.get(log.name, 0)
        skipped = min(self.skip_bytes, max(0, log.size - start))
        self.skip_bytes -= skipped
        self.read_bytes[log.name] = start + skipped
        return start + skipped


def _size(logs: Sequence[ExecutionLog]) -> int:
    return sum(log.size for log in logs)


READ_BYTES = 65_536


class DirectoryLogs:
    """Implements `LogStore` and `LogKeeper` with a directory that has a file for each execution."""

    follow_every_s = 0.25

    def __init__(self, root: Path) -> None:
        self._root = root

    async def executions(self, run_id: str, attempt: int) -> Sequence[ExecutionLog]:
        """Return the logs of an attempt's executions, in order, with their present sizes."""
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

    def keep(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Provide the file that readers read."""
        return nullcontext(self._root / name)

    def _executions(self, run_id: str, attempt: int) -> list[ExecutionLog]:
        directory = self._root / run_directory(run_id)
        paths = sorted(directory.glob(f"attempt-{attempt:02}-execution-*.log"))
        return [self._execution(path) for path in paths]

    def _execution(self, path: Path) -> ExecutionLog:
        name = str(path.relative_to(self._root))
        return ExecutionLog(name, path.stat().st_size, complete=True)
