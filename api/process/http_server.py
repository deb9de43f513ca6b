"""An HTTP server of a process that has other things to do as well."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.http.limits import BUFFER_BYTES


class PortTakenError(Exception):
    """The port is in use; the message says what to do."""


class Server(uvicorn.Server):
    """uvicorn, with our signals: its own way ends the process before others could clean up."""

    asked_to_stop = False

    def __init__(
        self, config: uvicorn.Config, closing: asyncio.Event | None = None
    ) -> None:
        """Take the settings, and what to set once it stops, so that endless answers end."""
        super().__init__(config)
        self._closing = closing or asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def stop(self) -> None:
        """Stop once all requests are answered."""
        self.asked_to_stop = True
        self._closing.set()  # uvicorn would wait for streams that have no end.
        self.should_exit = True

    def stop_now(self) -> None:
        """Stop at once."""
        self.force_exit = True


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
