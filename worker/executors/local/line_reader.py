"""Lines that come through a pipe, without a task or a future for each."""

import asyncio
from collections.abc import Callable


class LineReader(asyncio.Protocol):
    """Calls back with each line, and at the end; for a line too long with None and nothing more."""

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
        self._deaf = False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._deaf:
            return
        *ended, rest = data.split(b"\n")
        for part in ended:
            if not self._keep(part):
                return
            line = b"".join(self._parts)
            self._parts.clear()
            self._waiting_bytes = 0
            self._line_came(line)
        self._keep(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that there will be no more; what has no end of line is none."""
        del exc
        self._ended()

    def _keep(self, part: bytes) -> bool:
        """Add a part to the line that is not yet whole; return whether the line may be so long."""
        self._parts.append(part)
        self._waiting_bytes += len(part)
        self._deaf = self._waiting_bytes > self._limit_bytes
        if self._deaf:
            self._parts.clear()
            self._line_came(None)
        return not self._deaf
