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
        self._right.pop(
            (address, token), None
        )  # It was, before the operator took it away.
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
