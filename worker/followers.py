"""What processes do in the background: bulk operations, failure groups, statistics, schedules.

Any number of processes may run each of these. All repeat a step in the background (`Follower`):
`BulkWorker` advances bulk operations, each in one process at a time; `FailureGrouper` groups failed
attempts; `RunCounter` counts runs; `Ticker` decides the ticks of schedules when they are due.
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
from worker.ports import TRANSIENT, FailureSearch, OpenOperations, RunStatistics, Ticks

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Follower(ABC):
    """Repeats a step in the background, from `start` to `stop`.

    What is not done when it stops is left to other processes, or to the next start.
    """

    task_name: ClassVar[str]
    failure: ClassVar[str]
    """Begins the warning about a transient error."""

    def __init__(self) -> None:
        self._task: Supervised | None = None

    def start(self, supervision: Supervision) -> None:
        """Begin to repeat the step."""
        run = partial(repeat, self._step, self.failure, TRANSIENT, LOOK_EVERY_S)
        self._task = supervision.start(self.task_name, run)

    async def stop(self) -> None:
        """Stop, also in the middle of a step."""
        if self._task is not None:
            await self._task.end()

    @abstractmethod
    async def _step(self) -> float:
        """Do what there is to do now; return the seconds until the next step."""


OPERATIONS_AT_A_TIME = 50
"""Open operations that are advanced in turn."""

TAKE_OVER_S = 1.5
"""An operation without progress for this long is taken over from the process that advanced it. If
that process still runs, only the work on one batch is lost."""


class BulkWorker(Follower):
    """Advances the bulk operations that clients ordered."""

    task_name = "bulk operations"
    failure = "cannot advance bulk operations"

    def __init__(self, steps: BulkSteps, operations: OpenOperations) -> None:
        super().__init__()
        self._steps = steps
        self._operations = operations
        self._last_seen: dict[UUID, _LastSeen] = {}

    async def _step(self) -> float:
        return 0.0 if await self.look() else LOOK_EVERY_S

    async def look(self) -> bool:
        """Advance operations that no other process advances; return whether there were any."""
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
        return has_advanced

    def _is_free(self, operation_id: UUID, version: int) -> bool:
        """Return whether the operation is ours, new, or has made no progress for long."""
        last = self._last_seen.get(operation_id)
        if last is None or last.version != version:
            self._remember(operation_id, version, is_ours=False)
            return last is None and version == 1
        return last.is_ours or monotonic() - last.since_s > TAKE_OVER_S

    def _remember(self, operation_id: UUID, version: int, *, is_ours: bool) -> None:
        self._last_seen[operation_id] = _LastSeen(version, monotonic(), is_ours)


@dataclass
class _LastSeen:
    """The last version of an operation, since when it has it, and whether we brought it there."""

    version: int
    since_s: float
    is_ours: bool


class FailureGrouper(Follower):
    """Groups failed attempts a moment after they failed.

    It follows the log on its own, so a failure costs the worker that records it nothing more.
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
        """Begin where the log says: it may be another one."""
        self._searched_until = 0

    async def _step(self) -> float:
        return 0.0 if await self.look() else LOOK_EVERY_S

    async def look(self) -> bool:
        """Group the failures in the next part of the log; return whether there is more of it."""
        after = max(await self._failures.watched(), self._searched_until)
        findings = await self._search.after(after)
        if not await self._failures.note(findings):
            self.forget()
            return True
        self._searched_until = findings.until
        return findings.has_more


class RunCounter(Follower):
    """Counts runs for statistics a moment after they were launched, and after they ended."""

    task_name = "statistics"
    failure = "cannot count runs at the moment"

    def __init__(self, statistics: RunStatistics) -> None:
        super().__init__()
        self._statistics = statistics

    async def _step(self) -> float:
        return 0.0 if await self._statistics.advance() else LOOK_EVERY_S


FIRST_ID = UUID(int=0)
"""Every schedule's id comes after it."""

CHECK_DECIDED_AHEAD_EVERY_S = 60.0
"""How often to look for ticks that were decided by a clock that has been set back since; a process
that sees its clock set back looks at once."""

MAX_DUE = 1_000
"""Due schedules that are read at a time."""

TICKS_AT_A_TIME = 64
"""Schedules whose ticks are decided and appended together: the log holds its lock meanwhile."""

CONCURRENT_PORTIONS = 2
"""While the ticks of one portion are appended, those of the next are decided."""

AWAITING_PAUSE_FACTOR = 20
"""Reading which schedules await the end of a run is followed by a pause this many times as long:
each of them that has an open run is looked at."""

MANY_TICKS = 200
"""From this many ticks due at one moment on, they are decided before it, and only appended then."""

AHEAD = timedelta(seconds=15)
"""How long before: enough for ten thousand, also where others need the processor."""

LOOK_AHEAD_EVERY = timedelta(seconds=1)
"""Counting the coming ticks reads all of them."""

MAX_AHEAD = 10_000
"""Ticks beyond this number are decided when they are due."""

MAX_AHEAD_BYTES = 32_000_000
"""Most ticks take two kilobytes until then, but their parameters may be large."""

PREPARED_BY = 3
"""How many processes prepare each tick, as a rule: few for the work, and enough so that hardly any
is left to be decided when it is due."""

TOO_LATE = timedelta(seconds=5)
"""Ticks prepared for longer ago than this are decided anew: a clock was set, or the process has
stood still. Below it, others may have been busy with earlier ticks; a prepared decision holds, or
the log refuses it."""


class Ticker(Follower):
    """Decides the ticks of schedules when they are due, and many at one moment ahead of it."""

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
        """Forget prepared ticks, also those under way: the log may be another one."""
        self._prepared = None

    async def _step(self) -> float:
        return await self.look()

    async def look(self) -> float:
        """Decide ticks that are due, or will be; return the seconds until the next look."""
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
            return LOOK_EVERY_S
        return min((next_at - now).total_seconds(), LOOK_EVERY_S)

    async def _check_decided_ahead(self, now: datetime) -> bool:
        """Let schedules go by a clock that was set back; return whether more of them may remain.

        They decide what fires from now on, also where they had decided it before.
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
        """Append prepared ticks if they are due; return how many of them still held."""
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
            # Other processes have prepared the same ticks.
            still_due = await self._ticks.still_due(now, list(units))
            if self._prepared is not ticks:
                return 0  # Forgotten meanwhile.
            return await self._schedules.append([units[schedule_id] for schedule_id in still_due])

        try:
            return await _for_each(ticks.portions, append)
        finally:
            self._prepared = None

    async def _awaiting(self) -> list[UUID]:
        """Return schedules that await the end of a run, unless they were read just now."""
        began_s = monotonic()
        if began_s < self._read_awaiting_at_s:
            return []
        awaiting = await self._ticks.awaiting(MAX_DUE)
        ended_s = monotonic()
        self._read_awaiting_at_s = ended_s + AWAITING_PAUSE_FACTOR * (ended_s - began_s)
        return awaiting

    async def _tick(self, due: Sequence[UUID]) -> int:
        """Decide the ticks of schedules; return how many schedules had ticks that were due."""
        return await _for_each(self._portions(list(dict.fromkeys(due))), self._schedules.tick)

    async def _prepare(self, now: datetime) -> bool:
        """Decide a portion of the ticks of one coming moment; return whether there was any.

        A portion is small, for others may be due meanwhile.
        """
        if self._prepared is None:
            self._prepared = await self._look_ahead(now)
        ticks = self._prepared
        if ticks is None or not ticks.undecided:
            return False
        ticks.add(await self._schedules.prepare(ticks.undecided.pop(0), ticks.at))
        return True

    async def _look_ahead(self, now: datetime) -> "_PreparedTicks | None":
        """Return this process's share of the many ticks of one coming moment, if there is one."""
        if abs(now - self._looked_ahead_at) < LOOK_AHEAD_EVERY:
            return None
        self._looked_ahead_at = now
        at = await self._ticks.first_peak(now, now + AHEAD, MANY_TICKS)
        if at is None:
            return None
        portions = self._portions(await self._ticks.due(at, MAX_AHEAD))
        workers = max(await self._ticks.workers(), 1)
        return _PreparedTicks(at, portions[: ceil(len(portions) * (PREPARED_BY / workers))])

    def _portions(self, due: Sequence[UUID]) -> list[Sequence[UUID]]:
        """Return due schedules in portions that are decided together, from a random one on.

        If all processes began with the longest due, all but one would decide in vain.
        """
        portions: list[Sequence[UUID]] = [
            due[begin : begin + TICKS_AT_A_TIME] for begin in range(0, len(due), TICKS_AT_A_TIME)
        ]
        first = int(self._random.random() * len(portions))
        return portions[first:] + portions[:first]


@dataclass
class _PreparedTicks:
    """Ticks of one moment that are decided before it.

    Attributes:
        at: the moment at which they are due.
        undecided: the schedules whose ticks are not decided yet, in portions.
        portions: the units to append at that moment by schedule, in portions.
        size_bytes: the size of these units.
    """

    at: datetime
    undecided: list[Sequence[UUID]]
    portions: list[dict[UUID, Unit]] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, units: dict[UUID, Unit]) -> None:
        """Add decided ticks; beyond the limit of bytes, the rest stays undecided."""
        self.portions.append(units)
        self.size_bytes += sum(len(event.state) for unit in units.values() for event in unit.events)
        if self.size_bytes >= MAX_AHEAD_BYTES:
            self.undecided.clear()


P = TypeVar("P")


async def _for_each(portions: Sequence[P], act: Callable[[P], Awaitable[int]]) -> int:
    """Process each portion, a few at a time; return the sum of what `act` returns."""
    remaining = iter(portions)

    async def process_some() -> int:
        count = 0
        for portion in remaining:
            count += await act(portion)
        return count

    outcomes = await asyncio.gather(
        *(process_some() for _ in range(CONCURRENT_PORTIONS)), return_exceptions=True
    )
    count = 0
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        count += outcome
    return count
