"""The program of a shared process: it runs many attempts of one handler package at a time.

First batched reports (`Outbox`); then handlers' output, routed to the attempt that printed it
(`Output`); then the attempts (`Attempts`): coroutines share an event loop, plain functions run in
threads; last the program.

Arguments: the handler package as JSON, then the descriptors of the pipes of orders and of reports,
both JSON lines, and of the lease's memory. `Attempts.handle` has the orders. The program reports
`ready` once; then for each attempt, by the `id` of its order, `output`, `update` and its outcome.
On SIGTERM it reports the attempt that blocks the event loop, if one does: `{"type": "blocking",
"id", "stack"}`; and `unblocked` once the loop runs again. The worker kills it after that.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import gc
import io
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

from apphub_jobs.contract import Handler, JobRunContext
from apphub_jobs.process.handlers import is_coroutine_function, load_handlers, set_up_imports
from apphub_jobs.process.lease import Lease, LeaseExpiredError
from apphub_jobs.process.program import (
    CancelSignal,
    NotJsonError,
    ReportBudget,
    create_context,
    encode,
    error_message,
    invalid_message,
    log_to_standard_error,
    print_traceback,
    result_message,
)
from apphub_jobs.version import CONTRACT

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


# Reports of attempts: many outcomes in one write, many updates in one line.

BATCH_S = 0.02
"""How long updates and output wait for more to send with them."""

MAX_LINE_BYTES = 8 * 1_048_576
"""The longest line that the worker reads."""

PIECE_BYTES = 262_144
"""Output is sent in pieces of this size, which JSON escapes make up to six times as long."""


MAX_WAITING_OUTPUT_BYTES = 32 * 1_048_576
"""How much output of all attempts together may wait to be sent; more is dropped."""

MAX_UNREAD_BYTES = 1_048_576
"""While the worker has not read this much, updates and output wait."""


Stream = Literal["stdout", "stderr"]


@dataclass
class _Batch:
    """What an attempt has printed and reported since the last write."""

    output: list[tuple[bytes, Stream]] = field(default_factory=list)
    update: dict[str, Any] = field(default_factory=dict)


class Outbox:
    """Writes messages of attempts to the worker, in batches. Thread-safe."""

    def __init__(self, loop: asyncio.AbstractEventLoop, out: asyncio.WriteTransport) -> None:
        self._loop = loop
        self._out = out
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._batches: dict[str, _Batch] = {}
        self._output_bytes = 0
        self._is_flush_due = False
        self._is_flush_scheduled = False

    def add_output(self, attempt_id: str, content: bytes, stream: Stream) -> bool:
        """Send an attempt's output soon; return False if it was dropped, as too much waits."""
        with self._lock:
            waiting_bytes = self._output_bytes + len(content)
            if waiting_bytes > MAX_WAITING_OUTPUT_BYTES:
                return False
            self._output_bytes = waiting_bytes
            self._batch_of(attempt_id).output.append((content, stream))
            self._schedule_flush()
            return True

    def add_report(self, attempt_id: str, report: Mapping[str, Any]) -> None:
        """Send a report soon, merged with those that wait."""
        with self._lock:
            update = self._batch_of(attempt_id).update
            for part in ("metrics", "context"):
                update[part] = {**update.get(part, {}), **report[part]}
            update["logsUrl"] = report["logsUrl"] or update.get("logsUrl")
            self._schedule_flush()

    def add_outcome(self, attempt_id: str, message: Mapping[str, Any]) -> None:
        """Send an attempt's outcome at once, after its output and reports."""
        line = _encode_line(attempt_id, message)
        with self._lock:
            self._encode_batch(attempt_id)
            self._lines.append(line)
            if not self._is_flush_due:
                self._is_flush_due = True
                self._loop.call_soon_threadsafe(self._flush)

    def _batch_of(self, attempt_id: str) -> _Batch:
        batch = self._batches.get(attempt_id)
        if batch is None:
            batch = self._batches[attempt_id] = _Batch()
        return batch

    def _schedule_flush(self) -> None:
        if not (self._is_flush_scheduled or self._is_flush_due):
            self._is_flush_scheduled = True
            self._loop.call_soon_threadsafe(self._flush_later)

    def _flush_later(self) -> None:
        self._loop.call_later(BATCH_S, self._flush)

    def _flush(self) -> None:
        with self._lock:
            self._is_flush_due = False
            self._is_flush_scheduled = False
            self._encode_batches_unless_unread()
            lines = b"".join(self._lines)
            self._lines.clear()
        if lines:
            # The line feed ends anything that a handler wrote to the pipe itself.
            self._out.write(b"\n" + lines)

    def _encode_batches_unless_unread(self) -> None:
        """Make lines of all batches, or wait until the worker has read more."""
        if self._out.get_write_buffer_size() < MAX_UNREAD_BYTES:
            for attempt_id in list(self._batches):
                self._encode_batch(attempt_id)
        elif self._batches:
            self._schedule_flush()

    def _encode_batch(self, attempt_id: str) -> None:
        """Make lines of an attempt's batch, if it has one."""
        batch = self._batches.pop(attempt_id, None)
        if batch is None:
            return
        for stream, parts in groupby(batch.output, key=itemgetter(1)):
            output = b"".join([content for content, _ in parts])
            self._output_bytes -= len(output)
            for start in range(0, len(output), PIECE_BYTES):
                # Latin-1 maps each byte to the character of the same number.
                text = output[start : start + PIECE_BYTES].decode("latin-1")
                message = {"type": "output", "text": text, "stream": stream}
                self._lines.append(_encode_line(attempt_id, message))
        if batch.update:
            self._lines.append(_encode_line(attempt_id, {"type": "update", **batch.update}))


def _encode_line(attempt_id: str, message: Mapping[str, Any]) -> bytes:
    try:
        text = encode({"id": attempt_id, **message})
    except NotJsonError as error:
        text = json.dumps({"id": attempt_id, **invalid_message(error)})
    line = text.encode() + b"\n"
    if len(line) <= MAX_LINE_BYTES:
        return line
    problem = f"a result or report of more than {MAX_LINE_BYTES} bytes"
    invalid = {"id": attempt_id, "type": "invalid", "message": problem}
    return json.dumps(invalid).encode() + b"\n"


# Handlers' output, routed to the attempt that printed it.
#
# Python's streams and `logging` read a context variable with the attempt's output: coroutines have
# it, and functions that `asyncio.to_thread` runs for them. All other output (of C libraries, and of
# threads and programs that a handler starts) goes to the process's own log.

MAX_OUTPUT_BYTES = 10 * 1_048_576
"""How much of one attempt's output is sent; its log keeps no more."""


class Output:
    """The output of one attempt.

    Attributes:
        attempt_id: the attempt's id.
        dropped_bytes: how much output exceeded the limits.
    """

    def __init__(self, attempt_id: str, send: Callable[[str, bytes, Stream], bool]) -> None:
        self.attempt_id = attempt_id
        self._send = send
        self._remaining_bytes = MAX_OUTPUT_BYTES
        self.dropped_bytes = 0

    def add(self, content: bytes, stream: Stream) -> None:
        """Send output within the limits, and count the rest as dropped."""
        kept = content[: self._remaining_bytes]
        self._remaining_bytes -= len(kept)
        self.dropped_bytes += len(content) - len(kept)
        if kept and not self._send(self.attempt_id, kept, stream):
            self.dropped_bytes += len(kept)


CURRENT_OUTPUT: ContextVar[Output | None] = ContextVar("CURRENT_OUTPUT", default=None)
"""The output of the attempt that this code belongs to; None outside of attempts."""


class _RoutedStream(io.RawIOBase):
    """A stream that writes to the current attempt's output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, buffer: ReadableBuffer, /) -> int:
        content = bytes(buffer)
        output = CURRENT_OUTPUT.get()
        if output is None:
            return os.write(self._descriptor, content)
        output.add(content, "stderr" if self._descriptor == _STDERR else "stdout")
        return len(content)


_STDOUT, _STDERR = 1, 2


def route_output() -> None:
    """Route Python's standard output and error to the current attempt's output."""
    sys.stdout = _routed_stream(_STDOUT)
    sys.stderr = _routed_stream(_STDERR)


def _routed_stream(descriptor: int) -> io.TextIOWrapper:
    routed = cast("BinaryIO", _RoutedStream(descriptor))
    # Written through at once: buffered text could be routed to another attempt.
    return io.TextIOWrapper(routed, encoding="utf-8", errors="backslashreplace", write_through=True)


# Concurrent attempts: each is a task of the event loop; a plain function also has a thread.

MAX_THREADS = 256
"""How many plain functions run at a time; further ones wait for a thread."""

_Call = Future[tuple[object, BaseException | None]]

End = Literal["canceled", "timeout"]
"""Why the worker ends an attempt."""


class Attempts:
    """The running attempts of this process, by the ids that the worker assigned."""

    def __init__(self, handlers: Mapping[str, Handler], outbox: Outbox, lease: Lease) -> None:
        self._handlers = handlers
        self._outbox = outbox
        self._lease = lease
        self._threads = ThreadPoolExecutor(MAX_THREADS, "attempt")
        self._running: dict[str, _Attempt] = {}

    def handle(self, order: Mapping[str, Any]) -> None:
        """Start an attempt (`{"id", "task"}`), or end one (`{"id", "end"}`)."""
        attempt_id: str = order["id"]
        if "task" in order:
            attempt = _Attempt(attempt_id, self._outbox, self._threads, self._lease)
            self._running[attempt_id] = attempt
            attempt.start(self._handlers, order["task"], self._running.pop)
        elif attempt_id in self._running:
            self._running[attempt_id].end(order["end"])


class _Attempt:
    """One attempt, from its task to its outcome."""

    task: asyncio.Task[None] | None = None

    def __init__(
        self, attempt_id: str, outbox: Outbox, threads: ThreadPoolExecutor, lease: Lease
    ) -> None:
        self._id = attempt_id
        self._outbox = outbox
        self._threads = threads
        self._lease = lease
        self._cancelled = CancelSignal()
        self._report_budget = ReportBudget()
        self._output = Output(attempt_id, outbox.add_output)
        self._requested_end: End | None = None
        self._call: _Call | None = None
        self._invalid_report: Mapping[str, Any] | None = None
        self._job_task: Mapping[str, Any] = {}

    def start(
        self,
        handlers: Mapping[str, Handler],
        task: Mapping[str, Any],
        on_end: Callable[[str], object],
    ) -> None:
        """Start the attempt as a task of the event loop."""
        self._job_task = task
        # This process has no supervised tasks: the attempt reports its own outcome.
        self.task = asyncio.get_running_loop().create_task(self._run(handlers, task))
        self.task.add_done_callback(self._report_unreported_end)
        self.task.add_done_callback(lambda _: on_end(self._id))

    def end(self, why: End) -> None:
        """End the attempt, once: a coroutine is cancelled, a plain function gets the signal."""
        if self._requested_end is not None:
            return
        self._requested_end = why
        self._cancelled.set()
        if self._call is not None:
            # This takes effect only while it waits for a thread; it then ends as a coroutine does.
            self._call.cancel()
        elif self.task is not None:
            self._cancelled.was_seen = True
            self.task.cancel()

    def _report_unreported_end(self, task: asyncio.Task[None]) -> None:
        """Report the outcome if `_run` could not, so that the worker does not wait for it."""
        if task.cancelled():  # Before its first step.
            self._outbox.add_outcome(self._id, {"type": self._requested_end})
            return
        error = task.exception()
        if error is not None:
            self._outbox.add_outcome(self._id, error_message(error, self._job_task))

    async def _run(self, handlers: Mapping[str, Handler], task: Mapping[str, Any]) -> None:
        CURRENT_OUTPUT.set(self._output)
        message = await self._outcome(handlers, task)
        _exit_if_forked()
        dropped_bytes = self._output.dropped_bytes
        self._outbox.add_outcome(self._id, {**message, "leftOut": dropped_bytes})

    async def _outcome(
        self, handlers: Mapping[str, Handler], task: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Call the handler, and return the message of its outcome."""
        try:
            context = create_context(task, self._cancelled, self._report)
            # The lookup fails if the handler was removed from its module since the probe.
            value = await self._call_handler(handlers[task["entryPoint"]], context)
        except LeaseExpiredError:
            return {"type": "lease"}
        except SystemExit as error:
            message = _exit_message(error)
        except asyncio.CancelledError as error:
            message = error_message(error, task)
            if self._requested_end is not None:
                return {"type": self._requested_end}
        except Exception as error:  # noqa: BLE001 - any error of a handler ends its attempt
            print_traceback(error, task)
            message = error_message(error, task)
        else:
            message = result_message(value, self._cancelled)
        if self._requested_end == "timeout":
            return {"type": "timeout"}
        return self._invalid_report or message

    async def _call_handler(self, handler: Handler, context: JobRunContext) -> object:
        if is_coroutine_function(handler):
            self._lease.check()
            value = handler(context)
        else:
            value = await self._call_in_thread(handler, context)
        if isinstance(value, Awaitable):
            value = await value
        return value

    async def _call_in_thread(self, handler: Handler, context: JobRunContext) -> object:
        run = copy_context().run
        self._call = self._threads.submit(run, _capture_call, handler, context, self._lease)
        value, error = await asyncio.wrap_future(self._call)
        self._call = None
        if error is not None:
            raise error
        return value

    def _report(self, report: Mapping[str, Any]) -> None:
        try:
            text = self._report_budget.add(report)
        except NotJsonError as error:
            self._invalid_report = invalid_message(error)
            raise
        self._outbox.add_report(self._id, json.loads(text))


def _capture_call(
    handler: Handler, context: JobRunContext, lease: Lease
) -> tuple[object, BaseException | None]:
    """Call a handler, and return its value and its error: a future does not accept every error."""
    try:
        lease.check()  # The call may have waited for a thread.
        value = handler(context)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the event loop raises it again
        _exit_if_forked()
        return None, error
    _exit_if_forked()
    return value, None


_OWN_PID = os.getpid()


def _exit_if_forked() -> None:
    """Exit in a fork that returned from its handler: it would run the attempts of all others."""
    if os.getpid() != _OWN_PID:
        os._exit(1)


def _exit_message(error: SystemExit) -> Mapping[str, Any]:
    code = error.code
    if code is None:
        code = 0
    if not isinstance(code, int):
        code = 1
    message = f"the process exited with code {code} without a result"
    return {"type": "exit", "message": message}


PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Load the handlers, and run attempts until the worker closes the pipe of orders."""
    package: dict[str, Any] = json.loads(sys.argv[1])
    orders, reports = int(sys.argv[2]), int(sys.argv[3])
    for descriptor in (orders, reports):
        os.set_inheritable(descriptor, False)
    lease = Lease(int(sys.argv[4]))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # No attempt can block the event loop yet.
    _disable_subreaper()
    set_up_imports(package["directories"], package["shown"])
    route_output()
    faulthandler.enable(2)  # A crash leaves its stack in the log.
    handlers = load_handlers(package["modules"], package["commands"])
    log_to_standard_error()
    # What is loaded by now never becomes garbage, so collections can skip it.
    gc.freeze()
    _run_until_done(_serve(handlers, orders, reports, lease))


def _disable_subreaper() -> None:
    """Leave orphaned descendants to the supervisor, which reaps them.

    This process cannot reap: it would take exit codes that handlers wait for. Over days, unreaped
    processes would exhaust the process ids.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


def _run_until_done(serving: Coroutine[Any, Any, None]) -> None:
    """Run the event loop, and continue it when `sys.exit` in a handler's own task stops it.

    The handler that awaits such a task gets the `SystemExit` as well.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # `run_until_complete` raises any error of this task.
    task = loop.create_task(serving)
    while not task.done():
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_until_complete(task)


async def _serve(handlers: Mapping[str, Handler], orders: int, reports: int, lease: Lease) -> None:
    loop = asyncio.get_running_loop()
    out, _ = await loop.connect_write_pipe(
        asyncio.BaseProtocol, os.fdopen(reports, "wb", buffering=0)
    )
    _report_blocker_on_sigterm(loop, out, reports)
    reader = _OrderReader(Attempts(handlers, Outbox(loop, out), lease))
    await loop.connect_read_pipe(lambda: reader, os.fdopen(orders, "rb", buffering=0))
    out.write(json.dumps({"type": "ready", "contract": CONTRACT}).encode() + b"\n")
    await reader.is_closed.wait()
    os._exit(0)  # The worker is gone; its supervisor kills all that still runs.


class _OrderReader(asyncio.Protocol):
    """Handles the worker's orders, which are JSON lines, as they arrive."""

    def __init__(self, attempts: Attempts) -> None:
        self.is_closed = asyncio.Event()
        self._attempts = attempts
        self._unfinished = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            self._attempts.handle(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_closed.set()


def _report_blocker_on_sigterm(
    loop: asyncio.AbstractEventLoop, out: asyncio.WriteTransport, reports: int
) -> None:
    """Install the handler of SIGTERM, which reports the attempt that blocks the event loop."""

    def report_blocker(number: int, frame: FrameType | None) -> None:
        del number
        loop.call_soon_threadsafe(out.write, b'{"type": "unblocked"}\n')
        # Python runs a signal handler in the context of the code that it interrupts.
        interrupted = CURRENT_OUTPUT.get()
        if interrupted is None:
            return
        stack = "".join(traceback.format_stack(frame))
        message = {"type": "blocking", "id": interrupted.attempt_id, "stack": stack}
        line = b"\n" + json.dumps(message).encode() + b"\n"
        with suppress(OSError):
            # Written past the event loop, which is blocked. It may break a line that is half
            # written: that line is lost, as is everything that still waits.
            os.write(reports, line)

    signal.signal(signal.SIGTERM, report_blocker)
    # C code that never returns to Python runs no signal handler: the log gets the Python stack.
    faulthandler.register(signal.SIGTERM, file=2, chain=True)
