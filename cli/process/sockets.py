"""Listening sockets, bound before anything starts: a port in use ends the start early."""

import os
import socket
from collections.abc import MutableMapping
from typing import NamedTuple

from api.http.limits import SOCKET_BUFFER_BYTES

LISTENING_VARIABLE = "APPHUB_LISTENING_FD"
"""Names the descriptor of a listening socket that `up` hands to each API it starts.

So clients of an API that is being replaced wait for the next one, and the port stays the same.
"""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on
"""For each unspecified address, the address at which this machine reaches it."""


class Address(NamedTuple):
    """An address to listen on; port 0 picks a free one."""

    host: str
    port: int


class PortTakenError(Exception):
    """The port is in use; the message says what to do."""


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        PortTakenError: the port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit this.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
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
    """Return the parent's listening socket, None if it passed none.

    The variable is removed, so that child processes do not use the socket.
    """
    descriptor = environment.pop(LISTENING_VARIABLE, None)
    if descriptor is None:
        return None
    number = int(descriptor)
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)


def url_of(listening: socket.socket) -> str:
    """Return the URL of the address that a socket listens on."""
    host, port = listening.getsockname()[:2]
    return f"http://{_bracketed(host)}:{port}"


def callable_url(url: str) -> str:
    """Return the URL at which this machine reaches an API that listens on an address."""
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    plain = host.removeprefix("[").removesuffix("]")
    return f"{scheme}://{_bracketed(ANY_ADDRESS.get(plain, plain))}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
