"""The handlers' process, as its supervisor starts it. Imported by `worker.supervisor`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Child:
    """The handlers' process: reads tasks, prints, and reports; all but what it prints is between it and the worker."""

    def __init__(self, command: list[str], tasks: int, reports: int) -> None:
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            become_subreaper()  # What its descendants leave behind is its own child, and so noticed.
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            os.execv(command[0], [*command, str(tasks), str(reports)])  # noqa: S606 - the worker's own interpreter
        for descriptor in (tasks, writing, reports):
            os.close(descriptor)


def become_subreaper() -> None:
    """Let what descendants leave behind become this process's own child, where the system can."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value)
