"""What asks a process to begin and to stop: its parent, signals, and the end of its parent."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

LIFELINE_VARIABLE = "APPHUB_LIFELINE_FD"
"""Names the descriptor whose end tells a child of `up` that its parent is gone."""

BEGIN_VARIABLE = "APPHUB_BEGIN_FD"
"""Names the descriptor on which a child of `up` hears that it may begin."""


def heard_from_parent() -> threading.Event:
    """Return what is set once this process may begin, where `up` has started it ahead of time.

    If the parent ends before, so does this process, without a word: nothing has begun.
    """
    may_begin = threading.Event()
    descriptor = os.environ.pop(BEGIN_VARIABLE, None)
    if descriptor is None:
        may_begin.set()
        return may_begin

    told = os.fdopen(int(descriptor), "rb")

    def hear() -> None:
        with told:
            word = told.read(1)
        if not word:
            os._exit(0)
        may_begin.set()

    threading.Thread(target=hear, name="parent", daemon=True).start()
    return may_begin


def watch_lifeline() -> None:
    """Stop this process in good order when its parent dies, if it was started by `up`."""
    descriptor = os.environ.pop(LIFELINE_VARIABLE, None)
    if descriptor is None:
        return

    def watch() -> None:
        with suppress(OSError):
            os.read(int(descriptor), 1)
        logging.getLogger(__name__).warning("the parent process is gone; stopping")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def stop_signals() -> list[signal.Signals]:
    """Return what asks this process to stop: the end of its terminal, too, but under `nohup`."""
    asking = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asking.append(signal.SIGHUP)
    return asking


def exit_when_asked() -> None:
    """End by an exception once this process is asked to stop."""
    for number in stop_signals():
        if number != signal.SIGINT:  # Python has an exception of its own for it.
            signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)


class StopSignals:
    """What asks to stop, counted from the start: none that comes before there is work is lost."""

    def __init__(self) -> None:
        self._received = 0
        self._callbacks: list[Callable[[], None]] = []
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._note)

    def lead_to(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Call one function at the first signal, another one at each that follows."""
        self._callbacks = [first, second]
        for number in range(self._received):
            self._call_for(number)

    def _note(self) -> None:
        number = self._received
        self._received += 1
        if self._callbacks:
            self._call_for(number)

    def _call_for(self, number: int) -> None:
        which = min(number, 1)
        self._callbacks[which]()
