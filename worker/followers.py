"""What workers do beside executing runs: bulk operations, failure groups, the ticks of schedules.

Any number of processes may run each of these. First `BulkWorker`, which continues bulk operations,
each in one process at a time; then `Noter`, which groups failed attempts; then `Ticker`, which
decides the ticks of schedules when they are due.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from time import monotonic
from typing import TypeVar
from uuid import UUID

from domain.clock import CLOCK_STEP
from domain.commands.bulk import BulkSteps
from domain.commands.failures import Failures
from domain.commands.ticks import Ticking
from domain.errors import QuarantinedError, VersionConflictError
from domain.ports import RandomSource, Unit
from runtime.tasks import Supervised, Supervision
from worker.ports import PASSING, FailureSearch, OpenOperations, Ticks

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5

TAKE_OVER_S = 1.5
"""After so long without progress an operation is left by whoever went on with it. Who takes over
too soon loses nothing but the work on a batch."""

OPERATIONS_AT_A_TIME = 50
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
        found = await self._operations.open_ones(OPERATIONS_AT_A_TIME)
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
                logger.warning("bulk operation %s is left alone: %s", operation_id, error)
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


# Groups failed attempts a moment after they failed.
#
# It follows the log on its own, so a failure costs nothing more to the worker that records it.


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


FIRST_ID = UUID(int=0)
"""No schedule has this id, and all come after it."""

DECIDED_AHEAD_EVERY_S = 60.0
"""So often it is looked whether ticks were decided by a clock that has been set back since; whoever
sees it set back looks at once."""

TICKS_AT_A_TIME = 64
"""Schedules whose ticks are handed to the log at once: it holds its lock until they are written."""

MOST = 1_000
"""Schedules that are asked for at a time."""

AWAITING_SHARE = 20
"""Whoever asks which schedules wait for an end does so for this part of the time at most: each of
them that has an open run is looked at."""

HANDS = 2
"""While some are written, the next are decided."""

CROWD = 200
"""If so many ticks are due at one moment they are decided before it, and only appended then."""

AHEAD = timedelta(seconds=15)
"""For how long before: enough for ten thousand, also where others need the processor."""

LOOK_AHEAD_EVERY = timedelta(seconds=1)
"""All that will be due is counted then."""

MOST_AHEAD = 10_000
"""What is beyond is decided when it is due."""

MOST_AHEAD_BYTES = 32_000_000
"""Most take two kilobytes until then, but their parameters may be large."""

PREPARED_BY = 3
"""Processes that prepare the same tick, as a rule: few for the work, and enough so that hardly any
is left to be decided when it is due."""

TOO_LATE = timedelta(seconds=5)
"""Who comes later than this decides anew: a clock was set, or the process has stood still. Others
may have been busy with what was due before; what was decided holds, or the log refuses it."""

P = TypeVar("P")


@dataclass
class Ahead:
    """Ticks that are decided before they are due.

    Attributes:
        at: when they are.
        undecided: schedules, in the portions in which they are decided.
        prepared: what is to be appended then, likewise.
        size_bytes: of that.
    """

    at: datetime
    undecided: list[Sequence[UUID]]
    prepared: list[dict[UUID, Unit]] = field(default_factory=list)
    size_bytes: int = 0

    def keep(self, prepared: dict[UUID, Unit]) -> None:
        """Keep what is to be appended, and leave the rest undecided if that is very much."""
        self.prepared.append(prepared)
        for unit in prepared.values():
            for event in unit.events:
                self.size_bytes += len(event.state)
        if self.size_bytes >= MOST_AHEAD_BYTES:
            self.undecided.clear()


class Ticker:
    """One of those who look at the clock."""

    def __init__(
        self, schedules: Ticking, ticks: Ticks, clock: Callable[[], datetime], random: RandomSource
    ) -> None:
        self._schedules = schedules
        self._ticks = ticks
        self._clock = clock
        self._random = random
        self._ask_at_s = 0.0
        self._looked_ahead_at = datetime.min.replace(tzinfo=UTC)
        self._ahead: Ahead | None = None
        self._read_at = datetime.max.replace(tzinfo=UTC)
        self._look_back_at_s = 0.0
        self._looking_back_after: UUID | None = None
        self._is_set_back = False
        self._task: Supervised | None = None

    def start(self, supervision: Supervision) -> None:
        """Begin to tick."""
        self._task = supervision.start("schedules", self._keep_ticking)

    async def stop(self) -> None:
        """Stop; what is due then is for others, or for later."""
        if self._task is not None:
            await self._task.end()

    def forget(self) -> None:
        """Forget what was prepared, also by what is under way: the log may be another one."""
        self._ahead = None

    async def _keep_ticking(self) -> None:
        while True:
            again_in_s = LOOK_EVERY_S
            try:
                again_in_s = await self.look()
            except PASSING as error:
                logger.warning("cannot decide ticks at the moment: %s", error)
            await asyncio.sleep(again_in_s)

    async def look(self) -> float:
        """Decide ticks that are due, or will be; return after how many seconds to look again."""
        now = self._clock()
        await self._schedules.watch.since(now)
        if await self._append_prepared(now):
            return 0.0
        if await self._look_back(now):
            return 0.0
        due = await self._ticks.due(now, MOST)
        due += await self._awaiting()
        if due and await self._tick(due):
            return 0.0
        if await self._prepare(now):
            return 0.0
        next_at = await self._ticks.next_at(now)
        if next_at is None:
            return LOOK_EVERY_S
        left_s = (next_at - now).total_seconds()
        return min(left_s, LOOK_EVERY_S)

    async def _look_back(self, now: datetime) -> bool:
        """Let schedules go by a clock that was set back; return whether more of them may be left.

        They decide what fires from now on, also where they had decided it before.
        """
        is_set_back = now < self._read_at - CLOCK_STEP
        self._read_at = now
        if is_set_back or monotonic() >= self._look_back_at_s:
            self._is_set_back = is_set_back
            self._looking_back_after = FIRST_ID
            self._look_back_at_s = monotonic() + DECIDED_AHEAD_EVERY_S
        if self._looking_back_after is None:
            return False
        found = await self._ticks.decided_ahead(
            now, self._looking_back_after, MOST, whole=self._is_set_back
        )
        await self._tick(found)
        self._looking_back_after = found[-1] if found else None
        return bool(found)

    async def _prepare(self, now: datetime) -> bool:
        """Decide some ticks of those that will be due at one moment; return whether there were any.

        They are few, for others may be due meanwhile.
        """
        if self._ahead is None:
            self._ahead = await self._look_ahead(now)
        ahead = self._ahead
        if ahead is None or not ahead.undecided:
            return False
        portion = ahead.undecided.pop(0)
        prepared = await self._schedules.prepare(portion, ahead.at)
        ahead.keep(prepared)
        return True

    async def _look_ahead(self, now: datetime) -> Ahead | None:
        """Return this process's share of the many ticks that will be due at one moment, if any."""
        passed = abs(now - self._looked_ahead_at)
        if passed < LOOK_AHEAD_EVERY:
            return None
        self._looked_ahead_at = now
        until = now + AHEAD
        crowded_at = await self._ticks.crowded_at(now, until, CROWD)
        if crowded_at is None:
            return None
        found = await self._ticks.due(crowded_at, MOST_AHEAD)
        portions = self._portions(found)
        workers = await self._ticks.workers()
        share = PREPARED_BY / max(workers, 1)
        count = ceil(len(portions) * share)
        own = portions[:count]
        return Ahead(crowded_at, own)

    async def _append_prepared(self, now: datetime) -> int:
        """Append what was prepared, if it is due; return how much of it still held."""
        ahead = self._ahead
        if ahead is None:
            return 0
        late = now - ahead.at
        if late < -AHEAD or late > TOO_LATE:
            self._ahead = None
            return 0
        if now < ahead.at:
            return 0

        async def append(prepared: dict[UUID, Unit]) -> int:
            # Others have prepared the same.
            schedule_ids = list(prepared)
            still_due = await self._ticks.still_due(now, schedule_ids)
            if self._ahead is not ahead:
                return 0  # Forgotten meanwhile.
            units = [prepared[schedule_id] for schedule_id in still_due]
            return await self._schedules.append(units)

        try:
            return await _work_off(ahead.prepared, append)
        finally:
            self._ahead = None

    async def _awaiting(self) -> list[UUID]:
        """Return schedules that await the end of a run, unless that was asked just now."""
        began_s = monotonic()
        if began_s < self._ask_at_s:
            return []
        found = await self._ticks.awaiting(MOST)
        ended_s = monotonic()
        took_s = ended_s - began_s
        self._ask_at_s = ended_s + AWAITING_SHARE * took_s
        return found

    async def _tick(self, due: Sequence[UUID]) -> int:
        """Decide the ticks of schedules; return of how many some were due."""
        once_each = list(dict.fromkeys(due))
        portions = self._portions(once_each)
        return await _work_off(portions, self._schedules.tick)

    def _portions(self, due: Sequence[UUID]) -> list[Sequence[UUID]]:
        """Return who are decided together, beginning anywhere: other processes do the same.

        Were all to begin with those that have been due for longest, all but one would decide in
        vain.
        """
        portions: list[Sequence[UUID]] = []
        for begin in range(0, len(due), TICKS_AT_A_TIME):
            end = begin + TICKS_AT_A_TIME
            portions.append(due[begin:end])
        count = len(portions)
        drawn = self._random.random() * count
        first = int(drawn)
        from_first = portions[first:]
        before_first = portions[:first]
        return from_first + before_first


async def _work_off(portions: Sequence[P], act: Callable[[P], Awaitable[int]]) -> int:
    """Do something with each portion, some at a time; return the sum of what that returns."""
    left = iter(portions)

    async def by_hand() -> int:
        done = 0
        for portion in left:
            done += await act(portion)
        return done

    hands = [by_hand() for _ in range(HANDS)]
    done = 0
    for outcome in await asyncio.gather(*hands, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        done += outcome
    return done
