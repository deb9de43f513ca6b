"""The process of one attempt: reads its task, runs the handler, reports. Started by `worker.supervisor`.

Standard output and error lead to the run's log already; standard input holds one line, the task.
"""

import asyncio
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
from worker.registry import HandlerSource, load_handlers


def main() -> None:
    """Load the handlers, wait for the task, run it; arguments: where handlers come from, descriptor for reports."""
    reports = os.fdopen(int(sys.argv[2]), "wb", buffering=0)
    os.set_inheritable(reports.fileno(), False)
    handlers = load_handlers(HandlerSource(**json.loads(sys.argv[1])))
    line = sys.stdin.buffer.readline()
    if not line:
        return  # Started ahead, and not needed after all.
    task = json.loads(line)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    cancelled = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    lock = threading.Lock()  # A thread that the handler left may still be reporting.
    outcome = _outcome(handlers[task["entryPoint"]], task, reports, lock, cancelled)
    with lock:
        _send(reports, outcome)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # Threads that the handler left must not keep the attempt alive.


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
    payload = memoryview(text.encode() + b"\n")
    while payload:
        payload = payload[reports.write(payload) or 0 :]


if __name__ == "__main__":
    main()
