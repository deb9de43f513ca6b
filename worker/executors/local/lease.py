"""The end of the lease, in memory that a handlers' process can read and cannot write."""

import fcntl
import mmap
import os
import tempfile
from contextlib import suppress
from math import inf

_BYTES = 8

_SEALS = 0x0010 | 0x0004 | 0x0002 | 0x0001
"""F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_SEAL: the process can change nothing."""


class LeaseCell:
    """The end of the lease, which the worker writes and one handlers' process reads.

    The process can read it even while the worker is frozen and can send no message.

    Attributes:
        descriptor: the file of the memory, for the process; close it once the process has it.
    """

    def __init__(self) -> None:
        """Make a cell with a lease without end.

        Raises:
            OSError: there is no memory or no descriptor left.
        """
        self.descriptor = _create_file()
        try:
            os.ftruncate(self.descriptor, _BYTES)
            self._memory = mmap.mmap(self.descriptor, _BYTES)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._until = memoryview(self._memory).cast("d")
        self.write(inf)
        if hasattr(fcntl, "F_ADD_SEALS"):
            with suppress(OSError):  # Linux before 5.1 lacks F_SEAL_FUTURE_WRITE.
                fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)

    def write(self, until: float) -> None:
        """Set the end of the lease, by the monotonic clock; later no handler may begin."""
        if not self._memory.closed:
            self._until[0] = until

    def close(self) -> None:
        """Release the memory in this process; the other process keeps the last value."""
        self._until.release()
        self._memory.close()


def _create_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("lease", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
