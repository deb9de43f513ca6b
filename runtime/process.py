"""Settings of this process: its clock shift, memory, standard streams, and visibility to others.

Most of them have an effect on Linux only.
"""

import ctypes
import gc
import os
import struct
import sys
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

_SECONDS = struct.Struct("d")


class ClockShift:
    """The seconds by which a test service's clock is ahead, in a file that its processes share."""

    def __init__(self, path: Path) -> None:
        """Open the file; make it if it does not exist."""
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def read(self) -> timedelta:
        """Return by how much the clock is ahead."""
        content = os.pread(self._file, _SECONDS.size, 0)
        if not content:
            return timedelta()
        (seconds,) = _SECONDS.unpack(content)
        return timedelta(seconds=seconds)

    def write(self, ahead: timedelta) -> None:
        """Set by how much the clock is ahead, for all processes at once."""
        os.pwrite(self._file, _SECONDS.pack(ahead.total_seconds()), 0)


# Memory: garbage is collected rarely, and freed memory is returned to the system.

GARBAGE_THRESHOLD = 50_000
"""The number of new objects, some megabytes, after which garbage is collected.

Sixty concurrent requests have more objects than Python's default of 700. It would scan them again
and again, at a tenth of a launch's cost."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8

LARGE_BYTES = 131_072
"""A block of this size or more has pages of its own, which are returned to the system when it is
freed."""

ARENAS = 2
"""The number of heaps that threads share; glibc's default is eight for each processor."""


def collect_garbage_rarely() -> None:
    """Exclude the program's present objects, which stay, from collection; collect others rarely."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


def return_freed_memory() -> None:
    """Return large freed blocks to the system, where the C library supports that.

    By default, glibc keeps every block that is no larger than the largest one ever freed. After a
    few documents of a megabyte it would keep all of them, and the process would never shrink.
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


def set_process_option(option: int, value: int) -> None:
    """Set one of the options of prctl(2)."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(option, value)


def fill_standard_descriptors() -> None:
    """Open standard input, output and error where the parent process has closed them.

    Otherwise, the next socket or file would get their numbers and be used in their place. Python
    makes no objects for descriptors that are closed when it starts, so these are made here.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest free number, which is this one.
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""The indexes of these fields of /proc/self/stat; the process's state is field 0."""


def hide_arguments(options: Collection[str]) -> None:
    """Overwrite the values of these options in the command line, which every user can read.

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


def hide_from_other_processes() -> None:
    """Hide this process's environment, memory and descriptors from other processes of its user.

    It also writes no core file. Programs that it starts are not hidden.
    """
    set_process_option(PR_SET_DUMPABLE, 0)
