"""The process that runs handlers, one attempt after the other. Started by `worker.executors.local.supervisor`.

Standard output and error lead to the attempt's log already, and standard input is empty. Arguments:
where handlers come from, then the descriptors of tasks and of reports, both JSON lines: `ready`
once, and of each attempt its updates, its end, and `done` with what it used and left.
"""

import asyncio
import ctypes
import gc
import inspect
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, BinaryIO, cast

from apphub_jobs.contract import Handler, JobResult, JobRunContext, PermanentError, RetryAfter
from apphub_jobs.process.attempt_directory import Place
from apphub_jobs.process.cleanup import Cleaner
from apphub_jobs.process.handlers import load
from apphub_jobs.process.usage import Usage, cpu_s


def main() -> None:
    """Load the handlers, and run what comes until an attempt leaves something behind."""
    tasks, reports = (
        cast("BinaryIO", os.fdopen(int(number), mode))
        for number, mode in zip(sys.argv[2:], _MODES, strict=True)
    )
    for descriptor in sys.argv[2:]:
        os.set_inheritable(int(descriptor), False)
    # A cancel that comes when the attempt is over is for nobody.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    handlers = load(**json.loads(sys.argv[1]))
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    place, usage = Place(os.getcwd()), Usage()  # noqa: PTH109
    cleaner = Cleaner()
    # What is here now never becomes garbage, and need not be looked through again and again.
    gc.freeze()
    reports.write(_line({"type": "ready", "cpuTotal": cpu_s()}))
    reports.flush()
    while line := tasks.readline():
        place.enter()
        usage.begin()
        said = _run(handlers, json.loads(line), reports)
        _flush()
        measured = usage.measured()
        fit, left_files = cleaner.clean_up(), place.leave()
        fit = fit and place.is_ready
        done = {
            "type": "done",
            "fit": fit,
            "clear": fit and place.printed_nothing,
            "leftFiles": left_files,
            **measured,
        }
        reports.write(said + _line(done))
        reports.flush()
        if not fit:
            # The supervisor ends this process; threads that the handler left must not go on alone.
            signal.pause()


_MODES = ("rb", "wb")


def _run(handlers: Mapping[str, Handler], task: Mapping[str, Any], reports: BinaryIO) -> bytes:
    """Return how the handler ended, as a line."""
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    lock = threading.Lock()  # A thread that the handler left may still be reporting.
    outcome = _outcome(handlers[task["entryPoint"]], task, reports, lock, cancelled)
    with lock:
        return _line(outcome)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    _C.fflush(None)  # What libraries in C have printed, too.


_C = ctypes.CDLL(None)


def _outcome(
    handler: Handler,
    task: Mapping[str, Any],
    reports: BinaryIO,
    lock: threading.Lock,
    cancelled: threading.Event,
) -> Mapping[str, Any]:
    def send_report(report: Mapping[str, Any]) -> None:
        with lock:
            reports.write(_line({"type": "update", **report}))
            reports.flush()

    try:
        result = _call(handler, _context(task, cancelled, send_report)) or JobResult()
        return {"type": "result", **vars(result)}
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is the attempt's end, by contract
        traceback.print_exc()
        return {
            "type": "error",
            "message": str(error) or type(error).__name__,
            "stack": traceback.format_exc(),
            "permanent": isinstance(error, PermanentError),
            "retryAfterMs": error.delay_ms if isinstance(error, RetryAfter) else None,
        }


def _call(handler: Handler, context: JobRunContext) -> JobResult | None:
    returned = handler(context)
    if inspect.isawaitable(returned):
        return cast("JobResult | None", asyncio.run(cast("Any", returned)))
    return returned


def _context(
    task: Mapping[str, Any], cancelled: threading.Event, send_report: Any
) -> JobRunContext:
    deadline = task["deadline"]
    return JobRunContext(
        definition=task["definition"],
        run=task["run"],
        parameters=task["parameters"],
        inputs=task["inputs"],
        settings=task["settings"],
        logger=logging.getLogger("job"),
        cancelled=cancelled,
        deadline=datetime.fromisoformat(deadline) if deadline else None,
        send_report=send_report,
    )


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    msg = f"Object of type {type(value).__name__} is not JSON serializable"
    raise TypeError(msg)


_ENCODER = json.JSONEncoder(default=_plain)


def _line(message: Mapping[str, Any]) -> bytes:
    try:
        text = _ENCODER.encode(message)
    except (TypeError, ValueError, RecursionError) as error:
        text = json.dumps(
            {"type": "invalid", "message": f"the handler's result or report is no JSON: {error}"}
        )
    return text.encode() + b"\n"


if __name__ == "__main__":
    main()
