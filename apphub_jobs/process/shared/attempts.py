"""Attempts side by side: each a task of the loop; a plain function runs in a thread meanwhile."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Literal

from apphub_jobs.contract import Handler, JobRunContext
from apphub_jobs.process.encoding import NotJsonError
from apphub_jobs.process.handlers import is_coroutine_function
from apphub_jobs.process.lease import Lease, LeaseIsOverError
from apphub_jobs.process.outcomes import (
    CancelSignal,
    context_of,
    raised,
    returned,
    show,
    unreadable,
)
from apphub_jobs.process.reports import Reported
from apphub_jobs.process.shared.outbox import Outbox
from apphub_jobs.process.shared.output import PRINTING, Output

MOST_THREADS = 256
"""Plain functions that run at a time; further ones wait for a thread."""

_Call = Future[tuple[object, BaseException | None]]

End = Literal["canceled", "timeout"]
"""Why an attempt is asked to end."""


class Attempts:
    """Those that go on in this process, by the ids that the worker gave them."""

    def __init__(
        self, handlers: Mapping[str, Handler], outbox: Outbox, lease: Lease
    ) -> None:
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

    task: "asyncio.Task[None] | None" = None

    def __init__(
        self,
        attempt_id: str,
        outbox: Outbox,
        threads: ThreadPoolExecutor,
        lease: Lease,
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

    def _tell_unless_told(self, task: "asyncio.Task[None]") -> None:
        """Say how it ended if it could not itself, so that nobody waits for it for ever."""
        if task.cancelled():  # Before its first step.
            self._outbox.ended(self._id, {"type": self._asked})
            return
        error = task.exception()
        if error is not None:
            self._outbox.ended(self._id, raised(error, self._told))

    async def _run(
        self, handlers: Mapping[str, Handler], task: Mapping[str, Any]
    ) -> None:
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
        self._called = self._threads.submit(
            calling, _call, handler, context, self._lease
        )
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
