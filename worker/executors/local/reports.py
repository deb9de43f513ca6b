"""The messages that a handlers' process may send; any other is a fault of its attempt.

Handlers run in that process and can write anything to its pipe. So only messages about the handler
itself are accepted: how it ended, its reports, its output. Only the worker and the supervisor
decide that an attempt was stopped, lost, canceled or timed out. Each line names the attempt by an
id that other handlers cannot guess.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

Message = Mapping[str, Any]
"""A message to or from a handlers' process or a supervisor."""

NO_REPORT = "the process wrote a line that is no report of this attempt"

LEASE = "lease"
"""The type of the message of a process that did not begin because the lease was over."""


def new_attempt_id() -> str:
    """Return a random id for an attempt, which no other handler can guess."""
    return secrets.token_hex(8)


def parse_message(line: bytes) -> Message | None:
    """Return the message in a line; None if it is not a JSON object with a type."""
    # Deep nesting raises RecursionError, which would end the reader of the pipe.
    with suppress(ValueError, RecursionError):
        message = json.loads(line)
        if isinstance(message, dict) and isinstance(message.get("type"), str):
            return message
    return None


FieldChecks = Mapping[str, Callable[[object], bool]]
"""The fields of a message, each with the check of its value."""


def find_fault(message: Message, allowed: Mapping[str, FieldChecks]) -> str | None:
    """Return what is wrong with a message of an attempt; None if it is valid.

    Args:
        message: the received message.
        allowed: the fields of each allowed type of messages.
    """
    kind = message["type"]
    checks = allowed.get(kind)
    if checks is None:
        return "the process said of the attempt what no handler may say"
    for name, is_valid in checks.items():
        if name not in message or not is_valid(message[name]):
            return f"the process said {kind!r} without a proper {name!r}"
    return None


def parse_seconds(value: object) -> float | None:
    """Return a number of seconds; None if the value is not one."""
    return float(str(value)) if _is_amount(value) else None


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
    # Without a limit, an integer of hundreds of digits would not fit into a float.
    return abs(value) < _LIMIT and isfinite(value)


_LIMIT = 10**18


def _is_delay(value: object) -> bool:
    return value is None or isinstance(value, bool) or _is_number(value)


_COMMON_FIELDS: dict[str, FieldChecks] = {
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

PROCESS_FIELDS: Mapping[str, FieldChecks] = {
    **_COMMON_FIELDS,
    "done": {
        "fit": _is_bool,
        "clear": _is_bool,
        "leftFiles": _is_bool,
        "cpuSeconds": _is_number,
        "cpuTotal": _is_amount,
        "peakMemoryMb": _is_amount,
    },
}
"""The messages of a process that runs one attempt at a time."""

SHARED_FIELDS: Mapping[str, FieldChecks] = {
    **_COMMON_FIELDS,
    "output": {"text": _is_text},
    "exit": {"message": _is_text},
    "canceled": {},
    "timeout": {},
}
"""The messages of a shared process. `canceled` and `timeout` are valid only after a request."""
