"""The process that runs handlers, one attempt after the other. Started by `worker.supervisor`.

Standard output and error lead to the attempt's log already, and standard input is empty. Arguments: where handlers come
from, then the descriptors of tasks (JSON lines), of reports, and of the word that an attempt is done.
"""

import asyncio
import ctypes
import inspect
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, BinaryIO, cast

from worker.contract import Handler, JobResult, JobRunContext, PermanentError, RetryAfter
from worker.hygiene import Cleaner, Usage, memory_mb
from worker.registry import HandlerSource, load_handlers


def main() -> None:
    """Load the handlers, and run what comes until an attempt leaves something behind."""
    tasks, reports, done = (
        cast("BinaryIO", os.fdopen(int(number), mode)) for number, mode in zip(sys.argv[2:], _MODES, strict=True)
    )
    for descriptor in sys.argv[2:]:
        os.set_inheritable(int(descriptor), False)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # A cancel that comes when the attempt is over is for nobody.
    handlers = load_handlers(HandlerSource(**json.loads(sys.argv[1])))
    cleaner = Cleaner()
    while line := tasks.readline():
        usage = Usage()
        _run(handlers, json.loads(line), reports)
        _flush()
        holds_mb, peak_mb = memory_mb()
        measured = usage.measured(peak_mb)
        fit = cleaner.clean_up(holds_mb)
        done.write(json.dumps({"fit": fit, **measured}).encode() + b"\n")
        done.flush()
        if not fit:
            signal.pause()  # The supervisor ends this process; threads that the handler left must not go on alone.


_MODES = ("rb", "wb", "wb")


def _run(handlers: Mapping[str, Handler], task: Mapping[str, Any], reports: BinaryIO) -> None:
    os.mkdir(task["workdir"])  # noqa: PTH102 - as short as it can be: this is on every run's way
    os.chdir(task["workdir"])
    os.environ.update(HOME=task["workdir"], TMPDIR=task["workdir"])
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    lock = threading.Lock()  # A thread that the handler left may still be reporting.
    outcome = _outcome(handlers[task["entryPoint"]], task, reports, lock, cancelled)
    with lock:
        _send(reports, outcome)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    _C.fflush(None)  # What libraries in C have printed, too.


_C = ctypes.CDLL(None)


def _outcome(
    handler: Handler, task: Mapping[str, Any], reports: BinaryIO, lock: threading.Lock, cancelled: threading.Event
) -> Mapping[str, Any]:
    def send_report(report: Mapping[str, Any]) -> None:
        with lock:
            _send(reports, {"type": "update", **report})

    try:
        result = _call(handler, _context(task, cancelled, send_report)) or JobResult()
        return {"type": "result", **asdict(result)}
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


def _context(task: Mapping[str, Any], cancelled: threading.Event, send_report: Any) -> JobRunContext:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
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


def _send(reports: BinaryIO, message: Mapping[str, Any]) -> None:
    try:
        text = json.dumps(message)
    except (TypeError, ValueError, RecursionError) as error:
        text = json.dumps({"type": "invalid", "message": f"the handler's result or report is no JSON: {error}"})
    reports.write(text.encode() + b"\n")
    reports.flush()


if __name__ == "__main__":
    main()
