"""Words of messages for people."""


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
