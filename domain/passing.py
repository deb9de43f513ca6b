"""How those are passed that cannot be read where there are more than anybody remembers.

Whoever looks at runs in some order leaves out the unreadable ones by their ids. Of those whose ids
are forgotten, the place of the last one is remembered instead, and the next look begins behind it.
Pure.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

REST_S = 60.0
"""How long to go on from the place that was come to, once something else than unreadable runs
stands there. Then all is looked at from the first on: something may have come in before."""

REST_FACTOR = 9
"""How many times longer than the way to that place took: a tenth of all time goes into it at
most."""

LONGEST_STEP_S = 1.0
"""Of what lies between two looks, so much counts as the way at most."""


class Passing(Generic[T]):
    """How far a look has come, past what cannot be read.

    Args:
        is_unreadable: tells of one that was looked at whether it has turned out so.
    """

    def __init__(self, is_unreadable: Callable[[T], bool]) -> None:
        self._is_unreadable = is_unreadable
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at all from the first on, the next time."""
        self._place: T | None = None
        self._looked_at: Sequence[T] = ()
        self._looked_s: float | None = None
        self._way_s = 0.0
        self._rest_s = 0.0

    def after(self, now_s: float) -> T | None:
        """Return after which one the next look begins; None for the first.

        Args:
            now_s: by a monotonic clock.
        """
        since_s = 0.0
        if self._looked_s is not None:
            since_s = now_s - self._looked_s
        if self._move_on():
            self._way_s += min(since_s, LONGEST_STEP_S)
        else:
            self._rest_s += since_s
            if self._rest_s > max(REST_S, REST_FACTOR * self._way_s):
                self.begin_anew()
        self._looked_s = now_s
        return self._place

    def looked_at(self, found: Sequence[T]) -> None:
        """Note what the last look found, in order, with nothing left out but what is unreadable."""
        self._looked_at = found

    def _move_on(self) -> bool:
        """Move past all that has turned out to be unreadable since; return whether any has."""
        found, self._looked_at = self._looked_at, ()
        has_moved = False
        for one in found:
            if not self._is_unreadable(one):
                break
            self._place = one
            has_moved = True
        return has_moved
