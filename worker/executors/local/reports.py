"""What a handlers' process may say: all else is a fault of the attempt that said it.

Handlers run in that process and can write whatever they like to its pipe. So nothing is taken for
more than a handler's own word: how it ended, what it reports, what it printed. That an attempt was
stopped, lost, canceled or timed out only its worker and its supervisor say. Each line names the
attempt by an id that nobody can guess.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

Said = Mapping[str, Any]
"""A message to or from a handlers' process or a supervisor."""

NO_REPORT = "the process wrote a line that is no report of this attempt"

LEASE = "lease"
"""What a process says that did not begin, since the lease was over."""


def new_id() -> str:
    """Return an id for an attempt that no other handler can guess."""
    return secrets.token_hex(8)


def message_of(line: bytes) -> Said | None:
    """Return what a line says, if it says anything."""
    # What is nested too deeply raises no ValueError; nobody would hear the process any more.
    with suppress(ValueError, RecursionError):
        message = json.loads(line)
        if isinstance(message, dict) and isinstance(message.get("type"), str):
            return message
    return None


def fault_of(message: Said, kinds: Mapping[str, "Fields"]) -> str | None:
    """Return what is wrong with a message of an attempt, if anything is."""
    kind = message["type"]
    fields = kinds.get(kind)
    if fields is None:
        return "the process said of the attempt what no handler may say"
    for name, is_right in fields.items():
        if name not in message or not is_right(message[name]):
            return f"the process said {kind!r} without a proper {name!r}"
    return None


def seconds(value: object) -> float | None:
    """Return an amount that is one."""
    if _is_amount(value):
        return float(str(value))
    return None


def _is_anything(_: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_object(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _is_amount(value: object) -> bool:
    return _is_number(value) and float(str(value)) >= 0


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # An integer of hundreds of digits is no float.
    return abs(value) < _HUGE and isfinite(value)


_HUGE = 10**18


def _is_delay(value: object) -> bool:
    return value is None or isinstance(value, bool) or _is_number(value)


Fields = Mapping[str, Callable[[object], bool]]

_SAID: dict[str, Fields] = {
    "update": {"metrics": _is_object, "context": _is_object, "logsUrl": _is_anything},
    "result": {
        "status": _is_anything,
        "result": _is_anything,
        "error_message": _is_anything,
        "logs_url": _is_anything,
        "metrics": _is_object,
        "context": _is_object,
        "effects": _is_anything,
    },
    "error": {
        "message": _is_text,
        "stack": _is_text,
        "permanent": _is_bool,
        "retryAfterMs": _is_delay,
    },
    "invalid": {"message": _is_text},
    LEASE: {},
}

APART: Mapping[str, Fields] = {
    **_SAID,
    "done": {
        "fit": _is_bool,
        "clear": _is_bool,
        "leftFiles": _is_bool,
        "cpuSeconds": _is_number,
        "cpuTotal": _is_amount,
        "peakMemoryMb": _is_amount,
    },
}
"""What a process says that runs one attempt at a time."""

SHARED_FIELDS: Mapping[str, Fields] = {
    **_SAID,
    "output": {"text": _is_text},
    "exit": {"message": _is_text},
    "canceled": {},
    "timeout": {},
}
"""What a shared process says; that an attempt was canceled or timed out only if it was asked to."""
