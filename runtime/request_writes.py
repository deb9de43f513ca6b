"""The writes of a request, for the code that must end it early.

A canceled request gets no answer to its writes. So each write that it begins is recorded here, in
the context of its task.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol


class Write(Protocol):
    """A write that was submitted to the log."""

    def withdraw(self) -> Sequence[str] | None:
        """Withdraw it, unless it may be in the log already.

        Returns:
            None if it was withdrawn; else the ids by which a client can read its effects.
        """


class RequestWrites:
    """The writes of one request, in order.

    Attributes:
        are_withdrawn: whether it may write no more, since its response has been decided.
    """

    def __init__(self) -> None:
        self.are_withdrawn = False
        self._writes: list[Write] = []

    def begin(self, write: Write) -> None:
        """Record a write that is submitted."""
        self._writes.append(write)

    def refused(self, write: Write) -> None:
        """Remove a write that is certainly not in the log."""
        self._writes.remove(write)

    def withdraw(self) -> list[str] | None:
        """Withdraw the writes that have not begun.

        Returns:
            None if nothing was written; else the ids of the writes that were or may have been.
        """
        self.are_withdrawn = True
        remaining = [ids for write in self._writes if (ids := write.withdraw()) is not None]
        if not remaining:
            return None
        return list(dict.fromkeys(write_id for ids in remaining for write_id in ids))


current_writes: ContextVar[RequestWrites | None] = ContextVar("current_writes", default=None)
"""The writes of the request that this task handles; None in background tasks."""
