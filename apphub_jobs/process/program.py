"""The program of a handlers' process, which its supervisor starts: it runs one attempt at a time.

First values as JSON (`encode`), then a handler's context and the messages of its outcome, shared
with `shared.py`; then the limit of reports; last the program (`main`).

Standard output and error are the attempt's log already, and standard input is empty. Arguments: the
handler package as JSON, then the descriptors of the pipes of tasks and of reports, both JSON lines,
and of the lease's memory. The program reports `ready` once, with the version of its contract; then
for each attempt, by the `id` of its task, its updates, its outcome, and `done` with its resource
usage and what it left behind.
"""

import copy
import ctypes
import errno
import gc
import io
import json
import logging
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from apphub_jobs.contract import (
    DefaultStatus,
    Handler,
    JobResult,
    JobRunContext,
    PermanentError,
    RetryAfter,
)
from apphub_jobs.details import DefinitionDetails, RunDetails, parse_time
from apphub_jobs.personal import redact_personal
from apphub_jobs.process.cleanup import AttemptDirectory, Cleaner, UsageMeter, current_usage
from apphub_jobs.process.handlers import load_handlers, set_up_imports
from apphub_jobs.process.lease import Lease
from apphub_jobs.version import CONTRACT

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Results and reports as JSON; an error names the path of the value that cannot be JSON.

RECURSION_LIMIT = sys.getrecursionlimit()
"""Python's default, which the readers of messages have."""

MAX_DEPTH = 500
"""Levels of nesting that readers can parse. The service's own limit is far lower, and its error
says more."""

TOO_DEEP = "it is nested too deeply, or holds itself"


class NotJsonError(ValueError):
    """A value cannot be JSON; the message has its path and its type."""


def encode(message: Mapping[str, Any]) -> str:
    """Return a message as JSON; dataclasses and pydantic models become objects.

    Raises:
        NotJsonError: a value in it cannot be JSON.
    """
    try:
        text = _ENCODER.encode(message)
    except (TypeError, ValueError) as error:
        raise NotJsonError(_describe_non_json(message, error)) from error
    except RecursionError:
        raise NotJsonError(TOO_DEEP) from None
    # The handler may have raised Python's recursion limit.
    if sys.getrecursionlimit() > RECURSION_LIMIT and _is_deep(json.loads(text)):
        raise NotJsonError(TOO_DEEP)
    return text


def _is_deep(value: object) -> bool:
    """Return whether a JSON value is nested too deeply for its readers."""
    level = [value]
    depth = 0
    while level and depth < MAX_DEPTH:
        level = [child for parent in level for child in _children(parent)]
        depth += 1
    return bool(level)


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list):
        return value
    return ()


def _describe_non_json(message: Mapping[str, Any], error: Exception) -> str:
    """Return which value cannot be JSON, with its path; else the encoder's own message."""
    try:
        return next(_non_json_values(message, "", frozenset()), str(error))
    except RecursionError:
        return str(error)


def _to_plain(value: object) -> object:
    """Return a mapping, dataclass or pydantic model as plain values.

    Raises:
        TypeError: it is none of these; the message is its type.
        ValueError: a pydantic model has a value that cannot be JSON.
    """
    if isinstance(value, type):
        raise TypeError("a type")
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    raise TypeError(type(value).__name__)


_ENCODER = json.JSONEncoder(default=_to_plain, allow_nan=False)

_KEYS = str | int | float | None


def _non_json_values(value: object, path: str, ancestors: frozenset[int]) -> Iterator[str]:
    """Yield a description, with its path, of each value inside this one that cannot be JSON.

    `ancestors` are the ids of the values that contain this one.
    """
    if isinstance(value, float) and not isfinite(value):
        yield f"{path} is {_NAMES[str(value)]}"
    if value is None or isinstance(value, str | int | float):
        return
    if id(value) in ancestors:
        yield f"{path} holds itself"
        return
    ancestors |= {id(value)}
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, _KEYS):
                yield f"{path} has the key {key!r}"
            yield from _non_json_values(child, f"{path}.{key}".removeprefix("."), ancestors)
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _non_json_values(child, f"{path}[{index}]", ancestors)
    else:
        yield from _non_json_object(value, path, ancestors)


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _non_json_object(value: object, path: str, ancestors: frozenset[int]) -> Iterator[str]:
    try:
        plain = _to_plain(value)
    except TypeError as error:
        yield f"{path} is a value of type {error}"
    except ValueError as error:
        yield f"{path}: {error}"
    else:
        yield from _non_json_values(plain, path, ancestors)


_CURRENT_TASK: ContextVar[Mapping[str, Any] | None] = ContextVar("_CURRENT_TASK", default=None)
"""The task of the attempt that this thread or coroutine belongs to."""


def log_to_standard_error() -> None:
    """Configure `logging` to write to the attempt's log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _Formatter(logging.Formatter):
    """Redacts the run's personal values in errors."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        task = _CURRENT_TASK.get()
        if task is None or record.levelno < logging.ERROR:
            return text
        return _redact(text, task)


class CancelSignal(threading.Event):
    """The event `cancelled` of a handler's context.

    Attributes:
        was_seen: whether the handler has seen it set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.was_seen = False

    def is_set(self) -> bool:
        """Return whether cancellation was requested."""
        is_set = super().is_set()
        self.was_seen = self.was_seen or is_set
        return is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for `timeout` seconds at most; return whether cancellation was requested."""
        is_set = super().wait(timeout)
        self.was_seen = self.was_seen or is_set
        return is_set


def create_context(
    task: Mapping[str, Any],
    cancelled: threading.Event,
    send_report: Callable[[Mapping[str, Any]], None],
) -> JobRunContext:
    """Return the context of a task's handler, and make the task the current one."""
    _CURRENT_TASK.set(task)
    parameters = task["parameters"]
    if task.get("personal"):
        # The handler may change its parameters; redaction needs the original ones.
        parameters = copy.deepcopy(parameters)
    deadline = None
    if task["deadline"] is not None:
        deadline = parse_time(task["deadline"])
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
        traceparent=task.get("traceparent"),
    )


def result_message(value: object, cancelled: CancelSignal) -> Mapping[str, Any]:
    """Return the message for a handler that returned this value.

    A handler that returns after it has seen the cancel signal is canceled, unless its result has a
    status.
    """
    result = value if isinstance(value, JobResult) else JobResult(result=value)
    for name in ("metrics", "context"):
        part = getattr(result, name)
        if part is not None and not isinstance(part, Mapping):
            kind = type(part).__name__
            problem = f"the handler's result has {name} of type {kind}, not a mapping"
            return {"type": "invalid", "message": problem}
    message = {"type": "result", **vars(result)}
    if cancelled.was_seen and isinstance(result.status, DefaultStatus):
        message["status"] = "canceled"
    return message


WHERE_TO_WRITE = (
    "A handler may write in its own directory, in temporary ones, where the worker was started, and"
    " in what the worker's --writable DIRECTORY names"
)
"""Added to the error of a handler that wrote to a read-only file system."""


def error_message(error: BaseException, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the message for a handler that raised this error; personal values are redacted."""
    message = _error_text(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        message = f"{message}. {WHERE_TO_WRITE}"
    return {
        "type": "error",
        "message": _redact(message, task),
        "stack": _traceback(error, task),
        "permanent": isinstance(error, PermanentError),
        "retryAfterMs": error.delay_ms if isinstance(error, RetryAfter) else None,
    }


def _error_text(error: BaseException) -> str:
    with suppress(Exception):  # The `__str__` of a handler's own error class may fail.
        return str(error)
    return ""


def print_traceback(error: BaseException, task: Mapping[str, Any]) -> None:
    """Print an error's traceback, unless the handler has closed standard error."""
    with suppress(Exception):
        sys.stderr.write(_traceback(error, task))


def _traceback(error: BaseException, task: Mapping[str, Any]) -> str:
    return _redact("".join(traceback.format_exception(error)), task)


def _redact(text: str, task: Mapping[str, Any]) -> str:
    return redact_personal(text, task["parameters"], task.get("personal", ()))


def invalid_message(error: NotJsonError) -> Mapping[str, Any]:
    """Return the message for a handler whose result or report cannot be JSON."""
    problem = f"the handler's result or report is no JSON: {error}"
    return {"type": "invalid", "message": problem}


# The size limit of reports. A report beyond it raises an error where the handler sends it.

MAX_REPORT_BYTES = 262_144
"""The limit of all metrics of an attempt as JSON, and of all its context. The service drops what
does not fit together with those of the launch and other attempts."""

_PARTS = ("metrics", "context")


class ReportBudget:
    """The size of what an attempt has reported so far."""

    def __init__(self) -> None:
        self._sizes: dict[str, dict[str, int]] = {part: {} for part in _PARTS}

    def add(self, report: Mapping[str, Any]) -> str:
        """Add a report, and return it as JSON.

        Raises:
            NotJsonError: a value in it cannot be JSON.
            ValueError: all reports together exceed the limit; the message says what to do.
        """
        # Encoded once: conversion of an object may be slow, or differ the next time.
        text = encode(report)
        plain = json.loads(text)
        sizes: dict[str, dict[str, int]] = {}
        for part in _PARTS:
            sizes[part] = {**self._sizes[part], **_sizes(plain[part])}
            total = sum(sizes[part].values())
            if total > MAX_REPORT_BYTES:
                msg = (
                    f"{part} would have {total} bytes as JSON; an attempt reports at most"
                    f" {MAX_REPORT_BYTES} in all: keep what is large in a store, and report its"
                    " address"
                )
                raise ValueError(msg)
        self._sizes = sizes
        return text


def _sizes(values: Mapping[str, Any]) -> dict[str, int]:
    """Return the size of each member in bytes, with its colon and comma."""
    return {name: _size(name) + _size(value) + 2 for name, value in values.items()}


def _size(value: object) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))


def main() -> None:
    """Load the handlers, and run attempts until one leaves the process unfit for another."""
    package: dict[str, Any] = json.loads(sys.argv[1])
    tasks = _open_pipe(sys.argv[2], "rb")
    reports = _open_pipe(sys.argv[3], "wb")
    lease = Lease(int(sys.argv[4]))
    cancels = CancelListener()
    set_up_imports(package["directories"], package["shown"])
    if "errorMark" in package:
        _order_standard_error(package["errorMark"])
    handlers = load_handlers(package["modules"], package["commands"])
    log_to_standard_error()
    cancels.listen()
    directory = AttemptDirectory(os.getcwd())  # noqa: PTH109
    usage = UsageMeter()
    cleaner = Cleaner()
    # What is loaded by now never becomes garbage, so collections can skip it.
    gc.freeze()
    ready = {"type": "ready", "contract": CONTRACT, "cpuTotal": current_usage().cpu_s}
    reports.write(_encode_line(ready))
    reports.flush()
    own_pid = os.getpid()
    while line := tasks.readline():
        directory.enter()
        task = json.loads(line)
        if task.get("traceparent") is not None:
            os.environ["TRACEPARENT"] = task["traceparent"]  # The cleaner removes it.
        outcome = _run_attempt(handlers, task, reports, cancels, lease)
        if os.getpid() != own_pid:
            # A fork of the handler returned from it. It must neither report for the attempt, which
            # continues in its parent, nor take another task.
            os._exit(1)
        _flush()
        done = {"id": task["id"], **_clean_up(directory, usage, cleaner)}
        reports.write(outcome + _encode_line(done))
        reports.flush()
        if not done["fit"]:
            # The supervisor kills this process, with any threads that the handler left running.
            wait_forever()
        usage.begin()  # Now, while nothing waits for it.


class _OrderedErrors(io.RawIOBase):
    """Python's standard error, written to the pipe of standard output to keep the order of both.

    The supervisor recognizes it by frames: a mark, the number of bytes, and these bytes. A frame is
    no longer than the system writes at once. Programs and C libraries print to descriptor 2 itself;
    so does this if a handler has replaced that descriptor.
    """

    name = "<stderr>"

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._output = os.dup(1)
        self._inode = os.fstat(2).st_ino

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, buffer: "ReadableBuffer", /) -> int:
        content = bytes(buffer)
        if os.fstat(2).st_ino != self._inode:
            return os.write(2, content)
        size = select.PIPE_BUF - len(self._mark) - _SIZE_BYTES
        for start in range(0, len(content), size):
            part = content[start : start + size]
            os.write(self._output, self._mark + len(part).to_bytes(_SIZE_BYTES, "big") + part)
        return len(content)


_SIZE_BYTES = 2


def _order_standard_error(mark: str) -> None:
    errors = cast("BinaryIO", _OrderedErrors(mark.encode()))
    # Unbuffered, like Python's own stream with PYTHONUNBUFFERED.
    sys.stderr = io.TextIOWrapper(
        errors, encoding=sys.stderr.encoding, errors="backslashreplace", write_through=True
    )


class CancelListener:
    """Sets the cancel signal of the current attempt on SIGTERM; between attempts it does nothing.

    One signal handler serves all attempts: installing another for each would take longer than most
    of the work between them.
    """

    def __init__(self) -> None:
        self._cancelled: CancelSignal | None = None
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def listen(self) -> None:
        """Start to handle SIGTERM."""
        signal.signal(signal.SIGTERM, self._cancel)

    def begin(self) -> CancelSignal:
        """Return the cancel signal of the attempt that begins."""
        self._cancelled = CancelSignal()
        return self._cancelled

    def end(self) -> None:
        """End the current attempt."""
        self._cancelled = None

    def _cancel(self, *_: object) -> None:
        if self._cancelled is not None:
            self._cancelled.set()


def _open_pipe(descriptor: str, mode: str) -> BinaryIO:
    number = int(descriptor)
    os.set_inheritable(number, False)
    return cast("BinaryIO", os.fdopen(number, mode))


def _clean_up(directory: AttemptDirectory, usage: UsageMeter, cleaner: Cleaner) -> dict[str, Any]:
    """Clean up after an attempt, and return its `done` message.

    `fit` is whether another attempt may follow, `clear` whether also all output has been read, and
    `leftFiles` whether the worker must remove the attempt's directory.
    """
    measurements = usage.measure()
    try:
        is_clean = cleaner.clean_up()
        left_files = directory.leave()
        fit = is_clean and directory.is_ready
        clear = fit and directory.has_no_unread_output
    except Exception:  # noqa: BLE001 - a handler that broke its process costs the process only
        fit, clear, left_files = False, False, True
    return {"type": "done", "fit": fit, "clear": clear, "leftFiles": left_files, **measurements}


def _run_attempt(
    handlers: Mapping[str, Handler],
    task: Mapping[str, Any],
    reports: BinaryIO,
    cancels: CancelListener,
    lease: Lease,
) -> bytes:
    """Run an attempt, and return its outcome as a JSON line."""
    attempt_id = task["id"]
    cancelled = cancels.begin()
    lock = threading.Lock()  # A thread that the handler left running may still report.
    budget = ReportBudget()

    def send_report(report: Mapping[str, Any]) -> None:
        with lock:
            report = {"id": attempt_id, "type": "update", **report}
            reports.write(_encode_line(report, budget.add))
            reports.flush()

    handler = handlers[task["entryPoint"]]
    context = create_context(task, cancelled, send_report)
    outcome: Mapping[str, Any] = {"type": "lease"}
    if not lease.is_expired:
        outcome = _call_handler(handler, context, task, cancelled)
    cancels.end()
    with lock:
        return _encode_line({"id": attempt_id, **outcome})


def wait_forever() -> None:
    """Wait until the process is killed."""
    while True:
        signal.pause()  # It returns after each handled signal, such as a late cancel.


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # The handler may have replaced or closed it.
        with suppress(Exception):
            stream.flush()
    _C.fflush(None)  # The output of C libraries, too.


_C = ctypes.CDLL(None)


def _call_handler(
    handler: Handler, context: JobRunContext, task: Mapping[str, Any], cancelled: CancelSignal
) -> Mapping[str, Any]:
    """Call a handler, and return the message of its outcome."""
    try:
        return result_message(call_handler(handler, context), cancelled)
    except _attempt_errors() as error:
        print_traceback(error, task)
        return error_message(error, task)


def _attempt_errors() -> tuple[type[BaseException], ...]:
    """Return the errors that end an attempt and not its process.

    `CancelledError` is no `Exception`; only the handler itself cancels its tasks here.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return (Exception,)
    return (Exception, asyncio.CancelledError)


def call_handler(handler: Handler, context: JobRunContext) -> object:
    """Call a handler, and return its value; a coroutine runs in an event loop of its own."""
    value = handler(context)
    if isinstance(value, Awaitable):
        import asyncio  # noqa: PLC0415 - it takes a third of the start, and few need it

        return asyncio.run(_await(value))
    return value


async def _await(value: Awaitable[object]) -> object:
    return await value


def _encode_line(
    message: Mapping[str, Any], to_json: Callable[[Mapping[str, Any]], str] = encode
) -> bytes:
    try:
        text = to_json(message)
    except NotJsonError as error:
        text = json.dumps({"id": message.get("id"), **invalid_message(error)})
    return text.encode() + b"\n"
