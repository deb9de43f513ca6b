"""The log of one attempt, as its supervisor keeps it."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress

BEYOND = b"[the output beyond %d bytes is not kept]\n"
LEFT_OUT = b"[%d bytes were left out]\n"
LOST = b"[%d bytes could not be written]\n"


class Log:
    """Stamps each line, and keeps only so many bytes.

    No failure of the file ever leaves this class: whoever keeps the log has processes to end. What
    could not be written is counted, and told as soon as something can be written again.

    Attributes:
        lost: how many bytes could not be written and are not told of in the file yet.
    """

    def __init__(self, path: str, limit: int) -> None:
        self.lost = 0
        self._path = path
        self._file: int | None = None
        self._room = limit
        self._limit = limit
        self._at_line_start = True
        self._kept_whole_lines = True
        self._left_out = 0
        self._write(b"")  # Readers find the file from now on.

    def add(self, output: bytes) -> None:
        """Keep what was printed, line by line."""
        if self._room <= 0:
            self._left_out += len(output)
            return
        stamped = self._stamped(output)
        kept = stamped[: self._room]
        self._room -= len(kept)
        self._left_out += len(stamped) - len(kept)
        self._keep(kept)
        if self._room <= 0:
            self._keep(self._line_end + BEYOND % self._limit)

    def leave_out(self, size: int) -> None:
        """Count what has not even been passed on."""
        self._left_out += size

    def _stamped(self, output: bytes) -> bytes:
        """Return the output with the time at the start of each line."""
        stamp = _stamp()
        # Only the newline ends a line: progress bars return to its start a thousand times.
        stamped = output.replace(b"\n", b"\n" + stamp)
        if self._at_line_start:
            stamped = stamp + stamped
        self._at_line_start = output.endswith(b"\n")
        if self._at_line_start:
            # It belongs to a line that is yet to come.
            stamped = stamped.removesuffix(stamp)
        return stamped

    def close(self) -> None:
        """Say how much was left out, if any was."""
        last_words = b""
        if self._left_out:
            last_words = LEFT_OUT % self._left_out
        self._keep(last_words)
        if self._file is not None:
            with suppress(OSError):
                # Some file systems say only now that they could not write.
                os.close(self._file)

    @property
    def _line_end(self) -> bytes:
        if self._kept_whole_lines:
            return b""
        return b"\n"

    def _keep(self, content: bytes) -> None:
        """Write what can be written, and before it how much could not be until now."""
        told = b""
        if self.lost:
            told = self._line_end + LOST % self.lost
        whole = told + content
        written = self._write(whole)
        if written:
            self._kept_whole_lines = whole[:written].endswith(b"\n")
        if written >= len(told):
            self.lost = 0
        kept_bytes = max(0, written - len(told))
        self.lost += len(content) - kept_bytes

    def _write(self, content: bytes) -> int:
        """Return how many bytes the file took."""
        view = memoryview(content)
        with suppress(OSError):
            if self._file is None:
                self._file = _opened(self._path)
            while view:
                written = os.write(self._file, view)
                view = view[written:]
        return len(content) - len(view)


def _opened(path: str) -> int:
    # Not with pathlib, which would double the time of the start.
    directory = os.path.dirname(path)  # noqa: PTH120
    os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file = os.open(path, flags, 0o600)
    with suppress(OSError):  # Some file systems have no locks.
        # Tells whoever finds the file that it still grows.
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _stamp() -> bytes:
    now = time.time()
    utc = time.gmtime(now)
    second = time.strftime("%Y-%m-%dT%H:%M:%S", utc)
    millisecond = int(now % 1 * 1000)
    return f"{second}.{millisecond:03d}Z ".encode()
