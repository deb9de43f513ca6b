"""What builds printed: the logs of their runs, of all attempts one after the other."""

from pathlib import Path

import anyio

from api.run_logs import read_log
from domain.ports import Row
from projections.builds import NO_LOG, LogExcerpt
from worker.run_logs import log_paths

PREVIEW_CHARACTERS = 4_000
"""How much of a log's end a build shows (contract, section 4)."""

_PREVIEW_BYTES = PREVIEW_CHARACTERS * 4
"""Enough for as many characters, whatever they are."""


class BuildLogs:
    """Reads builds' logs."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def excerpt(self, build: Row) -> LogExcerpt:
        """Return the end and the size of what the build has printed so far."""
        if build["job_run_id"] is None:
            return NO_LOG
        size = sum([(await anyio.Path(path).stat()).st_size for path in self._paths(build)])
        skipped = max(0, size - _PREVIEW_BYTES)
        end = (await self._read(build, skipped)).decode("utf-8", "replace")
        preview = end[-PREVIEW_CHARACTERS:]
        return LogExcerpt(preview, size, truncated=skipped > 0 or len(end) > len(preview))

    async def whole(self, build: Row) -> bytes:
        """Return all that the build has printed so far."""
        return await self._read(build, 0)

    async def _read(self, build: Row, offset: int) -> bytes:
        return b"".join([chunk async for chunk in read_log(self._paths(build), offset)])

    def _paths(self, build: Row) -> list[Path]:
        run_id, attempts = str(build["job_run_id"]), int(str(build["attempt"]))
        return [path for attempt in range(1, attempts + 1) for path in log_paths(self._root, run_id, attempt)]
