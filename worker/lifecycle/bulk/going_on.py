"""Goes on with bulk operations; any number of processes may, and one at a time does each."""

import asyncio
import logging
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from domain.commands.bulk.steps import BulkSteps
from domain.errors import QuarantinedError, VersionConflictError
from runtime.supervision import Supervised, Supervision
from worker.lifecycle.ports import PASSING, OpenOperations

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5

TAKE_OVER_S = 1.5
"""After so long without progress an operation is left by whoever went on with it. Who takes over
too soon loses nothing but the work on a batch."""

AT_A_TIME = 50
"""Operations that are gone on with in turn."""


@dataclass
class _Seen:
    """At which version an operation stood, since when, and whether it was left there by us."""

    version: int
    since_s: float
    is_ours: bool


class BulkWorker:
    """One of those who go on with what clients ordered."""

    def __init__(self, steps: BulkSteps, operations: OpenOperations) -> None:
        self._steps = steps
        self._operations = operations
        self._seen: dict[UUID, _Seen] = {}
        self._task: Supervised | None = None

    def start(self, supervision: Supervision) -> None:
        """Begin."""
        self._task = supervision.start("bulk operations", self._keep_going)

    async def stop(self) -> None:
        """Stop; what is left is for others, or for later."""
        if self._task is not None:
            await self._task.end()

    async def _keep_going(self) -> None:
        while True:
            has_moved = False
            try:
                has_moved = await self.look()
            except PASSING as error:
                logger.warning("cannot go on with bulk operations: %s", error)
            await asyncio.sleep(0 if has_moved else LOOK_EVERY_S)

    async def look(self) -> bool:
        """Go on with operations that nobody else goes on with; return whether there were any."""
        found = await self._operations.open_ones(AT_A_TIME)
        for operation_id in self._seen.keys() - found.keys():
            del self._seen[operation_id]
        self._steps.keep_only(found)
        has_moved = False
        for operation_id, version in found.items():
            if not self._is_left(operation_id, version):
                continue
            try:
                left_at = await self._steps.go_on(operation_id)
            except VersionConflictError:
                # Somebody else goes on with it, or it has been aborted.
                self._note(operation_id, version, is_ours=False)
                continue
            except QuarantinedError as error:
                logger.warning(
                    "bulk operation %s is left alone: %s", operation_id, error
                )
                continue
            has_moved = True
            self._note(operation_id, left_at or version, is_ours=True)
        return has_moved

    def _is_left(self, operation_id: UUID, version: int) -> bool:
        """Return whether it is ours, or nobody has begun, or whoever did is gone."""
        seen = self._seen.get(operation_id)
        if seen is None or seen.version != version:
            self._note(operation_id, version, is_ours=False)
            return seen is None and version == 1
        return seen.is_ours or monotonic() - seen.since_s > TAKE_OVER_S

    def _note(self, operation_id: UUID, version: int, *, is_ours: bool) -> None:
        self._seen[operation_id] = _Seen(version, monotonic(), is_ours)
