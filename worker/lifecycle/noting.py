"""Notes attempts that ended badly by groups, a moment after they did; any number of processes may.

It follows the log on its own, so a failure costs the worker that records it nothing more.
"""

import asyncio
import logging

from domain.commands.failures import Failures
from runtime.supervision import Supervised, Supervision
from worker.lifecycle.ports import PASSING, FailureSearch

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Noter:
    """One of those who look for failures."""

    def __init__(self, failures: Failures, search: FailureSearch) -> None:
        self._failures = failures
        self._search = search
        self._looked_until = 0
        self._task: Supervised | None = None

    def start(self, supervision: Supervision) -> None:
        """Begin to look."""
        self._task = supervision.start("failures", self._keep_looking)

    async def stop(self) -> None:
        """Stop; what is not noted is for others, or for later."""
        if self._task is not None:
            await self._task.end()

    def forget(self) -> None:
        """Begin where the log says: it may be another one."""
        self._looked_until = 0

    async def _keep_looking(self) -> None:
        while True:
            has_more = False
            try:
                has_more = await self.look()
            except PASSING as error:
                logger.warning("cannot note failures at the moment: %s", error)
            if not has_more:
                await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> bool:
        """Note what the next part of the log has; return whether there is more."""
        noted_until = await self._failures.watched()
        after = max(noted_until, self._looked_until)
        findings = await self._search.after(after)
        if not await self._failures.note(findings):
            self.forget()
            return True
        self._looked_until = findings.until
        return findings.has_more
