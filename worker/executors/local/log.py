"""The log of an attempt, as its supervisor writes it.

First the two streams of output (`OutputStreams`), then the file (`Log`), then the thread that
writes it (`LogWriter`). Supervisors import this as they start, so it imports almost nothing.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import time
from _queue import Empty, SimpleQueue
from contextlib import suppress

from worker.executors.local.masking import Masker

# Type checkers know the name; importing typing would cost a third of a supervisor's start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


STDOUT, STDERR = 1, 2
"""The streams of output, by the numbers of their descriptors."""

ERROR_MARK = b"\x00\x1fstderr\x1f"
"""Begins a frame of standard error within standard output: the number of bytes (in `SIZE_BYTES`
bytes) and these bytes follow. The handlers' process gets the mark with its command."""

SIZE_BYTES = 2


class OutputStreams:
    """Splits the output of a process into its two streams, in the order in which it was printed.

    Each stream has a pipe, and the contents of two pipes have no common order. So Python code
    prints standard error to the pipe of standard output, in frames that begin with `ERROR_MARK`.
    """

    def __init__(self) -> None:
        self._unread = b""
        self._remaining_bytes = 0

    def split(self, output: bytes) -> list[tuple[bytes, int]]:
        """Return the parts of output from standard output's pipe, each with its stream."""
        output = self._unread + output
        self._unread = b""
        parts: list[tuple[bytes, int]] = []
        position = 0
        while position < len(output):
            if self._remaining_bytes:  # Inside a frame.
                part = output[position : position + self._remaining_bytes]
                self._remaining_bytes -= len(part)
                position += len(part)
                parts.append((part, STDERR))
                continue
            mark_at = output.find(ERROR_MARK, position)
            size_at = mark_at + len(ERROR_MARK)
            content_at = size_at + SIZE_BYTES
            if mark_at < 0 or content_at > len(output):
                end = _find_partial_mark(output, position) if mark_at < 0 else mark_at
                parts.append((output[position:end], STDOUT))
                self._unread = output[end:]
                break
            parts.append((output[position:mark_at], STDOUT))
            self._remaining_bytes = int.from_bytes(output[size_at:content_at], "big")
            position = content_at
        return parts

    def flush(self) -> bytes:
        """Return output that was held back as a possible start of a frame, at the end."""
        rest = self._unread
        self._unread = b""
        return rest


def _find_partial_mark(output: bytes, after: int) -> int:
    """Return the index, after a position, from which the output may be a mark; else its length."""
    begin = output.rfind(ERROR_MARK[:1], max(after, len(output) - len(ERROR_MARK)))
    if begin >= 0 and ERROR_MARK.startswith(output[begin:]):
        return begin
    return len(output)


LIMIT_NOTICE = b"[the output beyond %d bytes is not kept]\n"
DROPPED_NOTICE = b"[%d bytes were left out]\n"
LOST_NOTICE = b"[%d bytes could not be written]\n"


class Log:
    """The log of an attempt: output with a timestamp on each line, up to a limit of bytes.

    Timestamps are in UTC; they end with `z` on lines of standard error, else with `Z`. Each line
    belongs to one stream: if the other stream prints before its end, another line begins.

    It never raises an error of the file, as the supervisor must go on to end processes. Bytes that
    could not be written are counted; once the file can be written again, a notice has their number.

    Attributes:
        lost: how many bytes could not be written and are not in a notice yet.
    """

    def __init__(self, path: str, limit: int) -> None:
        self.lost = 0
        self._path = path
        self._file: int | None = None
        self._remaining_bytes = limit
        self._limit = limit
        self._at_line_start = True
        self._stream = STDOUT
        self._file_ends_line = True
        self._dropped_bytes = 0
        self._write(b"")  # The file exists from now on.

    def add(self, *parts: tuple[bytes, int]) -> None:
        """Write parts of the output, each with its stream, up to the limit."""
        if self._remaining_bytes <= 0:
            self._dropped_bytes += _size(parts)
            return
        stamps = _stamps()
        # An empty part would become a line with nothing but a stamp.
        stamped = b"".join([self._stamp(part, stream, stamps) for part, stream in parts if part])
        kept = stamped[: self._remaining_bytes]
        self._remaining_bytes -= len(kept)
        self._dropped_bytes += len(stamped) - len(kept)
        self._append(kept)
        if self._remaining_bytes <= 0:
            self._append(self._line_end + LIMIT_NOTICE % self._limit)

    def count_dropped(self, size: int) -> None:
        """Count output that was dropped before it came here."""
        self._dropped_bytes += size

    def _stamp(self, output: bytes, stream: int, stamps: dict[int, bytes]) -> bytes:
        """Return the output with a timestamp at the start of each line."""
        stamp = stamps[stream]
        # A carriage return does not end a line: progress bars print thousands of them.
        stamped = output.replace(b"\n", b"\n" + stamp)
        if self._at_line_start:
            stamped = stamp + stamped
        elif stream != self._stream:
            stamped = b"\n" + stamp + stamped
        self._stream = stream
        self._at_line_start = output.endswith(b"\n")
        if self._at_line_start:
            # The next line gets a timestamp of its own.
            stamped = stamped.removesuffix(stamp)
        return stamped

    def close(self) -> None:
        """Write how many bytes were dropped, if any were, and close the file."""
        self._append(DROPPED_NOTICE % self._dropped_bytes if self._dropped_bytes else b"")
        if self._file is not None:
            with suppress(OSError):
                # Some file systems report errors of earlier writes here.
                os.close(self._file)

    @property
    def _line_end(self) -> bytes:
        return b"" if self._file_ends_line else b"\n"

    def _append(self, content: bytes) -> None:
        """Write content, and before it how many bytes could not be written until now."""
        notice = self._line_end + LOST_NOTICE % self.lost if self.lost else b""
        text = notice + content
        written = self._write(text)
        if written:
            self._file_ends_line = text[:written].endswith(b"\n")
        if written >= len(notice):
            self.lost = 0
        self.lost += len(content) - max(0, written - len(notice))

    def _write(self, content: bytes) -> int:
        """Write as much as possible; return the number of bytes that were written."""
        view = memoryview(content)
        with suppress(OSError):
            if self._file is None:
                self._file = _open_log_file(self._path)
            while view:
                written = os.write(self._file, view)
                view = view[written:]
        return len(content) - len(view)


def _open_log_file(path: str) -> int:
    # Without pathlib, which would double the time of the start.
    directory = os.path.dirname(path)  # noqa: PTH120
    os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file = os.open(path, flags, 0o600)
    with suppress(OSError):  # Some file systems have no locks.
        # The lock shows readers that the file still grows.
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _size(parts: Iterable[tuple[bytes, int]]) -> int:
    return sum([len(part) for part, _ in parts])


def _stamps() -> dict[int, bytes]:
    """Return the present timestamp for lines of each stream."""
    now = time.time()
    utc = time.gmtime(now)
    second = time.strftime("%Y-%m-%dT%H:%M:%S", utc)
    millisecond = int(now % 1 * 1000)
    stamp = f"{second}.{millisecond:03d}"
    return {STDOUT: f"{stamp}Z ".encode(), STDERR: f"{stamp}z ".encode()}


MAX_PENDING_BYTES = 1_048_576
"""While this much output waits for the disk, no more is read."""

CLOSING_S = 10.0
"""How long the end of an attempt waits for the disk."""


class LogWriter:
    """Writes the log of an attempt in a thread; only `close` waits for the disk.

    A disk that hangs, such as a network disk, must not prevent a supervisor from ending an attempt:
    at its deadline, when it is canceled, or when the lease is over.
    """

    def __init__(self, path: str, limit: int, secrets: Iterable[str] = ()) -> None:
        self._maskers = {stream: Masker(secrets) for stream in (STDOUT, STDERR)}
        self._waiting: SimpleQueue[list[tuple[bytes, int]] | None] = SimpleQueue()
        self._closed: SimpleQueue[int] = SimpleQueue()
        self._accepted_bytes = 0
        self._written_bytes = 0
        self._direct: Log | None = None
        try:
            # Without `threading`, which takes long to import.
            _thread.start_new_thread(self._write, (path, limit))
        except RuntimeError:
            # No thread can be started if the handler has reached the limit of processes.
            self._direct = Log(path, limit)

    @property
    def has_capacity(self) -> bool:
        """Whether more output may wait for the disk."""
        return self._accepted_bytes - self._written_bytes < MAX_PENDING_BYTES

    def add(self, *parts: tuple[bytes, int]) -> None:
        """Write parts of the output, each with its stream, in the background."""
        self._enqueue([(self._maskers[stream].add(part), stream) for part, stream in parts])

    def _enqueue(self, parts: list[tuple[bytes, int]]) -> None:
        size = _size(parts)
        if self._direct is not None:
            self._direct.add(*parts)
        elif size:
            self._accepted_bytes += size
            self._waiting.put(parts)

    def close(self) -> int:
        """Wait up to `CLOSING_S` until all is written; return how many bytes the file lacks."""
        self._enqueue([(masker.flush(), stream) for stream, masker in self._maskers.items()])
        if self._direct is not None:
            self._direct.close()
            return self._direct.lost
        self._waiting.put(None)
        try:
            return self._closed.get(timeout=CLOSING_S)
        except Empty:
            return self._accepted_bytes - self._written_bytes

    def _write(self, path: str, limit: int) -> None:
        log = Log(path, limit)
        while (parts := self._waiting.get()) is not None:
            log.add(*parts)
            self._written_bytes += _size(parts)
        log.close()
        self._closed.put(log.lost)
