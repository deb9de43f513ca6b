"""Processes of the service, forked where that is no different from starting a program."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import IO, TypedDict

_INTERPRETERS = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "TZ")
"""Variables that a program heeds as it starts, and later no more."""


def _heeded(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_INTERPRETERS)}


class Order(TypedDict):
    """What a process is to be: its command, and where it works."""

    command: list[str]
    environment: dict[str, str]
    directory: str


class Forked:
    """A process as `subprocess.Popen` shows it.

    Attributes:
        pid: its number.
        returncode: how it ended; negative for a signal, None while it has not.
        stdout: what it prints.
        stderr: its errors.
    """

    def __init__(self, channel: socket.socket, stdout: IO[str], stderr: IO[str]) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._has_ended = Event()
        lines = channel.makefile("r")
        channel.close()
        self.pid = int(lines.readline())
        Thread(target=self._hear, args=(lines,), daemon=True).start()

    def _hear(self, lines: IO[str]) -> None:
        try:
            with lines:
                self.returncode = int(lines.readline())
        finally:
            # Nobody waits for what the origin, should it be gone, can no longer tell.
            self._has_ended.set()

    def poll(self) -> int | None:
        """Return how it ended, None if it has not."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return how."""
        self._has_ended.wait(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, if it is still there."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class Origin:
    """What they are forked from."""

    def __init__(self) -> None:
        self.environment = _heeded(os.environ)
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forks.origin", str(theirs.fileno())],
                cwd=Path(__file__).parents[3],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._orders.close()
        self._process.wait(90)

    def fork(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> Forked:
        """Start `apphub-jobs` with a command."""
        order: Order = {
            "command": list(command),
            "environment": dict(environment),
            "directory": str(directory),
        }
        output, prints = os.pipe()
        errors, complains = os.pipe()
        ours, theirs = socket.socketpair()
        descriptors = [prints, complains, theirs.fileno()]
        with theirs:
            socket.send_fds(self._orders, [json.dumps(order).encode()], descriptors)
        os.close(prints)
        os.close(complains)
        return Forked(ours, os.fdopen(output), os.fdopen(errors))


_origin = cache(Origin)


@cache
def imported() -> Mapping[str, str]:
    """Return the commands that take long to import, most of all, by module and application."""
    # Imported here, as handlers' modules, which may import this one, cannot import the service.
    from cli.main import COMMANDS, GROUPS  # noqa: PLC0415

    return {**COMMANDS, **GROUPS}


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    module: str,
    python: str,
    directory: Path | None,
) -> subprocess.Popen[str] | Forked:
    """Start a module as a program: forked, if nothing tells it from one that was started."""
    is_usual = module == "cli" and python == sys.executable
    if is_usual and command[0] in imported():
        origin = _origin()
        if _heeded(environment) == origin.environment:
            return origin.fork(command, environment, directory or Path.cwd())
    return subprocess.Popen(
        [python, "-m", module, *command],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        text=True,
        start_new_session=True,
    )
