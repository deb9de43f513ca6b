"""An HTTP server of a process that has other things to do as well."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


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
