"""When the ticks of a schedule are due. Pure.

First the content of a schedule's version (`ScheduleSpec`), then its ticks in order (`Calendar`).
`ticks.py` decides what becomes of due ticks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal, get_args
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.clock import from_iso, later, ms_between, to_iso
from domain.errors import Issue, QuarantinedError
from domain.json_values import JsonObject
from domain.schedules.cron import NEVER, Cron, TickRange, cron_fault, zone_fault

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

    def due_between(self, after: datetime, until: datetime) -> TickRange | None:
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
        return TickRange(first, first + further * self._interval, further + 1)

    def firing_between(self, after: datetime, before: datetime) -> TickRange | None:
        """Return the ticks that are due after a moment and fire before another."""
        tick_range = self.due_between(after, before - _MS)
        if tick_range is None or self._tick(tick_range.last).fires_at < before:
            return tick_range
        # A tick fires before the next one is due, so only the last one may not have fired.
        return self.due_between(after, tick_range.last - _MS)

    def fired_before(self, moment: datetime) -> datetime:
        """Return a time such that exactly the ticks due until then fire before a moment."""
        with_most_jitter = later(moment, -self._spec.jitter_ms) - _MS
        tick_range = self.firing_between(with_most_jitter, moment)
        return with_most_jitter if tick_range is None else tick_range.last

    def delayed_tick(self, after: datetime, now: datetime) -> Tick | None:
        """Return the tick after a moment that is due now but has not fired, if there is one.

        A tick fires before the next one is due, so there is one at most.
        """
        tick_range = self.due_between(after, now)
        if tick_range is None:
            return None
        tick = self._tick(tick_range.last)
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
