"""Quarantine: aggregates that this process cannot read, and leaves to others.

The others may be a newer version. Nothing of it is stored. Histories only grow, so what a program
cannot read once it cannot read later; another program judges for itself. First the skip list's
cursor (`Passing`), then the quarantine itself.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from domain.errors import QuarantinedError

# How a scan skips runs that this version cannot read, however many.
#
# A scan in some order leaves out the unreadable runs by their ids. Where there are more ids than
# the quarantine remembers, it remembers the position of the last forgotten run instead, and the
# next scan begins behind it. Pure.

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


logger = logging.getLogger(__name__)

MOST = 10_000
"""Aggregates to be remembered. Those beyond are found again when they are met again; whoever meets
them in an order goes on behind them, and does not begin anew."""

REASON_CHARACTERS = 300
"""Of a reason are kept: it may quote an event, which may have a megabyte."""


class Quarantine:
    """The aggregates that cannot be read, each with the reason.

    Attributes:
        most: how many are remembered.
        found: how many times one was found, for whoever counts.
        has_forgotten: whether there were more.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._reasons: OrderedDict[UUID, str] = OrderedDict()
        self.found = 0
        self.has_forgotten = False

    def __contains__(self, aggregate_id: object) -> bool:
        """Return whether the aggregate is quarantined."""
        return aggregate_id in self._reasons

    @property
    def ids(self) -> list[UUID]:
        """Return them all: what claims and sweeps pass over."""
        return list(self._reasons)

    def add(self, aggregate_id: UUID, reason: str) -> None:
        """Leave an aggregate alone from now on, and say so once."""
        if aggregate_id in self._reasons:
            return
        reason = reason[:REASON_CHARACTERS]
        self._reasons[aggregate_id] = reason
        self.found += 1
        logger.error("%s is quarantined: it cannot be read: %s", aggregate_id, reason)
        if len(self._reasons) > self.most:
            self._reasons.popitem(last=False)
            self.has_forgotten = True

    def check(self, aggregate_ids: Collection[UUID]) -> None:
        """Refuse to go on if any of these is quarantined.

        Raises:
            QuarantinedError: with the reason.
        """
        for aggregate_id in aggregate_ids:
            reason = self._reasons.get(aggregate_id)
            if reason is not None:
                message = f"{aggregate_id} cannot be read by this version: {reason}"
                raise QuarantinedError(message)

    def clear(self) -> None:
        """Forget all of them: the log is another one."""
        self._reasons.clear()
        self.has_forgotten = False
