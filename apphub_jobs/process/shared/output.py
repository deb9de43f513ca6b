"""What handlers print, each line to the attempt that printed it.

Python's streams and `logging` ask a context variable whose attempt this is: coroutines have it, and
what `asyncio.to_thread` runs for them. Whatever else prints (libraries in C, threads and programs
that a handler starts) writes to the process's own log.
"""

from __future__ import annotations

import io
import os
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

LIMIT_BYTES = 10 * 1_048_576
"""What is passed on of what one attempt prints; its log keeps no more of it."""


class Output:
    """What one attempt prints.

    Attributes:
        attempt_id: whose it is.
        left_out: how many bytes came beyond the limits.
    """

    def __init__(self, attempt_id: str, pass_on: Callable[[str, bytes], bool]) -> None:
        self.attempt_id = attempt_id
        self._pass_on = pass_on
        self._room = LIMIT_BYTES
        self.left_out = 0

    def add(self, printed: bytes) -> None:
        """Pass on what there is room for, here and on the way."""
        kept = printed[: self._room]
        self._room -= len(kept)
        self.left_out += len(printed) - len(kept)
        if kept and not self._pass_on(self.attempt_id, kept):
            self.left_out += len(kept)


PRINTING: ContextVar[Output | None] = ContextVar("PRINTING", default=None)
"""Of the attempt that goes on here, in its own tasks as well; None where it is nobody's."""


class _Routed(io.RawIOBase):
    """A stream that leads to whoever's attempt goes on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, printed: ReadableBuffer, /) -> int:
        content = bytes(printed)
        output = PRINTING.get()
        if output is None:
            return os.write(self._descriptor, content)
        output.add(content)
        return len(content)


def route() -> None:
    """Let Python's streams lead to the attempts from now on."""
    sys.stdout = _stream(1)
    sys.stderr = _stream(2)


def _stream(descriptor: int) -> io.TextIOWrapper:
    routed = cast("BinaryIO", _Routed(descriptor))
    # Written through at once: what waited could be taken for somebody else's.
    return io.TextIOWrapper(
        routed, encoding="utf-8", errors="backslashreplace", write_through=True
    )
