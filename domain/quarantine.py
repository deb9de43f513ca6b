"""Quarantine: aggregates that this process cannot read, and leaves to others.

The others may have a newer version. The quarantine is not stored: each process finds out what it
cannot read, and can never read that, as histories only grow. First the quarantine, then how scans
skip what is in it (`SkipCursor`).
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from domain.errors import QuarantinedError

logger = logging.getLogger(__name__)

MAX_QUARANTINED = 10_000
"""Aggregates that are remembered. Others are found again each time they are read; ordered scans
skip them by a `SkipCursor`."""

REASON_CHARACTERS = 300
"""Characters of a reason that are kept: it may quote an event of a megabyte."""


class Quarantine:
    """The aggregates that cannot be read, each with the reason.

    Attributes:
        max_size: how many are remembered at most.
        added: how often one was added, for metrics.
        has_forgotten: whether more than `max_size` were added.
    """

    def __init__(self, max_size: int = MAX_QUARANTINED) -> None:
        self.max_size = max_size
        self._reasons: OrderedDict[UUID, str] = OrderedDict()
        self.added = 0
        self.has_forgotten = False

    def __contains__(self, aggregate_id: object) -> bool:
        """Return whether the aggregate is quarantined."""
        return aggregate_id in self._reasons

    @property
    def ids(self) -> list[UUID]:
        """Return all of them; claims and sweeps skip these."""
        return list(self._reasons)

    def add(self, aggregate_id: UUID, reason: str) -> None:
        """Add an aggregate, and log that once."""
        if aggregate_id in self._reasons:
            return
        reason = reason[:REASON_CHARACTERS]
        self._reasons[aggregate_id] = reason
        self.added += 1
        logger.error("%s is quarantined: it cannot be read: %s", aggregate_id, reason)
        if len(self._reasons) > self.max_size:
            self._reasons.popitem(last=False)
            self.has_forgotten = True

    def check(self, aggregate_ids: Collection[UUID]) -> None:
        """Raise QuarantinedError with the reason if any of these is quarantined."""
        for aggregate_id in aggregate_ids:
            reason = self._reasons.get(aggregate_id)
            if reason is not None:
                message = f"{aggregate_id} cannot be read by this version: {reason}"
                raise QuarantinedError(message)

    def clear(self) -> None:
        """Forget all of them: the log is another one."""
        self._reasons.clear()
        self.has_forgotten = False


# How a scan skips runs that this version cannot read, however many. Pure.
#
# An ordered scan leaves unreadable runs out by their ids. Where there are more than the quarantine
# remembers, a cursor remembers the last unreadable run of the scan, and the next scan begins behind
# that.

T = TypeVar("T")

REST_S = 60.0
"""How long scans continue behind the cursor once they meet a readable run there. Then a scan begins
with the first run again: others may have come in before the cursor."""

REST_FACTOR = 9
"""They continue at least this many times as long as the cursor took to get there, so that getting
there takes a tenth of the time at most."""

MAX_STEP_S = 1.0
"""The most that the time between two scans counts as part of that."""


class SkipCursor(Generic[T]):
    """Where the next scan begins: behind the unreadable items of the last scans.

    Args:
        is_unreadable: returns whether a scanned item has turned out to be unreadable.
    """

    def __init__(self, is_unreadable: Callable[[T], bool]) -> None:
        self._is_unreadable = is_unreadable
        self.restart()

    def restart(self) -> None:
        """Let the next scan begin with the first item."""
        self._position: T | None = None
        self._scanned: Sequence[T] = ()
        self._scanned_s: float | None = None
        self._moving_s = 0.0
        self._rest_s = 0.0

    def after(self, now_s: float) -> T | None:
        """Return the item behind which the next scan begins; None for the first item.

        Args:
            now_s: by any clock; where it was set back, no time has passed.
        """
        since_s = 0.0 if self._scanned_s is None else max(now_s - self._scanned_s, 0.0)
        if self._move_on():
            self._moving_s += min(since_s, MAX_STEP_S)
        else:
            self._rest_s += since_s
            if self._rest_s > max(REST_S, REST_FACTOR * self._moving_s):
                self.restart()
        self._scanned_s = now_s
        return self._position

    def scanned(self, items: Sequence[T]) -> None:
        """Take in the items of the last scan, in order; it left out only unreadable ones."""
        self._scanned = items

    def _move_on(self) -> bool:
        """Move past the first items that are unreadable; return whether there were any."""
        items, self._scanned = self._scanned, ()
        has_moved = False
        for item in items:
            if not self._is_unreadable(item):
                break
            self._position = item
            has_moved = True
        return has_moved
