"""The ports of a worker: what it needs beside the domain's commands. `eventlog` implements them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.errors import (
    LogUnavailableError,
    OutcomeUnknownError,
    OverloadedError,
    VersionConflictError,
)
from domain.failures.grouping import Findings
from domain.ports import Offer, WorkerState
from domain.workers import Python, Registration

TRANSIENT_ERRORS = (LogUnavailableError, OutcomeUnknownError, OverloadedError, VersionConflictError)
"""Errors of commands and of these ports after which another try will probably succeed."""

UNAVAILABLE_ERRORS = (*TRANSIENT_ERRORS, TimeoutError)
"""Errors of these ports while the database cannot be reached."""


class Heartbeat(Protocol):
    """The last heartbeat of a worker."""

    @property
    def worker_id(self) -> str:
        """The id of the worker's session."""

    @property
    def sequence(self) -> int:
        """The number of the heartbeat; each one adds 1."""

    @property
    def lease_ms(self) -> int:
        """How long after a heartbeat the worker is declared lost if no other one follows."""


class Heartbeats(Protocol):
    """The workers' table."""

    async def register(self, worker_id: str, registration: Registration) -> None:
        """Register a session under an id that was never used before."""

    async def offer(
        self, worker_id: str, entry_points: Iterable[str], pythons: Iterable[Python] = ()
    ) -> None:
        """Replace the entry points that a worker offers, and the interpreters that run them."""

    async def beat(self, worker_id: str, slots: int | None = None) -> WorkerState:
        """Record a heartbeat of a session; return its state.

        Args:
            worker_id: the session's id.
            slots: the present number of slots; None if it has not changed.
        """

    async def drain(self, worker_id: str) -> None:
        """Record that a session is draining; its claims are refused from now on."""

    async def leave(self, worker_id: str, *, expired: bool = False) -> None:
        """Record the end of a session: an orderly one, or one because its lease expired."""

    async def has_orphaned_runs(self) -> bool:
        """Return whether a lost or unknown worker holds a run."""

    async def living(self) -> Sequence[Heartbeat]:
        """Return the last heartbeat of each worker that has not been declared lost."""


class Notification(Protocol):
    """A notification that runs became pending."""

    @property
    def pending(self) -> int:
        """How many runs became pending."""

    @property
    def position(self) -> int:
        """The last log position that the notification covers."""

    @property
    def run_id(self) -> UUID | None:
        """The run's id if only one became pending."""


class NextDue(Protocol):
    """When a worker with free slots may start a run."""

    @property
    def in_s(self) -> float | None:
        """The seconds until a run may start; 0 if one may now, None if none is planned."""

    @property
    def is_at_capacity(self) -> bool:
        """Whether due runs wait for other runs to end."""


class Work(Protocol):
    """The pending runs, and other work that is due."""

    async def wait(self, timeout_s: float, *, only_pending: bool = False) -> Notification:
        """Wait for a notification, or for `wake`.

        Args:
            timeout_s: the longest wait.
            only_pending: whether to ignore all notifications but those of pending runs.
        """

    def wake(self) -> None:
        """End the wait, or the next one."""

    async def next_due(self, offer: Offer) -> NextDue:
        """Return when a run of this offer may start, as estimated without the append lock."""

    async def has_shared_jobs(self) -> bool:
        """Return whether there is a job whose attempts share processes."""

    async def unoffered_entry_points(self) -> frozenset[str]:
        """Return the entry points of pending runs that no living worker offers."""

    async def has_overdue_runs(self) -> bool:
        """Return whether a run has not started by its start deadline."""

    async def runs_to_cancel(self, worker_id: str) -> list[UUID]:
        """Return the worker's running runs whose cancellation was requested."""

    async def write_checkpoint_if_due(self) -> None:
        """Write the next checkpoint of time travel, if one is due."""

    async def archive_ended_runs(self) -> float:
        """Archive ended runs past their retention; return the seconds until the next call."""


class OpenOperations(Protocol):
    """The bulk operations that are not finished."""

    async def unfinished(self, limit: int) -> dict[UUID, int]:
        """Return the versions of unfinished operations by id, the oldest first."""


class Ticks(Protocol):
    """The schedules whose ticks are due, or will be."""

    async def due(self, now: datetime, limit: int) -> list[UUID]:
        """Return the schedules that have a due tick, the longest due first."""

    async def awaiting(self, limit: int) -> list[UUID]:
        """Return the schedules that wait for one of their runs to end."""

    async def decided_ahead(
        self, now: datetime, after: UUID, limit: int, *, whole: bool
    ) -> list[UUID]:
        """Return the schedules with decided ticks later than now: the clock was set back since.

        Args:
            now: the present time.
            after: return only schedules whose ids follow this one, in the order of the ids.
            limit: the maximum number of schedules.
            whole: whether to include the schedules that go by the new clock already.
        """

    async def next_at(self, now: datetime) -> datetime | None:
        """Return the time of the first tick after now; None if there is none."""

    async def first_peak(self, now: datetime, until: datetime, least: int) -> datetime | None:
        """Return the first moment after now, up to `until`, with at least `least` ticks."""

    async def count_workers(self) -> int:
        """Return the number of living workers: about as many processes decide ticks."""

    async def still_due(self, now: datetime, ids: Sequence[UUID]) -> list[UUID]:
        """Return the schedules among these that still have a due tick."""


class FailureSearch(Protocol):
    """The failed attempts in the log."""

    async def after(self, position: int) -> Findings:
        """Return the failed attempts in the next part of the log after a position."""


class RunStatistics(Protocol):
    """The counts of runs over time."""

    async def advance(self) -> bool:
        """Count the next part of the log; return whether this process did so."""
