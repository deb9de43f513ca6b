"""What a process decides about itself; most of it on Linux alone."""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


def control(option: int, value: int) -> None:
    """Set one of the options of prctl(2)."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(option, value)


def fill_standard_descriptors() -> None:
    """Open what is closed of input, output and errors, as some programs start their children.

    A socket or a file that comes to stand there would be taken for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free.
            os.set_inheritable(number, True)


def keep_to_itself() -> None:
    """Let no other process of this user read this one's environment, memory or descriptors.

    It leaves no core file either. Programs that it starts are not bound by this.
    """
    control(PR_SET_DUMPABLE, 0)
