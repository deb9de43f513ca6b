"""Programs at a terminal of their own: what is typed there, and what is to be read there."""

import fcntl
import os
import pty
import select
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

LOOK_S = 0.05
"""How often it is looked whether the terminal is to be closed."""


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A program in the foreground of a terminal."""

    def __init__(self, command: list[str], directory: Path, env: dict[str, str]) -> None:
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
        self._is_closed = False
        self._closing = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        with suppress(OSError):  # The program has ended.
            while not self._closing.is_set():
                there, _, _ = select.select([self._master], [], [], LOOK_S)
                if there:
                    self._note(os.read(self._master, 65_536))

    def _note(self, piece: bytes) -> None:
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

    def until_end(self) -> str:
        """Wait for the program's end, and return all that is to be read."""
        self.popen.wait(TIMEOUT_S)
        self._reading.join(TIMEOUT_S)
        return self.text

    def hang_up(self) -> None:
        """Close the terminal, as somebody does who closes its window."""
        self._closing.set()
        self._reading.join()
        if not self._is_closed:
            self._is_closed = True
            os.close(self._master)

    def close(self) -> None:
        """End the program, and let go of the terminal."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(60)
        self.hang_up()


@contextmanager
def at_terminal(*words: str, directory: Path, **env: str) -> Iterator[Terminal]:
    """Type `apphub-jobs` with these words at a terminal; it is ended afterwards."""
    command = [sys.executable, "-P", "-m", "apphub_jobs", *words]
    terminal = Terminal(command, directory, {**without_settings(), "TERM": "xterm", **env})
    try:
        yield terminal
    finally:
        terminal.close()
