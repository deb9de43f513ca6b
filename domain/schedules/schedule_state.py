"""What decisions need to know of a schedule."""

from datetime import datetime
from typing import Any

from domain.schedules.spec import Spec


class ScheduleState:
    """The state of a schedule; its events move it.

    Attributes:
        slug: what clients call it.
        current: the number of its version.
        decided_until: no tick that is due until then is to be decided any more.
        next_at: when the next tick fires, as it was known at the last event.
        open_runs: ids of its runs that were not found to have ended, in the order of their launch.
        buffered: when the ticks were due that wait, in this order.
    """

    slug: str
    current: int
    spec: Spec
    is_paused: bool
    is_deleted: bool
    decided_until: datetime
    next_at: datetime | None
    open_runs: list[str]
    buffered: list[datetime]

    def __init__(
        self,
        slug: str,
        version: int,
        spec: dict[str, Any],
        decided_until: datetime,
        next_at: datetime | None,
    ) -> None:
        self.slug = slug
        self.current = version
        self.spec = Spec(**spec)
        self.is_paused = False
        self.is_deleted = False
        self.decided_until = decided_until
        self.next_at = next_at
        self.open_runs = []
        self.buffered = []

    def decide_until(self, moment: datetime) -> None:
        """Note that ticks until then are decided; those of a backfill were so before."""
        self.decided_until = max(self.decided_until, moment)

    def drop_buffered(self, first: datetime, last: datetime) -> None:
        """Note that ticks which were due within these times wait no more."""
        self.buffered = [
            due_at for due_at in self.buffered if not first <= due_at <= last
        ]
