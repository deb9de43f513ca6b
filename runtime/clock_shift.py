"""By how much a test service's clock is ahead: one number that all of its processes read."""

import os
import struct
from datetime import timedelta
from pathlib import Path

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
