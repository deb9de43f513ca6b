"""What a process says of its attempts, and what a handler is told: the same wherever it runs."""

import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from apphub_jobs.contract import JobResult, JobRunContext, PermanentError, RetryAfter
from apphub_jobs.details import DefinitionDetails, RunDetails
from apphub_jobs.process.encoding import NotJsonError


def context_of(
    task: Mapping[str, Any],
    cancelled: threading.Event,
    send_report: Callable[[Mapping[str, Any]], None],
) -> JobRunContext:
    """Return what the handler of a task is given."""
    deadline = None
    if task["deadline"] is not None:
        deadline = datetime.fromisoformat(task["deadline"])
    return JobRunContext(
        definition=DefinitionDetails(task["definition"]),
        run=RunDetails(task["run"]),
        parameters=task["parameters"],
        inputs=task["inputs"],
        settings=task["settings"],
        logger=logging.getLogger("job"),
        cancelled=cancelled,
        deadline=deadline,
        send_report=send_report,
    )


def returned(value: object) -> Mapping[str, Any]:
    """Return what is said of a handler that has returned this."""
    result = value
    if not isinstance(result, JobResult):
        result = JobResult(result=value)
    for name in ("metrics", "context"):
        given = getattr(result, name)
        if given is not None and not isinstance(given, Mapping):
            kind = type(given).__name__
            problem = f"the handler's result has {name} of type {kind}, not a mapping"
            return {"type": "invalid", "message": problem}
    return {"type": "result", **vars(result)}


def raised(error: BaseException) -> Mapping[str, Any]:
    """Return what is said of a handler that has raised this."""
    retry_after_ms = None
    if isinstance(error, RetryAfter):
        retry_after_ms = error.delay_ms
    return {
        "type": "error",
        "message": _text(error) or type(error).__name__,
        "stack": "".join(traceback.format_exception(error)),
        "permanent": isinstance(error, PermanentError),
        "retryAfterMs": retry_after_ms,
    }


def _text(error: BaseException) -> str:
    with suppress(Exception):  # It is the handler's code that says what its error is.
        return str(error)
    return ""


def show(error: BaseException) -> None:
    """Print an error and where it was raised, unless the handler has left nowhere to print to."""
    with suppress(Exception):
        traceback.print_exception(error)


def unreadable(error: NotJsonError) -> Mapping[str, Any]:
    """Return what is said of a handler whose result or report cannot be JSON."""
    problem = f"the handler's result or report is no JSON: {error}"
    return {"type": "invalid", "message": problem}
