"""What a request has written, or waits to have written, for the code that must end it early.

A canceled request gets no answer from what it waited for. So each write that it begins is recorded
here, in the context of its task.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol


class Write(Protocol):
    """Something that was submitted to the log."""

    def withdraw(self) -> Sequence[str] | None:
        """Withdraw it where nothing of it can be in the log yet.

        Returns:
            None if it was withdrawn and never happens; else the ids by which a client can find out
            what it has changed.
        """


class RequestWrites:
    """The writes of one request, in the order in which it began them.

    Attributes:
        are_withdrawn: whether it may write no more, for it has been told what came of it.
    """

    def __init__(self) -> None:
        self.are_withdrawn = False
        self._writes: list[Write] = []

    def begin(self, write: Write) -> None:
        """Note a write that is submitted."""
        self._writes.append(write)

    def refused(self, write: Write) -> None:
        """Forget a write of which certainly nothing is in the log."""
        self._writes.remove(write)

    def withdraw(self) -> list[str] | None:
        """Withdraw what has not begun.

        Returns:
            None if nothing was written; else the ids of what was, or may have been.
        """
        self.are_withdrawn = True
        remaining = [ids for write in self._writes if (ids := write.withdraw()) is not None]
        if not remaining:
            return None
        return list(dict.fromkeys(one for ids in remaining for one in ids))


current_writes: ContextVar[RequestWrites | None] = ContextVar("current_writes", default=None)
"""Those of the request that this task answers; None in background tasks."""
