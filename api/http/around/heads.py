"""HEAD: what GET answers, without its body."""

import asyncio
from http import HTTPMethod

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Answers HEAD wherever there is a GET. A stream is told that its client has left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server looks at its own, in order not to send a body.
        asked = {**scope, "method": "GET"}
        answered = asyncio.Event()
        received = False

        async def receive_once() -> Message:
            nonlocal received
            if not received:
                received = True
                return await receive()
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            await send(message)
            await send({"type": "http.response.body"})
            answered.set()

        await self._app(asked, receive_once, send_head)


def allowed_methods(request: Request) -> set[str]:
    """Return the methods that some route of the path takes.

    The framework names those of the first route only.
    """
    taken = {
        method.value for method in HTTPMethod if _some_route_takes(request, method)
    }
    if HTTPMethod.GET in taken:
        taken.add(HTTPMethod.HEAD.value)
    return taken


def _some_route_takes(request: Request, method: HTTPMethod) -> bool:
    scope = {key: request.scope[key] for key in ("type", "path", "root_path")}
    scope["method"] = method.value
    for route in request.app.routes:
        match, _ = route.matches(scope)
        if match is Match.FULL:
            return True
    return False
