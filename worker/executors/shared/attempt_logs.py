"""Logs of attempts, written in a thread: a disk that hangs must not cost the worker its lease."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from worker.executors.local.attempt import LOG_LIMIT_BYTES
from worker.executors.local.supervision.attempt_log import Log
from worker.executors.local.supervision.log_writer import CLOSING_S
from worker.executors.local.supervision.masking import Masker

logger = logging.getLogger(__name__)

WAITING_BYTES = 32 * 1_048_576
"""What may wait for the disk, of all attempts together; what comes beyond it is left out."""


class AttemptLogs:
    """Writes what all attempts print, in one thread, in the order in which it came."""

    def __init__(self, kind: type[Log] = Log) -> None:
        """Begin with nothing to write.

        Args:
            kind: what a log is written by.
        """
        self._kind = kind
        self._thread = ThreadPoolExecutor(1, "attempt logs")
        self._given_bytes = 0
        self._written_bytes = 0

    def of(self, path: Path, secrets: Sequence[str] = ()) -> "AttemptLog":
        """Return the log of an attempt, in which these are masked."""
        return AttemptLog(self, path, secrets)

    @property
    def have_room(self) -> bool:
        """Return whether more may wait for the disk."""
        return self._given_bytes - self._written_bytes < WAITING_BYTES

    def write(self, content: bytes, log: Callable[[], Log]) -> None:
        """Keep this, soon."""
        self._given_bytes += len(content)
        self._thread.submit(self._write, content, log)

    def opened(self, path: Path) -> Log:
        """Return what writes a log."""
        return self._kind(str(path), LOG_LIMIT_BYTES)

    def close(self, closing: Callable[[], int]) -> "asyncio.Future[int]":
        """Close a log once all that came before is written."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, closing)

    def end(self) -> None:
        """Let the thread end once it has written all."""
        self._thread.shutdown(wait=False)

    def _write(self, content: bytes, log: Callable[[], Log]) -> None:
        log().add(content)
        self._written_bytes += len(content)


class AttemptLog:
    """What one attempt prints, on its way to the file, which is there once something was printed.

    Attributes:
        is_used: whether anything is to be kept.
    """

    def __init__(self, logs: AttemptLogs, path: Path, secrets: Sequence[str]) -> None:
        self._masker = Masker(secrets)
        self.is_used = False
        self._logs = logs
        self._path = path
        self._left_out = 0
        self._log: Log | None = None

    def add(self, printed: bytes) -> None:
        """Keep what was printed, soon, if there is room."""
        self.is_used = True
        self._keep(self._masker.add(printed))

    def _keep(self, printed: bytes) -> None:
        if self._logs.have_room:
            self._logs.write(printed, self._opened)
        else:
            self._left_out += len(printed)

    def leave_out(self, size: int) -> None:
        """Count what has not even been passed on."""
        self.is_used = True
        self._left_out += size

    def when_whole(self, then: Callable[[], None]) -> None:
        """Write what is left, then call this; what could not be written is told.

        A disk that hangs is not waited for: then it is called before, and again after that.
        """
        if not self.is_used:
            then()
            return
        self._keep(self._masker.rest())
        closing = self._logs.close(self._close)
        closing.add_done_callback(self._tell_lost)
        closing.add_done_callback(lambda _: then())
        late = closing.get_loop().call_later(CLOSING_S, then)
        closing.add_done_callback(lambda _: late.cancel())

    def _tell_lost(self, closed: "asyncio.Future[int]") -> None:
        lost_bytes = closed.result()
        if lost_bytes:
            logger.warning(
                "%s lacks %d bytes, which could not be written", self._path, lost_bytes
            )

    def _opened(self) -> Log:
        if self._log is None:
            self._log = self._logs.opened(self._path)
        return self._log

    def _close(self) -> int:
        log = self._opened()
        log.leave_out(self._left_out)
        log.close()
        return log.lost
