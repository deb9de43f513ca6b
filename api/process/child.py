"""A process of the service that `up` has started, and how it fares."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import IO

from api.process.signals import BEGIN_VARIABLE

READY = b"ready "
"""How the line begins that a process prints once it does its work."""


class Child:
    """`apphub-jobs serve` or `apphub-jobs worker`, started as often as need be."""

    def __init__(
        self, command: str, environment: Mapping[str, str], passed: Sequence[int]
    ) -> None:
        """Take the command, its variables, and the descriptors that it is given."""
        self.command = command
        self._environment = environment
        self._passed = passed
        self._process: subprocess.Popen[bytes] | None = None
        self._word: IO[bytes] | None = None
        self._failed_at: list[float] = []
        self._is_ready = threading.Event()
        self.has_been_ready = False

    def prepare(self) -> None:
        """Have it import its code, which takes a second, and then wait for `start`."""
        waits, word = os.pipe()
        self._word = os.fdopen(word, "wb", buffering=0)
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "apphub_jobs", self.command],
            env={**self._environment, BEGIN_VARIABLE: str(waits)},
            pass_fds=(*self._passed, waits),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # Ctrl-C is for this process, which stops its children in order.
            start_new_session=True,
        )
        threading.Thread(
            target=self._read, args=(self._process.stdout,), daemon=True
        ).start()
        os.close(waits)

    def start(self) -> None:
        """Let it begin, for the first time or after its end."""
        code = self.exit_code
        if code is not None and code >= 0:
            self._failed_at.append(monotonic())
        self._is_ready.clear()
        if self._word is None:
            self.prepare()
        self._let_begin()

    def abandon(self) -> None:
        """End it, if it has not begun."""
        if self._process is not None and self._word is not None:
            self._process.kill()
            self._process.wait()
            self._word.close()

    @property
    def is_ready(self) -> bool:
        """Return whether it does its work."""
        return self._is_ready.is_set()

    def expect_ready(self) -> None:
        """Count it as ready only once it says so again."""
        self._is_ready.clear()

    def wait_ready(self, within_s: float) -> None:
        """Wait until it is ready, for so long at most."""
        self._is_ready.wait(within_s)

    @property
    def exit_code(self) -> int | None:
        """Return with what it ended, None while it runs; a signal's number is negative."""
        if self._process is None:
            return None
        return self._process.poll()

    @property
    def ended(self) -> str | None:
        """Return how it ended, in words; None while it runs."""
        code = self.exit_code
        if code is None:
            return None
        if code < 0:
            return f"was killed by {_name(-code)}"
        return f"ended with exit code {code}"

    @property
    def was_killed(self) -> bool:
        """Return whether it ended by a signal."""
        code = self.exit_code
        return code is not None and code < 0

    def failures_within(self, time_s: float) -> int:
        """Return how often it was started after an end by itself, in the last so many seconds."""
        since = monotonic() - time_s
        recent = [moment for moment in self._failed_at if moment > since]
        return len(recent)

    def terminate(self) -> None:
        """Ask it to stop."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()

    def _let_begin(self) -> None:
        if self._word is not None:
            # If it has ended meanwhile, whoever looks after it will see.
            with self._word, suppress(BrokenPipeError):
                self._word.write(b"\n")
            self._word = None

    def _read(self, output: IO[bytes]) -> None:
        """Note that it is ready; what else it prints is for people."""
        with output:
            for line in output:
                if line.startswith(READY):
                    self.has_been_ready = True
                    self._is_ready.set()
                else:
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
