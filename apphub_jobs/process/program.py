"""The program of a handlers' process: one attempt after the other, started by its supervisor.

First values as JSON (`encode`), then what a process says of its attempts and what a handler is
given, the same wherever it runs; then how much a handler may report; last the program (`main`).

Standard output and error lead to the attempt's log already, and standard input is empty. Arguments:
the handler package as JSON, then the descriptors of tasks and of reports, both JSON lines, and of
the lease's end. To the second it says `ready` once, and of each attempt, by the `id` that came with
its task, its updates, its end, and `done` with what it used and left.
"""

import copy
import ctypes
import errno
import gc
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from datetime import datetime
from math import isfinite
from typing import Any, BinaryIO, cast

from apphub_jobs.contract import (
    DefaultStatus,
    Handler,
    JobResult,
    JobRunContext,
    PermanentError,
    RetryAfter,
)
from apphub_jobs.details import DefinitionDetails, RunDetails
from apphub_jobs.personal import redact_personal
from apphub_jobs.process.cleanup import Cleaner, Place, Usage, used
from apphub_jobs.process.handlers import arrange, load
from apphub_jobs.process.lease import Lease

# What handlers return and report, as JSON; an error names the path of what cannot be JSON.

RECURSION_LIMIT = sys.getrecursionlimit()
"""How deep Python goes down unless somebody says otherwise: as deep as those go who read this."""

DEEPEST = 500
"""Levels that they can still read. The service takes far fewer, and says so more kindly."""

TOO_DEEP = "it is nested too deeply, or holds itself"


class NotJsonError(ValueError):
    """A value cannot be JSON; the message tells the place and what is there."""


def encode(message: Mapping[str, Any]) -> str:
    """Return a message as JSON: dataclasses and pydantic models in it as objects.

    Raises:
        NotJsonError: something in it cannot be JSON.
    """
    try:
        text = _ENCODER.encode(message)
    except (TypeError, ValueError) as error:
        raise NotJsonError(_told(message, error)) from error
    except RecursionError:
        raise NotJsonError(TOO_DEEP) from None
    # A handler that goes down deep itself has let Python do so.
    if sys.getrecursionlimit() > RECURSION_LIMIT and _is_deep(json.loads(text)):
        raise NotJsonError(TOO_DEEP)
    return text


def _is_deep(value: object) -> bool:
    """Return whether a value of JSON is too deep for whoever reads it."""
    level = [value]
    depth = 0
    while level and depth < DEEPEST:
        level = [part for whole in level for part in _parts(whole)]
        depth += 1
    return bool(level)


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list):
        return value
    return ()


def _told(message: Mapping[str, Any], error: Exception) -> str:
    """Return what cannot be JSON, with its place; the encoder's own words where it is too deep."""
    try:
        return next(_misplaced(message, "", frozenset()), str(error))
    except RecursionError:
        return str(error)


def _plain(value: object) -> object:
    """Return what stands for an object that JSON does not know.

    Raises:
        TypeError: nothing does; the message is its type.
        ValueError: a pydantic model holds what cannot be JSON.
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


_ENCODER = json.JSONEncoder(default=_plain, allow_nan=False)

_KEYS = str | int | float | None


def _misplaced(value: object, place: str, above: frozenset[int]) -> Iterator[str]:
    """Yield what is no JSON in a value, each with its place; `above` are the values around it."""
    if isinstance(value, float) and not isfinite(value):
        yield f"{place} is {_NAMES[str(value)]}"
    if value is None or isinstance(value, str | int | float):
        return
    if id(value) in above:
        yield f"{place} holds itself"
        return
    inside = above | {id(value)}
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, _KEYS):
                yield f"{place} has the key {key!r}"
            yield from _misplaced(part, f"{place}.{key}".removeprefix("."), inside)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _misplaced(part, f"{place}[{index}]", inside)
    else:
        yield from _misplaced_object(value, place, inside)


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _misplaced_object(value: object, place: str, above: frozenset[int]) -> Iterator[str]:
    try:
        plain = _plain(value)
    except TypeError as error:
        yield f"{place} is a value of type {error}"
    except ValueError as error:
        yield f"{place}: {error}"
    else:
        yield from _misplaced(plain, place, above)


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
    if cancelled.was_seen and isinstance(result.status, DefaultStatus):
        said["status"] = "canceled"
    return said


WHERE_TO_WRITE = (
    "A handler may write in its own directory, in temporary ones, where the worker was started, and"
    " in what the worker's --writable DIRECTORY names"
)
"""What helps where a handler is refused a file because all but its own is read-only."""


def raised(error: BaseException, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is said of a handler that has raised this, but for personal values of its run."""
    retry_after_ms = None
    if isinstance(error, RetryAfter):
        retry_after_ms = error.delay_ms
    message = _text(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        message = f"{message}. {WHERE_TO_WRITE}"
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
    return redact_personal(text, task["parameters"], task.get("personal", ()))


def unreadable(error: NotJsonError) -> Mapping[str, Any]:
    """Return what is said of a handler whose result or report cannot be JSON."""
    problem = f"the handler's result or report is no JSON: {error}"
    return {"type": "invalid", "message": problem}


# How much a handler may report: it is refused where it reports too much, not at its end.

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


def main() -> None:
    """Load the handlers, and run what comes until an attempt leaves something behind."""
    package: dict[str, Any] = json.loads(sys.argv[1])
    tasks = _opened(sys.argv[2], "rb")
    reports = _opened(sys.argv[3], "wb")
    lease = Lease(int(sys.argv[4]))
    cancels = Cancels()
    arrange(package["directories"], package["shown"])
    handlers = load(package["modules"], package["commands"])
    log_to_standard_error()
    cancels.listen()
    place = Place(os.getcwd())  # noqa: PTH109
    usage = Usage()
    cleaner = Cleaner()
    # What is here now never becomes garbage, and need not be looked through again and again.
    gc.freeze()
    reports.write(_line({"type": "ready", "cpuTotal": used().cpu_s}))
    reports.flush()
    own = os.getpid()
    while line := tasks.readline():
        place.enter()
        usage.begin()
        task = json.loads(line)
        said = _run(handlers, task, reports, cancels, lease)
        if os.getpid() != own:
            # The handler's fork came out of the handler. It must neither speak for the attempt,
            # which goes on elsewhere, nor take the task of another one.
            os._exit(1)
        _flush()
        done = {"id": task["id"], **_done(place, usage, cleaner)}
        reports.write(said + _line(done))
        reports.flush()
        if not done["fit"]:
            # The supervisor ends this process; threads that the handler left must not go on alone.
            wait_for_ever()


class Cancels:
    """Lets the attempt that goes on know when it is to stop; what comes late is for nobody.

    One handler hears the signal for all attempts: to set another for each would take longer than
    most of what is done between them.
    """

    def __init__(self) -> None:
        self._cancelled: CancelSignal | None = None
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def listen(self) -> None:
        """Hear of cancels from now on."""
        signal.signal(signal.SIGTERM, self._cancel)

    def begin(self) -> CancelSignal:
        """Return what is set once the attempt that begins is to stop."""
        self._cancelled = CancelSignal()
        return self._cancelled

    def end(self) -> None:
        """Take the attempt for over."""
        self._cancelled = None

    def _cancel(self, *_: object) -> None:
        if self._cancelled is not None:
            self._cancelled.set()


def _opened(descriptor: str, mode: str) -> BinaryIO:
    number = int(descriptor)
    os.set_inheritable(number, False)
    return cast("BinaryIO", os.fdopen(number, mode))


def _done(place: Place, usage: Usage, cleaner: Cleaner) -> dict[str, Any]:
    """Clean up after an attempt; return what it used, and whether another one may follow."""
    measured = usage.measured()
    try:
        is_clean = cleaner.clean_up()
        left_files = place.leave()
        fit = is_clean and place.is_ready
        clear = fit and place.printed_nothing
    except Exception:  # noqa: BLE001 - what a handler made of its process costs the process alone
        fit, clear, left_files = False, False, True
    return {"type": "done", "fit": fit, "clear": clear, "leftFiles": left_files, **measured}


def _run(
    handlers: Mapping[str, Handler],
    task: Mapping[str, Any],
    reports: BinaryIO,
    cancels: Cancels,
    lease: Lease,
) -> bytes:
    """Return how the handler ended, as a line."""
    attempt_id = task["id"]
    cancelled = cancels.begin()
    lock = threading.Lock()  # A thread that the handler left may still be reporting.

    reported = Reported()

    def send_report(report: Mapping[str, Any]) -> None:
        with lock:
            report = {"id": attempt_id, "type": "update", **report}
            reports.write(_line(report, reported.add))
            reports.flush()

    handler = handlers[task["entryPoint"]]
    context = context_of(task, cancelled, send_report)
    outcome: Mapping[str, Any] = {"type": "lease"}
    if not lease.is_over:
        outcome = _outcome(handler, context, task, cancelled)
    cancels.end()
    with lock:
        return _line({"id": attempt_id, **outcome})


def wait_for_ever() -> None:
    """Do nothing any more, until the process is killed."""
    while True:
        signal.pause()  # It returns whenever a signal has been heard, such as a late cancel.


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # The handler may have put anything there, or closed it.
        with suppress(Exception):
            stream.flush()
    _C.fflush(None)  # What libraries in C have printed, too.


_C = ctypes.CDLL(None)


def _outcome(
    handler: Handler, context: JobRunContext, task: Mapping[str, Any], cancelled: CancelSignal
) -> Mapping[str, Any]:
    try:
        value = _call(handler, context)
        return returned(value, cancelled)
    except _raisable() as error:
        show(error, task)
        return raised(error, task)


def _raisable() -> tuple[type[BaseException], ...]:
    """Return what a handler may raise that ends its attempt and not its process.

    What is raised where a cancelled task is awaited is no `Exception`; nobody cancels a handler's
    tasks here but itself.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return (Exception,)
    return (Exception, asyncio.CancelledError)


def _call(handler: Handler, context: JobRunContext) -> object:
    value = handler(context)
    if isinstance(value, Awaitable):
        import asyncio  # noqa: PLC0415 - a third of the start, for those alone who need it

        return asyncio.run(_awaited(value))
    return value


async def _awaited(value: Awaitable[object]) -> object:
    return await value


def _line(
    message: Mapping[str, Any], encoded: Callable[[Mapping[str, Any]], str] = encode
) -> bytes:
    try:
        text = encoded(message)
    except NotJsonError as error:
        text = json.dumps({"id": message.get("id"), **unreadable(error)})
    return text.encode() + b"\n"
