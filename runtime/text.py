"""Texts for people: numbers of things, durations, and texts in one line."""

import re


def pluralize(count: int, noun: str) -> str:
    """Return `1 event`, `2 events`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


_UNITS_MS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000}


def in_words(ms: int) -> str:
    """Return `1 hour`, `90 minutes`, `1500 ms`: the duration in the largest unit that is whole."""
    for noun, unit_ms in _UNITS_MS.items():
        if ms % unit_ms == 0:
            return pluralize(ms // unit_ms, noun)
    return f"{ms} ms"


_DAY_H = 24
_HOUR_MIN = 60
_MINUTE_S = 60
_HOURS_UNTIL_DAYS = 48


def duration(ms: int) -> str:
    """Return a duration for people, such as `12 ms`, `1.2 s`, `3 min 5 s`, `2 h 10 min`."""
    seconds = ms / 1_000
    if seconds < 1:
        return f"{ms} ms"
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), _MINUTE_S)
    if minutes < _HOUR_MIN:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, _HOUR_MIN)
    if hours < _HOURS_UNTIL_DAYS:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, _DAY_H)
    return f"{days} days {hours} h"


MAX_TEXT = 500
"""Characters of a text in one line, such as an error in a list; elsewhere it is complete."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def in_one_line(text: str, longest: int = MAX_TEXT) -> str:
    """Return a text without line ends and control characters, cut off at `longest`."""
    plain = _UNPRINTABLE.sub(" ", text).strip()
    if len(plain) <= longest:
        return plain
    return f"{plain[:longest]}…"
