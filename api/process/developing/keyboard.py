"""Single keys at a terminal, read as they are pressed."""

import os
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from api.process.developing.happenings import Happenings, Key


@contextmanager
def keys_heard(happenings: Happenings) -> Iterator[bool]:
    """Hear keys as long as it lasts; give whether there is a keyboard at all.

    Ctrl-C goes on to mean what it always does, and what is pressed is not shown.
    """
    if not _in_front():
        yield False
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    threading.Thread(
        target=_read, args=(terminal, happenings), name="keys", daemon=True
    ).start()
    try:
        yield True
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _in_front() -> bool:
    """Return whether there is a terminal whose keys are meant for this process."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()


def _read(terminal: int, happenings: Happenings) -> None:
    with suppress(OSError):  # The terminal has been closed.
        while pressed := os.read(terminal, 1):
            happenings.add(Key(pressed.decode(errors="replace")))
