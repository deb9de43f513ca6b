"""The logs of attempts whose output comes to the worker: from shared processes and from Ray.

One thread writes all of them, in order, so that a disk that hangs costs the worker neither its
lease nor its exit.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from worker.executors.local.attempt import LOG_LIMIT_BYTES
from worker.executors.local.log import CLOSING_S, STDOUT, Log
from worker.executors.local.masking import Masker

logger = logging.getLogger(__name__)

MAX_PENDING_BYTES = 32 * 1_048_576
"""How much output of all attempts together may wait for the disk; more is dropped."""


class AttemptLogs:
    """The thread that writes the logs of all attempts.

    Attributes:
        log_type: the class of the logs.
    """

    def __init__(self, log_type: type[Log] = Log) -> None:
        self.log_type = log_type
        self._writes: SimpleQueue[tuple[Callable[[], object], int] | None] = SimpleQueue()
        self._accepted_bytes = 0
        self._written_bytes = 0
        # A daemon, for which the end of the process does not wait.
        Thread(target=self._run, name="attempt logs", daemon=True).start()

    @property
    def has_capacity(self) -> bool:
        """Whether more output may wait for the disk."""
        return self._accepted_bytes - self._written_bytes < MAX_PENDING_BYTES

    def submit(self, write: Callable[[], object], size: int = 0) -> None:
        """Call a function that writes this many bytes in the thread, after all earlier ones."""
        self._accepted_bytes += size
        self._writes.put((write, size))

    def end(self) -> None:
        """Let the thread end once it has written all output."""
        self._writes.put(None)

    def _run(self) -> None:
        while (waiting := self._writes.get()) is not None:
            write, size = waiting
            try:
                write()
            except Exception:
                logger.exception("cannot write the log of an attempt")
            self._written_bytes += size


class AttemptLog:
    """Writes the output of one attempt to a file, which is made at the first output.

    Attributes:
        is_used: whether there was any output.
    """

    def __init__(self, logs: AttemptLogs, path: Path, secrets: Sequence[str] = ()) -> None:
        """Create a log at a path, in which these secrets are masked."""
        self.is_used = False
        self._logs = logs
        self._path = path
        self._maskers = defaultdict[int, Masker](partial(Masker, secrets))
        self._dropped_bytes = 0
        self._log: Log | None = None

    def add(self, output: bytes, stream: int = STDOUT) -> None:
        """Write output of a stream in the background; drop it if too much waits for the disk."""
        self.is_used = True
        self._write(self._maskers[stream].add(output), stream)

    def count_dropped(self, size: int) -> None:
        """Count output that the process has dropped."""
        self.is_used = True
        self._dropped_bytes += size

    def close(self, on_closed: Callable[[], object]) -> None:
        """Write the rest and close the file; a warning has the number of bytes that are missing.

        Args:
            on_closed: called once all is written. If the disk hangs, it is called after
                `CLOSING_S`, and again once all is written.
        """
        if not self.is_used:
            on_closed()
            return
        for stream, masker in self._maskers.items():
            self._write(masker.flush(), stream)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(CLOSING_S, on_closed)

        def end() -> None:
            timer.cancel()
            on_closed()

        def close() -> None:
            self._close()
            with suppress(RuntimeError):  # The event loop is closed if the disk hung for long.
                loop.call_soon_threadsafe(end)

        self._logs.submit(close)

    def _write(self, output: bytes, stream: int) -> None:
        if not self._logs.has_capacity:
            self._dropped_bytes += len(output)
        elif output:
            self._logs.submit(lambda: self._open().add((output, stream)), len(output))

    # In the thread only.

    def _open(self) -> Log:
        """Return the log, opened at the first call."""
        if self._log is None:
            self._log = self._logs.log_type(str(self._path), LOG_LIMIT_BYTES)
        return self._log

    def _close(self) -> None:
        log = self._open()
        log.count_dropped(self._dropped_bytes)
        log.close()
        if log.lost:
            logger.warning("%s lacks %d bytes, which could not be written", self._path, log.lost)
