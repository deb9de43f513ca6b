"""`Ticking`: what the clock does to schedules."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.commands.application import SYSTEM, LogApplication
from domain.commands.schedules import units
from domain.commands.schedules.change import Change
from domain.errors import (
    LogUnavailableError,
    QuarantinedError,
    ValueTakenError,
    VersionConflictError,
)
from domain.ports import Log, Saved, Unit
from domain.schedules.schedule import Schedule

AWAY_AFTER = timedelta(seconds=30)
"""A process that has not looked at the clock for longer was away: frozen, or without its database.
Whoever looks later than it should is only busy."""

SAY_EVERY = timedelta(seconds=1)
"""So often a process says that it looks at the clock."""


class Watch:
    """From when on somebody has looked at the clock, in this process or in another one.

    What fired before that could not be decided by anybody, so it may have been missed.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._begun: datetime | None = None
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._said_at = self._looked_at
        self._since = self._looked_at

    def look(self, now: datetime) -> datetime:
        """Note that this process looks; return from when on it has done so."""
        if self._begun is None or now - self._looked_at > AWAY_AFTER:
            self._begun = now
            self._said_at = datetime.min.replace(tzinfo=UTC)
        # A clock that is set back shows what it has shown before.
        self._begun = min(self._begun, now)
        self._looked_at = now
        return self._begun

    async def since(self, now: datetime) -> datetime:
        """Note that this process looks; return from when on anybody has done so until now.

        Raises:
            LogUnavailableError: then it does not count as having looked.
        """
        before = self._begun, self._looked_at
        begun = self.look(now)
        if abs(now - self._said_at) >= SAY_EVERY:
            try:
                self._since = await self._log.watch_clock(begun, now)
            except LogUnavailableError:
                self._begun, self._looked_at = before
                raise
            self._said_at = now
        return min(self._since, now)


class Ticking:
    """The commands of the clock."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application
        self.watch = Watch(application.log_port)

    async def tick(self, schedule_ids: Sequence[UUID]) -> int:
        """Decide the ticks of schedules that are due; return of how many schedules some were.

        Each is a unit of its own, and all are handed to the log at once. What cannot be read is
        left alone. A schedule does not count whose ticks somebody else has decided at the same
        moment, or of which something has changed: it is to be looked at once more, a little later.
        """
        try:
            return await self._tick(schedule_ids)
        except QuarantinedError as error:
            if len(schedule_ids) == 1:
                # Its job or its zone, or it itself: it is asked for no more.
                first = schedule_ids[0]
                self._application.quarantine.add(first, str(error))
                return 0
        # One of them is in the way of the others.
        ticked = 0
        for schedule_id in schedule_ids:
            ticked += await self.tick([schedule_id])
        return ticked

    async def prepare(
        self, schedule_ids: Sequence[UUID], at: datetime
    ) -> dict[UUID, Unit]:
        """Decide the ticks that will be due at a moment to come; return what to append then.

        Left out are schedules of which nobody could tell then whether it still holds. What cannot
        be read is left to `tick`.
        """
        try:
            return await self._prepare(schedule_ids, at)
        except QuarantinedError:
            if len(schedule_ids) == 1:
                return {}
        # One of them is in the way of the others.
        prepared: dict[UUID, Unit] = {}
        for schedule_id in schedule_ids:
            prepared |= await self.prepare([schedule_id], at)
        return prepared

    async def append(self, prepared: Iterable[Unit]) -> int:
        """Append what was prepared, now that it is due; return how much of it still held."""
        self.watch.look(self._application.clock())
        log = self._application.log_port
        appends = [log.append(unit) for unit in prepared]
        return await _got_through(appends)

    async def _tick(self, schedule_ids: Sequence[UUID]) -> int:
        now = self._application.clock()
        since = await self.watch.since(now)
        ticked = 0
        async for changes in self._read(schedule_ids):
            decided = await self._decided(changes, now, since)
            appends = [
                units.append(self._application, change, SYSTEM) for change in decided
            ]
            ticked += await _got_through(appends)
        return ticked

    async def _prepare(
        self, schedule_ids: Sequence[UUID], at: datetime
    ) -> dict[UUID, Unit]:
        prepared: dict[UUID, Unit] = {}
        since = await self.watch.since(self._application.clock())
        async for changes in self._read(schedule_ids):
            able = [change for change in changes if change.can_wait]
            for change in await self._decided(able, at, since):
                unit = await units.unit_of(
                    self._application, change, SYSTEM, expects_runs=True
                )
                prepared[change.schedule.id] = _fit_to_be_kept(unit)
                await asyncio.sleep(0)  # Others have waited for this one.
        return prepared

    async def _read(self, schedule_ids: Sequence[UUID]) -> AsyncIterator[list[Change]]:
        """Read schedules, and yield those at once that could be read together."""
        found = await self._application.load(Schedule, schedule_ids)
        left = list(found.values())
        while left:
            changes = await units.begin(self._application, left)
            yield changes
            left = left[len(changes) :]

    async def _decided(
        self, changes: Sequence[Change], now: datetime, since: datetime
    ) -> list[Change]:
        """Decide the ticks that fire by a moment; return what has changed by that.

        The clock has been looked at since a moment (`Watch.since`).
        """
        await units.look_around(self._application, changes, now)
        decided: list[Change] = []
        for change in changes:
            if _settle(change, now, since):
                decided.append(change)
            await asyncio.sleep(0)  # Others have waited for this one.
        return decided


def _settle(change: Change, now: datetime, since: datetime) -> bool:
    """Decide the ticks of a schedule that have fired; return whether that has led to anything."""
    try:
        units.settle_ticks(change, now, since)
    except ValueTakenError:
        return False
    schedule = change.schedule
    if not schedule.pending_events:
        schedule.replan(now)
    return bool(schedule.pending_events)


async def _got_through(appends: Iterable[Awaitable[Saved]]) -> int:
    """Append units, each by itself; return how many were not refused as outdated."""
    appended = 0
    for outcome in await asyncio.gather(*appends, return_exceptions=True):
        if isinstance(outcome, VersionConflictError):
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        appended += 1
    return appended


def _fit_to_be_kept(unit: Unit) -> Unit:
    """Return a unit that takes no more room than it needs.

    What orjson has just written lies in a buffer of four to sixteen kilobytes, ten times as much.
    """
    events: list[StoredEvent] = []
    for event in unit.events:
        state = bytes(memoryview(event.state))
        fit = replace(event, state=state)
        events.append(fit)
    return replace(unit, events=events)
