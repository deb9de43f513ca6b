"""What asks a process to begin and to stop: its parent, signals, and the end of its parent."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any

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


def interrupted_by_exception() -> None:
    """Let Ctrl-C be an exception again, where imports were ended by it without one."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)


class StopSignals:
    """What asks to stop, counted from the start: none that comes before there is work is lost.

    As long as it leads nowhere, it cancels the task that it was made in: what only starts, and may
    wait for a database, has nothing to be stopped in order.
    """

    def __init__(self, starting: "asyncio.Task[None]") -> None:
        self._received = 0
        self._callbacks: list[Callable[[], object]] = [starting.cancel, starting.cancel]
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._note)

    def lead_to(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Call one function at the first signal, another one at each that follows."""
        self._callbacks = [first, second]
        for number in range(self._received):
            self._call_for(number)

    @property
    def are_received(self) -> bool:
        """Whether one has come."""
        return self._received > 0

    def _note(self) -> None:
        number = self._received
        self._received += 1
        self._call_for(number)

    def _call_for(self, number: int) -> None:
        which = min(number, 1)
        self._callbacks[which]()


def run_until_stopped(main: Callable[[StopSignals], Coroutine[Any, Any, None]]) -> None:
    """Run this in a loop of its own; asked to stop while it only starts, it ends quietly."""
    # Commands that run nothing need not wait for it.
    import uvloop  # noqa: PLC0415

    async def run() -> None:
        starting = asyncio.current_task()
        assert starting is not None
        signals = StopSignals(starting)
        try:
            await main(signals)
        except asyncio.CancelledError:
            if not signals.are_received:
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
