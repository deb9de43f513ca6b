"""The budget of a check by a schema. A client's schema is a program, and none may run for ever.

Effort is counted in steps of about a microsecond, not in time, so that a verdict does not depend on
the machine. The least effort of a regular expression is counted in advance, too. Its backtracking
can only be limited by time, as its engine counts nothing: by the processor time of the thread, so
that other load does not matter.

Where others wait, as on an event loop, a check is first made `briefly`: with fewer steps, and for a
few milliseconds at most.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import thread_time
from typing import TypeVar

T = TypeVar("T")

MAX_STEPS = 300_000
"""A third of a second on an ordinary processor: an array of 90,000 numbers, or of 30,000 small
objects."""

MAX_PATTERN_S = 0.1
"""Processor time of all regular expressions of a check. An ordinary one takes microseconds."""

BRIEF_STEPS = 4_000
BRIEF_S = 0.005
BRIEF_PATTERN_S = 0.005
STEPS_A_LOOK = 100
BRIEF_BYTES = 16_384
"""Of a schema to compile, and of a value, as a message may quote all of it."""


class OverBudgetError(Exception):
    """The check takes too much effort.

    Attributes:
        pattern: the regular expression that takes too long; None if it is the schema as a whole.
        text: the object that it was matched against.
    """

    def __init__(self, pattern: str | None = None, text: str | None = None) -> None:
        super().__init__(pattern)
        self.pattern = pattern
        self.text = text


class PostponedError(Exception):
    """A brief check takes too long; its outcome is not known."""


@dataclass
class Budget:
    """The effort that is left to a check, and what it need not compute twice.

    Attributes:
        steps: the steps that are left.
        pattern_s: the processor time that is left for regular expressions.
        ends_at_s: when a brief check ends, by the processor time of the thread; None for others. A
            check that is cut short is made again, so no verdict depends on the machine.
        looks_at_time_at: the number of steps left at which the time is read next.
        patterns: the regular expressions that have been paid for.
        members: the keys of an enumeration's values, by the identity of its list.
    """

    steps: int = MAX_STEPS
    pattern_s: float = MAX_PATTERN_S
    ends_at_s: float | None = None
    looks_at_time_at: int = BRIEF_STEPS
    patterns: set[str] = field(default_factory=set)
    members: dict[int, frozenset[str]] = field(default_factory=dict)


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)

_is_brief: ContextVar[bool] = ContextVar("is_brief", default=False)


def briefly(decide: Callable[[], T]) -> T:
    """Decide, with a few milliseconds at most for each check.

    Raises:
        PostponedError: a check takes longer; decide again where nobody waits.
    """
    token = _is_brief.set(True)
    try:
        return decide()
    finally:
        _is_brief.reset(token)


@contextmanager
def limited() -> Iterator[None]:
    """Give all checks inside one budget."""
    is_brief = _is_brief.get()
    new = Budget()
    if is_brief:
        new = Budget(BRIEF_STEPS, BRIEF_PATTERN_S, thread_time() + BRIEF_S)
    token = _current.set(new)
    try:
        yield
    except OverBudgetError:
        if is_brief:
            raise PostponedError from None
        raise
    finally:
        _current.reset(token)


def postpone_beyond(size_bytes: int) -> None:
    """Raise PostponedError if this is too much for a brief check."""
    if size_bytes > BRIEF_BYTES and _is_brief.get():
        raise PostponedError


def budget() -> Budget:
    """Return the budget of the present check; a new one if there is none."""
    return _current.get() or Budget()


def spend(steps: int, pattern: str | None = None, text: str | None = None) -> None:
    """Take steps off the budget; raise OverBudgetError if it is exceeded.

    Args:
        steps: how many.
        pattern: the regular expression that takes them, if one does.
        text: that it is matched against.
    """
    left = _current.get()
    if left is not None:
        left.steps -= steps
        if left.steps < 0 or _is_over(left):
            raise OverBudgetError(pattern, text)


def _is_over(left: Budget) -> bool:
    """Return whether the time is over; it is read only every `STEPS_A_LOOK` steps."""
    if left.ends_at_s is None or left.steps >= left.looks_at_time_at:
        return False
    left.looks_at_time_at = left.steps - STEPS_A_LOOK
    return thread_time() > left.ends_at_s
