"""Settings of the present process: its clock shift, its garbage collection, its privacy.

Most of them work on Linux alone.
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
    """A file with the seconds by which a test service's clock is ahead, for all its processes."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
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


# Garbage collection: seldom, and freed memory is returned to the system.

COLLECT_AFTER = 50_000
"""The number of new objects, some megabytes, after which garbage is collected.

Python's default of 700 is less than the objects of sixty concurrent requests, which it would scan
again and again, at a tenth of a launch's cost."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8

LARGE_BYTES = 131_072
"""From this size on, a text or a buffer has pages of its own, which are returned as soon as it is
free."""

ARENAS = 2
"""The number of heaps that threads share; the default is eight for each processor."""


def collect_garbage_seldom() -> None:
    """Exclude the program's present objects, which stay, from collection; collect others seldom."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def return_freed_memory() -> None:
    """Return large freed blocks to the system, where the C library supports that.

    By default glibc keeps blocks up to the size of the largest that was ever freed: after a few
    documents of a megabyte it keeps all, between small ones, and a process never shrinks.
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
    """Open those of standard input, output and error that are closed, as some programs leave them.

    Else the next socket or file that is opened would be used as one of them. Python has no objects
    for those that were closed when it started, so these are made as well.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Gets the lowest free number.
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""Fields of /proc/self/stat, counted from the process's state on."""


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

    It leaves no core file either. Programs that it starts are not hidden.
    """
    set_process_option(PR_SET_DUMPABLE, 0)
