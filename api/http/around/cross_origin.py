"""Pages of other origins: their browsers ask first, and are told what they may (CORS)."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from api.access.origins import ANY, Origins
from api.http.errors import failure

CODE = "origin_not_allowed"

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
        return failure(403, CODE, message, told)

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
