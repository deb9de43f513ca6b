"""Times of the domain: UTC, cut to milliseconds, written as ISO 8601 with a `Z`."""

import re
from calendar import isleap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Clock = Callable[[], datetime]
"""Tells the present. Passed in everywhere, so that decisions are repeatable in tests."""

CLOCK_STEP = timedelta(seconds=1)
"""A database's clock that shows less than before, by more than this, was set back."""

_MS = timedelta(milliseconds=1)

_WITHOUT_OFFSET = len("2026-01-01T00:00:00.000")


def cut_to_ms(moment: datetime) -> datetime:
    """Return the moment in UTC without its microseconds below a millisecond."""
    is_cut = moment.microsecond % 1000 == 0
    if is_cut and moment.tzinfo is UTC:  # Nearly all that the log holds.
        return moment
    whole_ms = moment.microsecond // 1000
    return moment.astimezone(UTC).replace(microsecond=whole_ms * 1000)


def to_iso(moment: datetime) -> str:
    """Return for example `2026-11-24T14:31:04.123Z`.

    It always has 24 characters, so the order of texts is that of times.
    """
    return _utc_text(cut_to_ms(moment))


@lru_cache(maxsize=1_024)
def _utc_text(moment: datetime) -> str:
    """Write a moment in UTC. An event's is written twice, and all of a claim have the same."""
    text = moment.isoformat(timespec="milliseconds")
    return text[:_WITHOUT_OFFSET] + "Z"


def from_iso(text: str) -> datetime:
    """Read what `to_iso` wrote, or any ISO 8601 time with an offset.

    Raises:
        ValueError: it is no such time, or it names no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = "the time needs an offset, for example 2026-11-24T14:31:04.123Z"
        raise ValueError(msg)
    return cut_to_ms(moment)


def later(moment: datetime, delay_ms: int) -> datetime:
    """Return the moment `delay_ms` milliseconds on."""
    return moment + timedelta(milliseconds=delay_ms)


def ms_between(start: datetime, end: datetime) -> int:
    """Return the whole milliseconds from start to end."""
    return (end - start) // _MS


def ms_since(start: str | None, end: str) -> int | None:
    """Return the milliseconds between two times in ISO 8601, None where there is no start."""
    if start is None:
        return None
    return ms_between(from_iso(start), from_iso(end))


_MOMENT = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_OF_MOMENTS = ("date", "date-time")
"""What JSON Schema calls them."""


def is_impossible_moment(format_name: object, value: object) -> bool:
    """Return whether a text names a day or time of day that does not exist, such as 2026-02-30.

    Of other formats nothing is impossible, nor is what does not begin like an ISO date: it may be
    meant otherwise.
    """
    if format_name not in _OF_MOMENTS or not isinstance(value, str):
        return False
    moment = _MOMENT.match(value)
    if moment is None:
        return False
    year, month, day, hour, minute, second = (int(part or 0) for part in moment.groups())
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):  # noqa: PLR2004 - months
        return True
    if (month, day) == (2, 29) and not isleap(year):
        return True
    # ISO 8601 has 24:00, and leap seconds.
    return hour > 24 or minute > 59 or second > 60  # noqa: PLR2004 - of a clock
