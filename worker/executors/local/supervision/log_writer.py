"""The log of one attempt, written by a thread of its own.

A disk that hangs, such as one behind a network, must not keep a supervisor from ending what runs:
at its deadline, when it is canceled, and when the lease is over. What is printed waits meanwhile.
"""

from __future__ import annotations

import _thread
from _queue import Empty, SimpleQueue

from worker.executors.local.supervision.attempt_log import Log
from worker.executors.local.supervision.masking import Masker

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WAITING_BYTES = 1_048_576
"""While so much waits for the disk, no more is taken."""

CLOSING_S = 10.0
"""How long the end of an attempt, of which nothing runs any more, waits for the disk."""


class LogWriter:
    """Keeps what an attempt prints; none of it ever waits for the disk, but for the end."""

    def __init__(self, path: str, limit: int, secrets: Iterable[str] = ()) -> None:
        self._masker = Masker(secrets)
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._closed: SimpleQueue[int] = SimpleQueue()
        self._given_bytes = 0
        self._written_bytes = 0
        self._own: Log | None = None
        try:
            # Of `threading`, which takes long to import, nothing is needed.
            _thread.start_new_thread(self._write, (path, limit))
        except RuntimeError:
            # The handler may have used up what processes there may be.
            self._own = Log(path, limit)

    @property
    def has_room(self) -> bool:
        """Return whether the disk keeps up."""
        return self._given_bytes - self._written_bytes < WAITING_BYTES

    def add(self, output: bytes) -> None:
        """Keep what was printed, soon."""
        self._keep(self._masker.add(output))

    def _keep(self, output: bytes) -> None:
        if self._own is not None:
            self._own.add(output)
            return
        self._given_bytes += len(output)
        self._waiting.put(output)

    def close(self) -> int:
        """Wait until all is written, but not for ever; return how many bytes the file lacks."""
        self._keep(self._masker.rest())
        if self._own is not None:
            self._own.close()
            return self._own.lost
        self._waiting.put(None)
        try:
            return self._closed.get(timeout=CLOSING_S)
        except Empty:
            return self._given_bytes - self._written_bytes

    def _write(self, path: str, limit: int) -> None:
        log = Log(path, limit)
        while (output := self._waiting.get()) is not None:
            log.add(output)
            self._written_bytes += len(output)
        log.close()
        self._closed.put(log.lost)
