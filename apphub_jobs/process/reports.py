"""How much a handler may report: refused where it reports too much, not when all is over."""

import json
from collections.abc import Mapping
from typing import Any

from apphub_jobs.process.encoding import encode

MAX_BYTES = 262_144
"""What an attempt reports as metrics, and likewise as context, merged and as JSON. The service
leaves out what the launch and other attempts have left no room for."""

_PARTS = ("metrics", "context")


class Reported:
    """What an attempt has reported so far."""

    def __init__(self) -> None:
        self._sizes: dict[str, dict[str, int]] = {part: {} for part in _PARTS}

    def add(self, report: Mapping[str, Any]) -> str:
        """Count a report in, unless there is too much of it, and return it as JSON.

        Raises:
            NotJsonError: something in it cannot be JSON.
            ValueError: there is too much; the message says what to do.
        """
        # Once: what stands for an object may cost much, or differ the next time.
        text = encode(report)
        plain = json.loads(text)
        sizes: dict[str, dict[str, int]] = {}
        for part in _PARTS:
            sizes[part] = {**self._sizes[part], **_sizes(plain[part])}
            total = sum(sizes[part].values())
            if total > MAX_BYTES:
                msg = (
                    f"{part} would have {total} bytes as JSON; an attempt reports at most"
                    f" {MAX_BYTES} in all: keep what is large in a store, and report its address"
                )
                raise ValueError(msg)
        self._sizes = sizes
        return text


def _sizes(values: Mapping[str, Any]) -> dict[str, int]:
    """Return what each member takes, with the colon and the comma beside it."""
    return {name: _size(name) + _size(value) + 2 for name, value in values.items()}


def _size(value: object) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))
