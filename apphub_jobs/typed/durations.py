"""Durations as people write them: `"30s"`, `"1h30m"`, seconds as a number, a `timedelta`."""

import re
from datetime import timedelta
from math import isfinite

Duration = str | float | timedelta
"""`"500ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"2d"`; a number of seconds; or a `timedelta`."""

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*"


def milliseconds(duration: Duration) -> int:
    """Return a duration in whole milliseconds.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    if isinstance(duration, timedelta):
        return round(duration.total_seconds() * 1_000)
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        return _whole(duration, duration * 1_000)
    if isinstance(duration, str) and re.fullmatch(f"(?:{_PART})+", duration):
        parts = re.findall(_PART, duration)
        total_ms = sum(float(number) * _UNITS_MS[unit] for number, unit in parts)
        return _whole(duration, total_ms)
    raise _none(duration)


def _whole(duration: Duration, duration_ms: float) -> int:
    if not isfinite(duration_ms):
        raise _none(duration)
    return round(duration_ms)


def _none(duration: Duration) -> ValueError:
    msg = (
        f"{duration!r} is no duration: write '500ms', '30s', '5m', '1h30m', '2d',"
        " a number of seconds, or a timedelta"
    )
    return ValueError(msg)
