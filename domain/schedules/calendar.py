"""When the ticks of a schedule are due. Pure: the same input gives the same answer everywhere.

First cron expressions on a zone's clocks (`Cron`); then the content of a schedule's version
(`ScheduleSpec`) and its ticks in order (`Calendar`). `ticks.py` decides what becomes of due ticks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Literal, get_args
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from domain.clock import from_iso, later, ms_between, to_iso
from domain.errors import Issue, QuarantinedError
from domain.json_values import JsonObject

# Cron expressions on the clocks of a zone: which instants an expression names.
#
# `cronsim` knows what an expression means on a clock that is never set. What happens where clocks
# are set is decided here, in the way of Debian's cron:
#
# - *Fixed* times, whose minute and hour both do not begin with `*`, each fire once: a time that
#   clocks leave out fires right after the gap, and a time that clocks show twice fires the first
#   time.
# - *Frequent* times follow what clocks show: not at a time that is left out, and twice at one that
#   comes twice.

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

CACHED = 4_096
"""Answers in a cache: each is needed several times while its tick is decided, and thousands of
schedules may share it."""


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
    except (ValueError, OSError, KeyError):  # As for "../x", "America" and "Mars/Olympus".
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

    def compute_next(self, moment: datetime) -> datetime | None:
        """Return the same without the cache."""
        if self._is_fixed():
            return self._next_fixed(moment)
        return self._next_frequent(moment)

    def count_between(self, after: datetime, until: datetime) -> Stretch | None:
        """Return the instants after a moment, and until another, without going through them.

        Only on days around a change of the clocks are they gone through, one by one.
        """
        stretch: Stretch | None = None
        odd: set[datetime] = set()  # Of days around a change, which may overlap.
        # A clock that is set back may show the times of the day before once more.
        day = self._wall(after).date() - _DAY
        last_day = self._wall(until).date() + _DAY
        while day <= last_day:
            if self._is_set_about(day):
                odd.update(self._instants_of(day))
            else:
                stretch = _joined(stretch, _within(odd, after, until))
                odd.clear()
                stretch = _joined(stretch, self._of_even_day(day, after, until))
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

    def _of_even_day(self, day: date, after: datetime, until: datetime) -> Stretch | None:
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


def _within(instants: Iterable[datetime], after: datetime, until: datetime) -> Stretch | None:
    inside = [instant for instant in instants if after < instant <= until]
    return Stretch(min(inside), max(inside), len(inside)) if inside else None


def _joined(earlier: Stretch | None, later: Stretch | None) -> Stretch | None:
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


Overlap = Literal[
    "skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"
]
"""What is done about a tick while a run of the schedule has not ended."""

OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)

MIN_EVERY_MS = 1_000
"""Ticks are decided within a second, so a shorter interval would promise too much."""

MAX_EVERY_MS = 366 * 86_400_000

MAX_JITTER_MS = 86_400_000

MAX_CATCH_UP_MS = 366 * 86_400_000

MAX_EXCLUDE = 100

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Times of schedules lie between them. Python's calendar ends with the year 9999, and expressions
are followed for fifty years."""


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """What a version of a schedule says. The contract's section 10 gives the fields.

    Attributes:
        job: the slug of what is launched.
        parameters: of its runs; the job's own defaults fill the rest.
        cron: five fields, on the clocks of the zone; this or `every_ms`.
        every_ms: an interval of elapsed time, counted from `start_at`, or from 1970 (UTC).
        time_zone: a name of the IANA's, for `cron` and `exclude`.
        exclude: cron expressions; ticks in a minute that one of them names are skipped.
        overlap: what is done about a tick while a run of the schedule has not ended.
        catch_up_ms: ticks that could not be decided for longer than this are skipped as missed.
        jitter_ms: each tick is late by some time up to this, but never into the next one.
        start_at: no tick before it; ISO 8601 text, as `domain.clock.to_iso` writes it.
        end_at: no tick after it.
        pause_on_failure: whether the schedule pauses when a run of it fails or expires.
        owner: who keeps it in files; a name, or None.
    """

    job: str
    parameters: JsonObject = field(default_factory=dict)
    cron: str | None = None
    every_ms: int | None = None
    time_zone: str = "UTC"
    exclude: list[str] = field(default_factory=list)
    overlap: Overlap = "skip"
    catch_up_ms: int = 60_000
    jitter_ms: int = 0
    start_at: str | None = None
    end_at: str | None = None
    pause_on_failure: bool = False
    owner: str | None = None

    def issues(self) -> list[Issue]:
        """Return what is wrong with it."""
        issues = self._rhythm_issues()
        fault = zone_fault(self.time_zone)
        if fault is not None:
            issues.append(Issue("/timeZone", fault, "format"))
        if self.overlap not in OVERLAPS:
            issues.append(Issue("/overlap", f"is one of {', '.join(OVERLAPS)}", "enum"))
        issues += _range_issues("/catchUpMs", self.catch_up_ms, 0, MAX_CATCH_UP_MS)
        issues += _range_issues("/jitterMs", self.jitter_ms, 0, MAX_JITTER_MS)
        return issues + self._exclude_issues() + self._bound_issues()

    def _rhythm_issues(self) -> list[Issue]:
        if self.cron is not None and self.every_ms is not None:
            message = "give cron or everyMs, not both; set the other to null"
            return [Issue("/everyMs", message, "oneOf")]
        if self.every_ms is not None:
            return _range_issues("/everyMs", self.every_ms, MIN_EVERY_MS, MAX_EVERY_MS)
        if self.cron is None:
            return [Issue("/cron", "give cron or everyMs", "required")]
        fault = cron_fault(self.cron)
        return [] if fault is None else [Issue("/cron", fault, "format")]

    def _exclude_issues(self) -> list[Issue]:
        if len(self.exclude) > MAX_EXCLUDE:
            message = f"has at most {MAX_EXCLUDE} entries"
            return [Issue("/exclude", message, "maxItems")]
        issues: list[Issue] = []
        for index, text in enumerate(self.exclude):
            fault = cron_fault(text)
            if fault is not None:
                issues.append(Issue(f"/exclude/{index}", fault, "format"))
            if fault == NEVER:
                break  # That took fifty years of search: a hundred of these would keep others.
        return issues

    def _bound_issues(self) -> list[Issue]:
        issues: list[Issue] = []
        for path, text in (("/startAt", self.start_at), ("/endAt", self.end_at)):
            if text is not None:
                issues += year_issues(path, from_iso(text))
        if issues or self.start_at is None or self.end_at is None:
            return issues
        if from_iso(self.end_at) < from_iso(self.start_at):
            issues.append(Issue("/endAt", "must not lie before startAt", "minimum"))
        return issues


def _range_issues(path: str, value: int, least: int, most: int) -> list[Issue]:
    if least <= value <= most:
        return []
    message = f"is between {least} and {most} milliseconds"
    return [Issue(path, message, "range")]


def year_issues(path: str, moment: datetime) -> list[Issue]:
    """Return what is wrong with a time that is given for ticks."""
    if FIRST_YEAR <= moment.year <= LAST_YEAR:
        return []
    message = f"lies in the years {FIRST_YEAR} to {LAST_YEAR}"
    return [Issue(path, message, "range")]


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

    def __init__(self, schedule_id: UUID, spec: ScheduleSpec) -> None:
        """Prepare the content of the version.

        Raises:
            QuarantinedError: this machine's zones have none of this name; others' may.
        """
        self._schedule_id = schedule_id
        self._spec = spec
        try:
            zone = ZoneInfo(spec.time_zone)
        except ZoneInfoNotFoundError:
            message = f"the time zone {spec.time_zone} is unknown here; update the system's tzdata"
            raise QuarantinedError(message) from None
        self._cron = None if spec.cron is None else Cron(spec.cron, zone)
        self._interval = (spec.every_ms or 1) * _MS
        self._exclude = [Cron(text, zone) for text in spec.exclude]
        self._start = None if spec.start_at is None else from_iso(spec.start_at)
        self._end = None if spec.end_at is None else from_iso(spec.end_at)

    def ticks_after(self, moment: datetime) -> Iterator[Tick]:
        """Yield the ticks that are due after a moment; there may be no end of them."""
        due_at = self._due_after(moment)
        while due_at is not None:
            yield self._tick(due_at)
            due_at = self._due_after(due_at)

    def due_between(self, after: datetime, until: datetime) -> Stretch | None:
        """Return the ticks that are due after a moment, and until another.

        They are computed, not gone through: a million costs no more than one.
        """
        if self._start is not None:
            after = max(after, self._start - _MS)
        if self._end is not None:
            until = min(until, self._end)
        if until <= after:
            return None
        if self._cron is not None:
            return self._cron.count_between(after, until)
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

    def fired_before(self, moment: datetime) -> datetime:
        """Return a time such that the ticks due until then fire before a moment, and no others."""
        in_any_case = later(moment, -self._spec.jitter_ms) - _MS
        stretch = self.firing_between(in_any_case, moment)
        return in_any_case if stretch is None else stretch.last

    def delayed_tick(self, after: datetime, now: datetime) -> Tick | None:
        """Return the tick due after a moment that is due now and has not fired, if there is one.

        Jitter never reaches into the next tick, so there is one at most.
        """
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
