"""The program of a handlers' process: one attempt after the other, started by its supervisor.

Standard output and error lead to the attempt's log already, and standard input is empty. Arguments:
the handler package as JSON, then the descriptors of tasks and of reports, both JSON lines, and of
the lease's end. To the second it says `ready` once, and of each attempt, by the `id` that came with
its task, its updates, its end, and `done` with what it used and left.
"""

import ctypes
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, cast

from apphub_jobs.contract import Handler, JobRunContext
from apphub_jobs.process.attempt_directory import Place
from apphub_jobs.process.cleanup import Cleaner
from apphub_jobs.process.encoding import NotJsonError, encode
from apphub_jobs.process.handlers import load
from apphub_jobs.process.imports import arrange
from apphub_jobs.process.lease import Lease
from apphub_jobs.process.outcomes import (
    CancelSignal,
    context_of,
    log_to_standard_error,
    raised,
    returned,
    show,
    unreadable,
)
from apphub_jobs.process.reports import Reported
from apphub_jobs.process.usage import Usage, used


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
    return {
        "type": "done",
        "fit": fit,
        "clear": clear,
        "leftFiles": left_files,
        **measured,
    }


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
    handler: Handler,
    context: JobRunContext,
    task: Mapping[str, Any],
    cancelled: CancelSignal,
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
    message: Mapping[str, Any],
    encoded: Callable[[Mapping[str, Any]], str] = encode,
) -> bytes:
    try:
        text = encoded(message)
    except NotJsonError as error:
        text = json.dumps({"id": message.get("id"), **unreadable(error)})
    return text.encode() + b"\n"
