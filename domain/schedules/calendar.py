"""When the ticks of a schedule are due. Pure.

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
# `cronsim` knows what an expression means on a clock that is never set. Changes of the clocks are
# handled here, as Debian's cron does:
#
# - *Fixed* times, whose minute and hour both do not begin with `*`, each fire once: a time that
#   clocks skip fires right after the gap, and a time that clocks show twice fires the first time.
# - *Frequent* times follow what clocks show: a time that they skip does not fire, and a time that
#   they show twice fires twice.

MAX_CHARACTERS = 200
"""Of an expression; none needs as many."""

FIELDS = 5
"""Minute, hour, day of month, month, day of week. With six, some programs take the first for
seconds, others the last."""

NEVER = "names a day that never comes"

_SOME_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - on a clock, without a zone

_LONGEST_SHIFT = timedelta(hours=25)
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
class Stretch:
    """Consecutive ticks, one at least: when the first and the last are due, and their number."""

    first: datetime
    last: datetime
    ticks: int

    def followed_by(self, later: Stretch) -> Stretch:
        """Return both as one stretch; no tick is due between them."""
        return Stretch(self.first, later.last, self.ticks + later.ticks)


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

    def count_between(self, after: datetime, until: datetime) -> Stretch | None:
        """Return the instants after a moment and until another, by counting whole days.

        Only on days around a change of the clocks the instants are counted one by one.
        """
        stretch: Stretch | None = None
        odd: set[datetime] = set()  # The instants of days around a change, which may overlap.
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
        """Return whether clocks are set on a day, or on the day before or after."""
        offsets = {self._midnight(day + n * _DAY).utcoffset() for n in (-1, 0, 1, 2)}
        return len(offsets) > 1

    def _times_of(self, day: date) -> Sequence[int]:
        """Return the minutes of a day that the expression names, on a clock that is never set."""
        named = _named(self.text)
        if day.month not in named.months or not named.match_day(day):
            return ()
        return _minutes_named(self.text)

    def _of_even_day(self, day: date, after: datetime, until: datetime) -> Stretch | None:
        """Return the instants of a day on which clocks show every time once."""
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
"""The policy for a tick that is due while a run of the schedule has not ended."""

OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)

MIN_EVERY_MS = 1_000
"""Ticks are decided within a second, so shorter intervals could not be kept."""

MAX_EVERY_MS = 366 * 86_400_000

MAX_JITTER_MS = 86_400_000

MAX_CATCH_UP_MS = 366 * 86_400_000

MAX_EXCLUDE = 100

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Times of schedules lie between them: Python's calendar ends with the year 9999, and an expression
is searched for fifty years."""


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """The content of a schedule's version. The contract's section 10 gives the fields.

    Attributes:
        job: the slug of the job that is launched.
        parameters: of its runs, over the job's defaults.
        cron: five fields, on the clocks of the zone; either this or `every_ms`.
        every_ms: an interval of elapsed time, counted from `start_at`, or from 1970 (UTC).
        time_zone: an IANA name, for `cron` and `exclude`.
        exclude: cron expressions; ticks in a minute that one of them names are skipped.
        overlap: the policy for a tick that is due while a run of the schedule has not ended.
        catch_up_ms: ticks that could not be decided for longer than this are skipped as missed.
        jitter_ms: each tick fires up to this time after it is due, but before the next one is due.
        start_at: no tick is due before; ISO 8601 text, as `domain.clock.to_iso` writes it.
        end_at: no tick is due after.
        pause_on_failure: whether the schedule pauses when a run of it fails or expires.
        owner: the name under which files declare it, or None.
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
                break  # Each searches fifty years: a hundred of these would keep others waiting.
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
    """Return what is wrong with a time of ticks that a client gives."""
    if FIRST_YEAR <= moment.year <= LAST_YEAR:
        return []
    message = f"lies in the years {FIRST_YEAR} to {LAST_YEAR}"
    return [Issue(path, message, "range")]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DRAWN_BYTES = 8


@dataclass(frozen=True)
class Tick:
    """A time at which the schedule launches its job.

    Attributes:
        due_at: by the cron expression or the interval; different for each tick.
        fires_at: `due_at` plus its jitter: then it is decided.
        is_excluded: whether `exclude` names it, so that it is skipped.
    """

    due_at: datetime
    fires_at: datetime
    is_excluded: bool = False


class Calendar:
    """The ticks of a schedule in one version, in order."""

    def __init__(self, schedule_id: UUID, spec: ScheduleSpec) -> None:
        """Begin.

        Raises:
            QuarantinedError: this machine does not know the time zone; others may.
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
        """Yield the ticks that are due after a moment, maybe infinitely many."""
        due_at = self._due_after(moment)
        while due_at is not None:
            yield self._tick(due_at)
            due_at = self._due_after(due_at)

    def due_between(self, after: datetime, until: datetime) -> Stretch | None:
        """Return the ticks that are due after a moment and until another.

        They are computed, not enumerated: a million ticks cost no more than one.
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
        """Return the ticks that are due after a moment and fire before another."""
        stretch = self.due_between(after, before - _MS)
        if stretch is None or self._tick(stretch.last).fires_at < before:
            return stretch
        # A tick fires before the next one is due, so only the last one may not have fired.
        return self.due_between(after, stretch.last - _MS)

    def fired_before(self, moment: datetime) -> datetime:
        """Return a time such that exactly the ticks due until then fire before a moment."""
        with_most_jitter = later(moment, -self._spec.jitter_ms) - _MS
        stretch = self.firing_between(with_most_jitter, moment)
        return with_most_jitter if stretch is None else stretch.last

    def delayed_tick(self, after: datetime, now: datetime) -> Tick | None:
        """Return the tick after a moment that is due now but has not fired, if there is one.

        A tick fires before the next one is due, so there is one at most.
        """
        stretch = self.due_between(after, now)
        if stretch is None:
            return None
        tick = self._tick(stretch.last)
        return tick if tick.fires_at > now else None

    def _due_after(self, moment: datetime) -> datetime | None:
        if self._start is not None:
            # A tick that is due at the start counts.
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
        """Return a tick's jitter: the same in every process, and less than to the next tick."""
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
