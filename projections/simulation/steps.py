"""A number, or none, that changes from time to time."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence


class Steps:
    """What a number was at any time; before the first change it was none.

    Attributes:
        moments: when it changes.
    """

    def __init__(self, changes: Iterable[tuple[int, int | None]] = ()) -> None:
        self.moments: list[int] = []
        self._values: list[int | None] = [None]
        for at, value in changes:
            self.change(at, value)

    def change(self, at: int, value: int | None) -> None:
        """Let it be this from a time on that is not before the last change."""
        if self.moments and self.moments[-1] == at:
            self.moments.pop()
            self._values.pop()
        last = self._values[-1]
        if value != last:
            self.moments.append(at)
            self._values.append(value)

    def at(self, moment: int) -> int | None:
        """Return the number at a time."""
        changes = bisect_right(self.moments, moment)
        return self._values[changes]

    def within(self, since: int, until: int) -> Sequence[tuple[int, int | None]]:
        """Return what it was at the first time, and each change up to before the second."""
        at_first = self.at(since)
        found = [(since, at_first)]
        values = self._values[1:]
        for at, value in zip(self.moments, values, strict=True):
            if since < at < until:
                change = (at, value)
                found.append(change)
        return found
