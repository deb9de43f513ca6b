"""What a process decides about itself: its clock shift, its garbage collection, its privacy.

Most of it works on Linux alone.
"""

import ctypes
import gc
import os
import struct
import sys
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

# A test service's clock may be ahead: one number that all of its processes read.

_NUMBER = struct.Struct("d")


class ClockShift:
    """A file with the seconds by which the present is ahead; only a test service has one."""

    def __init__(self, path: Path) -> None:
        """Open the file; it is made if it is not there."""
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def read(self) -> timedelta:
        """Return by how much the clock is ahead."""
        content = os.pread(self._file, _NUMBER.size, 0)
        if not content:
            return timedelta()
        (seconds,) = _NUMBER.unpack(content)
        return timedelta(seconds=seconds)

    def write(self, ahead: timedelta) -> None:
        """Set by how much the clock is ahead, for all processes at once."""
        os.pwrite(self._file, _NUMBER.pack(ahead.total_seconds()), 0)


# Garbage collection: seldom, with free memory given back to the system.

GROWTH = 50_000
"""After so many more objects, some megabytes, Python looks again.

Its own 700 are less than what sixty requests under way consist of, so that it would look at them
again and again, at a tenth of a launch's cost."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8

LARGE_BYTES = 131_072
"""From this size on, a text or a buffer has pages of its own, which the system has back as soon as
it is free."""

ARENAS = 2
"""Heaps that threads share; by itself there may be eight for each processor."""


def look_seldom() -> None:
    """Set aside what the program consists of, which stays; look through the rest seldom."""
    gc.freeze()
    gc.set_threshold(GROWTH)


def give_back() -> None:
    """Have the system get back what was large, as far as this machine's C library can do so.

    glibc by itself takes the largest block that was ever freed as the measure for which are kept:
    after a few documents of a megabyte all are, between small ones, and a process never shrinks.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, ARENAS)


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
