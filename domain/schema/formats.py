"""Formats of JSON Schema: dates and times that do not exist."""

import re
from calendar import isleap

_MOMENT = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_FORMATS = ("date", "date-time")


def is_impossible_moment(format_name: object, value: object) -> bool:
    """Return whether a text names a day or time of day that does not exist, such as 2026-02-30.

    Other formats are not checked, nor is a text that does not begin like an ISO date: it may be
    another notation.
    """
    if format_name not in _FORMATS or not isinstance(value, str):
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
