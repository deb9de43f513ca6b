"""A question to tables and log."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from projections.rows import Connection


@dataclass(frozen=True)
class Question:
    """A question.

    Attributes:
        grows: why it may take longer the more there is; empty where it must not.
    """

    name: str
    ask: Callable[[Connection], Awaitable[object]]
    grows: str = ""
