"""`apphub-jobs up`: API and worker together, started, watched and stopped in order."""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from api.process.child import Child
from api.process.listening import LISTENING_VARIABLE, url_of
from api.process.signals import LIFELINE_VARIABLE, stop_signals

POLL_S = 0.2
STOP_TIMEOUT_S = 30.0
"""Above a worker's grace time, so that what runs is handed back before anybody loses patience."""

RESTART_PAUSE_S = 1.0

MOST_FAILURES = 3
"""So often in a row may a child end by itself, each time soon after its start, before `up` ends:
what fails again and again needs somebody who reads why."""

SOON_S = 60.0

WORDS = {"serve": "the API", "worker": "the worker"}


class Supervisor:
    """Keeps an API and a worker running. Both end when this process does, however it does."""

    def __init__(
        self,
        environment: Mapping[str, str],
        listening: socket.socket,
        say: Callable[[str], None],
        worker_passed: Sequence[int] = (),
    ) -> None:
        """Take what both are told, where the API listens, and what says things to people.

        Args:
            environment: the options, as variables.
            listening: stays open between one API and the next.
            say: prints a line.
            worker_passed: descriptors for the worker alone.
        """
        self._listening = listening
        self._say = say
        self._lifeline, self._held = os.pipe()
        shared = {**environment, LIFELINE_VARIABLE: str(self._lifeline)}
        number = listening.fileno()
        serving = {**shared, LISTENING_VARIABLE: str(number)}
        self._children = {
            "serve": Child("serve", serving, (self._lifeline, number)),
            "worker": Child("worker", shared, (self._lifeline, *worker_passed)),
        }
        self._is_ready = False
        self._signals = 0

    def prepare(self) -> None:
        """Start what takes a while of itself; it waits for `run`."""
        for child in self._children.values():
            child.prepare()

    def close(self) -> None:
        """End what was prepared and has never begun."""
        for child in self._children.values():
            child.abandon()

    def run(self) -> int:
        """Run until it is asked to stop, or until a child fails for good; return the exit code."""
        for number in stop_signals():
            signal.signal(number, self._note_signal)
        for child in self._children.values():
            child.start()
        while not self._signals:
            code = self._look_after_children()
            if code is not None:
                self._stop()
                return code
            self._tell_when_ready()
            self.idle(POLL_S)
        self._say(STOPPING)
        self._stop()
        self._say("stopped")
        return 0

    def idle(self, for_s: float) -> None:
        """Wait a moment."""
        time.sleep(for_s)

    def ready(self, url: str) -> None:
        """Do what there is to do once the API answers and the worker claims runs."""
        print(f"ready {url}", flush=True)  # noqa: T201 - programs wait for this line

    @property
    def is_stopping(self) -> bool:
        """Return whether somebody has asked it to end."""
        return self._signals > 0

    def child(self, command: str) -> Child:
        """Return the process that runs this command."""
        return self._children[command]

    def _tell_when_ready(self) -> None:
        if self._is_ready:
            return
        children = self._children.values()
        self._is_ready = all(child.is_ready for child in children)
        if self._is_ready:
            self.ready(url_of(self._listening))

    def _look_after_children(self) -> int | None:
        """Start again what has ended; return the exit code where that is of no use."""
        for child in self._children.values():
            if child.ended is None:
                continue
            what = f"{WORDS[child.command]} {child.ended}"
            why = self._hopeless(child)
            if why is not None:
                told = f"{what} {why}; everything stops. The reason stands above."
                self._say(told)
                return max(child.exit_code or 1, 1)
            self._say(f"{what}; another one starts")
            self.idle(RESTART_PAUSE_S)
            child.start()
        return None

    def _hopeless(self, child: Child) -> str | None:
        """Return why another start would only end the same way, None where it might help."""
        if not child.has_been_ready:
            return "before it was ready"
        failures = 1 + child.failures_within(SOON_S)
        if failures < MOST_FAILURES or child.was_killed:
            return None
        return f"{failures} times within {SOON_S:.0f} s"

    def _stop(self) -> None:
        """Stop the worker first, so that it can still record, then the API."""
        for name in ("worker", "serve"):
            self._stop_child(self._children[name])

    def _stop_child(self, child: Child) -> None:
        sent = 0
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while child.ended is None:
            if sent < max(1, self._signals):  # A second Ctrl-C is passed on as well.
                child.terminate()
                if sent:
                    self._say(AT_ONCE)
                sent += 1
            if time.monotonic() > deadline:
                child.kill()
            time.sleep(POLL_S / 4)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1


STOPPING = (
    "stopping: what runs has 10 s to end, then it is handed back and starts again with the next"
    " worker; Ctrl-C once more hands it back at once"
)

AT_ONCE = "handing back what runs"
