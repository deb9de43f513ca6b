"""What a worker needs of the outside, beside the domain's commands."""

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
from domain.ports import Offer, Standing
from domain.workers import Presence

PASSING = (LogUnavailableError, OutcomeUnknownError, OverloadedError, VersionConflictError)
"""What the domain's commands and these ports raise, and another try may well find gone."""

AWAY = (*PASSING, TimeoutError)
"""What a database that is away for a while raises through the ports."""


class Beat(Protocol):
    """How far another worker's sequence has come."""

    @property
    def worker_id(self) -> str:
        """Whose it is."""

    @property
    def sequence(self) -> int:
        """Grows while the worker lives."""

    @property
    def lease_ms(self) -> int:
        """For how long the sequence may stand still."""


class Heartbeats(Protocol):
    """The workers' table."""

    async def register(self, worker_id: str, presence: Presence) -> None:
        """Announce a worker under an id that nobody had before."""

    async def offer(self, worker_id: str, entry_points: Iterable[str]) -> None:
        """Say that a worker offers other entry points from now on."""

    async def beat(self, worker_id: str, slots: int | None = None) -> Standing:
        """Move the worker's sequence on; return what others have made of it meanwhile.

        Args:
            worker_id: which one.
            slots: how many it has now, if that can have changed.
        """

    async def leave(self, worker_id: str, *, expired: bool = False) -> None:
        """Note that a worker lives no more: it stopped in good order, or its lease is over."""

    async def any_orphaned(self) -> bool:
        """Return whether any run is held by a worker that does not live."""

    async def living(self) -> Sequence[Beat]:
        """Return every worker that has not been declared dead."""


class News(Protocol):
    """What was told of runs that have come to wait."""

    @property
    def pending(self) -> int:
        """How many there are."""

    @property
    def position(self) -> int:
        """Of the log, of which it was told last."""

    @property
    def run_id(self) -> UUID | None:
        """Which run, where it is one."""


class Prospect(Protocol):
    """What a worker with free slots has to expect."""

    @property
    def in_s(self) -> float | None:
        """When a run may start; 0 for now, None where none is planned."""

    @property
    def is_crowded(self) -> bool:
        """Whether due runs wait for others to end."""


class Work(Protocol):
    """What is there to do."""

    async def wait(self, timeout_s: float, *, only_pending: bool = False) -> News:
        """Wait for news, or for `wake`, but no longer than this.

        Args:
            timeout_s: how long.
            only_pending: whether to sleep through news of anything but pending runs.
        """

    def wake(self) -> None:
        """End the wait, or the next one."""

    async def look(self, offer: Offer) -> Prospect:
        """Return when a run of this offer may start, as far as can be told without the lock."""

    async def any_shared(self) -> bool:
        """Return whether there is a job whose attempts share processes."""

    async def unoffered(self) -> frozenset[str]:
        """Return the entry points of runs that may wait, and that no living worker offers."""

    async def any_overdue(self) -> bool:
        """Return whether a run has not started by its deadline."""

    async def cancel_requested(self, worker_id: str) -> list[UUID]:
        """Return the worker's running runs that somebody asked to cancel."""

    async def keep_checkpoints(self) -> None:
        """Do the next step, if there is one, of what makes questions about the past cheap."""

    async def keep_archives(self) -> float:
        """Archive ended runs that jobs keep no longer; return after how many seconds to go on."""


class OpenOperations(Protocol):
    """Which bulk operations are to be gone on with."""

    async def open_ones(self, limit: int) -> dict[UUID, int]:
        """Return operations that are not over, the oldest first, with the version of each."""


class Ticks(Protocol):
    """What schedules have to be looked at."""

    async def due(self, now: datetime, limit: int) -> list[UUID]:
        """Return schedules, the longest due first, of which a tick is to be decided by now."""

    async def awaiting(self, limit: int) -> list[UUID]:
        """Return schedules for which it matters that a run of theirs has ended."""

    async def decided_ahead(
        self, now: datetime, after: UUID, limit: int, *, whole: bool
    ) -> list[UUID]:
        """Return schedules, by id after one, that decided ticks which are still to come.

        That is so where the clock was set back. Unless `whole`, those are left out that know it.
        """

    async def next_at(self, now: datetime) -> datetime | None:
        """Return when the first tick fires after now; None where none is known."""

    async def crowded_at(self, now: datetime, until: datetime, least: int) -> datetime | None:
        """Return the first moment after now, and until then, at which so many ticks fire."""

    async def workers(self) -> int:
        """Return how many live: about as many processes look at the clock."""

    async def still_due(self, now: datetime, ids: Sequence[UUID]) -> list[UUID]:
        """Return those of these schedules of which a tick is to be decided by now."""


class FailureSearch(Protocol):
    """Where attempts that ended badly are found."""

    async def after(self, position: int) -> Findings:
        """Search the next part of the log after a position."""
