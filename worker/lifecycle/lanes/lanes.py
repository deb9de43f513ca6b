"""All lanes of a worker: what is said to all attempts, however far they are kept apart."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from uuid import UUID

from worker.lifecycle.lanes.lane import Lane
from worker.lifecycle.ports import AWAY, Work

logger = logging.getLogger(__name__)


class Lanes:
    """The lanes of one worker."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes

    def __iter__(self) -> Iterator[Lane]:
        """Yield each lane."""
        return iter(self._lanes)

    def are_several(self) -> bool:
        """Return whether more than one claims."""
        claiming = [lane for lane in self._lanes if lane.claims]
        return len(claiming) > 1

    @property
    def any_running(self) -> bool:
        """Return whether there is anything that could be canceled."""
        return any(lane.attempts.any_running for lane in self._lanes)

    @property
    def slots(self) -> int:
        """Return for how many attempts with a process of their own there is room now, in all."""
        first, *_ = self._lanes
        return first.attempts.slots

    def unrecorded(self, worker_id: str) -> bool:
        """Return whether this life holds a run whose end the log would not take."""
        return any(lane.attempts.unrecorded(worker_id) for lane in self._lanes)

    def wake(self) -> None:
        """Let no lane wait for news any longer."""
        for lane in self._lanes:
            lane.work.wake()

    def renew(self, until: float) -> None:
        """Let all attempts go on until this moment of the monotonic clock."""
        for lane in self._lanes:
            lane.attempts.renew(until)

    def cancel(self, run_ids: Sequence[UUID], grace_s: float) -> None:
        """Ask the handlers of these runs to stop, once."""
        for lane in self._lanes:
            lane.attempts.cancel(run_ids, grace_s)

    async def find_cancels(self, worker_id: str, grace_s: float) -> None:
        """Find requested cancels by reading, told or not, for ever."""
        first, *_ = self._lanes
        while True:
            if self.any_running:
                await self._pass_on_cancels(first.work, worker_id, grace_s)
            await asyncio.sleep(first.poll_s)

    async def _pass_on_cancels(
        self, work: Work, worker_id: str, grace_s: float
    ) -> None:
        try:
            wanted = await work.cancel_requested(worker_id)
        except AWAY as error:
            logger.warning("cannot look for cancels: %s", error)
            return
        self.cancel(wanted, grace_s)

    def hand_back(self) -> None:
        """Kill what runs, and what is about to; its runs become pending again."""
        for lane in self._lanes:
            lane.attempts.hand_back()

    async def bury(self, worker_id: str) -> None:
        """Kill all attempts of a life that is over, and record how."""
        burying = [lane.attempts.bury(worker_id) for lane in self._lanes]
        await asyncio.gather(*burying)
