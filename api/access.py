"""Who may use the API: tokens, the limit on wrong ones, and the end of a revoked token's streams.

First the limit on wrong tokens (`GuessLimiter`); then the operator's file of tokens (`Tokens`),
which is read again when it changes; then who sends a request (`principal_of`), and the wait for the
end of a token (`until_revoked`). Without a file of tokens the API is open: `origins.py` says to
which pages, and on which addresses it may listen.
"""

import asyncio
import hmac
import ipaddress
import json
import logging
import stat
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TypeVar

from starlette.requests import HTTPConnection

from api.origins import Origins
from domain.errors import OverloadedError
from runtime.files import is_open_to_others

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

ADDRESS_BURST = 20
"""Wrong tokens that an address may send before it has to wait."""

ADDRESS_REFILL_PER_S = 1.0

TOTAL_BURST = 500
"""Wrong tokens that all addresses together may send: one client may use many addresses."""

TOTAL_REFILL_PER_S = 10.0

MAX_ADDRESSES = 4_096
"""Addresses with wrong tokens that are remembered, the most recent ones."""

MAX_ACCEPTED = 4_096
"""Pairs of an address and a correct token that are remembered."""

MAX_ADDRESS_CHARACTERS = 64
"""A client's address comes from the proxy's header, which may be of any length."""


CHECK_FILE_EVERY_S = 0.5
"""A revoked token may still be accepted, and the streams that it opened continue, for this long."""


class TooManyGuessesError(OverloadedError):
    """Too many wrong tokens came from an address, or from all together."""


@dataclass
class _Bucket:
    """A token bucket of wrong tokens."""

    capacity: float
    refill_per_s: float
    remaining: float
    updated_at_s: float

    def remaining_at(self, now_s: float) -> float:
        """Return how many wrong tokens are still permitted."""
        refilled = self.remaining + (now_s - self.updated_at_s) * self.refill_per_s
        return min(self.capacity, refilled)

    def take(self, now_s: float) -> None:
        """Count one wrong token."""
        self.remaining = self.remaining_at(now_s) - 1
        self.updated_at_s = now_s


class GuessLimiter:
    """Limits wrong tokens, by address and in total.

    Once a limit is reached, tokens from that address are refused without being compared: else the
    answer would reveal which one is correct. A pair of address and token that was accepted before
    is still compared, so a client is not locked out by another one behind the same address.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._total = _Bucket(TOTAL_BURST, TOTAL_REFILL_PER_S, TOTAL_BURST, now_s())
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._accepted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets) + len(self._accepted)

    def check(self, address: str, token: str) -> None:
        """Raise TooManyGuessesError if the token must not be compared."""
        if not self._buckets or (address, token) in self._accepted:
            return
        now_s = self._now_s()
        bucket = self._buckets.get(network_of(address), self._total)
        if min(bucket.remaining_at(now_s), self._total.remaining_at(now_s)) < 1:
            raise TooManyGuessesError("too many wrong tokens: wait a moment")

    def record(self, address: str, token: str, *, is_correct: bool) -> None:
        """Count the result of a comparison."""
        if is_correct:
            self._accepted[address, token] = None
            self._accepted.move_to_end((address, token))
            _drop_oldest(self._accepted, MAX_ACCEPTED)
            return
        self._accepted.pop((address, token), None)  # The operator may have revoked it.
        now_s = self._now_s()
        network = network_of(address)
        self._total.take(now_s)
        new_bucket = _Bucket(ADDRESS_BURST, ADDRESS_REFILL_PER_S, ADDRESS_BURST, now_s)
        self._buckets.setdefault(network, new_bucket).take(now_s)
        self._buckets.move_to_end(network)
        _drop_oldest(self._buckets, MAX_ADDRESSES)


def _drop_oldest(entries: OrderedDict[K, V], max_entries: int) -> None:
    while len(entries) > max_entries:
        entries.popitem(last=False)


def network_of(address: str) -> str:
    """Return the network of a client: an IPv6 client owns a /64, an IPv4 client one address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:  # noqa: PLR2004 - as of the protocol
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False))


@dataclass(frozen=True)
class Principal:
    """The holder of a token."""

    name: str
    may_write: bool


class Tokens:
    """The tokens in the operator's file, with a limit on guesses."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ValueError: as `read_tokens`.
            OSError: the file cannot be read.
        """
        self._path = path
        self._file_stamp: tuple[int, ...] | None = _stamp(path)
        self._principals = read_tokens(path)
        self._checked_at_s = monotonic()
        self._guesses = GuessLimiter()
        self._changed = asyncio.Event()

    async def watch(self) -> None:
        """Read the file again whenever it has changed, for as long as the process runs."""
        while True:
            self._reload_if_changed()
            await asyncio.sleep(CHECK_FILE_EVERY_S)

    async def until_revoked(self, token: str) -> None:
        """Wait until the file no longer holds a token that was accepted."""
        while token in self._principals:
            await self._changed.wait()

    def holder_of(self, token: str, address: str) -> Principal | None:
        """Return the principal that holds the token, or None.

        Raises:
            TooManyGuessesError: too many wrong tokens came from this address, or in total.
        """
        self._reload_if_changed()
        self._guesses.check(address, token)
        holder: Principal | None = None
        # All are compared, so that the time it takes reveals nothing.
        for candidate, principal in self._principals.items():
            if hmac.compare_digest(candidate.encode(), token.encode()):
                holder = principal
        self._guesses.record(address, token, is_correct=holder is not None)
        return holder

    def _reload_if_changed(self) -> None:
        """Read the file again if it has changed; if it is broken, keep the previous tokens."""
        now_s = monotonic()
        if now_s - self._checked_at_s < CHECK_FILE_EVERY_S:
            return
        self._checked_at_s = now_s
        previous_stamp = self._file_stamp
        try:
            self._file_stamp = _stamp(self._path)
            if self._file_stamp == previous_stamp:
                return
            self._principals = read_tokens(self._path)
        except (OSError, ValueError) as error:
            if previous_stamp is not None:  # Else this has been logged.
                logger.error("keeping the previous tokens: %s", error)  # noqa: TRY400
            if isinstance(error, OSError):
                self._file_stamp = None
        else:
            logger.info("%s has changed: %d tokens", self._path, len(self._principals))
            self._changed.set()
            self._changed = asyncio.Event()


def _stamp(path: Path) -> tuple[int, ...]:
    """Return the file's times, size and inode, which tell a rewritten file from the former one."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def read_tokens(path: Path) -> Mapping[str, Principal]:
    """Read `{"TOKEN": {"principal": "name", "role": "read" | "write"}, …}`.

    If other users of the machine can read the file, that is logged as a warning.

    Raises:
        ValueError: the file has another form, or a token is empty, has blanks at an end, or cannot
            be printed.
        OSError: the file cannot be read.
    """
    shape = '{"TOKEN": {"principal": "name", "role": "read" or "write"}}'
    try:
        entries = json.loads(path.read_text(), object_pairs_hook=_without_duplicates)
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
        if not token.isprintable():
            raise ValueError(f"{path}: token {number} holds a character that cannot be printed")
    if is_open_to_others(path):
        message = "%s holds tokens and is open to other users (mode %03o): chmod 600 it"
        logger.warning(message, path, stat.S_IMODE(path.stat().st_mode))
    return tokens


class _FileError(Exception):
    """What is wrong with the file; the message holds no token."""


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _FileError("the same token or field stands in it twice")
    return members


def _principal(entry: Mapping[str, object]) -> Principal:
    name = entry["principal"]
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise _FileError("a principal is a printable name that is not blank")
    return Principal(name, _ROLES[str(entry["role"])])


_ROLES = {"read": False, "write": True}


ANONYMOUS = "anonymous"

QUERY_TOKEN_PATHS = frozenset({"/ws", "/events/stream"})
"""Paths whose query may hold the token: browsers send no headers with a WebSocket or an
EventSource. URLs end up in logs; so a WebSocket can offer its token as a subprotocol instead."""


PROTOCOL = "apphub-jobs"
"""The WebSocket subprotocol that a browser offers together with the one that holds its token."""

_BEARER = "bearer."


def token_in_protocols(protocols: Iterable[str]) -> str:
    """Return the token among the subprotocols of a WebSocket; empty if there is none.

    It is encoded in base64url without padding, because a subprotocol may hold few characters.
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
) -> Principal:
    """Return the principal that sends a request.

    Args:
        connection: the request.
        tokens: None for an open API.
        origins: the web pages of other origins that may use the API.
        to_write: whether the request needs the right to write.

    Raises:
        UnauthenticatedError: no token, or an unknown one.
        TooManyGuessesError: too many wrong tokens came from the same address, or in total.
        ForbiddenError: the token only allows reading; or a web page of another origin sends the
            request, to an open API or over a WebSocket.
    """
    if tokens is None:
        _refuse_foreign_pages(connection, origins)
        return Principal(ANONYMOUS, may_write=True)
    if connection.scope["type"] == "websocket":
        # Over HTTP browsers hide the answer from such a page. For WebSockets they do not.
        _refuse_foreign_pages(connection, origins)
    token = _token_of(connection)
    principal = tokens.holder_of(token, _address_of(connection)) if token else None
    if principal is None:
        msg = "send the header Authorization: Bearer TOKEN with a token that the operator gave out"
        raise UnauthenticatedError(msg)
    if to_write and not principal.may_write:
        raise ForbiddenError(f"the token of {principal.name} only allows reading")
    return principal


async def until_revoked(connection: HTTPConnection, tokens: Tokens | None) -> None:
    """Wait until the token that a stream was opened with is revoked; for ever if it needs none."""
    if tokens is None:
        await asyncio.get_running_loop().create_future()
    else:
        await tokens.until_revoked(_token_of(connection))


def _token_of(connection: HTTPConnection) -> str:
    """Return the token that was sent; empty if there is none."""
    authorization = header(connection, b"authorization") or ""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials
    if connection.scope["type"] == "websocket":
        token = token_in_protocols(connection.scope["subprotocols"])
        if token:
            return token
    if connection.scope["path"] in QUERY_TOKEN_PATHS:
        return connection.query_params.get("token", "")
    return ""


def _address_of(connection: HTTPConnection) -> str:
    if connection.client is None:
        return ""
    return connection.client.host[:MAX_ADDRESS_CHARACTERS]


def header(connection: HTTPConnection, name: bytes) -> str | None:
    """Return the first header of a name in lower case, or None.

    Starlette's `Headers` takes three times as long, and longest for a header that is missing.
    """
    for key, value in connection.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def headers(connection: HTTPConnection, name: bytes) -> list[str]:
    """Return all headers of a name in lower case."""
    return [str(value, "latin-1") for key, value in connection.scope["headers"] if key == name]


def _refuse_foreign_pages(connection: HTTPConnection, origins: Origins) -> None:
    """Refuse web pages of other origins, which would use the API through a user's browser.

    Raises:
        ForbiddenError: the page's origin is not permitted.
    """
    origin = header(connection, b"origin")
    if origin is None:
        return
    if not origins.accept_page(origin, header(connection, b"host")):
        raise ForbiddenError(
            f"pages from {origin} may not use this API;"
            f" let the operator give --cors-origin {origin}"
        )


class UnauthenticatedError(Exception):
    """No token, or an unknown one."""


class ForbiddenError(Exception):
    """The token does not allow this."""
