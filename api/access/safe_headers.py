"""Headers by which browsers keep an answer from being misused: guessed at, framed, told about."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = b"content-security-policy"

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]

_NOTHING = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")
"""For an answer that is no page of ours: whatever it holds, nothing of it is executed."""


class SafeHeaders:
    """Adds them to every answer; a page says itself what it may load."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_ours(message["headers"])
            await send(message)

        await self._app(scope, receive, send_safely)


def _with_ours(given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    for name, _ in given:
        if name.lower() == _POLICY:
            return [*given, *_HEADERS]
    return [*given, *_HEADERS, _NOTHING]
