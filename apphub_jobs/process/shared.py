"""The program of a shared process: many attempts of one handler package at a time.

First what is reported of attempts, gathered (`Outbox`); then what handlers print, each line to its
attempt (`Output`); then attempts side by side (`Attempts`): coroutines share a loop, plain
functions have threads; last the program.

Arguments: the handler package as JSON, then the descriptors of tasks and of reports, both JSON
lines, and of the lease's end. Of the first it takes what `Attempts.obey` knows. To the second it
says `ready` once, and of each attempt, by the `id` that came with its task: `output`, `update`, and
how it ended. On SIGTERM it says which attempt blocks the loop, if one does: `{"type": "in_the_way",
"id", "stack"}`; and `goes_on` once the loop does, for then no attempt blocked it. Then it is
killed.
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
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

from apphub_jobs.contract import Handler, JobRunContext
from apphub_jobs.process.handlers import arrange, is_coroutine_function, load
from apphub_jobs.process.lease import Lease, LeaseIsOverError
from apphub_jobs.process.program import (
    CancelSignal,
    NotJsonError,
    Reported,
    context_of,
    encode,
    log_to_standard_error,
    raised,
    returned,
    show,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer


# Reports of attempts: many results in one write, many reports in one line.

GATHER_S = 0.02
"""How long reports and what is printed wait for more of it."""

LINE_LIMIT_BYTES = 8 * 1_048_576
"""The longest line that the worker reads."""

PIECE_BYTES = 262_144
"""What is printed goes in pieces, which escapes make up to six times as long."""


PRINTED_LIMIT_BYTES = 32 * 1_048_576
"""How much of what is printed may wait, of all attempts together: beyond it, it is left out."""

UNREAD_BYTES = 1_048_576
"""While the worker has left so much unread, reports and what is printed wait for more of it."""


@dataclass
class _Gathered:
    """What an attempt has printed and reported, and nobody was told yet."""

    printed: list[bytes] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


class Outbox:
    """Writes lines to the worker. Anything may be said in any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, out: asyncio.WriteTransport) -> None:
        self._loop = loop
        self._out = out
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._gathered: dict[str, _Gathered] = {}
        self._printed_bytes = 0
        self._is_due = False
        self._is_planned = False

    def printed(self, attempt_id: str, content: bytes) -> bool:
        """Pass on what an attempt has printed, soon; return whether there was room for it."""
        with self._lock:
            waiting_bytes = self._printed_bytes + len(content)
            if waiting_bytes > PRINTED_LIMIT_BYTES:
                return False
            self._printed_bytes = waiting_bytes
            self._of(attempt_id).printed.append(content)
            self._plan()
            return True

    def reported(self, attempt_id: str, report: Mapping[str, Any]) -> None:
        """Pass on a report, soon, merged with those before."""
        with self._lock:
            gathered = self._of(attempt_id).report
            for part in ("metrics", "context"):
                gathered[part] = {**gathered.get(part, {}), **report[part]}
            gathered["logsUrl"] = report["logsUrl"] or gathered.get("logsUrl")
            self._plan()

    def ended(self, attempt_id: str, message: Mapping[str, Any]) -> None:
        """Pass on how an attempt has ended, after all else of it, with whatever ends now."""
        line = _line(attempt_id, message)
        with self._lock:
            self._take(attempt_id)
            self._lines.append(line)
            if not self._is_due:
                self._is_due = True
                self._loop.call_soon_threadsafe(self._flush)

    def _of(self, attempt_id: str) -> _Gathered:
        gathered = self._gathered.get(attempt_id)
        if gathered is None:
            gathered = self._gathered[attempt_id] = _Gathered()
        return gathered

    def _plan(self) -> None:
        if not (self._is_planned or self._is_due):
            self._is_planned = True
            self._loop.call_soon_threadsafe(self._flush_later)

    def _flush_later(self) -> None:
        self._loop.call_later(GATHER_S, self._flush)

    def _flush(self) -> None:
        with self._lock:
            self._is_due = False
            self._is_planned = False
            self._take_if_read()
            said = b"".join(self._lines)
            self._lines.clear()
        if said:
            # What a handler may have written there itself ends before it.
            self._out.write(b"\n" + said)

    def _take_if_read(self) -> None:
        """Take what was gathered, or wait until the worker has read more."""
        if self._out.get_write_buffer_size() < UNREAD_BYTES:
            for attempt_id in list(self._gathered):
                self._take(attempt_id)
        elif self._gathered:
            self._plan()

    def _take(self, attempt_id: str) -> None:
        """Make lines of what an attempt has printed and reported."""
        gathered = self._gathered.pop(attempt_id, None)
        if gathered is None:
            return
        printed = b"".join(gathered.printed)
        self._printed_bytes -= len(printed)
        for start in range(0, len(printed), PIECE_BYTES):
            piece = printed[start : start + PIECE_BYTES]
            # Any bytes at all, as the characters of the same numbers.
            text = piece.decode("latin-1")
            self._lines.append(_line(attempt_id, {"type": "output", "text": text}))
        if gathered.report:
            update = {"type": "update", **gathered.report}
            self._lines.append(_line(attempt_id, update))


def _line(attempt_id: str, message: Mapping[str, Any]) -> bytes:
    try:
        text = encode({"id": attempt_id, **message})
    except NotJsonError as error:
        text = json.dumps({"id": attempt_id, **unreadable(error)})
    line = text.encode() + b"\n"
    if len(line) <= LINE_LIMIT_BYTES:
        return line
    problem = f"a result or report of more than {LINE_LIMIT_BYTES} bytes"
    told = {"id": attempt_id, "type": "invalid", "message": problem}
    return json.dumps(told).encode() + b"\n"


# What handlers print, each line to the attempt that printed it.
#
# Python's streams and `logging` read a context variable that names the attempt: coroutines have it,
# and what `asyncio.to_thread` runs for them. All other output (of libraries in C, and of threads
# and programs that a handler starts) goes to the process's own log.

LIMIT_BYTES = 10 * 1_048_576
"""What is passed on of what one attempt prints; its log keeps no more of it."""


class Output:
    """What one attempt prints.

    Attributes:
        attempt_id: whose it is.
        left_out: how many bytes came beyond the limits.
    """

    def __init__(self, attempt_id: str, pass_on: Callable[[str, bytes], bool]) -> None:
        self.attempt_id = attempt_id
        self._pass_on = pass_on
        self._room = LIMIT_BYTES
        self.left_out = 0

    def add(self, printed: bytes) -> None:
        """Pass on what there is room for, here and on the way."""
        kept = printed[: self._room]
        self._room -= len(kept)
        self.left_out += len(printed) - len(kept)
        if kept and not self._pass_on(self.attempt_id, kept):
            self.left_out += len(kept)


PRINTING: ContextVar[Output | None] = ContextVar("PRINTING", default=None)
"""Of the attempt that goes on here, in its own tasks as well; None where it is nobody's."""


class _Routed(io.RawIOBase):
    """A stream that leads to whoever's attempt goes on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, printed: ReadableBuffer, /) -> int:
        content = bytes(printed)
        output = PRINTING.get()
        if output is None:
            return os.write(self._descriptor, content)
        output.add(content)
        return len(content)


def route() -> None:
    """Let Python's streams lead to the attempts from now on."""
    sys.stdout = _stream(1)
    sys.stderr = _stream(2)


def _stream(descriptor: int) -> io.TextIOWrapper:
    routed = cast("BinaryIO", _Routed(descriptor))
    # Written through at once: what waited could be taken for somebody else's.
    return io.TextIOWrapper(routed, encoding="utf-8", errors="backslashreplace", write_through=True)


# Attempts side by side: each a task of the loop; a plain function runs in a thread meanwhile.

MOST_THREADS = 256
"""Plain functions that run at a time; further ones wait for a thread."""

_Call = Future[tuple[object, BaseException | None]]

End = Literal["canceled", "timeout"]
"""Why an attempt is asked to end."""


class Attempts:
    """Those that go on in this process, by the ids that the worker gave them."""

    def __init__(self, handlers: Mapping[str, Handler], outbox: Outbox, lease: Lease) -> None:
        self._handlers = handlers
        self._outbox = outbox
        self._lease = lease
        self._threads = ThreadPoolExecutor(MOST_THREADS, "attempt")
        self._going_on: dict[str, _Attempt] = {}

    def obey(self, order: Mapping[str, Any]) -> None:
        """Begin an attempt, or ask one to end: `{"id", "task"}` or `{"id", "end"}`."""
        attempt_id: str = order["id"]
        if "task" in order:
            attempt = _Attempt(attempt_id, self._outbox, self._threads, self._lease)
            self._going_on[attempt_id] = attempt
            attempt.begin(self._handlers, order["task"], self._forget)
        elif attempt_id in self._going_on:
            self._going_on[attempt_id].end(order["end"])

    def _forget(self, attempt_id: str) -> None:
        del self._going_on[attempt_id]


class _Attempt:
    """One attempt, from its task to what is said of its end."""

    task: asyncio.Task[None] | None = None

    def __init__(
        self, attempt_id: str, outbox: Outbox, threads: ThreadPoolExecutor, lease: Lease
    ) -> None:
        self._id = attempt_id
        self._outbox = outbox
        self._threads = threads
        self._lease = lease
        self._cancelled = CancelSignal()
        self._reported = Reported()
        self._output = Output(attempt_id, outbox.printed)
        self._asked: End | None = None
        self._called: _Call | None = None
        self._unreadable: Mapping[str, Any] | None = None
        self._told: Mapping[str, Any] = {}

    def begin(
        self,
        handlers: Mapping[str, Handler],
        task: Mapping[str, Any],
        forget: Callable[[str], None],
    ) -> None:
        """Let it go on in the background."""
        self._told = task
        running = self._run(handlers, task)
        # Here is no service: what comes of it is told by the attempt itself.
        self.task = asyncio.get_running_loop().create_task(running)
        self.task.add_done_callback(self._tell_unless_told)
        self.task.add_done_callback(lambda _: forget(self._id))

    def end(self, why: End) -> None:
        """Ask it to end, once: a coroutine is cancelled, a plain function can look for it."""
        if self._asked is not None:
            return
        self._asked = why
        self._cancelled.set()
        if self._called is not None:
            # Only where it still waits for a thread; it ends as a coroutine does.
            self._called.cancel()
        elif self.task is not None:
            self._cancelled.was_seen = True
            self.task.cancel()

    def _tell_unless_told(self, task: asyncio.Task[None]) -> None:
        """Say how it ended if it could not itself, so that nobody waits for it for ever."""
        if task.cancelled():  # Before its first step.
            self._outbox.ended(self._id, {"type": self._asked})
            return
        error = task.exception()
        if error is not None:
            self._outbox.ended(self._id, raised(error, self._told))

    async def _run(self, handlers: Mapping[str, Handler], task: Mapping[str, Any]) -> None:
        PRINTING.set(self._output)
        message = await self._outcome(handlers, task)
        _end_if_forked()
        told = {**message, "leftOut": self._output.left_out}
        self._outbox.ended(self._id, told)

    async def _outcome(
        self, handlers: Mapping[str, Handler], task: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        try:
            context = context_of(task, self._cancelled, self._report)
            # It may have been removed from its module since it was offered.
            value = await self._value(handlers[task["entryPoint"]], context)
        except LeaseIsOverError:
            return {"type": "lease"}
        except SystemExit as error:
            message = _exited(error)
        except asyncio.CancelledError as error:
            message = raised(error, task)
            if self._asked is not None:
                return {"type": self._asked}
        except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its attempt
            show(error, task)
            message = raised(error, task)
        else:
            message = returned(value, self._cancelled)
        if self._asked == "timeout":
            return {"type": "timeout"}
        return self._unreadable or message

    async def _value(self, handler: Handler, context: JobRunContext) -> object:
        if is_coroutine_function(handler):
            self._lease.check()
            value = handler(context)
        else:
            value = await self._in_thread(handler, context)
        if isinstance(value, Awaitable):
            value = await value
        return value

    async def _in_thread(self, handler: Handler, context: JobRunContext) -> object:
        calling = copy_context().run
        self._called = self._threads.submit(calling, _call, handler, context, self._lease)
        value, error = await asyncio.wrap_future(self._called)
        self._called = None
        if error is not None:
            raise error
        return value

    def _report(self, report: Mapping[str, Any]) -> None:
        try:
            text = self._reported.add(report)
        except NotJsonError as error:
            self._unreadable = unreadable(error)
            raise
        plain: dict[str, Any] = json.loads(text)
        self._outbox.reported(self._id, plain)


def _call(
    handler: Handler, context: JobRunContext, lease: Lease
) -> tuple[object, BaseException | None]:
    """Return what the handler returns, or raises: a future would not take each error."""
    try:
        lease.check()  # It may have waited for a thread.
        value = handler(context)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - raised again where it is told
        _end_if_forked()
        return None, error
    _end_if_forked()
    return value, None


_OWN_NUMBER = os.getpid()


def _end_if_forked() -> None:
    """End a fork that came out of its handler: it would go on with the attempts of all others."""
    if os.getpid() != _OWN_NUMBER:
        os._exit(1)


def _exited(error: SystemExit) -> Mapping[str, Any]:
    code = error.code
    if code is None:
        code = 0
    if not isinstance(code, int):
        code = 1
    message = f"the process exited with code {code} without a result"
    return {"type": "exit", "message": message}


PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Load the handlers, and run what comes until nobody gives any more."""
    package: dict[str, Any] = json.loads(sys.argv[1])
    tasks, reports = int(sys.argv[2]), int(sys.argv[3])
    for descriptor in (tasks, reports):
        os.set_inheritable(descriptor, False)
    lease = Lease(int(sys.argv[4]))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Nothing is in anybody's way yet.
    _adopt_nobody()
    arrange(package["directories"], package["shown"])
    route()
    faulthandler.enable(2)  # Of a crash, its log has at least where it was.
    handlers = load(package["modules"], package["commands"])
    log_to_standard_error()
    # What is here now never becomes garbage, and need not be looked through again and again.
    gc.freeze()
    _go_on_until_done(_serve(handlers, tasks, reports, lease))


def _adopt_nobody() -> None:
    """Leave to the supervisor what descendants leave behind: it clears that away once it has ended.

    Here nobody could, for whoever has started a process waits for it. Days of attempts that each
    leave something would use up the numbers of processes.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


def _go_on_until_done(serving: Coroutine[Any, Any, None]) -> None:
    """Run the loop, also past what `sys.exit` in a handler's own task makes of it.

    Such a task leaves the loop; whoever awaits it is told as well.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # Whatever it raises is raised by the loop below.
    going_on = loop.create_task(serving)
    while not going_on.done():
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_until_complete(going_on)


async def _serve(handlers: Mapping[str, Handler], tasks: int, reports: int, lease: Lease) -> None:
    loop = asyncio.get_running_loop()
    out, _ = await loop.connect_write_pipe(
        asyncio.BaseProtocol, os.fdopen(reports, "wb", buffering=0)
    )
    _tell_on_sigterm(loop, out, reports)
    orders = _Orders(Attempts(handlers, Outbox(loop, out), lease))
    await loop.connect_read_pipe(lambda: orders, os.fdopen(tasks, "rb", buffering=0))
    out.write(b'{"type": "ready"}\n')
    await orders.ended.wait()
    os._exit(0)  # The worker is gone; its supervisor ends all that is left.


class _Orders(asyncio.Protocol):
    """Lines from the worker, as they come."""

    def __init__(self, attempts: Attempts) -> None:
        self.ended = asyncio.Event()
        self._attempts = attempts
        self._received = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._attempts.obey(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()


def _tell_on_sigterm(
    loop: asyncio.AbstractEventLoop, out: asyncio.WriteTransport, reports: int
) -> None:
    def tell(number: int, frame: FrameType | None) -> None:
        del number
        loop.call_soon_threadsafe(out.write, b'{"type": "goes_on"}\n')
        # Python calls this in the context of whatever step it interrupts.
        interrupted = PRINTING.get()
        if interrupted is None:
            return
        stack = "".join(traceback.format_stack(frame))
        told = {"type": "in_the_way", "id": interrupted.attempt_id, "stack": stack}
        line = b"\n" + json.dumps(told).encode() + b"\n"
        with suppress(OSError):
            # Past the loop, which is stuck. It may break a line that is half written: what that
            # one says is lost, as all is that has not been said by now.
            os.write(reports, line)

    signal.signal(signal.SIGTERM, tell)
    # C that never returns to Python hears nothing: the log has at least where it was called.
    faulthandler.register(signal.SIGTERM, file=2, chain=True)
