"""The API and worker that a forked `up` or `dev` starts: forked as well, and before it has threads.

Each would take a second of processor to import its code. A fork of a process with threads would
find locked for ever what they hold; so these are forked at once, and wait until they are started.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from threading import Lock
from types import SimpleNamespace
from typing import IO, Any, NamedTuple, TypedDict

import cli.__main__ as program
from apphub_jobs_server import COMPILED_VARIABLE
from cli.process import supervisor

PARENTS = frozenset({"dev", "up"})
"""The commands that start both."""

CHILDREN = 2

MAX_BYTES = 1_000_000
"""An order's size: an environment and a command."""

MAX_DESCRIPTORS = 10

ABOVE = 200
"""Descriptors from this number on are nobody's."""


class _Order(TypedDict):
    """What a child is to be: its command, its variables, and the numbers of its descriptors."""

    words: list[str]
    environment: dict[str, str]
    numbers: list[int]


class _Waiting(NamedTuple):
    """A child that waits for its order."""

    pid: int
    orders: socket.socket


class _Started:
    """A child as `subprocess.Popen` shows it."""

    def __init__(self, pid: int, stdout: IO[bytes]) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._waits = Lock()

    def poll(self) -> int | None:
        """Return how it ended, None if it has not."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait until it has ended; return how."""
        return self._wait(0)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def _wait(self, options: int) -> int | None:
        with self._waits:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, options)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


_waiting: list[_Waiting] = []


def fork_in_advance() -> None:
    """Fork children that the supervisor in this process will start; return in each once it has."""
    for _ in range(CHILDREN):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            # They end with their parent, of whose ends nobody else may keep a copy.
            for orders in (ours, *(one.orders for one in _waiting)):
                orders.close()
            _waiting.clear()
            _become(theirs)
            return
        theirs.close()
        _waiting.append(_Waiting(pid, ours))
    # For the supervisor alone: others in this process start programs.
    vars(supervisor)["subprocess"] = SimpleNamespace(
        Popen=_start, DEVNULL=subprocess.DEVNULL, PIPE=subprocess.PIPE
    )


def _start(
    args: Sequence[str], *, env: Mapping[str, str], pass_fds: Sequence[int], **named: Any
) -> subprocess.Popen[bytes] | _Started:
    """Start a program of the supervisor: a child that waits, while there is one."""
    if not _waiting:
        return subprocess.Popen(args, env=env, pass_fds=pass_fds, **named)
    child = _waiting.pop(0)
    output, prints = os.pipe()
    order: _Order = {
        "words": list(args[args.index("apphub_jobs") + 1 :]),
        "environment": dict(env),
        "numbers": [1, *pass_fds],
    }
    with child.orders:
        socket.send_fds(child.orders, [json.dumps(order).encode()], [prints, *pass_fds])
    os.close(prints)
    return _Started(child.pid, os.fdopen(output, "rb"))


def _become(orders: socket.socket) -> None:
    """Wait for the order, and take its arguments, environment and descriptors; no others stay."""
    os.setsid()
    message, descriptors, _, _ = socket.recv_fds(orders, MAX_BYTES, MAX_DESCRIPTORS)
    if not message:
        os._exit(0)
    order: _Order = json.loads(message)
    orders.close()
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, ABOVE) for descriptor in descriptors]
    for given, number in zip(moved, order["numbers"], strict=True):
        os.dup2(given, number)
    for below, above in pairwise([2, *sorted(order["numbers"][1:]), os.sysconf("SC_OPEN_MAX")]):
        os.closerange(below + 1, above)
    sys.path.pop(0)  # As -P does.
    os.environ.clear()
    os.environ.update(order["environment"])
    os.environ.pop(COMPILED_VARIABLE, None)
    sys.argv = [str(program.__file__), *order["words"]]
