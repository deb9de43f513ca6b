"""What one check by a schema may cost. A client's schema is a program, and none may run for ever.

Effort is counted in steps of about a microsecond, not in time: the same schema and value are judged
alike on a fast and on a slow machine. Only regular expressions are stopped by time, for their
engine counts nothing else: by the processor time that they use, so that a busy machine changes
nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_STEPS = 300_000
"""A third of a second on an ordinary processor: an array of 90,000 numbers, or of 30,000 small
objects."""

MAX_PATTERN_S = 0.1
"""Processor time for all regular expressions of one check. An honest one takes microseconds."""


class OverBudgetError(Exception):
    """The check would take too much effort.

    Attributes:
        pattern: the regular expression that takes too long; None where it is the schema as a whole.
        text: where it was to be found, the very object.
    """

    def __init__(self, pattern: str | None = None, text: str | None = None) -> None:
        super().__init__(pattern)
        self.pattern = pattern
        self.text = text


class Budget:
    """What is left of the effort, and what need not be worked out twice.

    Attributes:
        steps: what is left of `MAX_STEPS`.
        pattern_s: what is left of `MAX_PATTERN_S`.
        patterns: the regular expressions that have been paid for.
        members: the keys of an enumeration's values, by the identity of its list.
    """

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.pattern_s = MAX_PATTERN_S
        self.patterns: set[str] = set()
        self.members: dict[int, frozenset[str]] = {}


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def limited() -> Iterator[None]:
    """Let everything that is checked inside share one budget."""
    token = _current.set(Budget())
    try:
        yield
    finally:
        _current.reset(token)


def budget() -> Budget:
    """Return the budget of the check that is under way; a fresh one where there is none."""
    return _current.get() or Budget()


def spend(steps: int) -> None:
    """Take steps off the budget; raise OverBudgetError where none is left."""
    left = _current.get()
    if left is not None:
        left.steps -= steps
        if left.steps < 0:
            raise OverBudgetError
