"""What a process says of its attempts, and what a handler is told: the same wherever it runs."""

import copy
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from apphub_jobs.contract import (
    JobResult,
    JobRunContext,
    PermanentError,
    RetryAfter,
    Unsaid,
)
from apphub_jobs.details import DefinitionDetails, RunDetails
from apphub_jobs.personal import without_personal
from apphub_jobs.process.encoding import NotJsonError

_TASK: ContextVar[Mapping[str, Any] | None] = ContextVar("_TASK", default=None)
"""That goes on here, and in the threads and tasks that have its context."""


def log_to_standard_error() -> None:
    """Let what handlers log go to the attempt's log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _Formatter(logging.Formatter):
    """Writes errors without the personal values of the run."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        task = _TASK.get()
        if task is None or record.levelno < logging.ERROR:
            return text
        return _without_personal(text, task)


class CancelSignal(threading.Event):
    """What a handler looks at to see whether it is to stop.

    Attributes:
        was_seen: whether it has seen that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.was_seen = False

    def is_set(self) -> bool:
        """Return whether somebody asked to cancel."""
        is_set = super().is_set()
        self.was_seen = self.was_seen or is_set
        return is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody asks to cancel, or for so long; return whether somebody did."""
        is_set = super().wait(timeout)
        self.was_seen = self.was_seen or is_set
        return is_set


def context_of(
    task: Mapping[str, Any],
    cancelled: threading.Event,
    send_report: Callable[[Mapping[str, Any]], None],
) -> JobRunContext:
    """Return what the handler of a task is given."""
    _TASK.set(task)
    parameters = task["parameters"]
    if task.get("personal"):
        # What the handler makes of them, it is still known what is not to be said.
        parameters = copy.deepcopy(parameters)
    deadline = None
    if task["deadline"] is not None:
        deadline = datetime.fromisoformat(task["deadline"])
    return JobRunContext(
        definition=DefinitionDetails(task["definition"]),
        run=RunDetails(task["run"]),
        parameters=parameters,
        inputs=task["inputs"],
        settings=task["settings"],
        logger=logging.getLogger("job"),
        cancelled=cancelled,
        deadline=deadline,
        send_report=send_report,
    )


def returned(value: object, cancelled: CancelSignal) -> Mapping[str, Any]:
    """Return what is said of a handler that has returned this.

    Whoever returns after it has seen that it is to stop has stopped for that, unless it says
    otherwise.
    """
    result = value
    if not isinstance(result, JobResult):
        result = JobResult(result=value)
    for name in ("metrics", "context"):
        given = getattr(result, name)
        if given is not None and not isinstance(given, Mapping):
            kind = type(given).__name__
            problem = f"the handler's result has {name} of type {kind}, not a mapping"
            return {"type": "invalid", "message": problem}
    said = {"type": "result", **vars(result)}
    if cancelled.was_seen and isinstance(result.status, Unsaid):
        said["status"] = "canceled"
    return said


def raised(error: BaseException, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is said of a handler that has raised this, but for personal values of its run."""
    retry_after_ms = None
    if isinstance(error, RetryAfter):
        retry_after_ms = error.delay_ms
    message = _text(error) or type(error).__name__
    return {
        "type": "error",
        "message": _without_personal(message, task),
        "stack": _traceback(error, task),
        "permanent": isinstance(error, PermanentError),
        "retryAfterMs": retry_after_ms,
    }


def _text(error: BaseException) -> str:
    with suppress(Exception):  # It is the handler's code that says what its error is.
        return str(error)
    return ""


def show(error: BaseException, task: Mapping[str, Any]) -> None:
    """Print an error and where it was raised, unless the handler has left nowhere to print to."""
    with suppress(Exception):
        sys.stderr.write(_traceback(error, task))


def _traceback(error: BaseException, task: Mapping[str, Any]) -> str:
    lines = traceback.format_exception(error)
    return _without_personal("".join(lines), task)


def _without_personal(text: str, task: Mapping[str, Any]) -> str:
    return without_personal(text, task["parameters"], task.get("personal", ()))


def unreadable(error: NotJsonError) -> Mapping[str, Any]:
    """Return what is said of a handler whose result or report cannot be JSON."""
    problem = f"the handler's result or report is no JSON: {error}"
    return {"type": "invalid", "message": problem}
