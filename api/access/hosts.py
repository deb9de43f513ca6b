"""Where an API may listen while it is open, and by which names it may be called.

Web pages reach an open API through somebody's browser once their own name leads to its address
(DNS rebinding). Such a request says the page's name as its host, so it is told by that.
"""

import ipaddress
import re
from collections.abc import Iterable

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
        names = {_checked(name) for name in allowed}
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


def _checked(name: str) -> str:
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
