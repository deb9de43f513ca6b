"""`apphub-jobs up`: API and worker together, started, watched and stopped in order.

First one process that `up` has started (`Child`), then the `Supervisor` of both.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import IO

from cli.process.signals import BEGIN_VARIABLE, LIFELINE_VARIABLE, stop_signals
from cli.process.sockets import LISTENING_VARIABLE, url_of

READY = b"ready "
"""How the line begins that a process prints once it does its work."""


class Child:
    """`apphub-jobs serve` or `apphub-jobs worker`, started as often as need be."""

    def __init__(self, command: str, environment: Mapping[str, str], passed: Sequence[int]) -> None:
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
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
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
