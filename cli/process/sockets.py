"""Where a process listens, taken before anything starts: a taken port ends a start early."""

import os
import socket
from collections.abc import MutableMapping
from typing import NamedTuple

from api.http.limits import BUFFER_BYTES

LISTENING_VARIABLE = "APPHUB_LISTENING_FD"
"""Names the descriptor of a listening socket that `up` hands to each API it starts.

So clients of an API that is being replaced wait for the next one, and the port stays the same.
"""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - told apart, not listened on
"""Addresses that nobody can call, by what this machine calls instead."""


class Address(NamedTuple):
    """Where to listen; port 0 picks a free one."""

    host: str
    port: int


class PortTakenError(Exception):
    """The port is in use; the message says what to do."""


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        PortTakenError: somebody else listens there.
    """
    family = socket.AF_INET
    if ":" in host:
        family = socket.AF_INET6
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Of all connections.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        msg = (
            f"cannot listen on {host}:{port}: {error.strerror};"
            " choose another port, or 0 for any free one"
        )
        raise PortTakenError(msg) from None
    listening.listen(2048)
    listening.set_inheritable(False)
    return listening


def inherited(environment: MutableMapping[str, str]) -> socket.socket | None:
    """Return the socket that the parent listens on already; None where it left that to us.

    The variable is taken away: nobody below may take the socket for its own.
    """
    descriptor = environment.pop(LISTENING_VARIABLE, None)
    if descriptor is None:
        return None
    number = int(descriptor)
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)


def url_of(listening: socket.socket) -> str:
    """Return the address under which this very socket listens."""
    host, port = listening.getsockname()[:2]
    return _url(host, port)


def callable_url(url: str) -> str:
    """Return how this machine calls an API of this address."""
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    without_open = host.removeprefix("[")
    plain = without_open.removesuffix("]")
    known = ANY_ADDRESS.get(plain, plain)
    callable_host = _bracketed(known)
    return f"{scheme}://{callable_host}:{port}"


def _url(host: str, port: int) -> str:
    return f"http://{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    if ":" in host:
        return f"[{host}]"
    return host
