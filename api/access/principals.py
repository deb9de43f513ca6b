"""Who asks. Operators may name tokens in a file; without one the API is open."""

from base64 import b64decode
from collections.abc import Iterable

from starlette.requests import HTTPConnection

from api.access.guesses import MAX_ADDRESS_CHARACTERS
from api.access.origins import Origins
from api.access.tokens import Tokens

ANONYMOUS = "anonymous"

IN_THE_QUERY = frozenset({"/ws", "/events/stream"})
"""Paths whose token may stand in the address: browsers send no headers with a WebSocket or an
EventSource. It may end up in logs there; a WebSocket can offer it as a protocol instead."""


PROTOCOL = "apphub-jobs"
"""The WebSocket protocol that a browser offers beside one that is its token."""

_BEARER = "bearer."


def token_offered(protocols: Iterable[str]) -> str:
    """Return the token that stands among the protocols of a WebSocket; empty if none does.

    Browsers can send nothing else with a WebSocket but its address, which ends up in logs. The
    token is written in base64url, without padding: protocols hold few characters.
    """
    for protocol in protocols:
        if protocol.startswith(_BEARER):
            encoded = protocol.removeprefix(_BEARER)
            padding = "=" * (-len(encoded) % 4)
            try:
                return b64decode(encoded + padding, b"-_", validate=True).decode()
            except ValueError:
                return ""
    return ""


def principal_of(
    connection: HTTPConnection,
    tokens: Tokens | None,
    origins: Origins,
    *,
    to_write: bool,
) -> str:
    """Return who asks.

    Args:
        connection: the request.
        tokens: None for an open API.
        origins: the pages from elsewhere that may use the API.
        to_write: whether more than reading is asked for.

    Raises:
        UnauthenticatedError: no token, or an unknown one.
        TooManyGuessesError: too many wrong ones came from the same address.
        ForbiddenError: the token only allows reading; or a web page from elsewhere asks, without
            tokens or over a WebSocket.
    """
    if tokens is None:
        _refuse_foreign_pages(connection, origins)
        return ANONYMOUS
    if connection.scope["type"] == "websocket":
        # Over HTTP browsers hide the answer from such a page. Here they leave that to us.
        _refuse_foreign_pages(connection, origins)
    token = _token_of(connection)
    who = None
    if token:
        who = tokens.holder_of(token, _address_of(connection))
    if who is None:
        msg = "send the header Authorization: Bearer TOKEN with a token that the operator gave out"
        raise UnauthenticatedError(msg)
    if to_write and not who.may_write:
        message = f"the token of {who.name} only allows reading"
        raise ForbiddenError(message)
    return who.name


def _token_of(connection: HTTPConnection) -> str:
    """Return the token that was sent; empty if there is none."""
    authorization = header(connection, b"authorization") or ""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given
    if connection.scope["type"] == "websocket":
        offered = token_offered(connection.scope["subprotocols"])
        if offered:
            return offered
    if connection.scope["path"] in IN_THE_QUERY:
        return connection.query_params.get("token", "")
    return ""


def _address_of(connection: HTTPConnection) -> str:
    if connection.client is None:
        return ""
    return connection.client.host[:MAX_ADDRESS_CHARACTERS]


def header(connection: HTTPConnection, name: bytes) -> str | None:
    """Return a header; the framework's own way costs thrice as much, and most where there is none.

    Args:
        connection: whose it is.
        name: in lower case.
    """
    for key, value in connection.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def headers(connection: HTTPConnection, name: bytes) -> list[str]:
    """Return all headers of this name, which is in lower case."""
    return [
        str(value, "latin-1")
        for key, value in connection.scope["headers"]
        if key == name
    ]


def _refuse_foreign_pages(connection: HTTPConnection, origins: Origins) -> None:
    """Keep web pages from elsewhere from using an API through somebody's browser."""
    origin = header(connection, b"origin")
    if origin is None:
        return
    if not origins.accept_page(origin, header(connection, b"host")):
        raise ForbiddenError(
            f"pages from {origin} may not use this API;"
            f" let the operator give --cors-origin {origin}"
        )


class UnauthenticatedError(Exception):
    """No token, or none that is known."""


class ForbiddenError(Exception):
    """The token does not allow this."""
