"""When the ticks of a schedule are due. Pure: the same for everybody who asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.clock import from_iso, later, ms_between, to_iso
from domain.errors import QuarantinedError
from domain.schedules.cron import Cron, Stretch
from domain.schedules.spec import Spec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DRAWN_BYTES = 8


@dataclass(frozen=True)
class Tick:
    """A time at which the schedule's job is to run.

    Attributes:
        due_at: as the cron expression or the interval says; no other tick has it.
        fires_at: with its jitter: from when on it is decided.
        is_excluded: whether it is one of those that are not to be.
    """

    due_at: datetime
    fires_at: datetime
    is_excluded: bool = False


class Calendar:
    """The ticks of a schedule in one version, in order."""

    def __init__(self, schedule_id: UUID, spec: Spec) -> None:
        """Read the content.

        Raises:
            QuarantinedError: this machine's zones have none of this name; others' may.
        """
        self._schedule_id = schedule_id
        self._spec = spec
        zone = _zone(spec.time_zone)
        self._cron: Cron | None = None
        if spec.cron is not None:
            self._cron = Cron(spec.cron, zone)
        self._interval = (spec.every_ms or 1) * _MS
        self._exclude = [Cron(text, zone) for text in spec.exclude]
        self._start = _moment(spec.start_at)
        self._end = _moment(spec.end_at)

    def ticks_after(self, moment: datetime) -> Iterator[Tick]:
        """Yield the ticks that are due after a moment; there may be no end of them."""
        due_at = self._due_after(moment)
        while due_at is not None:
            yield self._tick(due_at)
            due_at = self._due_after(due_at)

    def next_after(self, moment: datetime) -> Tick | None:
        """Return the first tick that is due after a moment."""
        return next(self.ticks_after(moment), None)

    def due_between(self, after: datetime, until: datetime) -> Stretch | None:
        """Return the ticks that are due after a moment, and until another.

        They are reckoned, so a million costs no more than one.
        """
        if self._start is not None:
            after = max(after, self._start - _MS)
        if self._end is not None:
            until = min(until, self._end)
        if until <= after:
            return None
        if self._cron is not None:
            return self._cron.reckon(after, until)
        first = self._unbounded_after(after)
        if first is None or first > until:
            return None
        further = (until - first) // self._interval
        return Stretch(first, first + further * self._interval, further + 1)

    def firing_between(self, after: datetime, before: datetime) -> Stretch | None:
        """Return the ticks that are due after a moment, and fire before another."""
        stretch = self.due_between(after, before - _MS)
        if stretch is None or self._tick(stretch.last).fires_at < before:
            return stretch
        # Jitter never reaches into the next tick, so only the last one can be yet to fire.
        return self.due_between(after, stretch.last - _MS)

    def not_fired(self, after: datetime, now: datetime) -> Tick | None:
        """Return the tick due after a moment that is due now, and late by its jitter, if any is."""
        stretch = self.due_between(after, now)
        if stretch is None:
            return None
        tick = self._tick(stretch.last)
        return tick if tick.fires_at > now else None

    def _due_after(self, moment: datetime) -> datetime | None:
        if self._start is not None:
            # A tick that is due at the very start is one.
            moment = max(moment, self._start - _MS)
        due_at = self._unbounded_after(moment)
        if due_at is None or self._end is None:
            return due_at
        if due_at > self._end:
            return None
        return due_at

    def _unbounded_after(self, moment: datetime) -> datetime | None:
        if self._cron is not None:
            return self._cron.next_after(moment)
        anchor = self._start or _EPOCH
        passed = (moment - anchor) // self._interval
        return anchor + (passed + 1) * self._interval

    def _tick(self, due_at: datetime) -> Tick:
        jitter_ms = self._jitter_ms(due_at)
        fires_at = later(due_at, jitter_ms)
        is_excluded = any(cron.has(due_at) for cron in self._exclude)
        return Tick(due_at, fires_at, is_excluded)

    def _jitter_ms(self, due_at: datetime) -> int:
        """Return by how much a tick is late: the same whoever asks, and never into the next."""
        most_ms = self._spec.jitter_ms
        if most_ms == 0:
            return 0
        following = self._due_after(due_at)
        if following is not None:
            apart_ms = ms_between(due_at, following)
            most_ms = min(most_ms, apart_ms - 1)
        drawn_from = f"{self._schedule_id}:{to_iso(due_at)}"
        digest = sha256(drawn_from.encode()).digest()
        drawn = int.from_bytes(digest[:_DRAWN_BYTES], "big")
        return drawn % (most_ms + 1)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    return from_iso(text)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        message = f"the time zone {name} is unknown here; update the system's tzdata"
        raise QuarantinedError(message) from None
