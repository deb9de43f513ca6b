"""The handlers' process, as its supervisor starts it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from runtime.process_control import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    control,
    keep_to_itself,
)
from worker.executors.local.supervision.hiding import View, hide

_OPEN = "/proc/self/fd"
if sys.platform != "linux":
    _OPEN = "/dev/fd"

_IN_SIGHT = b"""\
error: the service's own files, and other attempts', could not be hidden from a process of \
handlers, which can read them \
(docs/operations.md, What handlers can reach)
"""

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Child:
    """The handlers' process. It takes tasks from the worker, and reports to it; it prints to here.

    Both go by descriptors that it is passed, as the end of the worker's lease does.

    Attributes:
        output: the descriptor from which all that it prints can be read.
    """

    def __init__(
        self, command: list[str], passed: list[int], view: View | None
    ) -> None:
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            if view is not None and not hide(view):
                os.write(2, _IN_SIGHT)
            program = [*command, *map(str, passed)]
            _become(program, writing, *passed)
        for descriptor in (writing, *passed):
            os.close(descriptor)


def _become(command: list[str], output: int, *kept: int) -> NoReturn:
    """Make this fork a program that prints to this descriptor and holds these beside it."""
    control(PR_SET_PDEATHSIG, signal.SIGKILL)
    # What its descendants leave behind is its own child, and so noticed.
    become_subreaper()
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # Handlers must neither hold nor use what is the supervisor's.
    close_all_but(0, 1, 2, *kept)
    os.execv(command[0], command)  # noqa: S606 - the worker's own interpreter


def close_all_but(*kept: int) -> None:
    """Close every descriptor that this process was given, or made, but these."""
    # By the list rather than by range, which takes a tenth of a second where a million may be open.
    for name in os.listdir(_OPEN):  # noqa: PTH208
        descriptor = int(name)
        if descriptor not in kept:
            with suppress(OSError):  # The list's own is closed already.
                os.close(descriptor)


def become_supervisor() -> None:
    """Have all descendants; be no way for them to speak for the worker, or read what it says."""
    become_subreaper()
    keep_to_itself()


def become_subreaper() -> None:
    """Let what descendants leave behind become this process's own child, where the system can."""
    control(PR_SET_CHILD_SUBREAPER, 1)
