"""Which values of a job's runs wait for a turn, and whose turn was last."""

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator

from projections.runs.turns.turns import DEPTH, MOST_VALUES

Group = tuple[str, int]
"""An entry point and a priority: a job's runs that have them in common take turns."""


class _Values:
    """Of one group, the values of which a run is pending."""

    def __init__(self) -> None:
        # By value, of runs that only turns keep, when each was seen to be due.
        self._lines: dict[str, OrderedDict[bytes, str]] = {}
        self._in_order: list[str] = []
        self._others: dict[str, set[bytes]] = {}
        self._last: str | None = None
        self._claimed_at = ""
        self._most = 0

    def arrive(self, value: str, run: bytes, due_since: str | None) -> None:
        if due_since is None:
            others = self._others.setdefault(value, set())
            others.add(run)
            return
        if value not in self._lines:
            self._lines[value] = OrderedDict()
            insort(self._in_order, value)
        line = self._lines[value]
        line[run] = due_since

    def leave(self, value: str, run: bytes) -> None:
        others = self._others.get(value)
        if others is not None:
            others.discard(run)
            if not others:
                del self._others[value]
        line = self._lines.get(value)
        if line is not None:
            line.pop(run, None)
            if not line:
                del self._lines[value]
                place = bisect_left(self._in_order, value)
                del self._in_order[place]

    def start(self, value: str, at: str) -> str | None:
        """Take in a turn; return a value that it passed over."""
        last = self._last
        self._last = value
        if last is None or self._is_cut(at):
            return None
        for other in self._between(last, value):
            if self._is_seen(other, at):
                return other
        return None

    def _between(self, last: str, value: str) -> Iterator[str]:
        """Yield the values that come first, on the way round from one to another."""
        behind = bisect_right(self._in_order, last)
        before = bisect_left(self._in_order, value)
        if last < value:
            yield from self._in_order[behind:before]
        else:
            yield from self._in_order[behind:]
            yield from self._in_order[:before]

    def _is_seen(self, value: str, at: str) -> bool:
        """Return whether a claim must have seen that a run of the value may start."""
        line = self._lines[value]
        in_order = iter(line.values())
        due_since = next(in_order)
        kept = self._others.get(value, ())
        return due_since < at and len(kept) < DEPTH

    def _is_cut(self, at: str) -> bool:
        """Return whether a claim of this moment may not have gone round all values."""
        if at != self._claimed_at:
            self._claimed_at = at
            values = self._lines.keys() | self._others.keys()
            self._most = len(values)
        return self._most > MOST_VALUES


class Waiting:
    """All groups of a job. It holds what is pending, and does not grow with the log."""

    def __init__(self) -> None:
        self._groups: dict[Group, _Values] = {}

    def arrive(
        self, group: Group, value: str, run: bytes, due_since: str | None
    ) -> None:
        """Take in a run that is pending.

        Args:
            group: with which others it takes turns.
            value: its own.
            run: its id.
            due_since: when it was seen to be due, if nothing but turns keeps it from now on; None
                if something else may.
        """
        values = self._of(group)
        values.arrive(value, run, due_since)

    def leave(self, group: Group, value: str, run: bytes) -> None:
        """Forget a run, if it is known to be pending."""
        values = self._of(group)
        values.leave(value, run)

    def start(self, group: Group, value: str, at: str) -> str | None:
        """Take in a turn at a moment.

        Returns:
            A value that it passed over although a run of it waited, and the claim must have seen
            that. None if there is none, or the log cannot tell.
        """
        values = self._of(group)
        return values.start(value, at)

    def _of(self, group: Group) -> _Values:
        return self._groups.setdefault(group, _Values())
