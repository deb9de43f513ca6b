"""Who asks. Operators may name tokens in a file; without one the API is open."""

import hmac
import json
import logging
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

from api.access.origins import Origins

logger = logging.getLogger(__name__)

ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Principal:
    """Somebody with a name, who may read or also write."""

    name: str
    may_write: bool


Tokens = Mapping[str, Principal]


def read_tokens(path: Path) -> Tokens:
    """Read `{"TOKEN": {"principal": "name", "role": "read" | "write"}, …}`.

    That others on the machine can read the file is a warning.

    Raises:
        ValueError: the file says something else, or names a token that anybody has: an empty one.
    """
    shape = '{"TOKEN": {"principal": "name", "role": "read" or "write"}}'
    try:
        entries = json.loads(path.read_text(), object_pairs_hook=_each_once)
        tokens = {token: _principal(entry) for token, entry in entries.items()}
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} must hold {shape}: {error!r}") from None
    except _FileError as error:
        raise ValueError(f"{path} must hold {shape}: {error}") from None
    if not tokens:
        raise ValueError(f"{path} must hold {shape}: it names no token at all")
    for number, token in enumerate(tokens, 1):
        # Never the token itself: this is printed.
        if not token or token != token.strip():
            raise ValueError(
                f"{path}: token {number} is empty, or begins or ends with blanks"
            )
    _warn_of_readers(path)
    return tokens


class _FileError(Exception):
    """What is wrong with the file, without any token of it."""


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _FileError("the same token or field stands in it twice")
    return found


def _principal(entry: Mapping[str, object]) -> Principal:
    name = entry["principal"]
    if not isinstance(name, str) or not name.strip():
        raise _FileError("a principal is a name that is not blank")
    return Principal(name, _ROLES[str(entry["role"])])


def _warn_of_readers(path: Path) -> None:
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.warning(
            "%s holds tokens and is open to other users (mode %03o): chmod 600 it",
            path,
            stat.S_IMODE(mode),
        )


_ROLES = {"read": False, "write": True}


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
        ForbiddenError: the token only allows reading; or a web page from elsewhere asks, without
            tokens or over a WebSocket.
    """
    if tokens is None:
        _refuse_foreign_pages(connection, origins)
        return ANONYMOUS
    if connection.scope["type"] == "websocket":
        # Over HTTP browsers hide the answer from such a page. Here they leave that to us.
        _refuse_foreign_pages(connection, origins)
    authorization = header(connection, b"authorization") or ""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer":
        # Browsers cannot send headers with a WebSocket.
        given = connection.query_params.get("token", "")
    who = _holder_of(given, tokens)
    if who is None:
        msg = "send the header Authorization: Bearer TOKEN with a token that the operator gave out"
        raise UnauthenticatedError(msg)
    if to_write and not who.may_write:
        raise ForbiddenError(f"the token of {who.name} only allows reading")
    return who.name


def _holder_of(given: str, tokens: Tokens) -> Principal | None:
    """Return whose token this is; all are compared, so that the time it takes tells nothing."""
    found: Principal | None = None
    for token, who in tokens.items():
        if hmac.compare_digest(token.encode(), given.encode()):
            found = who
    return found


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
