"""The program of a shared process: as many attempts at a time as the worker gives it.

Arguments: the handler package as JSON, then the descriptors of tasks and of reports, both JSON
lines, and of the lease's end. Of the first it takes what `Attempts.obey` knows. To the second it
says `ready` once, and of each attempt, by the `id` that came with its task: `output`, `update`, and
how it ended. On SIGTERM it says in whose midst the loop is, if anybody's: `{"type": "in_the_way",
"id", "stack"}`; and `goes_on` once the loop does, for then nobody was in the way. Then it is
killed.
"""

import asyncio
import ctypes
import faulthandler
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

from apphub_jobs.contract import Handler
from apphub_jobs.process.handlers import load
from apphub_jobs.process.imports import arrange
from apphub_jobs.process.lease import Lease
from apphub_jobs.process.outcomes import log_to_standard_error
from apphub_jobs.process.shared.attempts import Attempts
from apphub_jobs.process.shared.outbox import Outbox
from apphub_jobs.process.shared.output import PRINTING, route

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


async def _serve(
    handlers: Mapping[str, Handler], tasks: int, reports: int, lease: Lease
) -> None:
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
