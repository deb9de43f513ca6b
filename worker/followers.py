"""The followers of a process: bulk operations, failure groups, statistics and schedules.

Each repeats a step in the background (`Follower`), in any number of processes: `BulkWorker`
advances bulk operations, each in one process at a time; `FailureGrouper` groups failed attempts;
`RunCounter` counts runs; `Ticker` decides the ticks of schedules when they are due.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from time import monotonic
from typing import ClassVar, TypeVar
from uuid import UUID

from domain.clock import CLOCK_STEP
from domain.commands.bulk import BulkSteps
from domain.commands.failures import Failures
from domain.commands.ticks import Ticking
from domain.errors import QuarantinedError, VersionConflictError
from domain.ports import RandomSource, Unit
from runtime.tasks import Supervised, Supervision, repeat
from worker.ports import TRANSIENT_ERRORS, FailureSearch, OpenOperations, RunStatistics, Ticks

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
        after = max(await self._failures.watched(), self._searched_until)
        findings = await self._search.after(after)
        if not await self._failures.note(findings):
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


FIRST_ID = UUID(int=0)
"""The id before those of all schedules."""

CHECK_DECIDED_AHEAD_EVERY_S = 60.0
"""How often to look for ticks that were decided by a clock that was set back afterwards. A process
whose own clock is set back looks at once."""

MAX_DUE = 1_000
"""How many due schedules are read at a time."""

TICKS_AT_A_TIME = 64
"""The ticks of this many schedules are decided and appended together, under the append lock."""

CONCURRENT_PORTIONS = 2
"""While the ticks of one portion are appended, those of the next are decided."""

AWAITING_PAUSE_FACTOR = 20
"""How many times longer than the reading the pause is after reading the schedules that await the
end of a run. The reading is costly: it checks each schedule with an open run."""

MANY_TICKS = 200
"""This many ticks due at one moment, or more, are decided before it and only appended then."""

AHEAD = timedelta(seconds=15)
"""How long before: enough for ten thousand ticks, even if other processes need the processor."""

LOOK_AHEAD_EVERY = timedelta(seconds=1)
"""The pause between two counts of the coming ticks, each of which reads all of them."""

MAX_AHEAD = 10_000
"""Ticks beyond this number are decided when they are due."""

MAX_AHEAD_BYTES = 32_000_000
"""The limit of prepared units in memory; most have two kilobytes, but parameters may be large."""

PREPARED_BY = 3
"""How many processes prepare each tick on average: few, to save work, and enough that hardly any
tick is undecided when it is due."""

TOO_LATE = timedelta(seconds=5)
"""Prepared ticks that are overdue for longer than this are decided again: a clock was set, or the
process was frozen. A shorter delay is no reason, as the log may have been busy with earlier ticks;
it refuses a prepared decision that no longer holds."""


class Ticker(Follower):
    """Decides the ticks of schedules: when they are due, or before that if many are due at once."""

    task_name = "schedules"
    failure = "cannot decide ticks at the moment"

    def __init__(
        self, schedules: Ticking, ticks: Ticks, clock: Callable[[], datetime], random: RandomSource
    ) -> None:
        super().__init__()
        self._schedules = schedules
        self._ticks = ticks
        self._clock = clock
        self._random = random
        self._read_awaiting_at_s = 0.0
        self._looked_ahead_at = datetime.min.replace(tzinfo=UTC)
        self._prepared: _PreparedTicks | None = None
        self._read_at = datetime.max.replace(tzinfo=UTC)
        self._check_decided_ahead_at_s = 0.0
        self._checked_until: UUID | None = None
        self._is_set_back = False

    def forget(self) -> None:
        """Forget all prepared ticks: the database may have another log now."""
        self._prepared = None

    async def step(self) -> float:
        """Decide ticks that are due, or a portion of those that will be."""
        now = self._clock()
        await self._schedules.watch.since(now)
        if await self._append_prepared(now):
            return 0.0
        if await self._check_decided_ahead(now):
            return 0.0
        due = await self._ticks.due(now, MAX_DUE)
        due += await self._awaiting()
        if due and await self._tick(due):
            return 0.0
        if await self._prepare(now):
            return 0.0
        next_at = await self._ticks.next_at(now)
        if next_at is None:
            return POLL_INTERVAL_S
        return min((next_at - now).total_seconds(), POLL_INTERVAL_S)

    async def _check_decided_ahead(self, now: datetime) -> bool:
        """Adapt schedules to a clock that was set back; return whether there may be more of them.

        From now on they decide each tick that fires by the new clock, even one that was decided by
        the old clock.
        """
        is_set_back = now < self._read_at - CLOCK_STEP
        self._read_at = now
        if is_set_back or monotonic() >= self._check_decided_ahead_at_s:
            self._is_set_back = is_set_back
            self._checked_until = FIRST_ID
            self._check_decided_ahead_at_s = monotonic() + CHECK_DECIDED_AHEAD_EVERY_S
        if self._checked_until is None:
            return False
        decided_ahead = await self._ticks.decided_ahead(
            now, self._checked_until, MAX_DUE, whole=self._is_set_back
        )
        await self._tick(decided_ahead)
        self._checked_until = decided_ahead[-1] if decided_ahead else None
        return bool(decided_ahead)

    async def _append_prepared(self, now: datetime) -> int:
        """Append the prepared ticks if they are due; return how many decisions still held."""
        ticks = self._prepared
        if ticks is None:
            return 0
        late = now - ticks.at
        if late < -AHEAD or late > TOO_LATE:
            self._prepared = None
            return 0
        if now < ticks.at:
            return 0

        async def append(units: dict[UUID, Unit]) -> int:
            # Other processes have prepared the same ticks, and may have appended them.
            still_due = await self._ticks.still_due(now, list(units))
            if self._prepared is not ticks:
                return 0  # `forget` was called meanwhile.
            return await self._schedules.append([units[schedule_id] for schedule_id in still_due])

        try:
            return await _process_portions(ticks.portions, append)
        finally:
            self._prepared = None

    async def _awaiting(self) -> list[UUID]:
        """Return the schedules that await the end of a run; none if they were read just now."""
        began_s = monotonic()
        if began_s < self._read_awaiting_at_s:
            return []
        awaiting = await self._ticks.awaiting(MAX_DUE)
        ended_s = monotonic()
        self._read_awaiting_at_s = ended_s + AWAITING_PAUSE_FACTOR * (ended_s - began_s)
        return awaiting

    async def _tick(self, due: Sequence[UUID]) -> int:
        """Decide the ticks of schedules; return how many schedules had due ticks."""
        portions = self._split_into_portions(list(dict.fromkeys(due)))
        return await _process_portions(portions, self._schedules.tick)

    async def _prepare(self, now: datetime) -> bool:
        """Decide a portion of the ticks of a coming moment; return whether there was one.

        A portion is small, as other ticks may become due meanwhile.
        """
        if self._prepared is None:
            self._prepared = await self._look_ahead(now)
        ticks = self._prepared
        if ticks is None or not ticks.undecided:
            return False
        ticks.add(await self._schedules.prepare(ticks.undecided.pop(0), ticks.at))
        return True

    async def _look_ahead(self, now: datetime) -> "_PreparedTicks | None":
        """Return this process's share of the ticks of the next moment that has many of them."""
        if abs(now - self._looked_ahead_at) < LOOK_AHEAD_EVERY:
            return None
        self._looked_ahead_at = now
        at = await self._ticks.first_peak(now, now + AHEAD, MANY_TICKS)
        if at is None:
            return None
        portions = self._split_into_portions(await self._ticks.due(at, MAX_AHEAD))
        workers = max(await self._ticks.count_workers(), 1)
        return _PreparedTicks(at, portions[: ceil(len(portions) * (PREPARED_BY / workers))])

    def _split_into_portions(self, due: Sequence[UUID]) -> list[Sequence[UUID]]:
        """Split due schedules into portions that are decided together; begin at a random one.

        If all processes began at the same portion, all but one would decide it in vain.
        """
        portions: list[Sequence[UUID]] = [
            due[begin : begin + TICKS_AT_A_TIME] for begin in range(0, len(due), TICKS_AT_A_TIME)
        ]
        first = int(self._random.random() * len(portions))
        return portions[first:] + portions[:first]


@dataclass
class _PreparedTicks:
    """The ticks of one moment that are decided before it.

    Attributes:
        at: the moment at which they are due.
        undecided: the ids of schedules whose ticks are not decided yet, in portions.
        portions: the units to append at that moment, by the id of the schedule, in portions.
        size_bytes: the size of the events of these units.
    """

    at: datetime
    undecided: list[Sequence[UUID]]
    portions: list[dict[UUID, Unit]] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, units: dict[UUID, Unit]) -> None:
        """Add decided ticks; once they exceed `MAX_AHEAD_BYTES`, the rest is decided when due."""
        self.portions.append(units)
        self.size_bytes += sum(len(event.state) for unit in units.values() for event in unit.events)
        if self.size_bytes >= MAX_AHEAD_BYTES:
            self.undecided.clear()


P = TypeVar("P")


async def _process_portions(portions: Sequence[P], process: Callable[[P], Awaitable[int]]) -> int:
    """Process the portions, `CONCURRENT_PORTIONS` at a time; return the sum of the results."""
    remaining = iter(portions)

    async def process_remaining() -> int:
        count = 0
        for portion in remaining:
            count += await process(portion)
        return count

    counts = await asyncio.gather(
        *(process_remaining() for _ in range(CONCURRENT_PORTIONS)), return_exceptions=True
    )
    total = 0
    for count in counts:
        if isinstance(count, BaseException):
            raise count
        total += count
    return total
