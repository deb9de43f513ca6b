"""What happens to requests before routes: CORS, foreign hosts and odd paths.

Pages of other origins: their browsers ask first, and learn what the page may do (`CrossOrigin`).
Then requests that lead elsewhere than they seem to (`ForeignHosts`, `OddPaths`).
"""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from api.access import ANY, Hosts, Origins
from api.http.errors import failure

ORIGIN_NOT_ALLOWED = "origin_not_allowed"

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

EXPOSED = ("Allow", "Content-Disposition", "Retry-After")
"""Headers of answers that scripts may read, beside the usual ones."""

ASK_AGAIN_S = 600
"""How long a browser remembers what it was told."""


class CrossOrigin(CORSMiddleware):
    """Tells browsers which pages may use the API, and answers what they ask beforehand.

    It refuses nothing else: whom to refuse, the principals decide. What does not come from a page
    passes at once, as launches by the thousand do.
    """

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        super().__init__(
            app,
            allow_origins=(ANY,) if origins.any else (),
            allow_methods=METHODS,
            allow_headers=(ANY,),
            allow_credentials=not origins.any,
            allow_private_network=True,
            expose_headers=EXPOSED,
            max_age=ASK_AGAIN_S,
        )
        self._origins = origins

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a question, or pass the request on and add to its answer."""
        if scope["type"] == "http" and _is_from_a_page(scope):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    @override
    def is_allowed_origin(self, origin: str) -> bool:
        return self._origins.accept(origin)

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        told = dict(answer.headers)
        for name in ("content-length", "content-type"):
            del told[name]
        if answer.status_code == 200:  # noqa: PLR2004 - what the framework says
            return Response(status_code=204, headers=told)
        origin = request_headers["origin"]
        message = (
            f"pages from {origin} may not do this here:"
            f" let the operator give --cors-origin {origin}"
        )
        return failure(403, ORIGIN_NOT_ALLOWED, message, told)

    @override
    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        if self.is_allowed_origin(request_headers["origin"]):
            await super().simple_response(scope, receive, send, request_headers)
        else:
            await self.app(scope, receive, send)


def _is_from_a_page(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


HOST_NOT_ALLOWED = "host_not_allowed"

NOWHERE = "//"


class ForeignHosts:
    """Refuses requests whose `Host` is none of the API's names, over HTTP and WebSocket.

    A request without any is answered: every browser sends one.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"host" and not self._hosts.accept(value.decode("latin-1")):
                await _refuse(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted: the handshake is answered 403.
        await send({"type": "websocket.close", "code": 1008, "reason": HOST_NOT_ALLOWED})
        return
    message = (
        "the API is not called by this name: use its address,"
        " or let the operator give --allowed-host NAME"
    )
    answer = failure(421, HOST_NOT_ALLOWED, message)
    await answer(scope, receive, send)


class OddPaths:
    """Lets a path that ends in a line feed lead nowhere, over HTTP and WebSocket.

    The router's patterns end in `$`, which also matches before a last line feed:
    `/jobs/x/run%0A` would launch.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "lifespan" and scope["path"].endswith("\n"):
            scope["path"] = NOWHERE
        await self._app(scope, receive, send)
