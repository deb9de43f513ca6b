"""What builds printed: the logs of their runs, of all attempts one after the other."""

import asyncio

from projections.builds import NO_LOG, BuildRow, LogExcerpt
from worker.logs.run_logs import RunLogs, RunLogsUnavailableError

PREVIEW_CHARACTERS = 4_000
"""How much of a log's end a build shows (contract, section 4)."""

_PREVIEW_BYTES = PREVIEW_CHARACTERS * 4
"""Enough for as many characters, whatever they are."""


class BuildLogs:
    """Reads builds' logs."""

    def __init__(self, logs: RunLogs) -> None:
        self._logs = logs

    async def excerpt(
        self, build: BuildRow, within_s: float | None = None
    ) -> LogExcerpt:
        """Return the end and the size of what the build has printed so far.

        While the store of logs is away that is nothing.

        Args:
            build: its row.
            within_s: how long the store may take to answer; then it counts as away.
        """
        if build["job_run_id"] is None:
            return NO_LOG
        end, size = b"", 0
        try:
            async with asyncio.timeout(within_s):
                for attempt in reversed(_attempts(build)):
                    left = _PREVIEW_BYTES - len(end)
                    tail, total = await self._logs.tail(
                        build["job_run_id"], attempt, left
                    )
                    end, size = tail + end, size + total
        except (RunLogsUnavailableError, TimeoutError):
            return NO_LOG  # What a build shows beside must not depend on where its log lies.
        text = end.decode("utf-8", "replace")
        preview = text[-PREVIEW_CHARACTERS:]
        is_cut = size > len(end) or len(text) > len(preview)
        return LogExcerpt(preview, size, truncated=is_cut)

    async def whole(self, build: BuildRow) -> bytes:
        """Return all that the build has printed so far.

        Raises:
            RunLogsUnavailableError: the store of logs is away.
        """
        if build["job_run_id"] is None:
            return b""
        run_id = build["job_run_id"]
        return b"".join(
            [
                chunk
                for attempt in _attempts(build)
                async for chunk in await self._logs.read(run_id, attempt)
            ]
        )


def _attempts(build: BuildRow) -> range:
    return range(1, build["attempt"] + 1)
