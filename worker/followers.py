"""The followers of a process: bulk operations, failure groups and statistics.

Each repeats a step in the background (`Follower`), in any number of processes: `BulkWorker`
advances bulk operations, each in one process at a time; `FailureGrouper` groups failed attempts;
`RunCounter` counts runs. The follower of schedules is in `ticker.py`.
"""

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import ClassVar
from uuid import UUID

from domain.commands.bulk import BulkSteps
from domain.commands.failures import Failures
from domain.errors import QuarantinedError, VersionConflictError
from runtime.tasks import Supervised, Supervision, repeat
from worker.ports import TRANSIENT_ERRORS, FailureSearch, OpenOperations, RunStatistics

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5
"""The pause after a step that found nothing to do."""


class Follower(ABC):
    """Repeats a step in the background, from `start` to `stop`.

    Work that is unfinished when it stops is left to other processes, or to the next start.
    """

    task_name: ClassVar[str]
    failure: ClassVar[str]
    """How the warning about a transient error begins."""

    def __init__(self) -> None:
        self._task: Supervised | None = None

    def start(self, supervision: Supervision) -> None:
        """Start to repeat the step."""
        run = partial(repeat, self.step, self.failure, TRANSIENT_ERRORS, POLL_INTERVAL_S)
        self._task = supervision.start(self.task_name, run)

    async def stop(self) -> None:
        """Stop, even in the middle of a step."""
        if self._task is not None:
            await self._task.end()

    @abstractmethod
    async def step(self) -> float:
        """Do the next part of the work; return the seconds until the next step, 0 if more waits."""


OPERATIONS_AT_A_TIME = 50
"""How many open operations are advanced in turn."""

TAKE_OVER_S = 1.5
"""After this long without progress, an operation is taken over from the process that advanced it.
If that process still runs, only its work on one batch is lost."""


class BulkWorker(Follower):
    """Advances the bulk operations that clients ordered."""

    task_name = "bulk operations"
    failure = "cannot advance bulk operations"

    def __init__(self, steps: BulkSteps, operations: OpenOperations) -> None:
        super().__init__()
        self._steps = steps
        self._operations = operations
        self._last_seen: dict[UUID, _LastSeen] = {}

    async def step(self) -> float:
        """Advance each operation that no other process advances by a batch."""
        versions = await self._operations.unfinished(OPERATIONS_AT_A_TIME)
        for operation_id in self._last_seen.keys() - versions.keys():
            del self._last_seen[operation_id]
        self._steps.keep_only(versions)
        has_advanced = False
        for operation_id, version in versions.items():
            if not self._is_free(operation_id, version):
                continue
            try:
                new_version = await self._steps.process_next(operation_id)
            except VersionConflictError:
                # Another process advances it, or it has been aborted.
                self._remember(operation_id, version, is_ours=False)
                continue
            except QuarantinedError as error:
                logger.warning("bulk operation %s is left alone: %s", operation_id, error)
                continue
            has_advanced = True
            self._remember(operation_id, new_version or version, is_ours=True)
        return 0.0 if has_advanced else POLL_INTERVAL_S

    def _is_free(self, operation_id: UUID, version: int) -> bool:
        """Return whether an operation is ours or new, or has had no progress for `TAKE_OVER_S`."""
        last = self._last_seen.get(operation_id)
        if last is None or last.version != version:
            self._remember(operation_id, version, is_ours=False)
            return last is None and version == 1
        return last.is_ours or monotonic() - last.since_s > TAKE_OVER_S

    def _remember(self, operation_id: UUID, version: int, *, is_ours: bool) -> None:
        self._last_seen[operation_id] = _LastSeen(version, monotonic(), is_ours)


@dataclass
class _LastSeen:
    """The last version of an operation, since when it has had it, and whether we advanced it."""

    version: int
    since_s: float
    is_ours: bool


class FailureGrouper(Follower):
    """Groups failed attempts a moment after they failed.

    It reads them from the log, so that workers record failures no slower than successes.
    """

    task_name = "failures"
    failure = "cannot group failures at the moment"

    def __init__(self, failures: Failures, search: FailureSearch) -> None:
        super().__init__()
        self._failures = failures
        self._search = search
        self._searched_until = 0

    @property
    def searched_until(self) -> int:
        """The position up to which this process has searched the log."""
        return self._searched_until

    def forget(self) -> None:
        """Forget the position that was reached: the database may have another log now."""
        self._searched_until = 0

    async def step(self) -> float:
        """Group the failures in the next part of the log."""
        after = max(await self._failures.searched_until(), self._searched_until)
        findings = await self._search.after(after)
        if not await self._failures.record(findings):
            self.forget()
            return 0.0
        self._searched_until = findings.until
        return 0.0 if findings.has_more else POLL_INTERVAL_S


class RunCounter(Follower):
    """Counts runs for statistics a moment after they were launched, and after they ended."""

    task_name = "statistics"
    failure = "cannot count runs at the moment"

    def __init__(self, statistics: RunStatistics) -> None:
        super().__init__()
        self._statistics = statistics

    async def step(self) -> float:
        """Count the runs in the next part of the log."""
        return 0.0 if await self._statistics.advance() else POLL_INTERVAL_S
