"""What one check by a schema may cost. A client's schema is a program, and none may run for ever.

Effort is counted in steps of about a microsecond, not in time: the same schema and value are judged
alike on a fast and on a slow machine. What a regular expression takes at least is counted
beforehand, too. What it takes beyond that, by going back, only time can stop, for its engine counts
nothing else: the processor time of its thread, so that a busy machine changes nothing.

Where others wait, as on an event loop, a check is first made `briefly`: fewer steps, and for a few
milliseconds at most.
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
"""Processor time for all regular expressions of one check. An honest one takes microseconds."""

BRIEF_STEPS = 4_000
BRIEF_S = 0.005
BRIEF_PATTERN_S = 0.005
STEPS_A_LOOK = 100
BRIEF_BYTES = 16_384
"""Of a schema to compile and of a value, which a message may quote whole."""


class OverBudgetError(Exception):
    """The check would take too much effort.

    Attributes:
        pattern: the regular expression that takes too long; None where it is the schema as a whole.
        text: what it was matched against, the very object.
    """

    def __init__(self, pattern: str | None = None, text: str | None = None) -> None:
        super().__init__(pattern)
        self.pattern = pattern
        self.text = text


class PostponedError(Exception):
    """The check takes longer than others may be kept waiting. Nothing is said of its outcome."""


@dataclass
class Budget:
    """What is left of the effort, and what need not be worked out twice.

    Attributes:
        ends_at_s: when the time is over, by the processor time of the thread. A brief check alone
            has an end: what is cut short there is made anew, so no verdict depends on the machine.
        looks_at_time_at: with so many steps left.
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
    """Let each check in the decision take a few milliseconds at most.

    Raises:
        PostponedError: one takes more; it is to be made anew where nobody waits.
    """
    token = _is_brief.set(True)
    try:
        return decide()
    finally:
        _is_brief.reset(token)


@contextmanager
def limited() -> Iterator[None]:
    """Let everything that is checked inside share one budget."""
    is_brief = _is_brief.get()
    given = Budget()
    if is_brief:
        given = Budget(BRIEF_STEPS, BRIEF_PATTERN_S, thread_time() + BRIEF_S)
    token = _current.set(given)
    try:
        yield
    except OverBudgetError:
        if is_brief:
            raise PostponedError from None
        raise
    finally:
        _current.reset(token)


def postpone_beyond(size_bytes: int) -> None:
    """Raise PostponedError where so much is too much for a brief check."""
    if size_bytes > BRIEF_BYTES and _is_brief.get():
        raise PostponedError


def budget() -> Budget:
    """Return the budget of the check that is under way; a fresh one where there is none."""
    return _current.get() or Budget()


def spend(steps: int, pattern: str | None = None, text: str | None = None) -> None:
    """Take steps off the budget; raise OverBudgetError where none is left.

    Args:
        steps: how many.
        pattern: the regular expression that takes them, if it is one.
        text: what that is matched against.
    """
    left = _current.get()
    if left is not None:
        left.steps -= steps
        if left.steps < 0 or _is_over(left):
            raise OverBudgetError(pattern, text)


def _is_over(left: Budget) -> bool:
    """Return whether the time is over; it is looked at now and then, for that takes time, too."""
    if left.ends_at_s is None or left.steps >= left.looks_at_time_at:
        return False
    left.looks_at_time_at = left.steps - STEPS_A_LOOK
    return thread_time() > left.ends_at_s
