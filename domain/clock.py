"""Times of the domain: UTC, cut to milliseconds, written as ISO 8601 with a `Z`."""

import re
from calendar import isleap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Clock = Callable[[], datetime]
"""Returns the present. It is an argument everywhere, so that tests can repeat decisions."""

CLOCK_STEP = timedelta(seconds=1)
"""A database's clock that is behind its last reading by more than this was set back."""

_MS = timedelta(milliseconds=1)

_WITHOUT_OFFSET = len("2026-01-01T00:00:00.000")


def cut_to_ms(moment: datetime) -> datetime:
    """Return the moment in UTC without its microseconds below a millisecond."""
    if moment.microsecond % 1000 == 0 and moment.tzinfo is UTC:  # Nearly all times in the log.
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
        ValueError: it is no such time, it names no offset, or in UTC it has no year.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = "the time needs an offset, for example 2026-11-24T14:31:04.123Z"
        raise ValueError(msg)
    try:
        return cut_to_ms(moment)
    except OverflowError:  # 9999-12-31T23:59:59-01:00 lies in the year 10000.
        msg = "must lie between the years 1 and 9999, in UTC"
        raise ValueError(msg) from None


def later(moment: datetime, delay_ms: int) -> datetime:
    """Return the moment `delay_ms` milliseconds on."""
    return moment + timedelta(milliseconds=delay_ms)


def ms_between(start: datetime, end: datetime) -> int:
    """Return the whole milliseconds from start to end."""
    return (end - start) // _MS


def ms_since(start: str | None, end: str) -> int | None:
    """Return the milliseconds between two times in ISO 8601, None if there is no start."""
    if start is None:
        return None
    return ms_between(from_iso(start), from_iso(end))


_MOMENT = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_MOMENT_FORMATS = ("date", "date-time")
"""The names of these formats in JSON Schema."""


def is_impossible_moment(format_name: object, value: object) -> bool:
    """Return whether a text names a day or time of day that does not exist, such as 2026-02-30.

    Other formats are not checked, nor is a text that does not begin like an ISO date: it may be
    another notation.
    """
    if format_name not in _MOMENT_FORMATS or not isinstance(value, str):
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
    return (hour, minute, second) > (24, 0, 0) or minute > 59 or second > 60  # noqa: PLR2004 - of a clock
