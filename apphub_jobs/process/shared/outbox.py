"""What is said of attempts, gathered: many results in one write, many reports in one line."""

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apphub_jobs.process.encoding import NotJsonError, encode
from apphub_jobs.process.outcomes import unreadable

GATHER_S = 0.02
"""How long reports and what is printed wait for more of it."""

LINE_LIMIT_BYTES = 8 * 1_048_576
"""The longest line that the worker reads."""

PIECE_BYTES = 262_144
"""What is printed goes in pieces, which escapes make up to six times as long."""


PRINTED_LIMIT_BYTES = 32 * 1_048_576
"""How much of what is printed may wait, of all attempts together: beyond it, it is left out."""

UNREAD_BYTES = 1_048_576
"""While the worker has left so much unread, reports and what is printed wait for more of it."""


@dataclass
class _Gathered:
    """What an attempt has printed and reported, and nobody was told yet."""

    printed: list[bytes] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


class Outbox:
    """Writes lines to the worker. Anything may be said in any thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, out: asyncio.WriteTransport
    ) -> None:
        self._loop = loop
        self._out = out
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._gathered: dict[str, _Gathered] = {}
        self._printed_bytes = 0
        self._is_due = False
        self._is_planned = False

    def printed(self, attempt_id: str, content: bytes) -> bool:
        """Pass on what an attempt has printed, soon; return whether there was room for it."""
        with self._lock:
            waiting_bytes = self._printed_bytes + len(content)
            if waiting_bytes > PRINTED_LIMIT_BYTES:
                return False
            self._printed_bytes = waiting_bytes
            self._of(attempt_id).printed.append(content)
            self._plan()
            return True

    def reported(self, attempt_id: str, report: Mapping[str, Any]) -> None:
        """Pass on a report, soon, merged with those before."""
        with self._lock:
            gathered = self._of(attempt_id).report
            for part in ("metrics", "context"):
                gathered[part] = {**gathered.get(part, {}), **report[part]}
            gathered["logsUrl"] = report["logsUrl"] or gathered.get("logsUrl")
            self._plan()

    def ended(self, attempt_id: str, message: Mapping[str, Any]) -> None:
        """Pass on how an attempt has ended, after all else of it, with whatever ends now."""
        line = _line(attempt_id, message)
        with self._lock:
            self._take(attempt_id)
            self._lines.append(line)
            if not self._is_due:
                self._is_due = True
                self._loop.call_soon_threadsafe(self._flush)

    def _of(self, attempt_id: str) -> _Gathered:
        gathered = self._gathered.get(attempt_id)
        if gathered is None:
            gathered = self._gathered[attempt_id] = _Gathered()
        return gathered

    def _plan(self) -> None:
        if not (self._is_planned or self._is_due):
            self._is_planned = True
            self._loop.call_soon_threadsafe(self._flush_later)

    def _flush_later(self) -> None:
        self._loop.call_later(GATHER_S, self._flush)

    def _flush(self) -> None:
        with self._lock:
            self._is_due = False
            self._is_planned = False
            self._take_if_read()
            said = b"".join(self._lines)
            self._lines.clear()
        if said:
            # What a handler may have written there itself ends before it.
            self._out.write(b"\n" + said)

    def _take_if_read(self) -> None:
        """Take what was gathered, or wait until the worker has read more."""
        if self._out.get_write_buffer_size() < UNREAD_BYTES:
            for attempt_id in list(self._gathered):
                self._take(attempt_id)
        elif self._gathered:
            self._plan()

    def _take(self, attempt_id: str) -> None:
        """Make lines of what an attempt has printed and reported."""
        gathered = self._gathered.pop(attempt_id, None)
        if gathered is None:
            return
        printed = b"".join(gathered.printed)
        self._printed_bytes -= len(printed)
        for start in range(0, len(printed), PIECE_BYTES):
            piece = printed[start : start + PIECE_BYTES]
            # Any bytes at all, as the characters of the same numbers.
            text = piece.decode("latin-1")
            self._lines.append(_line(attempt_id, {"type": "output", "text": text}))
        if gathered.report:
            update = {"type": "update", **gathered.report}
            self._lines.append(_line(attempt_id, update))


def _line(attempt_id: str, message: Mapping[str, Any]) -> bytes:
    try:
        text = encode({"id": attempt_id, **message})
    except NotJsonError as error:
        text = json.dumps({"id": attempt_id, **unreadable(error)})
    line = text.encode() + b"\n"
    if len(line) <= LINE_LIMIT_BYTES:
        return line
    problem = f"a result or report of more than {LINE_LIMIT_BYTES} bytes"
    told = {"id": attempt_id, "type": "invalid", "message": problem}
    return json.dumps(told).encode() + b"\n"
