"""A schedule that is to change, with all that is decided together with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.identifiers import Slot, Taking
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import run_of_events
from domain.jobs.run import JobRun
from domain.jobs.run_events import RunEvent
from domain.schedules.deciding import Obstacle
from domain.schedules.schedule import Schedule

MOST_EXPECTED = 3
"""Open runs of a schedule that are looked at once more when what was prepared is appended."""


@dataclass
class Change:
    """A schedule that is to change, and what it hangs on.

    Attributes:
        definition: of its job, None where there is none.
        runs: those of its open runs that could be read, and the one that gives way to the next.
        launched: by id, the first events of runs that it launches now.
        obstacle: what stands in the way of every launch.
        goes_on: whether more of its ticks may be due.
        fields: what runs that it launches now say, but for their context.
        slot: what a run that it launches now has to itself; None where its job's are not unique.
        holder: the run that has it.
        is_kept: whether that is kept, so nothing is launched.
        takings: as in `domain.ports.Unit`.
    """

    schedule: Schedule
    definition: JobDefinition | None
    runs: dict[UUID, JobRun] = field(default_factory=dict)
    launched: dict[UUID, Sequence[RunEvent]] = field(default_factory=dict)
    obstacle: Obstacle | None = None
    goes_on: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    slot: Slot | None = None
    holder: UUID | None = None
    is_kept: bool = False
    takings: list[Taking] = field(default_factory=list)

    def take(self, runs: Mapping[UUID, JobRun]) -> None:
        """Take those of the runs that are the schedule's, and open."""
        for text in self.schedule.open_runs:
            run_id = UUID(text)
            run = runs.get(run_id)
            if run is not None:
                self.runs[run_id] = run

    def unread_runs(self) -> set[UUID]:
        """Return those of the schedule's open runs that were not taken."""
        open_runs = set(map(UUID, self.schedule.open_runs))
        return open_runs.difference(self.runs)

    def run_to_cancel(self, run_id: UUID) -> JobRun | None:
        """Return one of its runs, also of those that it launches now; None for an unread one."""
        if run_id in self.launched:
            events = self.launched.pop(run_id)
            self.runs[run_id] = run_of_events(events)
        return self.runs.get(run_id)

    def changed_runs(self) -> list[JobRun]:
        """Return its runs that have new events, but for those of `launched`."""
        return [run for run in self.runs.values() if run.pending_events]

    def unchanged_runs(self) -> list[JobRun]:
        """Return its runs that have no new events."""
        return [run for run in self.runs.values() if not run.pending_events]

    @property
    def can_wait(self) -> bool:
        """Return whether it can be told later on, at little cost, if what is decided still holds.

        That is known before anything is decided.
        """
        definition = self.definition
        if definition is None or self.unread_runs():
            return False
        if definition.spec.uniqueness is not None:
            return False
        return len(self.runs) <= MOST_EXPECTED
