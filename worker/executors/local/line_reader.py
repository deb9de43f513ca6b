"""Lines that come through a pipe, without a task or a future for each."""

import asyncio
from collections.abc import Callable


class LineReader(asyncio.Protocol):
    """Calls back with each line, and at the end; once with None for a line that is too long."""

    def __init__(
        self,
        limit_bytes: int,
        line_came: Callable[[bytes | None], None],
        ended: Callable[[], None],
    ) -> None:
        self._limit_bytes = limit_bytes
        self._line_came = line_came
        self._ended = ended
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._is_skipping = False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._keep(part)
            line = b"".join(self._parts)
            was_too_long = self._is_skipping
            self._begin_line()
            if not was_too_long:
                self._line_came(line)
        self._keep(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that there will be no more; what has no end of line is none."""
        del exc
        self._ended()

    def _begin_line(self) -> None:
        self._parts.clear()
        self._waiting_bytes = 0
        self._is_skipping = False

    def _keep(self, part: bytes) -> None:
        """Add a part to the line that is not yet whole, unless that is too long."""
        if self._is_skipping:
            return
        self._parts.append(part)
        self._waiting_bytes += len(part)
        if self._waiting_bytes > self._limit_bytes:
            self._is_skipping = True
            self._parts.clear()
            self._line_came(None)
