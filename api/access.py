"""Who sends a request, what the principal may do, and from where the API may be reached.

From the outside in: a limit on wrong tokens for each address (`Guesses`); the names that the API
answers to (`Hosts`) and the web pages that may use it (`Origins`); headers that protect browsers
(`SafeHeaders`); the operator's file of tokens (`Tokens`), read again when it changes; then
`principal_of`; last the proxies whose word about a client's address is trusted. Without
a file of tokens the API is open, on this machine alone.
"""

import hmac
import ipaddress
import json
import logging
import re
import stat
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.errors import OverloadedError

# Wrong tokens are counted by address: no client may try one after the other.

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE = 20
"""Wrong tokens that an address may send before it has to wait."""

A_SECOND = 1.0
"""And so many more each second."""

ALL_AT_ONCE = 500
"""Wrong tokens that all addresses together may send: some own many, and some can name any."""

ALL_A_SECOND = 10.0

MAX_ADDRESSES = 4_096
"""Those that sent a wrong token last are remembered."""

MAX_RIGHT = 4_096
"""And so many pairs of an address and a token that was right."""


MAX_ADDRESS_CHARACTERS = 64
"""Proxies may be made to name anything."""


class TooManyGuessesError(OverloadedError):
    """Too many wrong tokens came from an address, or from all together."""


@dataclass
class _Bucket:
    """How many wrong tokens may still come, as of a moment."""

    most: float
    a_second: float
    left: float
    at_s: float

    def left_at(self, now_s: float) -> float:
        """Return how many may come now."""
        return min(self.most, self.left + (now_s - self.at_s) * self.a_second)

    def take(self, now_s: float) -> None:
        """Count one."""
        self.left = self.left_at(now_s) - 1
        self.at_s = now_s


class Guesses:
    """How many wrong tokens each address may still send, and all of them together.

    Where no more may be sent, its tokens are not even looked at: else the answer would tell which
    one is right. Those that were right before go on to be, so nobody is locked out by a neighbour
    behind the same address.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._of_all = _Bucket(ALL_AT_ONCE, ALL_A_SECOND, ALL_AT_ONCE, now_s())
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets) + len(self._right)

    def check(self, address: str, token: str) -> None:
        """Raise TooManyGuessesError where the token is not to be looked at."""
        if not self._buckets or (address, token) in self._right:
            return
        now_s = self._now_s()
        bucket = self._buckets.get(network_of(address), self._of_all)
        if min(bucket.left_at(now_s), self._of_all.left_at(now_s)) < 1:
            raise TooManyGuessesError("too many wrong tokens: wait a moment")

    def note(self, address: str, token: str, *, right: bool) -> None:
        """Note whether a token was right that was looked at."""
        if right:
            self._right[address, token] = None
            self._right.move_to_end((address, token))
            _shorten(self._right, MAX_RIGHT)
            return
        self._right.pop((address, token), None)  # It was, before the operator took it away.
        now_s = self._now_s()
        network = network_of(address)
        self._of_all.take(now_s)
        fresh = _Bucket(AT_ONCE, A_SECOND, AT_ONCE, now_s)
        self._buckets.setdefault(network, fresh).take(now_s)
        self._buckets.move_to_end(network)
        _shorten(self._buckets, MAX_ADDRESSES)


def _shorten(kept: OrderedDict[K, V], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def network_of(address: str) -> str:
    """Return whom an address belongs to: of IPv6 everybody has a network of 64 bits."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:  # noqa: PLR2004 - as of the protocol
        return address
    network = ipaddress.ip_network((known, 64), strict=False)
    return str(network)


# Where an open API may listen, and by which names it may be called.
#
# Web pages reach an open API through a user's browser once their own name leads to its address (DNS
# rebinding). Such a request has the page's name as its host, and is refused by that.

MAX_KNOWN = 256
"""How many names that clients gave are remembered, so that each is taken apart once."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")

_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class OpenApiError(ValueError):
    """An open API may not listen there; the message says what to do."""


def check_open(host: str, *, insecure: bool) -> None:
    """Let an API without tokens listen on this machine's own addresses alone.

    Raises:
        OpenApiError: others could reach it, and the operator does not insist.
    """
    if insecure or is_loopback(host):
        return
    raise OpenApiError(
        f"without tokens everybody who reaches {host or 'this machine'} could use the API:"
        " give --tokens-file, or --host 127.0.0.1,"
        " or --insecure if something else keeps others away"
    )


def is_loopback(host: str) -> bool:
    """Return whether the name or address is this machine's own, for itself alone."""
    address = _address(host)
    if address is None:
        return host.lower().removesuffix(".") == "localhost"
    return address.is_loopback


class Hosts:
    """The names that an API answers to, whatever the port."""

    def __init__(self, bound: str, allowed: Iterable[str]) -> None:
        """Take the address that the API listens on, and the operator's names beside it.

        Raises:
            ValueError: one of the names is none.
        """
        names = {_checked_host(name) for name in allowed}
        own_name = bound.lower()
        names.add(own_name)
        self._names = frozenset(names)
        address = _address(bound)
        self._any_address = False
        if address is not None:
            self._any_address = address.is_unspecified
        self._known: dict[str, bool] = {}

    def accept(self, host: str) -> bool:
        """Return whether a request with this header `Host` is meant for the API."""
        accepted = self._known.get(host)
        if accepted is not None:
            return accepted
        accepted = self._accept(host)
        if len(self._known) < MAX_KNOWN:
            self._known[host] = accepted
        return accepted

    def _accept(self, host: str) -> bool:
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = _plain(parts[1])
        if name in self._names or is_loopback(name):
            return True
        # No page's name is an address, so there is nothing to rebind.
        return self._any_address and _address(name) is not None


def _checked_host(name: str) -> str:
    plain = _plain(name)
    if _address(plain) is None and not _NAME.fullmatch(plain):
        raise ValueError(
            f"--allowed-host {name!r} must be a host's name or address, without a port"
        )
    return plain


def _plain(name: str) -> str:
    return name.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _address(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


ANY = "*"
"""Stands for every page there is."""

_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?"
)
_USUAL_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The pages that the operator lists, and while the API is open those of this machine.

    Attributes:
        any: whether every page may use it. Browsers are not told to send credentials then.
    """

    def __init__(self, listed: Iterable[str] = (), *, open_api: bool = True) -> None:
        """Take the operator's list.

        Raises:
            ValueError: one of the origins is none; or every page could use an open API.
        """
        known = {_checked_origin(origin) for origin in listed}
        self.any = ANY in known
        if self.any and open_api:
            raise ValueError(
                "--cors-origin * would let every web page that somebody opens use the open API:"
                " name the pages' origins, or give --tokens-file"
            )
        self._listed = frozenset(known)
        self._open_api = open_api

    def accept(self, origin: str) -> bool:
        """Return whether pages of this origin, as browsers send it, may use the API."""
        if self.any or origin in self._listed:
            return True
        return self._open_api and _is_of_this_machine(origin)

    def accept_page(self, origin: str, host: str | None) -> bool:
        """Return whether they may, or came from the API itself, which was called by this name."""
        place = _place_of(origin)
        return self.accept(origin) or (place is not None and place == host)


def _checked_origin(origin: str) -> str:
    plain = origin.strip().lower().removesuffix("/")
    if plain == ANY:
        return ANY
    if not _ORIGIN.fullmatch(plain):
        raise ValueError(
            f"--cors-origin {origin!r} must be the origin of a page,"
            " such as https://apphub.example or http://localhost:5173, or *"
        )
    scheme, _, _ = plain.partition(":")
    # Browsers leave it out.
    return plain.removesuffix(_USUAL_PORTS.get(scheme, ANY))


def _is_of_this_machine(origin: str) -> bool:
    try:
        name = urlsplit(origin).hostname
    except ValueError:  # It is no address: `http://[`.
        return False
    return is_loopback(name or "")


def _place_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


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


logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""How long a token may be good that the operator has just taken out of the file."""


@dataclass(frozen=True)
class Principal:
    """Somebody with a name, who may read or also write."""

    name: str
    may_write: bool


class Tokens:
    """The tokens that hold, and how often somebody may guess one."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ValueError: it says something else, or names a token that anybody has.
            OSError: it cannot be read.
        """
        self._path = path
        self._seen: tuple[int, ...] | None = _stamp(path)
        self._holders = read_tokens(path)
        self._looked_at_s = monotonic()
        self._guesses = Guesses()

    def holder_of(self, token: str, address: str) -> Principal | None:
        """Return whose token this is, or None.

        Raises:
            TooManyGuessesError: too many wrong ones came from this address.
        """
        self._look()
        self._guesses.check(address, token)
        found: Principal | None = None
        # All are compared, so that the time it takes tells nothing.
        for known, who in self._holders.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                found = who
        self._guesses.note(address, token, right=found is not None)
        return found

    def _look(self) -> None:
        """Read the file anew if it has changed; what is wrong with it changes nothing."""
        now_s = monotonic()
        if now_s - self._looked_at_s < LOOK_EVERY_S:
            return
        self._looked_at_s = now_s
        before = self._seen
        try:
            self._seen = _stamp(self._path)
            if self._seen == before:
                return
            self._holders = read_tokens(self._path)
        except (OSError, ValueError) as error:
            if before is not None:  # Else it has been told.
                logger.error("going on with the tokens that are known: %s", error)  # noqa: TRY400
            if isinstance(error, OSError):
                self._seen = None
        else:
            logger.info("%s has changed: %d tokens", self._path, len(self._holders))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what differs once the file is written again."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def read_tokens(path: Path) -> Mapping[str, Principal]:
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
        message = f"{path} must hold {shape}: it names no token at all"
        raise ValueError(message)
    for number, token in enumerate(tokens, 1):
        # Never the token itself: this is printed.
        if not token or token != token.strip():
            raise ValueError(f"{path}: token {number} is empty, or begins or ends with blanks")
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
    connection: HTTPConnection, tokens: Tokens | None, origins: Origins, *, to_write: bool
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
    return [str(value, "latin-1") for key, value in connection.scope["headers"] if key == name]


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


# Proxies in front of the API: their word is trusted on a client's address.


def trusted_proxies(given: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses and networks that an operator named, with commas or one by one.

    Raises:
        ValueError: one of them is none.
    """
    proxies = [part.strip() for text in given for part in text.split(",")]
    return tuple(_checked(proxy) for proxy in proxies if proxy)


def _checked(proxy: str) -> str:
    try:
        return str(ipaddress.ip_network(proxy)).removesuffix("/32").removesuffix("/128")
    except ValueError as error:
        raise ValueError(
            f"--trusted-proxy {proxy!r} must be an address or a network,"
            f" such as 10.0.0.5 or 10.0.0.0/24: {error}"
        ) from None
