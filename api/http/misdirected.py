"""Requests that lead elsewhere than they seem to: to another host, or another path."""

from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.hosts import Hosts
from api.http.errors import failure

CODE = "host_not_allowed"

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
        await send({"type": "websocket.close", "code": 1008, "reason": CODE})
        return
    message = (
        "the API is not called by this name: use its address,"
        " or let the operator give --allowed-host NAME"
    )
    answer = failure(421, CODE, message)
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
