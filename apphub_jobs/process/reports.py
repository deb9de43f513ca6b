"""How much a handler may report: refused where it reports too much, not when all is over."""

import json
from collections.abc import Mapping
from typing import Any

from apphub_jobs.process.encoding import NotJsonError, encode

MAX_BYTES = 262_144
"""A run's metrics, and likewise its context, with all reports merged, as JSON. The service has the
same limit, and leaves out what other attempts have left no room for."""

_PARTS = ("metrics", "context")


class Reported:
    """What an attempt has reported so far."""

    def __init__(self, context: Mapping[str, Any] | None) -> None:
        self._sizes = {"metrics": {}, "context": _sizes(context or {})}

    def add(self, report: Mapping[str, Any]) -> None:
        """Count a report in, unless there is too much of it.

        Raises:
            ValueError: there is; the message says what to do.
        """
        try:
            plain = json.loads(encode({part: report[part] for part in _PARTS}))
        except NotJsonError:
            return  # That is told where it is sent.
        sizes: dict[str, dict[str, int]] = {}
        for part in _PARTS:
            sizes[part] = {**self._sizes[part], **_sizes(plain[part])}
            total = sum(sizes[part].values())
            if total > MAX_BYTES:
                msg = (
                    f"{part} would have {total} bytes as JSON; a run's have at most {MAX_BYTES},"
                    " whatever is reported: keep what is large in a store, and report its address"
                )
                raise ValueError(msg)
        self._sizes = sizes


def _sizes(values: Mapping[str, Any]) -> dict[str, int]:
    """Return what each member takes, with the colon and the comma beside it."""
    return {name: _size(name) + _size(value) + 2 for name, value in values.items()}


def _size(value: object) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))
