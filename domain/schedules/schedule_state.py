"""What decisions need to know of a schedule."""

from datetime import datetime
from typing import Any

from domain.schedules.calendar import Tick
from domain.schedules.spec import Spec


class ScheduleState:
    """The state of a schedule; its events move it.

    Attributes:
        slug: what clients call it.
        current: the number of its version.
        decided_until: no tick that is due until then is to be decided any more.
        next_at: when the next tick fires, as it was known at the last event.
        open_runs: ids of its runs that were not found to have ended, in the order of their launch.
        manual_runs: those of them that people launched, by a trigger or a backfill.
        buffered: when the ticks were due that wait, in this order.
        carried: ticks of former versions that were due before the current one began, and had not
            fired; in the order in which they fire.
    """

    slug: str
    current: int
    spec: Spec
    is_paused: bool
    is_deleted: bool
    decided_until: datetime
    next_at: datetime | None
    open_runs: list[str]
    manual_runs: list[str]
    buffered: list[datetime]
    carried: list[Tick]

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
        self.manual_runs = []
        self.buffered = []
        self.carried = []

    @property
    def calendar_runs(self) -> list[str]:
        """Return those of its open runs that ticks launched: the ones that `overlap` speaks of."""
        if not self.manual_runs:
            return self.open_runs
        manual = set(self.manual_runs)
        return [run_id for run_id in self.open_runs if run_id not in manual]

    def open_run(self, run_id: str, *, is_manual: bool) -> None:
        """Note a run that was launched."""
        self.open_runs = [*self.open_runs, run_id]
        if is_manual:
            self.manual_runs = [*self.manual_runs, run_id]

    def close_run(self, ended: str) -> None:
        """Note that a run has ended."""
        self.open_runs = [run_id for run_id in self.open_runs if run_id != ended]
        self.manual_runs = [run_id for run_id in self.manual_runs if run_id != ended]

    def begin_anew(self) -> None:
        """Note that nothing of its former life is left."""
        self.is_deleted = False
        self.is_paused = False
        self.open_runs = []
        self.manual_runs = []
        self.buffered = []
        self.carried = []

    def decide_until(self, moment: datetime) -> None:
        """Note that ticks until then are decided; those of a backfill were so before."""
        self.decided_until = max(self.decided_until, moment)

    def drop_waiting(self, first: datetime, last: datetime) -> None:
        """Note that ticks which were due within these times wait no more, nor are to fire."""
        self.buffered = [
            due_at for due_at in self.buffered if not first <= due_at <= last
        ]
        self.carried = [
            tick for tick in self.carried if not first <= tick.due_at <= last
        ]
