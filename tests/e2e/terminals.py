"""Programs at a terminal of their own: what is typed there, and what is to be read there."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from tests.support.processes import without_settings

TIMEOUT_S = 90.0


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A program in the foreground of a terminal."""

    def __init__(
        self, command: list[str], directory: Path, env: dict[str, str]
    ) -> None:
        self._master, self._slave = pty.openpty()
        self.popen = subprocess.Popen(
            command,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            cwd=directory,
            env=env,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - it takes no lock
        )
        os.close(self._slave)
        self.text = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError):  # The program has ended.
            while piece := os.read(self._master, 65_536):
                with self._changed:
                    self.text += piece.decode(errors="replace")
                    self._changed.notify_all()

    def press(self, keys: str) -> None:
        """Type something."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until this is to be read, so many times in all."""
        deadline = monotonic() + TIMEOUT_S
        with self._changed:
            while self.text.count(text) < times:
                ended = self.popen.poll() is not None
                if monotonic() > deadline or ended:
                    msg = f"no {text!r} ({times} times) on the terminal:\n{self.text}"
                    raise AssertionError(msg)
                self._changed.wait(0.1)

    def close(self) -> None:
        """End the program, and let go of the terminal."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(60)
        os.close(self._master)


@contextmanager
def at_terminal(*words: str, directory: Path, **env: str) -> Iterator[Terminal]:
    """Type `apphub-jobs` with these words at a terminal; it is ended afterwards."""
    command = [sys.executable, "-P", "-m", "apphub_jobs", *words]
    terminal = Terminal(
        command, directory, {**without_settings(), "TERM": "xterm", **env}
    )
    try:
        yield terminal
    finally:
        terminal.close()
