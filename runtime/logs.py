"""What a process logs: a line for people, or a JSON object a line, with the ids of its subject.

`own_log_fields` names what the lines of a task are about; the formatters add these fields to every
line, and mask what is secret. No other module formats a line.
"""

import asyncio
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType, TracebackType
from weakref import ref


class LogFormat(StrEnum):
    """How a process writes its log."""

    TEXT = "text"
    JSON = "json"


_TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

ATTEMPTS = logging.getLogger("attempts")
"""Attempts that did not succeed."""

REQUESTS = logging.getLogger("requests")
"""Requests that were refused or failed."""

_ONLY_IN_JSON = (ATTEMPTS, REQUESTS)
"""On a terminal `--show-runs` shows runs; a line more for each would hide the warnings."""

_CHATTY = (
    "alembic.runtime.plugins",
    "alembic.runtime.migration",
    "httpx",
    "uvicorn.error",
    "watchfiles.main",
)

FieldValue = str | int

Fields = Mapping[str, FieldValue]

_inherited: ContextVar[Fields] = ContextVar("inherited_log_fields", default=MappingProxyType({}))

_own: ContextVar[tuple["ref[asyncio.Task[object]] | None", Fields]] = ContextVar(
    "own_log_fields", default=(None, {})
)
"""A task's own fields, and the task: weakly, since it holds its context. A cycle would keep all
that a request has read until garbage is collected, which happens seldom."""


def add_log_fields(**fields: FieldValue) -> None:
    """Add fields to all lines of this task, and of the tasks that it starts from now on."""
    _inherited.set({**_inherited.get(), **fields})


def own_log_fields(**fields: FieldValue) -> None:
    """Add fields to all lines of this task alone.

    A task that it starts, such as a process that serves many attempts, may outlive its subject.
    """
    task = asyncio.current_task()
    _own.set((None if task is None else ref(task), {**_own_fields(task), **fields}))


_SCHEME = "[a-z][a-z0-9+.-]{0,30}://"
"""No pattern may search the rest of the text from each letter of it: long lines would take seconds
of the event loop."""


def _without_query(address: re.Match[str]) -> str:
    before, _, query = address[0].partition("?")
    return f"{before}?***" if query else address[0]


_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # The query of an address, then its user and password.
    (re.compile(rf"{_SCHEME}[^\s'\"<>]+", re.IGNORECASE), _without_query),
    (re.compile(rf"({_SCHEME})[^\s/@?#'\"]+@", re.IGNORECASE), r"\1***@"),
    (re.compile(r"\b(Bearer|Basic) [A-Za-z0-9._~+/=-]+", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b(password|token|secret)=('[^']*'|[^\s'&]+)", re.IGNORECASE), r"\1=***"),
    # What libraries quote of values that a database or a model refuses.
    (re.compile(r"^DETAIL:.*$", re.MULTILINE), "DETAIL:  ***"),
    (re.compile(r"input_value=.{0,1000}?(?=, input_type=)", re.DOTALL), "input_value=***"),
)


def masked(text: str) -> str:
    """Return a text without passwords, tokens, queries of addresses and refused values."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class TextFormatter(logging.Formatter):
    """A line for people; fields whose values the message lacks stand at its end."""

    def __init__(self) -> None:
        super().__init__(_TEXT_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the first line."""
        line = super().formatMessage(record)
        more = [
            f"{name}={value}"
            for name, value in _fields_of(record).items()
            if str(value) not in record.message
        ]
        return f"{line} ({' '.join(more)})" if more else line

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback of an error below it."""
        return masked(super().format(record))


class JsonFormatter(logging.Formatter):
    """A JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, FieldValue] = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
            **_fields_of(record),
        }
        if record.exc_info:
            line["error"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _fields_of(record: logging.LogRecord) -> Fields:
    """Return the task's fields, and those that the line itself was given as `extra`."""
    of_line: Fields = getattr(record, "fields", {})
    return {**_inherited.get(), **_own_fields(_current_task()), **of_line}


def _own_fields(task: "asyncio.Task[object] | None") -> Fields:
    owner, fields = _own.get()
    return fields if owner is not None and task is not None and owner() is task else {}


def _current_task() -> "asyncio.Task[object] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # A thread has none.
        return None


def _time_of(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure_logs(log_format: LogFormat) -> None:
    """Log to standard error in this format, from now on."""
    is_json = log_format is LogFormat.JSON
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if is_json else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for logger in _ONLY_IN_JSON:
        logger.setLevel(logging.INFO if is_json else logging.WARNING)
    if is_json:
        # Else these would print lines that are no JSON.
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread


def logs_json() -> bool:
    """Return whether this process logs JSON."""
    handlers = logging.getLogger().handlers
    return any(isinstance(handler.formatter, JsonFormatter) for handler in handlers)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical(
        "the process ends by an error", exc_info=(kind, error, traceback)
    )


def _log_uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is not None:
        logging.getLogger(__name__).critical(
            "a thread ends by an error",
            exc_info=(caught.exc_type, caught.exc_value, caught.exc_traceback),
        )
