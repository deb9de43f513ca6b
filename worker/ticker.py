"""Decides the ticks of schedules when they are due, or before that if many are due at once.

Each step of the `Ticker` does the first of these for which there is work:

1. append the prepared ticks that are due;
2. replan the schedules that decided ticks by a clock that was set back afterwards;
3. decide the ticks that are due, and those that waited for the end of a run;
4. prepare a portion of the ticks of the next peak: a moment with many of them.

The ticks of one peak at a time are prepared (`_PreparedTicks`):

    none -> decided portion by portion -> appended at the peak, or dropped -> none

They are dropped if the clock was set, the process was frozen, or the database has another log. Then
they are decided when they are due, like all others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from time import monotonic
from typing import TypeVar
from uuid import UUID

from domain.clock import CLOCK_STEP
from domain.commands.ticks import Ticking
from domain.ports import RandomSource, Unit
from worker.followers import POLL_INTERVAL_S, Follower
from worker.ports import Ticks

MAX_DUE = 1_000
"""How many due schedules are read at a time."""

TICKS_AT_A_TIME = 64
"""The ticks of this many schedules are decided and appended together, under the append lock."""

CONCURRENT_PORTIONS = 2
"""While the ticks of one portion are appended, those of the next are decided."""

AWAITING_PAUSE_FACTOR = 20
"""How many times longer than the reading the pause is after reading the schedules that await the
end of a run. The reading is costly: it checks each schedule with an open run."""

FIRST_ID = UUID(int=0)
"""The id before those of all schedules."""

CHECK_DECIDED_AHEAD_EVERY_S = 60.0
"""How often to look for ticks that were decided by a clock that was set back afterwards. A process
whose own clock is set back looks at once."""

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
    """Decides the ticks of all schedules, in any number of processes."""

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
        # The first step counts as one after the clock was set back: nobody knows what was before.
        self._last_step_at = datetime.max.replace(tzinfo=UTC)
        self._check_decided_ahead_at_s = 0.0
        self._checked_until: UUID | None = None
        """The last schedule that was checked for ticks decided ahead; None between two checks."""
        self._checks_all = False

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
        # By the present clock: the queries of this step took their time.
        remaining_s = (next_at - self._clock()).total_seconds()
        return min(max(remaining_s, 0.0), POLL_INTERVAL_S)

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

    async def _check_decided_ahead(self, now: datetime) -> bool:
        """Adapt schedules to a clock that was set back; return whether there may be more of them.

        From now on they decide each tick that fires by the new clock, even one that was decided by
        the old clock.
        """
        is_set_back = now < self._last_step_at - CLOCK_STEP
        self._last_step_at = now
        if is_set_back or monotonic() >= self._check_decided_ahead_at_s:
            self._checks_all = is_set_back
            self._checked_until = FIRST_ID
            self._check_decided_ahead_at_s = monotonic() + CHECK_DECIDED_AHEAD_EVERY_S
        if self._checked_until is None:
            return False
        decided_ahead = await self._ticks.decided_ahead(
            now, self._checked_until, MAX_DUE, whole=self._checks_all
        )
        await self._tick(decided_ahead)
        self._checked_until = decided_ahead[-1] if decided_ahead else None
        return bool(decided_ahead)

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
