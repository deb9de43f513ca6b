"""The W3C header `traceparent`, by which a trace continues from one program to the next.

It is `00-TRACE-SPAN-FLAGS` in hexadecimal digits, 55 characters: <https://www.w3.org/TR/trace-context/>.
"""

import re
from collections.abc import Sequence

HEADER = "traceparent"

_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_FIRST_VERSION = "00"
_INVALID_VERSION = "ff"
_SAMPLED = 0x01


def read_traceparent(values: Sequence[str]) -> str | None:
    """Return the header as version 00 writes it; None if it is missing or malformed.

    As the standard requires, a malformed header is ignored, and a later version is read as if it
    had only the members of version 00.

    Args:
        values: the values of all headers of this name.
    """
    if len(values) != 1:
        return None
    match = _PATTERN.fullmatch(values[0].strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    has_ids = int(trace_id, 16) and int(span_id, 16)
    has_extra_members = version == _FIRST_VERSION and rest is not None
    if not has_ids or version == _INVALID_VERSION or has_extra_members:
        return None
    if version != _FIRST_VERSION:
        flags = f"{int(flags, 16) & _SAMPLED:02x}"
    return f"{_FIRST_VERSION}-{trace_id}-{span_id}-{flags}"


def trace_id_of(traceparent: str) -> str:
    """Return the id of the trace, 32 hexadecimal digits."""
    return traceparent.split("-")[1]
