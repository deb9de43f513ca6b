"""The writes of a request, so that a request that is ended early can withdraw them.

Its handler is cancelled and never sees the outcomes of its writes. So each write is recorded here,
in the context of the request's task.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol


class Write(Protocol):
    """A write that was submitted to the log."""

    def withdraw(self) -> Sequence[str] | None:
        """Withdraw the write, unless it may be in the log already.

        Returns:
            None if it was withdrawn; else the ids by which a client can read its effects.
        """


class RequestWrites:
    """The writes of one request, in order.

    Attributes:
        is_closed: whether further writes are refused, since the response has been decided.
    """

    def __init__(self) -> None:
        self.is_closed = False
        self._writes: list[Write] = []

    def add(self, write: Write) -> None:
        """Record a write that is submitted."""
        self._writes.append(write)

    def discard(self, write: Write) -> None:
        """Forget a write that is certainly not in the log."""
        self._writes.remove(write)

    def withdraw(self) -> list[str] | None:
        """Withdraw the writes that have not begun, and refuse further ones.

        Returns:
            None if nothing was written; else the ids by which a client can read the effects of the
            writes that are, or may be, in the log.
        """
        self.is_closed = True
        remaining = [ids for write in self._writes if (ids := write.withdraw()) is not None]
        if not remaining:
            return None
        return list(dict.fromkeys(write_id for ids in remaining for write_id in ids))


current_writes: ContextVar[RequestWrites | None] = ContextVar("current_writes", default=None)
"""The writes of the request that this task handles; None in background tasks."""
