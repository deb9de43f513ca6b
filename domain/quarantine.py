"""What this process cannot read, and so leaves alone: for others that can, such as a newer version.

Nothing of it is stored. Histories only grow, so what cannot be read once cannot be read later by
the same program; another program judges for itself.
"""

import logging
from collections import OrderedDict
from collections.abc import Collection
from uuid import UUID

from domain.errors import QuarantinedError

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
