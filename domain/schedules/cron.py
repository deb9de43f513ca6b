"""Cron expressions on the clocks of a zone: which instants one names.

What an expression means on a clock that is never set, `cronsim` knows. What becomes of it where
clocks are set stands here, in the way of Debian's cron:

- *Fixed* times, whose minute and hour both do not begin with `*`, are each meant once: a time that
  clocks leave out is made up for as soon as they have, and one that they show twice is taken the
  first time.
- *Frequent* ones follow what clocks show: not at a time that is left out, and twice at one that
  comes twice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_CHARACTERS = 200
"""Of an expression: far more than any needs."""

FIELDS = 5
"""Minute, hour, day of month, month, day of week. With six, the first would be seconds for some
programs, and the last for others."""

NEVER = "names a day that never comes"

_SOME_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - a clock's, of no zone

_LONGEST_SHIFT = timedelta(hours=25)
"""No clock was ever set by more: by a day, where a country changed sides of the date line."""

_SECOND = timedelta(seconds=1)

_MINUTE = timedelta(minutes=1)

_DAY = timedelta(days=1)

REMEMBERED = 4_096
"""Answers that are remembered: each is asked for several times while its tick is decided, and
thousands of schedules may share it."""


def cron_fault(text: str) -> str | None:
    """Return what is wrong with an expression, None where nothing is."""
    if len(text) > MAX_CHARACTERS:
        return f"has at most {MAX_CHARACTERS} characters"
    if len(text.split()) != FIELDS:
        return (
            "has five fields: minute, hour, day of month, month, day of week;"
            " for example 30 2 * * MON-FRI"
        )
    try:
        first = next(CronSim(text, _SOME_MOMENT), None)
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        return f"cannot be read: see its {field}; for example 30 2 * * MON-FRI"
    if first is None:
        return NEVER
    return None


def zone_fault(name: str) -> str | None:
    """Return what is wrong with a zone's name, None where nothing is."""
    try:
        ZoneInfo(name)
    except (
        ValueError,
        OSError,
        KeyError,
    ):  # As for "../x", "America" and "Mars/Olympus".
        return f"{name!r} is no IANA time zone; for example Europe/Berlin or UTC"
    if name == "localtime":  # Another one on each machine.
        return "name the zone itself, for example Europe/Berlin"
    return None


@dataclass(frozen=True)
class Stretch:
    """Ticks in a row, one at least: when the first and the last are due, and how many they are."""

    first: datetime
    last: datetime
    ticks: int

    def followed_by(self, later: Stretch) -> Stretch:
        """Return both as one; no tick lies between them."""
        return Stretch(self.first, later.last, self.ticks + later.ticks)


@dataclass(frozen=True)
class Cron:
    """An expression of five fields that `cron_fault` lets pass, on the clocks of a zone."""

    text: str
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first instant after a moment, in UTC; None if fifty years have none."""
        return _next_after(self, moment)

    def work_out_next(self, moment: datetime) -> datetime | None:
        """Return the same, without having remembered it."""
        if self._is_fixed():
            return self._next_fixed(moment)
        return self._next_frequent(moment)

    def reckon(self, after: datetime, until: datetime) -> Stretch | None:
        """Return the instants after a moment, and until another, without going through them.

        Only the times of days about which clocks are set are looked at one by one.
        """
        stretch: Stretch | None = None
        odd: set[datetime] = set()
        # A clock that is set back may show the times of the day before once more.
        day = self._wall(after).date() - _DAY
        last_day = self._wall(until).date() + _DAY
        while day <= last_day:
            if self._is_set_about(day):
                odd.update(self._instants_of(day))
                found = None
            else:
                stretch = _joined(stretch, _within(odd, after, until))
                odd.clear()
                found = self._of_even_day(day, after, until)
            stretch = _joined(stretch, found)
            day += _DAY
        return _joined(stretch, _within(odd, after, until))

    def _is_set_about(self, day: date) -> bool:
        """Return whether clocks may be set on a day, or a day before or after it."""
        offsets = {self._midnight(day + n * _DAY).utcoffset() for n in (-1, 0, 1, 2)}
        return len(offsets) > 1

    def _times_of(self, day: date) -> Sequence[int]:
        """Return the minutes of a day that the expression names, as on a clock never set."""
        named = _named(self.text)
        if day.month not in named.months or not named.match_day(day):
            return ()
        return _minutes_named(self.text)

    def _of_even_day(
        self, day: date, after: datetime, until: datetime
    ) -> Stretch | None:
        """Return the instants of a day on which clocks show each time once."""
        times = self._times_of(day)
        begin = self._midnight(day).astimezone(UTC)
        first = bisect_right(times, (after - begin) / _MINUTE)
        end = bisect_right(times, (until - begin) / _MINUTE)
        if first >= end:
            return None
        first_at = begin + times[first] * _MINUTE
        last_at = begin + times[end - 1] * _MINUTE
        return Stretch(first_at, last_at, end - first)

    def _instants_of(self, day: date) -> Iterator[datetime]:
        """Yield the instants that the times of a day mean, however clocks are set."""
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
        day = wall.date()
        named = _named(self.text)
        if wall.month not in named.months:
            return False
        if not named.match_day(day):
            return False
        if wall.hour not in named.hours:
            return False
        return wall.minute in named.minutes

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
        # A clock that is or will be set back shows earlier times after the moment.
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
        """Yield the times that the expression names, as on a clock that is never set."""
        return iter(CronSim(self.text, wall))

    def _wall(self, moment: datetime) -> datetime:
        """Return what clocks show at a moment."""
        local = moment.astimezone(self.zone)
        return local.replace(tzinfo=None, fold=0)

    def _readings(self, wall: datetime) -> tuple[datetime, datetime]:
        """Return the two instants that a clock's time may mean, in UTC.

        Nearly always they are one. The second comes later where clocks show the time twice, and
        earlier where they leave it out.
        """
        first = wall.replace(tzinfo=self.zone, fold=0)
        second = wall.replace(tzinfo=self.zone, fold=1)
        return first.astimezone(UTC), second.astimezone(UTC)

    def _end_of_gap(self, before: datetime, after: datetime) -> datetime:
        """Return when clocks were set between two instants."""
        offset = self._offset(after)

        def is_set(seconds: int) -> bool:
            moment = before + seconds * _SECOND
            return self._offset(moment) == offset

        gap_s = (after - before) // _SECOND
        until_set_s = bisect_left(range(gap_s), True, key=is_set)
        return before + until_set_s * _SECOND

    def _set_back_around(self, moment: datetime) -> timedelta:
        """Return by how much clocks are set back about a moment, or were."""
        before = self._offset(moment - _LONGEST_SHIFT)
        after = self._offset(moment + _LONGEST_SHIFT)
        return max(before - after, timedelta())

    def _offset(self, moment: datetime) -> timedelta:
        offset = moment.astimezone(self.zone).utcoffset()
        return offset or timedelta()


def _within(
    instants: Iterable[datetime], after: datetime, until: datetime
) -> Stretch | None:
    found = [instant for instant in instants if after < instant <= until]
    if not found:
        return None
    return Stretch(min(found), max(found), len(found))


def _joined(earlier: Stretch | None, later: Stretch | None) -> Stretch | None:
    if earlier is None or later is None:
        return earlier or later
    return earlier.followed_by(later)


@lru_cache(REMEMBERED)
def _named(text: str) -> CronSim:
    """Return what an expression names, which is read anew neither for each tick nor schedule.

    To be asked alone, not to be followed: others share it.
    """
    return CronSim(text, _SOME_MOMENT)


@lru_cache(128)
def _minutes_named(text: str) -> Sequence[int]:
    """Return the minutes that an expression names on each of its days, in order."""
    named = _named(text)
    minutes = sorted(named.minutes)
    return [hour * 60 + minute for hour in sorted(named.hours) for minute in minutes]


@lru_cache(REMEMBERED)
def _next_after(cron: Cron, moment: datetime) -> datetime | None:
    return cron.work_out_next(moment)
