"""Middleware: what happens to requests before they reach a route, and to responses after it.

`RequestIds` names each request. `CrossOrigin` tells browsers what pages of other origins may do.
`AllowedHosts` refuses requests to a name that is not the API's, `LineFeedPaths` paths that would
match another route. `HeadRequests` answers HEAD. `SafeHeaders` protects browsers.

Middleware that passes most requests on unchanged is no coroutine: its `__call__` returns the next
application's awaitable. A coroutine more would cost every request a microsecond.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from api.http.dependencies import CAUSE, TRACEPARENT
from api.http.errors import REQUEST_ID, failure
from api.origins import ANY, Hosts, Origins
from runtime.logs import REQUESTS, add_own_log_fields
from runtime.traceparent import HEADER, read_traceparent, trace_id_of

ORIGIN_NOT_ALLOWED = "origin_not_allowed"

ALLOWED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

EXPOSED_HEADERS = ("Allow", "Content-Disposition", "Retry-After", "X-Request-Id")
"""Response headers that scripts may read, beside those that CORS always exposes."""

PREFLIGHT_MAX_AGE_S = 600
"""How long browsers cache the response to a preflight request."""


_REQUEST_ID = b"x-request-id"

_TRACEPARENT = HEADER.encode()

_SAFE_ID = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
"""The ids of clients and proxies that are kept. Others are replaced, since ids appear in logs."""

MIN_FAILURE = 400


class RequestIds:
    """Gives each request an id, which its response and all that is logged about it carry.

    The id is the client's `X-Request-Id`, or a new one, which is also the `causationId` of the
    request's events. The client's trace is read here, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._failures = FailureLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add its id to the response."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        cause = uuid4()
        ids: list[bytes] = []
        traceparents: list[str] = []
        for name, value in scope["headers"]:
            if name == _REQUEST_ID:
                ids.append(value)
            elif name == _TRACEPARENT:
                traceparents.append(value.decode("latin-1"))
        is_safe = len(ids) == 1 and _SAFE_ID.fullmatch(ids[0]) is not None
        request_id = ids[0].decode() if is_safe else str(cause)
        traceparent = read_traceparent(traceparents)
        state = {REQUEST_ID: request_id, CAUSE: cause, TRACEPARENT: traceparent}
        scope.setdefault("state", {}).update(state)
        add_own_log_fields(request=request_id)
        if traceparent is not None:
            add_own_log_fields(trace=trace_id_of(traceparent))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_REQUEST_ID, request_id.encode())]
                if message["status"] >= MIN_FAILURE:
                    self._failures.record(scope, message["status"])
            await send(message)

        await self._app(scope, receive, send_with_id)


MAX_LINES = 100
"""Lines about requests with the same status within `PERIOD_S`: clients can send very many."""

PERIOD_S = 60.0


@dataclass
class _Period:
    """The number of requests with one status since a moment."""

    began_s: float
    requests: int = 0


class FailureLog:
    """Logs failed requests by method and route; their paths and queries may hold personal data.

    The first `MAX_LINES` with one status in each period have a line each; the others are counted.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._periods: dict[int, _Period] = {}

    def record(self, scope: Scope, status: int) -> None:
        """Log a request, unless there are too many."""
        now_s = self._now_s()
        period = self._periods.get(status)
        if period is None or now_s - period.began_s >= PERIOD_S:
            if period is not None and period.requests > MAX_LINES:
                unlogged = period.requests - MAX_LINES
                numbers = {"status": status, "unlogged": unlogged}
                message = "%d more requests were answered %d, and have no line each"
                REQUESTS.info(message, unlogged, status, extra={"fields": numbers})
            period = self._periods[status] = _Period(now_s)
        period.requests += 1
        if period.requests > MAX_LINES:
            return
        route = getattr(scope.get("route"), "path", "an unknown path")
        fields = {"method": scope["method"], "route": route, "status": status}
        REQUESTS.info("%s %s: %d", scope["method"], route, status, extra={"fields": fields})


class CrossOrigin(CORSMiddleware):
    """Answers preflight requests, and adds CORS headers to responses.

    It refuses nothing else: that is for `api.access.principal_of`. Requests without an `Origin`, as
    launches of programs are, skip it.
    """

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        super().__init__(
            app,
            allow_origins=(ANY,) if origins.any else (),
            allow_methods=ALLOWED_METHODS,
            allow_headers=(ANY,),
            allow_credentials=not origins.any,
            allow_private_network=True,
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_MAX_AGE_S,
        )
        self._origins = origins

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, or pass the request on and add headers to its response."""
        if scope["type"] == "http" and any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    @override
    def is_allowed_origin(self, origin: str) -> bool:
        return self._origins.accept(origin)

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        headers = dict(response.headers)
        for name in ("content-length", "content-type"):
            del headers[name]
        if response.status_code == 200:  # noqa: PLR2004 - Starlette's status for an allowed one
            return Response(status_code=204, headers=headers)
        origin = request_headers["origin"]
        message = (
            f"pages from {origin} may not do this here:"
            f" let the operator give --cors-origin {origin}"
        )
        return failure(403, ORIGIN_NOT_ALLOWED, message, headers)

    @override
    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        if self.is_allowed_origin(request_headers["origin"]):
            await super().simple_response(scope, receive, send, request_headers)
        else:
            await self.app(scope, receive, send)


HOST_NOT_ALLOWED = "host_not_allowed"


class AllowedHosts:
    """Refuses requests whose `Host` is none of the API's names, over HTTP and WebSocket.

    A request without a `Host` passes: every browser sends one.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, or refuse it."""
        if scope["type"] != "lifespan":
            for name, value in scope["headers"]:
                if name == b"host" and not self._hosts.accept(value.decode("latin-1")):
                    return _refuse_host(scope, receive, send)
        return self._app(scope, receive, send)


async def _refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # The WebSocket is not accepted yet, so the handshake is answered 403.
        await send({"type": "websocket.close", "code": 1008, "reason": HOST_NOT_ALLOWED})
        return
    message = (
        "the API is not called by this name: use its address,"
        " or let the operator give --allowed-host NAME"
    )
    await failure(421, HOST_NOT_ALLOWED, message)(scope, receive, send)


UNROUTABLE_PATH = "//"


class LineFeedPaths:
    """Makes a path that ends in a line feed match no route, over HTTP and WebSocket.

    The router's patterns end in `$`, which also matches before a last line feed:
    `/jobs/x/run%0A` would launch.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on."""
        if scope["type"] != "lifespan" and scope["path"].endswith("\n"):
            scope["path"] = UNROUTABLE_PATH
        return self._app(scope, receive, send)


class HeadRequests:
    """Answers HEAD as GET without a body; a stream is disconnected after its head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return self._app(scope, receive, send)
        return self._as_get(scope, receive, send)

    async def _as_get(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A copy, since the server still needs the method HEAD: it then sends no body.
        get_scope = {**scope, "method": "GET"}
        head_sent = asyncio.Event()
        has_received = False

        async def receive_once() -> Message:
            nonlocal has_received
            if not has_received:
                has_received = True
                return await receive()
            await head_sent.wait()
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            await send(message)
            await send({"type": "http.response.body"})
            head_sent.set()

        await self._app(get_scope, receive_once, send_head)


_POLICY = b"content-security-policy"

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]

_DENY_ALL = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")
"""For every response that is not one of our pages: browsers execute nothing in it."""


class SafeHeaders:
    """Adds security headers to every response; pages have a policy of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_safe_headers(message["headers"])
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _with_safe_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    if any(name.lower() == _POLICY for name, _ in headers):
        return [*headers, *_HEADERS]
    return [*headers, *_HEADERS, _DENY_ALL]
