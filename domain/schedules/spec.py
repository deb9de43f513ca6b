"""What a version of a schedule says, and what is wrong with it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from domain.clock import from_iso
from domain.errors import Issue
from domain.json_values import JsonObject
from domain.schedules.cron import NEVER, cron_fault, zone_fault

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
"""Between them lies what may be asked for. Calendars end with the year 9999, and expressions are
followed for fifty years."""


@dataclass(frozen=True, kw_only=True)
class Spec:
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

    def issues(self) -> list[Issue]:
        """Return what is wrong with it."""
        found = self._rhythm_issues()
        fault = zone_fault(self.time_zone)
        if fault is not None:
            issue = Issue("/timeZone", fault, "format")
            found.append(issue)
        if self.overlap not in OVERLAPS:
            known = ", ".join(OVERLAPS)
            issue = Issue("/overlap", f"is one of {known}", "enum")
            found.append(issue)
        found += _range_issues("/catchUpMs", self.catch_up_ms, 0, MAX_CATCH_UP_MS)
        found += _range_issues("/jitterMs", self.jitter_ms, 0, MAX_JITTER_MS)
        found += self._exclude_issues()
        found += self._bound_issues()
        return found

    def _rhythm_issues(self) -> list[Issue]:
        if self.cron is not None and self.every_ms is not None:
            message = "give cron or everyMs, not both; set the other to null"
            return [Issue("/everyMs", message, "oneOf")]
        if self.every_ms is not None:
            return _range_issues("/everyMs", self.every_ms, MIN_EVERY_MS, MAX_EVERY_MS)
        if self.cron is None:
            return [Issue("/cron", "give cron or everyMs", "required")]
        fault = cron_fault(self.cron)
        if fault is None:
            return []
        return [Issue("/cron", fault, "format")]

    def _exclude_issues(self) -> list[Issue]:
        if len(self.exclude) > MAX_EXCLUDE:
            message = f"has at most {MAX_EXCLUDE} entries"
            return [Issue("/exclude", message, "maxItems")]
        found: list[Issue] = []
        for index, text in enumerate(self.exclude):
            fault = cron_fault(text)
            if fault is None:
                continue
            path = f"/exclude/{index}"
            issue = Issue(path, fault, "format")
            found.append(issue)
            if fault == NEVER:
                break  # Fifty years were looked through for it; a hundred times, others would wait.
        return found

    def _bound_issues(self) -> list[Issue]:
        found: list[Issue] = []
        for path, text in (("/startAt", self.start_at), ("/endAt", self.end_at)):
            if text is not None:
                found += year_issues(path, from_iso(text))
        if found or self.start_at is None or self.end_at is None:
            return found
        if from_iso(self.end_at) < from_iso(self.start_at):
            found.append(Issue("/endAt", "must not lie before startAt", "minimum"))
        return found


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
