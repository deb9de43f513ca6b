"""What a process decides about itself; most of it on Linux alone."""

import ctypes
import os
import sys
from collections.abc import Collection
from pathlib import Path

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


_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""Where /proc/self/stat says where the command line lies, counted from the process's state on."""


def hide_arguments(options: Collection[str]) -> None:
    """Overwrite the values of these options in the command line, which every account may read.

    `sys.argv` stays as it is.
    """
    if sys.platform != "linux":
        return
    stat = Path("/proc/self/stat").read_bytes()
    _, _, fields = stat.rpartition(b")")
    numbers = fields.split()
    begin = int(numbers[_ARGUMENTS_BEGIN])
    end = int(numbers[_ARGUMENTS_END])
    position = begin
    is_value = False
    for argument in ctypes.string_at(begin, end - begin).split(b"\0"):
        name, equals, value = argument.partition(b"=")
        is_option = os.fsdecode(name) in options
        if is_value:
            ctypes.memset(position, ord("*"), len(argument))
        elif is_option and equals:
            ctypes.memset(position + len(name) + 1, ord("*"), len(value))
        is_value = is_option and not equals and not is_value
        position += len(argument) + 1


def keep_to_itself() -> None:
    """Let no other process of this user read this one's environment, memory or descriptors.

    It leaves no core file either. Programs that it starts are not bound by this.
    """
    control(PR_SET_DUMPABLE, 0)
