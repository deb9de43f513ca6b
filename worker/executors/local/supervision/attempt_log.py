"""The log of one attempt, as its supervisor keeps it. Imported by `worker.executors.local.supervision.supervisor`."""

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
        stamp = _stamp()
        # Only the newline ends a line: progress bars return to its start a thousand times.
        *ended, rest = output.split(b"\n")
        lines = [line + b"\n" for line in ended] + ([rest] if rest else [])
        stamped = b"".join(
            (stamp + line if index or self._at_line_start else line)
            for index, line in enumerate(lines)
        )
        self._at_line_start = output.endswith(b"\n")
        kept, left_out = stamped[: self._room], stamped[self._room :]
        self._room -= len(kept)
        self._left_out += len(left_out)
        self._keep(kept)
        if self._room <= 0:
            self._keep(self._line_end + BEYOND % self._limit)

    def close(self) -> None:
        """Say how much was left out, if any was."""
        self._keep(LEFT_OUT % self._left_out if self._left_out else b"")
        if self._file is not None:
            with suppress(OSError):  # Some file systems say only now that they could not write.
                os.close(self._file)

    @property
    def _line_end(self) -> bytes:
        return b"" if self._kept_whole_lines else b"\n"

    def _keep(self, content: bytes) -> None:
        """Write what can be written, and before it what could not be until now."""
        told = self._line_end + LOST % self.lost if self.lost else b""
        written = self._write(told + content)
        if written:
            self._kept_whole_lines = (told + content)[:written].endswith(b"\n")
        if written >= len(told):
            self.lost = 0
        self.lost += len(content) - max(0, written - len(told))

    def _write(self, content: bytes) -> int:
        """Return how many bytes the file took."""
        view = memoryview(content)
        with suppress(OSError):
            if self._file is None:
                self._file = _opened(self._path)
            while view:
                view = view[os.write(self._file, view) :]
        return len(content) - len(view)


def _opened(path: str) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - pathlib would double the start's time
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    with suppress(OSError):  # Some file systems have no locks.
        fcntl.flock(file, fcntl.LOCK_EX)  # Tells whoever finds the file that it still grows.
    return file


def _stamp() -> bytes:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode() + b".%03dZ " % (
        now % 1 * 1000
    )
