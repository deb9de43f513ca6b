"""Start and stop of a process: by its parent's signal, by signals, and at its parent's end."""

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
"""Names the descriptor that a child of `up` reads until its parent is gone."""

BEGIN_VARIABLE = "APPHUB_BEGIN_FD"
"""Names the descriptor on which a child of `up` gets a byte once it may begin."""


def wait_for_parent() -> threading.Event:
    """Return an event that is set once this process may begin, if `up` has started it in advance.

    If the parent ends before, this process exits silently: nothing has begun.
    """
    may_begin = threading.Event()
    descriptor = os.environ.pop(BEGIN_VARIABLE, None)
    if descriptor is None:
        may_begin.set()
        return may_begin

    pipe = os.fdopen(int(descriptor), "rb")

    def wait() -> None:
        with pipe:
            signal_byte = pipe.read(1)
        if not signal_byte:
            os._exit(0)
        may_begin.set()

    threading.Thread(target=wait, name="parent", daemon=True).start()
    return may_begin


def watch_lifeline() -> None:
    """Stop this process cleanly when its parent dies, if it was started by `up`."""
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
    """Return the signals that stop this process: SIGINT, SIGTERM, and SIGHUP without `nohup`."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


def end_on_signals() -> None:
    """Let each stop signal end the process at once, which has nothing to stop while it imports.

    What a signal's handler raises during imports may get lost: `importlib` and modules in C ignore
    exceptions here and there. By default, signals do not end the first process of a container.
    """
    for number in stop_signals():
        if number != signal.SIGINT:  # It ends the process already.
            signal.signal(number, _end)


def exit_on_signals() -> None:
    """Let each stop signal raise an exception that ends the process."""
    for number in stop_signals():
        if number != signal.SIGINT:
            signal.signal(number, _exit)
    # Ctrl-C raises KeyboardInterrupt again, if it ended the process during imports.
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_raised: list[int] = []


def signals_survived() -> int:
    """Return how many stop signals have not ended the process: something ignored the exception."""
    return len(_raised)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    os._exit(128 + number)


def _exit(number: int, frame: FrameType | None) -> None:
    del frame
    _raised.append(number)
    sys.exit(128 + number)


class StopSignals:
    """Counts stop signals from the start, so that none is lost.

    Until `call_on_stop` is called, a signal cancels the starting task: a process that still starts
    may wait for a database, and has nothing to stop cleanly.
    """

    def __init__(self, starting: "asyncio.Task[None]") -> None:
        self._received = 0
        self._callbacks: list[Callable[[], object]] = [starting.cancel, starting.cancel]
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._receive)

    def call_on_stop(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Call one function at the first signal, the other at each further one."""
        self._callbacks = [first, second]
        for number in range(self._received):
            self._call_for(number)

    @property
    def are_received(self) -> bool:
        """Whether a signal has been received."""
        return self._received > 0

    def _receive(self) -> None:
        number = self._received
        self._received += 1
        self._call_for(number)

    def _call_for(self, number: int) -> None:
        self._callbacks[min(number, 1)]()


def run_until_stopped(main: Callable[[StopSignals], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in an event loop; a signal while it still starts ends it quietly."""
    # Imported here, so that other commands start faster.
    import uvloop  # noqa: PLC0415

    async def run() -> None:
        starting = asyncio.current_task()
        assert starting is not None
        signals = StopSignals(starting)
        if signals_survived():
            return
        try:
            await main(signals)
        except asyncio.CancelledError:
            if not signals.are_received:
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
