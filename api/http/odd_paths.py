"""Paths that the router takes for others."""

from starlette.types import ASGIApp, Receive, Scope, Send

_NOWHERE = "//"


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
            scope["path"] = _NOWHERE
        await self._app(scope, receive, send)
