"""How durations and texts of others are said at a terminal, in one line."""

import re

LONGEST_TEXT = 500
"""Characters of somebody's text in a line that only tells of it; the whole is asked for by id."""

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+"
)


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


def in_one_line(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text without line ends and whatever else could play with a terminal."""
    plain = _UNPRINTABLE.sub(" ", text).strip()
    if len(plain) <= longest:
        return plain
    return f"{plain[:longest]}…"
