"""The rows of runs that this process has started, as it left them.

Each is needed once more, when the run ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from domain.ports import Claimant, Row
from domain.workers.isolation import ISOLATIONS, Isolation
from eventlog.queue.following import Queue
from projections import job_runs

MOST = 4_096
"""Rows to be kept, far more than any worker has slots: those beyond belong to runs that others have
ended."""

MOST_BYTES = 16_777_216
"""The same, as JSON: the parameters of a run may have a megabyte."""


class RunningRows:
    """Rows of `job_runs` to be decided by and to be folded on, instead of being read again.

    A row says of which version of its run it is, and where the event stands that made it so; both
    are read under the lock, so none is taken for what it is no more, even if the log went back.
    Rows with personal data are not kept: an erasure changes them without an event of theirs. Nor
    are rows of which only a part was read.
    """

    def __init__(self) -> None:
        self._rows: dict[UUID, Row] = {}
        self._sizes: dict[UUID, int] = {}
        self._bytes = 0
        self._mended: int | None = None

    def note(self, rows: Mapping[UUID, Row]) -> None:
        """Take in rows as a transaction that is committed has left them."""
        for aggregate_id, row in rows.items():
            self._drop(aggregate_id)
            if _is_kept(row):
                size = len(orjson.dumps(row))
                self._rows[aggregate_id] = row
                self._sizes[aggregate_id] = size
                self._bytes += size
        while len(self._rows) > MOST or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._rows)))

    def _drop(self, aggregate_id: UUID) -> None:
        if self._rows.pop(aggregate_id, None) is not None:
            self._bytes -= self._sizes.pop(aggregate_id)

    @property
    def is_checked(self) -> bool:
        """Return whether it is known how often rows had been mended when the first was kept."""
        return self._mended is not None

    def check(self, mended: int) -> bool:
        """Forget all, and return False, if rows have been mended since: some were wrong before.

        Args:
            mended: how often that happened, as read under the lock.
        """
        if mended == self._mended:
            return True
        self.clear()
        self._mended = mended
        return False

    def knows(self, aggregate_id: UUID) -> bool:
        """Return whether there is a row."""
        return aggregate_id in self._rows

    def decisive(self, aggregate_id: UUID) -> Row | None:
        """Return the row, of whatever version, if it says all that decisions need."""
        row = self._rows.get(aggregate_id)
        if row is None or not job_runs.TABLE.is_decisive(row):
            return None
        return row

    def row(self, aggregate_id: UUID, version: int, position: int) -> Row | None:
        """Return the row, if it is of this version, and of the event at this place in the log."""
        row = self._rows.get(aggregate_id)
        if row is None:
            return None
        if (row["aggregate_version"], row["position"]) != (version, position):
            return None
        return row

    def clear(self) -> None:
        """Forget all: what was lost with a connection may have been more than the connection."""
        self._rows.clear()
        self._sizes.clear()
        self._bytes = 0


@dataclass(frozen=True)
class Remembered:
    """What a process remembers of the tables between its transactions.

    Attributes:
        running: rows of runs under way; forgotten with the connection.
        queues: the runs that wait, and what is in their way, by how far attempts are kept apart.
    """

    running: RunningRows = field(default_factory=RunningRows)
    queues: Mapping[Isolation, Queue] = field(
        default_factory=lambda: {isolation: Queue() for isolation in ISOLATIONS}
    )

    @property
    def queue(self) -> Queue:
        """The queue of runs that get a process to themselves."""
        return self.queues["process"]

    def queue_of(self, claimant: Claimant) -> Queue:
        """Return the queue in which a claimant stands."""
        if claimant.offer is None:
            return self.queue
        return self.queues[claimant.offer.isolation]

    def forget_queues(self) -> None:
        """Forget what waits: the log may be another one."""
        for queue in self.queues.values():
            queue.clear()


def _is_kept(row: Row) -> bool:
    """Return whether it is the row of a run, not of a build, that is under way."""
    return (
        row.get("status") == "running"
        and "worker_id" in row
        and "parameters" in row
        and row["personal"] is None
    )
