"""Which servers are asked for repositories: none of a private network, unless the operator says so.

Whoever registers an app names a server, and the worker stands where the operator's other servers
can be reached. A name is looked up once, here, all its addresses are checked, and git is told to
use those: it cannot lead elsewhere by the time that git connects.
"""

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from apphub_jobs.contract import Json
from worker.handlers.git.errors import GitError, RefusedError
from worker.handlers.git.origin import Origin

NOT_REACHED = (
    "the repository's server is unknown or lies in a private network;"
    " the operator decides whether such servers are asked"
)
"""One text for both, so that nobody finds out which names a private network knows."""

_Address = IPv4Address | IPv6Address

_RESERVED = (
    ip_network(
        "192.0.0.0/24"
    ),  # Of the protocol itself; a cloud has its metadata here.
    ip_network("168.63.129.16/32"),  # Another cloud's metadata, at a public address.
    ip_network("::/96"),
    ip_network("fec0::/10"),
)
"""What Python does not know as private."""

_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 addresses in the eyes of a network that has none."""


def addresses_of(origin: Origin, settings: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the addresses that git may use for the origin's host.

    Returns:
        Nothing where git may look the name up by itself.

    Raises:
        RefusedError: the host is given as an address that is not public.
        GitError: its name is unknown, or one of its addresses is not public.
    """
    if origin.scheme == "file" or settings.get("allowPrivateRepositories") is True:
        return ()
    host = origin.host.strip("[]")
    try:
        literal = ip_address(host)
    except ValueError:
        return _looked_up(host, origin.port)
    if not is_public(literal):
        raise RefusedError(NOT_REACHED)
    return (host,)


def _looked_up(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise GitError(NOT_REACHED) from None
    addresses: list[str] = []
    for *_, place in found:
        address = str(place[0])
        # One with a zone is of this machine's own networks.
        if "%" in address or not is_public(ip_address(address)):
            raise GitError(NOT_REACHED)
        addresses.append(address)
    return tuple(addresses)


def is_public(address: _Address) -> bool:
    """Return whether everybody can reach this address, so that we give nothing away by it."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if address.is_multicast or any(address in network for network in _RESERVED):
        return False
    return address.is_global


def _inner(address: _Address) -> IPv4Address | None:
    """Return the IPv4 address that this one stands for, if it does."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour
