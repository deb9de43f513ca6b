"""The W3C header `traceparent`, by which a trace continues from one program to the next.

It is `00-TRACE-SPAN-FLAGS` in hexadecimal digits, 55 characters: <https://www.w3.org/TR/trace-context/>.
"""

import re
from collections.abc import Sequence

HEADER = "traceparent"

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_FIRST_VERSION = "00"
_NO_VERSION = "ff"
_SAMPLED = 0x01


def read_traceparent(values: Sequence[str]) -> str | None:
    """Return the header in its first version, None where it is missing or malformed.

    The standard says that a malformed header is ignored, and that of a later version the members
    that the first one has are read.

    Args:
        values: all headers of this name.
    """
    if len(values) != 1:
        return None
    parts = _FORM.fullmatch(values[0].strip(" \t"))
    if parts is None:
        return None
    version, trace_id, span_id, flags, more = parts.groups()
    is_of_none = not int(trace_id, 16) or not int(span_id, 16)
    if is_of_none or version == _NO_VERSION or (version == _FIRST_VERSION and more is not None):
        return None
    if version != _FIRST_VERSION:
        flags = f"{int(flags, 16) & _SAMPLED:02x}"
    return f"{_FIRST_VERSION}-{trace_id}-{span_id}-{flags}"


def trace_id_of(traceparent: str) -> str:
    """Return the id of the trace."""
    return traceparent.split("-")[1]
