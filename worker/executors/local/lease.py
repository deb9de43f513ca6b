"""The end of the lease, in memory that a handlers' process can read and cannot change."""

import fcntl
import mmap
import os
import tempfile
from contextlib import suppress
from math import inf

_BYTES = 8

_SEALS = 0x0010 | 0x0004 | 0x0002 | 0x0001
"""No other writing, growing, shrinking or sealing: F_SEAL_FUTURE_WRITE and its kind."""


class LeaseCell:
    """One number that the worker writes, and one handlers' process reads.

    It holds while the worker is frozen, when no message could be sent.

    Attributes:
        descriptor: for the process; it is closed here once the process has it.
    """

    def __init__(self) -> None:
        """Make a cell whose lease has no end.

        Raises:
            OSError: there is no memory, or no descriptor.
        """
        self.descriptor = _new_file()
        try:
            os.ftruncate(self.descriptor, _BYTES)
            self._memory = mmap.mmap(self.descriptor, _BYTES)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._until = memoryview(self._memory).cast("d")
        self.write(inf)
        if hasattr(fcntl, "F_ADD_SEALS"):
            with suppress(OSError):  # Before Linux 5.1.
                fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)

    def write(self, until: float) -> None:
        """Set the time of the monotonic clock until which handlers may begin."""
        if not self._memory.closed:
            self._until[0] = until

    def close(self) -> None:
        """Release the memory here; the process keeps its last value."""
        self._until.release()
        self._memory.close()


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("lease", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
