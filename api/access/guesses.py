"""Wrong tokens, counted by address: nobody may try one after the other."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from domain.errors import OverloadedError

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE = 20
"""Wrong tokens that an address may send before it has to wait."""

A_SECOND = 1.0
"""And so many more each second."""

MAX_ADDRESSES = 4_096
"""Those that sent a wrong token last are remembered."""

MAX_RIGHT = 4_096
"""And so many pairs of an address and a token that was right."""


MAX_ADDRESS_CHARACTERS = 64
"""Proxies may be made to name anything."""


class TooManyGuessesError(OverloadedError):
    """Too many wrong tokens came from an address."""


@dataclass
class _Bucket:
    left: float
    at_s: float


class Guesses:
    """How many wrong tokens each address may still send.

    Where it may send no more, its tokens are not even looked at: else the answer would tell which
    one is right. Those that were right before go on to be, so nobody is locked out by a neighbour
    behind the same address.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets) + len(self._right)

    def check(self, address: str, token: str) -> None:
        """Raise TooManyGuessesError where the token is not to be looked at."""
        if not self._buckets or (address, token) in self._right:
            return
        bucket = self._buckets.get(_network(address))
        if bucket is not None and self._left(bucket) < 1:
            raise TooManyGuessesError("too many wrong tokens: wait a moment")

    def note(self, address: str, token: str, *, right: bool) -> None:
        """Note whether a token was right that was looked at."""
        if right:
            self._right[address, token] = None
            self._right.move_to_end((address, token))
            _shorten(self._right, MAX_RIGHT)
            return
        self._right.pop(
            (address, token), None
        )  # It was, before the operator took it away.
        now_s = self._now_s()
        network = _network(address)
        bucket = self._buckets.setdefault(network, _Bucket(AT_ONCE, now_s))
        bucket.left = self._left(bucket) - 1
        bucket.at_s = now_s
        self._buckets.move_to_end(network)
        _shorten(self._buckets, MAX_ADDRESSES)

    def _left(self, bucket: _Bucket) -> float:
        more = (self._now_s() - bucket.at_s) * A_SECOND
        return min(AT_ONCE, bucket.left + more)


def _shorten(kept: OrderedDict[K, V], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def _network(address: str) -> str:
    """Return whom an address belongs to: of IPv6 everybody has a network of 64 bits."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:  # noqa: PLR2004 - as of the protocol
        return address
    network = ipaddress.ip_network((known, 64), strict=False)
    return str(network)
