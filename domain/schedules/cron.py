"""Cron expressions on the clocks of a zone: which instants an expression names. Pure.

`cronsim` knows what an expression means on a clock that is never set. Changes of the clocks are
handled here, as Debian's cron does:

- *Fixed* times, whose minute and hour both do not begin with `*`, each fire once: a time that
  clocks skip fires right after the gap, and a time that clocks show twice fires the first time.
- *Frequent* times follow what clocks show: a time that they skip does not fire, and a time that
  they show twice fires twice.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_CHARACTERS = 200
"""Of an expression; none needs as many."""

FIELDS = {"minute": 60, "hour": 24, "day-of-month": 31, "month": 12, "day-of-week": 7}
"""The fields in their order, each with its number of values. An expression with six fields is
refused: some programs read the first as seconds, others the last."""

NEVER = "names a day that never comes"

_SOME_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - on a clock, without a zone

_MAX_SHIFT = timedelta(hours=25)
"""No clock was ever set by more: a country that crossed the date line set it by a day."""

_SECOND = timedelta(seconds=1)

_MINUTE = timedelta(minutes=1)

_DAY = timedelta(days=1)

CACHED = 4_096
"""Entries of a cache: each is needed several times while its tick is decided, and thousands of
schedules may share it."""


def cron_fault(text: str) -> str | None:
    """Return what is wrong with an expression, None if it is valid."""
    if len(text) > MAX_CHARACTERS:
        return f"has at most {MAX_CHARACTERS} characters"
    fields = text.split()
    if len(fields) != len(FIELDS):
        return (
            "has five fields: minute, hour, day of month, month, day of week;"
            " for example 30 2 * * MON-FRI"
        )
    try:
        first = next(CronSim(text, _SOME_MOMENT), None)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        return f"cannot be read: see its {name}; for example 30 2 * * MON-FRI"
    if first is None:
        return NEVER
    for (name, values), field in zip(FIELDS.items(), fields, strict=True):
        for step in _STEP.findall(field):
            if int(step) > values:
                return (
                    f"has the step {step} in its {name}, of which there are {values}: write at most"
                    f" {values}, or everyMs for another interval"
                )
    return None


_STEP = re.compile("/([0-9]+)")


def zone_fault(name: str) -> str | None:
    """Return what is wrong with a zone's name, None if it is valid."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # For "../x", "America" and "Mars/Olympus".
        return f"{name!r} is no IANA time zone; for example Europe/Berlin or UTC"
    # They differ from machine to machine, or count leap seconds.
    if name in {"localtime", "posixrules", "Factory"} or name.startswith(("posix/", "right/")):
        return f"{name!r} is not the same everywhere; for example Europe/Berlin or UTC"
    return None


@dataclass(frozen=True)
class TickRange:
    """Consecutive ticks, one at least: when the first and the last are due, and their number."""

    first: datetime
    last: datetime
    ticks: int

    def followed_by(self, later: TickRange) -> TickRange:
        """Return both as one range; no tick is due between them."""
        return TickRange(self.first, later.last, self.ticks + later.ticks)


@dataclass(frozen=True)
class Cron:
    """A valid expression (`cron_fault`) on the clocks of a zone."""

    text: str
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first instant after a moment, in UTC; None if there is none in fifty years."""
        return _next_after(self, moment)

    def compute_next(self, moment: datetime) -> datetime | None:
        """Return what `next_after` does, without its cache."""
        if self._is_fixed():
            return self._next_fixed(moment)
        return self._next_frequent(moment)

    def count_between(self, after: datetime, until: datetime) -> TickRange | None:
        """Return the instants after a moment and until another, by counting whole days.

        Only on days around a change of the clocks the instants are counted one by one.
        """
        tick_range: TickRange | None = None
        odd: set[datetime] = set()  # The instants of days around a change, which may overlap.
        # A clock that is set back may show the times of the day before once more.
        day = self._wall(after).date() - _DAY
        last_day = self._wall(until).date() + _DAY
        while day <= last_day:
            if self._is_set_about(day):
                odd.update(self._instants_of(day))
            else:
                tick_range = _joined(tick_range, _within(odd, after, until))
                odd.clear()
                tick_range = _joined(tick_range, self._of_even_day(day, after, until))
            day += _DAY
        return _joined(tick_range, _within(odd, after, until))

    def _is_set_about(self, day: date) -> bool:
        """Return whether clocks are set on a day, or on the day before or after."""
        offsets = {self._midnight(day + n * _DAY).utcoffset() for n in (-1, 0, 1, 2)}
        return len(offsets) > 1

    def _times_of(self, day: date) -> Sequence[int]:
        """Return the minutes of a day that the expression names, on a clock that is never set."""
        named = _named(self.text)
        if day.month not in named.months or not named.match_day(day):
            return ()
        return _minutes_named(self.text)

    def _of_even_day(self, day: date, after: datetime, until: datetime) -> TickRange | None:
        """Return the instants of a day on which clocks show every time once."""
        times = self._times_of(day)
        begin = self._midnight(day).astimezone(UTC)
        first = bisect_right(times, (after - begin) / _MINUTE)
        end = bisect_right(times, (until - begin) / _MINUTE)
        if first >= end:
            return None
        first_at = begin + times[first] * _MINUTE
        last_at = begin + times[end - 1] * _MINUTE
        return TickRange(first_at, last_at, end - first)

    def _instants_of(self, day: date) -> Iterator[datetime]:
        """Yield the instants of a day's times, however clocks are set."""
        midnight = datetime.combine(day, time.min)
        for minutes in self._times_of(day):
            first, second = self._readings(midnight + minutes * _MINUTE)
            if not self._is_fixed():
                if second >= first:
                    yield from (first, second)
            elif second < first:
                yield self._end_of_gap(second, first)
            else:
                yield first

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, self.zone)

    def has(self, moment: datetime) -> bool:
        """Return whether the expression names the minute that clocks show at a moment."""
        wall = self._wall(moment)
        named = _named(self.text)
        return (
            wall.minute in named.minutes
            and wall.hour in named.hours
            and wall.month in named.months
            and named.match_day(wall.date())
        )

    def _is_fixed(self) -> bool:
        minute, hour, *_ = self.text.split()
        has_star = minute.startswith("*") or hour.startswith("*")
        return not has_star

    def _next_fixed(self, moment: datetime) -> datetime | None:
        for wall in self._walls_after(self._wall(moment)):
            first, second = self._readings(wall)
            instant = first
            if second < first:
                instant = self._end_of_gap(second, first)
            if instant > moment:
                return instant
        return None

    def _next_frequent(self, moment: datetime) -> datetime | None:
        # After a clock is set back it shows earlier times than at the moment.
        start = self._wall(moment) - self._set_back_around(moment)
        earliest: datetime | None = None
        for wall in self._walls_after(start):
            first, second = self._readings(wall)
            if second < first:
                continue
            for instant in (first, second):
                if instant > moment and (earliest is None or instant < earliest):
                    earliest = instant
            if first > moment:
                break
        return earliest

    def _walls_after(self, wall: datetime) -> Iterator[datetime]:
        """Yield the times that the expression names after a time, on a clock that is never set."""
        return iter(CronSim(self.text, wall))

    def _wall(self, moment: datetime) -> datetime:
        """Return what clocks show at a moment."""
        local = moment.astimezone(self.zone)
        return local.replace(tzinfo=None, fold=0)

    def _readings(self, wall: datetime) -> tuple[datetime, datetime]:
        """Return the two instants that a clock's time may mean, in UTC.

        Nearly always they are the same. The second is later if clocks show the time twice, and
        earlier if they skip it.
        """
        first = wall.replace(tzinfo=self.zone, fold=0)
        second = wall.replace(tzinfo=self.zone, fold=1)
        return first.astimezone(UTC), second.astimezone(UTC)

    def _end_of_gap(self, before: datetime, after: datetime) -> datetime:
        """Return the instant between two others at which clocks were set."""
        offset = self._offset(after)

        def is_set(seconds: int) -> bool:
            moment = before + seconds * _SECOND
            return self._offset(moment) == offset

        gap_s = (after - before) // _SECOND
        until_set_s = bisect_left(range(gap_s), True, key=is_set)
        return before + until_set_s * _SECOND

    def _set_back_around(self, moment: datetime) -> timedelta:
        """Return by how much clocks are set back shortly before or after a moment."""
        before = self._offset(moment - _MAX_SHIFT)
        after = self._offset(moment + _MAX_SHIFT)
        return max(before - after, timedelta())

    def _offset(self, moment: datetime) -> timedelta:
        offset = moment.astimezone(self.zone).utcoffset()
        return offset or timedelta()


def _within(instants: Iterable[datetime], after: datetime, until: datetime) -> TickRange | None:
    inside = [instant for instant in instants if after < instant <= until]
    return TickRange(min(inside), max(inside), len(inside)) if inside else None


def _joined(earlier: TickRange | None, later: TickRange | None) -> TickRange | None:
    if earlier is None or later is None:
        return earlier or later
    return earlier.followed_by(later)


@lru_cache(CACHED)
def _named(text: str) -> CronSim:
    """Return the parsed expression. Never iterate over it: it is shared."""
    return CronSim(text, _SOME_MOMENT)


@lru_cache(128)
def _minutes_named(text: str) -> Sequence[int]:
    """Return the minutes that an expression names on each of its days, in order."""
    named = _named(text)
    minutes = sorted(named.minutes)
    return [hour * 60 + minute for hour in sorted(named.hours) for minute in minutes]


@lru_cache(CACHED)
def _next_after(cron: Cron, moment: datetime) -> datetime | None:
    return cron.compute_next(moment)
