"""Requests that are being answered, and what they are answered when the service stops.

A server that stops cancels what still runs after a while. A canceled request could say nothing of
its fate, so each is answered here before: either nothing was written, or this is the id to look
for.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.connections import ABORT
from api.http.errors import JsonAnswer, failure, outcome_unknown
from runtime.request_writes import RequestWrites, current_writes

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Request:
    """A request that is being answered.

    Attributes:
        task: what answers it.
    """

    scope: Scope
    receive: Receive
    respond: Send
    task: "asyncio.Task[object] | None"
    writes: RequestWrites = field(default_factory=RequestWrites)
    _is_started: bool = False
    _is_complete: bool = False
    _is_cut_short: bool = False

    async def send(self, message: Message) -> None:
        """Pass on the application's answer, unless another one was given."""
        if self._is_cut_short:
            return
        if message["type"] == "http.response.start":
            self._is_started = True
        elif not message.get("more_body", False):
            self._is_complete = True
        await self.respond(message)

    async def cut_short(self) -> None:
        """Answer instead of the application, or break off the answer that it has begun."""
        if self._is_cut_short or self._is_complete:
            return
        self._is_cut_short = True
        if self._is_started:
            self.scope["extensions"][ABORT]["abort"]()
        else:
            answer = _interrupted(self.writes.withdraw())
            await answer(self.scope, self.receive, self.respond)


class OpenRequests:
    """All that are being answered at the moment."""

    def __init__(self, closing: asyncio.Event) -> None:
        """Take what is set once the service stops."""
        self.closing = closing
        self._requests: set[_Request] = set()

    def add(self, request: _Request) -> None:
        """Note that it is being answered."""
        self._requests.add(request)

    def discard(self, request: _Request) -> None:
        """Note that it is over."""
        self._requests.discard(request)

    async def cut_short(self) -> None:
        """Answer all that are still open, and cancel them."""
        requests = list(self._requests)
        if requests:
            logger.warning("the service stops: %d requests are cut short", len(requests))
        await asyncio.gather(*(request.cut_short() for request in requests))
        for request in requests:
            if request.task is not None:
                request.task.cancel()


class Interruptible:
    """Notes each request while it is answered. A cancel ends it with an answer and no traceback."""

    def __init__(self, app: ASGIApp, requests: OpenRequests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, receive, send, asyncio.current_task())
        current_writes.set(request.writes)
        self._requests.add(request)
        try:
            await self._app(scope, receive, request.send)
        except asyncio.CancelledError:
            if not self._requests.closing.is_set():
                raise
            await request.cut_short()
        finally:
            self._requests.discard(request)


def _interrupted(ids: list[str] | None) -> JsonAnswer:
    if ids is None:
        message = "the service is stopping; nothing was written, ask again"
        return failure(503, "log_unavailable", message, {"Retry-After": "1"})
    message = (
        "the service stopped while it committed; look whether this id exists before you ask again"
    )
    return outcome_unknown(message, ids)
