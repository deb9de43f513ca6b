"""The ports of a worker: what it needs from outside beside the domain's commands."""

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

TRANSIENT = (LogUnavailableError, OutcomeUnknownError, OverloadedError, VersionConflictError)
"""Errors of commands and of these ports that another try will probably not meet."""

AWAY = (*TRANSIENT, TimeoutError)
"""The errors of the ports while the database is unreachable."""


class Beat(Protocol):
    """The last heartbeat of another worker."""

    @property
    def worker_id(self) -> str:
        """The id of its session."""

    @property
    def sequence(self) -> int:
        """Grows while the worker lives."""

    @property
    def lease_ms(self) -> int:
        """How long the sequence may stand still until the worker is declared lost."""


class Heartbeats(Protocol):
    """The workers' table."""

    async def register(self, worker_id: str, registration: Registration) -> None:
        """Register a session under an id that was never used before."""

    async def offer(
        self, worker_id: str, entry_points: Iterable[str], pythons: Iterable[Python] = ()
    ) -> None:
        """Replace the entry points that a worker offers, and the Pythons that run them."""

    async def beat(self, worker_id: str, slots: int | None = None) -> WorkerState:
        """Advance the worker's sequence; return its standing.

        Args:
            worker_id: the session's.
            slots: the number it has now, if that can have changed.
        """

    async def drain(self, worker_id: str) -> None:
        """Show that a session is draining; claims of it are refused from now on."""

    async def leave(self, worker_id: str, *, expired: bool = False) -> None:
        """Record that a session is over: it stopped in good order, or its lease expired."""

    async def any_orphaned(self) -> bool:
        """Return whether a lost or unknown worker holds a run."""

    async def living(self) -> Sequence[Beat]:
        """Return every worker that has not been declared lost."""


class Notification(Protocol):
    """A notification of runs that became pending."""

    @property
    def pending(self) -> int:
        """The number of these runs."""

    @property
    def position(self) -> int:
        """The last position of the log that was announced."""

    @property
    def run_id(self) -> UUID | None:
        """The run's id, if it is one run."""


class NextDue(Protocol):
    """When a worker with free slots may start a run."""

    @property
    def in_s(self) -> float | None:
        """The seconds until a run may start; 0 for now, None where none is planned."""

    @property
    def is_at_capacity(self) -> bool:
        """Whether due runs wait for others to end."""


class Work(Protocol):
    """The runs that wait, and other work that is due."""

    async def wait(self, timeout_s: float, *, only_pending: bool = False) -> Notification:
        """Wait for a notification, or for `wake`.

        Args:
            timeout_s: how long at most.
            only_pending: whether to sleep through notifications of anything but pending runs.
        """

    def wake(self) -> None:
        """End the wait, or the next one."""

    async def next_due(self, offer: Offer) -> NextDue:
        """Return when a run of this offer may start, as far as is visible without the lock."""

    async def any_shared(self) -> bool:
        """Return whether there is a job whose attempts share processes."""

    async def unoffered(self) -> frozenset[str]:
        """Return the entry points of runs that may wait, and that no living worker offers."""

    async def any_overdue(self) -> bool:
        """Return whether a run has not started by its deadline."""

    async def cancel_requested(self, worker_id: str) -> list[UUID]:
        """Return the worker's running runs whose cancel was requested."""

    async def keep_checkpoints(self) -> None:
        """Do the next step of writing checkpoints, which make reading the past cheap, if any."""

    async def keep_archives(self) -> float:
        """Archive ended runs past their retention; return the seconds until the next time."""


class OpenOperations(Protocol):
    """The bulk operations that are not finished."""

    async def unfinished(self, limit: int) -> dict[UUID, int]:
        """Return the versions of unfinished operations by id, the oldest first."""


class Ticks(Protocol):
    """The schedules whose ticks are due, or will be."""

    async def due(self, now: datetime, limit: int) -> list[UUID]:
        """Return schedules with a tick due by now, the longest due first."""

    async def awaiting(self, limit: int) -> list[UUID]:
        """Return schedules that wait for one of their runs to end."""

    async def decided_ahead(
        self, now: datetime, after: UUID, limit: int, *, whole: bool
    ) -> list[UUID]:
        """Return schedules that have decided ticks of the future, as when a clock was set back.

        Args:
            now: the moment.
            after: the id behind which to begin; schedules come in the order of their ids.
            limit: the number of schedules at most.
            whole: whether to return also those that go by the clock as it was set back already.
        """

    async def next_at(self, now: datetime) -> datetime | None:
        """Return the time of the first tick after now; None if there is none."""

    async def first_peak(self, now: datetime, until: datetime, least: int) -> datetime | None:
        """Return the first moment after now, up to `until`, with at least `least` ticks."""

    async def workers(self) -> int:
        """Return the number of living workers: about as many processes decide ticks."""

    async def still_due(self, now: datetime, ids: Sequence[UUID]) -> list[UUID]:
        """Return those of these schedules that have a tick due by now."""


class FailureSearch(Protocol):
    """Failed attempts in the log."""

    async def after(self, position: int) -> Findings:
        """Search the next part of the log after a position."""


class RunStatistics(Protocol):
    """The counts of runs over time."""

    async def advance(self) -> bool:
        """Count the next part of the log, unless another process does; return whether it did."""
