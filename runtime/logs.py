"""The log of a process: each line is text for people or a JSON object, with the ids of its subject.

`add_log_fields` and `add_own_log_fields` name the subject of a task's lines. The formatters add
these fields to every line, and mask secrets. No other module formats log lines.
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

_JSON_ONLY_LOGGERS = (ATTEMPTS, REQUESTS)
"""On a terminal, another line for each attempt or request would hide the warnings; `--show-runs`
shows runs there."""

_VERBOSE_LOGGERS = (
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
"""A task's own fields, and the task. The reference is weak because the task holds this context: a
cycle would keep the data of a request in memory until the next garbage collection, which is
rare."""


def add_log_fields(**fields: FieldValue) -> None:
    """Add fields to all log lines of this task, and of the tasks that it starts from now on."""
    _inherited.set({**_inherited.get(), **fields})


def add_own_log_fields(**fields: FieldValue) -> None:
    """Add fields to all log lines of this task, but not of the tasks that it starts.

    Such a task may serve other subjects later, as the reader of a process that many attempts share.
    """
    task = asyncio.current_task()
    _own.set((None if task is None else ref(task), {**_own_fields(task), **fields}))


_SCHEME = "[a-z][a-z0-9+.-]{0,30}://"
"""Its length is bounded, as every pattern's must be: otherwise the search would read the rest of
the text from each letter on, and a long line would block the event loop for seconds."""


def _mask_query(address: re.Match[str]) -> str:
    before, _, query = address[0].partition("?")
    return f"{before}?***" if query else address[0]


_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # The query of an address, then its user and password.
    (re.compile(rf"{_SCHEME}[^\s'\"<>]+", re.IGNORECASE), _mask_query),
    (re.compile(rf"({_SCHEME})[^\s/@?#'\"]+@", re.IGNORECASE), r"\1***@"),
    (re.compile(r"\b(Bearer|Basic) [A-Za-z0-9._~+/=-]+", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b(password|token|secret)=('[^']*'|[^\s'&]+)", re.IGNORECASE), r"\1=***"),
    # Values that a database or a model refuses, as libraries quote them.
    (re.compile(r"^DETAIL:.*$", re.MULTILINE), "DETAIL:  ***"),
    (re.compile(r"input_value=.{0,1000}?(?=, input_type=)", re.DOTALL), "input_value=***"),
)


def mask_secrets(text: str) -> str:
    """Return a text without passwords, tokens, queries of addresses and refused values."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class TextFormatter(logging.Formatter):
    """Formats a line for people; fields whose values are not in the message follow it."""

    def __init__(self) -> None:
        super().__init__(_TEXT_FORMAT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the first line."""
        line = super().formatMessage(record)
        missing = [
            f"{name}={value}"
            for name, value in _fields_of(record).items()
            if str(value) not in record.message
        ]
        return f"{line} ({' '.join(missing)})" if missing else line

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback of an error below it."""
        return mask_secrets(super().format(record))


class JsonFormatter(logging.Formatter):
    """Formats a line as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, FieldValue] = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask_secrets(record.getMessage()),
            **_fields_of(record),
        }
        if record.exc_info:
            line["error"] = mask_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _fields_of(record: logging.LogRecord) -> Fields:
    """Return the task's fields, and those that the call of the logger passed as `extra`."""
    line_fields: Fields = getattr(record, "fields", {})
    return {**_inherited.get(), **_own_fields(_current_task()), **line_fields}


def _own_fields(task: "asyncio.Task[object] | None") -> Fields:
    owner, fields = _own.get()
    return fields if owner is not None and task is not None and owner() is task else {}


def _current_task() -> "asyncio.Task[object] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # This thread has no event loop.
        return None


def _time_of(record: logging.LogRecord) -> str:
    created_at = datetime.fromtimestamp(record.created, UTC)
    return created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure_logs(log_format: LogFormat) -> None:
    """Log to standard error in this format from now on."""
    is_json = log_format is LogFormat.JSON
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if is_json else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for logger in _JSON_ONLY_LOGGERS:
        logger.setLevel(logging.INFO if is_json else logging.WARNING)
    if is_json:
        # By default, warnings and uncaught errors are printed as plain text.
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread


def is_logging_json() -> bool:
    """Return whether this process logs JSON."""
    handlers = logging.getLogger().handlers
    return any(isinstance(handler.formatter, JsonFormatter) for handler in handlers)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logging.getLogger(__name__).critical(
        "an uncaught error ends the process", exc_info=(kind, error, traceback)
    )


def _log_uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is not None:
        logging.getLogger(__name__).critical(
            "an uncaught error ends a thread",
            exc_info=(caught.exc_type, caught.exc_value, caught.exc_traceback),
        )
