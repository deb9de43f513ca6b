"""API and worker as child processes of `up`, `dev` and `test-service`: started, watched, stopped.

First one of them (`Child`), then the `Supervisor` of both.
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
from importlib.util import cache_from_source
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import IO

from apphub_jobs_server import COMPILED_VARIABLE, keep_compiled
from cli.process.signals import BEGIN_VARIABLE, LIFELINE_VARIABLE, signals_survived, stop_signals
from cli.process.sockets import LISTENING_VARIABLE, url_of

READY = b"ready "
"""The beginning of the line that a process prints once it is ready."""


class Child:
    """The process of `apphub-jobs serve` or `apphub-jobs worker`, which may be started again."""

    def __init__(
        self, command: str, environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> None:
        """Take the command, its variables, and the descriptors that it inherits."""
        self.command = command
        self._environment = environment
        self._descriptors = descriptors
        self._process: subprocess.Popen[bytes] | None = None
        self._begin_pipe: IO[bytes] | None = None
        self._failed_at: list[float] = []
        self._is_ready = threading.Event()
        self.has_been_ready = False

    def prepare(self) -> None:
        """Start the process; it imports its code, which takes a second, and waits for `start`."""
        waits, begin = os.pipe()
        self._begin_pipe = os.fdopen(begin, "wb", buffering=0)
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "apphub_jobs", self.command],
            env={**self._environment, BEGIN_VARIABLE: str(waits)},
            pass_fds=(*self._descriptors, waits),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # Ctrl-C is for this process, which stops its children in order.
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        os.close(waits)

    def start(self) -> None:
        """Let the process begin, for the first time or after its end."""
        code = self.exit_code
        if code is not None and code >= 0:
            self._failed_at.append(monotonic())
        self._is_ready.clear()
        if self._begin_pipe is None:
            self.prepare()
        if self._begin_pipe is not None:
            # If the process has ended meanwhile, the supervisor restarts it.
            with self._begin_pipe, suppress(BrokenPipeError):
                self._begin_pipe.write(b"\n")
            self._begin_pipe = None

    def abandon(self) -> None:
        """Kill the process if it has not begun."""
        if self._process is not None and self._begin_pipe is not None:
            self._process.kill()
            self._process.wait()
            self._begin_pipe.close()

    @property
    def is_ready(self) -> bool:
        """Return whether the process is ready."""
        return self._is_ready.is_set()

    def expect_ready(self) -> None:
        """Count the process as ready only once it prints so again."""
        self._is_ready.clear()

    def wait_ready(self, within_s: float) -> None:
        """Wait until the process is ready, or for `within_s` seconds."""
        self._is_ready.wait(within_s)

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, None while the process runs; negative for a signal."""
        return None if self._process is None else self._process.poll()

    @property
    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self.exit_code is not None

    def describe_end(self) -> str:
        """Return how the process has ended, for people."""
        code = self.exit_code or 0
        if code < 0:
            return f"was killed by {_signal_name(-code)}"
        return f"ended with exit code {code}"

    @property
    def was_killed(self) -> bool:
        """Return whether a signal ended the process."""
        code = self.exit_code
        return code is not None and code < 0

    def failures_within(self, time_s: float) -> int:
        """Return how often the process exited by itself and was restarted in the last seconds."""
        since = monotonic() - time_s
        return sum(moment > since for moment in self._failed_at)

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def _read(self, output: IO[bytes]) -> None:
        """Read the process's output: the ready line for us, other lines for people."""
        with output:
            for line in output:
                if line.startswith(READY):
                    self.has_been_ready = True
                    self._is_ready.set()
                else:
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


POLL_S = 0.2

STARTING_POLL_S = 0.01
"""Until both processes are ready, for which people and programs wait."""

STOP_TIMEOUT_S = 30.0
"""How long a process may take to stop, for a worker after its grace; then it is killed."""

RESTART_PAUSE_S = 1.0

MAX_FAILURES = 3
"""After this many exits of a child within `FAILURE_WINDOW_S`, `up` exits: people must look why."""

FAILURE_WINDOW_S = 60.0

NAMES = {"serve": "the API", "worker": "the worker"}

HANDING_BACK = "handing back running attempts"


class Supervisor:
    """Keeps an API and a worker running. Both stop when this process ends, however it ends."""

    def __init__(
        self,
        environment: Mapping[str, str],
        listening: socket.socket,
        say: Callable[[str], None],
        stop_grace_s: float,
        worker_descriptors: Sequence[int] = (),
    ) -> None:
        """Take the settings of both processes.

        Args:
            environment: the options, as variables.
            listening: the API's socket, which stays open between one API and the next.
            say: prints a line for people.
            stop_grace_s: how long the worker's running attempts may take to end.
            worker_descriptors: descriptors that the worker inherits.
        """
        self._listening = listening
        self._say = say
        self._stop_grace_s = stop_grace_s
        # The children end once this process does, which alone holds the other end.
        self._lifeline, self._lifeline_end = os.pipe()
        shared = {
            **environment,
            **_compiled_variables(environment),
            LIFELINE_VARIABLE: str(self._lifeline),
        }
        number = listening.fileno()
        serving = {**shared, LISTENING_VARIABLE: str(number)}
        self._children = {
            "serve": Child("serve", serving, (self._lifeline, number)),
            "worker": Child("worker", shared, (self._lifeline, *worker_descriptors)),
        }
        self._is_ready = False
        self._signals = 0

    def prepare(self) -> None:
        """Start both processes, which import their code and wait for `run`."""
        for child in self._children.values():
            child.prepare()

    def close(self) -> None:
        """Kill processes that have not begun."""
        for child in self._children.values():
            child.abandon()

    def run(self) -> int:
        """Run until a stop signal, or until a child fails for good; return the exit code."""
        for number in stop_signals():
            signal.signal(number, self._count_signal)
        self._signals += signals_survived()
        for child in self._children.values():
            child.start()
        while not self._signals:
            code = self._restart_children()
            if code is not None:
                self._stop()
                return code
            self._check_ready()
            self.idle(POLL_S if self._is_ready else STARTING_POLL_S)
        self._say(stopping(self._stop_grace_s))
        self._stop()
        self._say("stopped")
        return 0

    def idle(self, for_s: float) -> None:
        """Wait; a subclass may do other things meanwhile."""
        time.sleep(for_s)

    def ready(self, url: str) -> None:
        """Print the ready line, once the API answers and the worker claims runs."""
        print(f"ready {url}", flush=True)  # noqa: T201 - programs wait for this line

    @property
    def is_stopping(self) -> bool:
        """Return whether a stop signal has been received."""
        return self._signals > 0

    def child(self, command: str) -> Child:
        """Return the process that runs this command."""
        return self._children[command]

    def _check_ready(self) -> None:
        if not self._is_ready and all(child.is_ready for child in self._children.values()):
            self._is_ready = True
            self.ready(url_of(self._listening))

    def _restart_children(self) -> int | None:
        """Restart children that have ended; return an exit code if a restart would not help."""
        for child in self._children.values():
            if not child.has_ended:
                continue
            reason = self._reason_to_give_up(child)
            if reason is not None:
                end = f"{NAMES[child.command]} {child.describe_end()}"
                self._say(f"{end} {reason}; stopping everything. See the error above.")
                return max(child.exit_code or 1, 1)
            self._restart(child)
        return None

    def _restart(self, child: Child) -> None:
        self._say(f"{NAMES[child.command]} {child.describe_end()}; another one starts")
        self.idle(RESTART_PAUSE_S)
        child.start()

    def _reason_to_give_up(self, child: Child) -> str | None:
        """Return why a restart would not help, None if it might."""
        if not child.has_been_ready:
            return "before it was ready"
        failures = 1 + child.failures_within(FAILURE_WINDOW_S)
        if failures < MAX_FAILURES or child.was_killed:
            return None
        return f"{failures} times within {FAILURE_WINDOW_S:.0f} s"

    def _stop(self) -> None:
        """Stop the worker first, while the API serves on, then the API."""
        worker, api = self._children["worker"], self._children["serve"]
        sent = 0
        deadline = monotonic() + self._stop_grace_s + STOP_TIMEOUT_S
        while not worker.has_ended:
            if sent < max(1, self._signals):  # A second Ctrl-C is passed on as well.
                worker.terminate()
                if sent:
                    self._say(HANDING_BACK)
                    deadline = monotonic() + STOP_TIMEOUT_S
                sent += 1
            if monotonic() > deadline:
                worker.kill()
            if api.has_ended and self._reason_to_give_up(api) is None:
                self._restart(api)
            time.sleep(POLL_S / 4)
        api.terminate()
        deadline = monotonic() + STOP_TIMEOUT_S
        while not api.has_ended:
            if monotonic() > deadline:
                api.kill()
            time.sleep(POLL_S / 4)

    def _count_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._signals += 1


def _compiled_variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Let this process and its children keep what they compile in the data directory.

    Only if Python keeps nothing beside the code, which it may not write or has been forbidden to:
    compiling takes as long as all the rest of a start.

    Returns:
        the variables of the children.
    """
    data_dir = environment.get("APPHUB_DATA_DIR")
    if data_dir is None or Path(cache_from_source(__file__)).exists():
        return {}
    directory = Path(data_dir) / "compiled"
    try:
        for path in (directory.parent, directory):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # It is reported where the database is opened.
        return {}
    keep_compiled(str(directory))
    return {COMPILED_VARIABLE: str(directory)}


def stopping(grace_s: float) -> str:
    """Return what happens to running attempts, for people."""
    if not grace_s:
        return "stopping: running attempts are handed back, and start again on the next worker"
    return (
        f"stopping: running attempts have {grace_s:g} s to end; then they are handed back, and"
        " start again on the next worker. Ctrl-C again hands them back at once"
    )
