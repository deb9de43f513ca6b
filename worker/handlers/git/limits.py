"""What a clone may take of time and disk, and how that is measured while it grows."""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from apphub_jobs.contract import JobRunContext
from worker.handlers.git.errors import RefusedError

TIME_LIMIT_S = 600
"""Of all that git does for one clone. An ingestion may take 900 s, and must yet read the files."""

DEADLINE_SHARE = 0.9
"""Of the attempt's remaining time, where that is less: so that the attempt itself can say what took
so long."""

BYTES_LIMIT = 2_000_000_000
"""Of a clone on disk: what each of a worker's slots may take of it."""

ENTRIES_LIMIT = 200_000
"""Of files and directories. Each takes a block of the disk, usually 4 KB, even if it is nearly
empty: 800 MB."""

GITS_ENTRIES = 10_000
"""Git's own files, which come on top: a few dozen, and one for each object where the server is a
plain web server."""

LOOK_S = 0.25
LOOK_SHARE = 10
"""How often the clone is measured: never for more than a tenth of the time."""


@dataclass(frozen=True)
class Limits:
    """What one clone may take.

    The operator's settings are `cloneTimeoutMs`, `cloneMaxBytes` and `cloneMaxEntries`.
    """

    time_s: float
    bytes: int
    entries: int

    @classmethod
    def of(cls, context: JobRunContext) -> "Limits":
        """Return the operator's limits, or else ours; never more time than the attempt has."""
        settings = context.settings
        time_s = settings.get("cloneTimeoutMs", TIME_LIMIT_S * 1000) / 1000
        if context.deadline is not None:
            left = context.deadline - datetime.now(context.deadline.tzinfo)
            usable_s = left.total_seconds() * DEADLINE_SHARE
            time_s = max(0, min(time_s, usable_s))
        return cls(
            time_s,
            settings.get("cloneMaxBytes", BYTES_LIMIT),
            settings.get("cloneMaxEntries", ENTRIES_LIMIT),
        )


class Watch:
    """Measures a directory while it grows, now and then."""

    def __init__(self, directory: Path | None, limits: Limits) -> None:
        """Measure this directory, if there is one."""
        self._directory = directory
        self._limits = limits
        self._next = 0.0

    def look(self) -> None:
        """Raise RefusedError where the directory has outgrown the limits."""
        started = monotonic()
        if self._directory is None or started < self._next:
            return
        most = self._limits.entries + GITS_ENTRIES
        size, entries = measured(self._directory, most)
        check_size(size, self._limits)
        if entries > most:
            raise RefusedError(
                f"the clone holds more than {most} files and directories"
            )
        ended = monotonic()
        took_s = ended - started
        pause_s = max(LOOK_S, LOOK_SHARE * took_s)
        self._next = ended + pause_s


def check_size(size: int, limits: Limits) -> None:
    """Raise RefusedError if a clone of so many bytes is too large."""
    if size > limits.bytes:
        raise RefusedError(
            f"the repository takes more than {limits.bytes / 1_000_000:g} MB"
        )


def measured(directory: Path, most: int) -> tuple[int, int]:
    """Return the bytes and the number of entries below a directory; counting ends beyond `most`."""
    size = 0
    entries = 0
    waiting = [str(directory)]
    while waiting and entries <= most:
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            os.scandir(waiting.pop()) as found,
        ):
            for entry in found:
                entries += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    # Git renames its files when they are whole.
                    with suppress(FileNotFoundError):
                        size += entry.stat(follow_symlinks=False).st_size
    return size, entries
