"""Requests that are being answered, and the responses that they get when the service stops.

A server that stops cancels requests that still run after a while, and a canceled request could not
report its outcome. So each is answered before: nothing was written, or the response names the ids
to look for.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.connections import ABORT
from api.http.errors import JsonResponse, failure, outcome_unknown
from runtime.request_writes import RequestWrites, current_writes

logger = logging.getLogger(__name__)


class OpenRequests:
    """All requests that are being answered.

    Attributes:
        closing: set once the service stops.
        open: the requests.
    """

    def __init__(self, closing: asyncio.Event) -> None:
        self.closing = closing
        self.open: set[OpenRequest] = set()

    async def interrupt(self) -> None:
        """Answer all open requests, and cancel their tasks."""
        requests = list(self.open)
        if requests:
            logger.warning("the service stops: %d requests are cut short", len(requests))
        await asyncio.gather(*(request.interrupt() for request in requests))
        for request in requests:
            if request.task is not None:
                request.task.cancel()


class Interruptible:
    """Tracks each request while it is answered.

    A request that is canceled while the service stops ends with a response and no traceback.
    """

    def __init__(self, app: ASGIApp, requests: OpenRequests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = OpenRequest(scope, receive, send, asyncio.current_task())
        current_writes.set(request.writes)
        self._requests.open.add(request)
        try:
            await self._app(scope, receive, request.send)
        except asyncio.CancelledError:
            if not self._requests.closing.is_set():
                raise
            await request.interrupt()
        finally:
            self._requests.open.discard(request)


@dataclass(eq=False)
class OpenRequest:
    """A request that is being answered.

    Attributes:
        respond: sends to the client.
        task: the task that answers the request.
        writes: what the request writes to the log.
    """

    scope: Scope
    receive: Receive
    respond: Send
    task: "asyncio.Task[object] | None"
    writes: RequestWrites = field(default_factory=RequestWrites)
    _is_started: bool = False
    _is_complete: bool = False
    _is_interrupted: bool = False

    async def send(self, message: Message) -> None:
        """Pass on the application's response, unless the request was interrupted."""
        if self._is_interrupted:
            return
        if message["type"] == "http.response.start":
            self._is_started = True
        elif not message.get("more_body", False):
            self._is_complete = True
        await self.respond(message)

    async def interrupt(self) -> None:
        """Answer instead of the application, or abort a response that it has begun."""
        if self._is_interrupted or self._is_complete:
            return
        self._is_interrupted = True
        if self._is_started:
            self.scope["extensions"][ABORT]["abort"]()
        else:
            response = _interruption_response(self.writes.withdraw())
            await response(self.scope, self.receive, self.respond)


def _interruption_response(ids: list[str] | None) -> JsonResponse:
    if ids is None:
        message = "the service is stopping; nothing was written, ask again"
        return failure(503, "log_unavailable", message, {"Retry-After": "1"})
    message = (
        "the service stopped while it committed; look whether this id exists before you ask again"
    )
    return outcome_unknown(message, ids)
