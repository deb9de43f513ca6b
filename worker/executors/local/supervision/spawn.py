"""The handlers' process, as its supervisor starts it. Imported by `worker.executors.local.supervision.supervisor`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Child:
    """The handlers' process: reads tasks, prints, and reports; all but what it prints is between it and the worker."""

    def __init__(self, command: list[str], tasks: int, reports: int) -> None:
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            # What its descendants leave behind is its own child, and so noticed.
            become_subreaper()
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            # Handlers must neither hold nor use what is the supervisor's.
            close_all_but(0, 1, 2, tasks, reports)
            os.execv(command[0], [*command, str(tasks), str(reports)])  # noqa: S606 - the worker's own interpreter
        for descriptor in (tasks, writing, reports):
            os.close(descriptor)


def close_all_but(*kept: int) -> None:
    """Close every descriptor that this process was given, or made, but these."""
    # By the list rather than by range, which takes a tenth of a second where a million may be open.
    for name in os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"):  # noqa: PTH208
        if int(name) not in kept:
            with suppress(OSError):  # The list's own is closed already.
                os.close(int(name))


def become_subreaper() -> None:
    """Let what descendants leave behind become this process's own child, where the system can."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)
