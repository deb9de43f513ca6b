"""An HTTP server of a process that has other things to do as well."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from typing_extensions import override

from api.http.limits import CLOSE_CLIENTS_S, LAST_WORDS_S
from api.http.open_requests import OpenRequests
from runtime.background_tasks import end, start_once


class Server(uvicorn.Server):
    """uvicorn, with our signals: its own way ends the process before others could clean up."""

    asked_to_stop = False

    def __init__(
        self, config: uvicorn.Config, requests: OpenRequests | None = None
    ) -> None:
        """Take the settings, and the application's open requests, where it has any that last."""
        super().__init__(config)
        self._requests = requests or OpenRequests(asyncio.Event())
        self._cutting_short: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def stop(self) -> None:
        """Stop once all requests are answered."""
        self.asked_to_stop = True
        self._requests.closing.set()  # uvicorn would wait for streams that have no end.
        self.should_exit = True

    def stop_now(self) -> None:
        """Stop at once."""
        self._cut_short(after_s=0.0)
        self.force_exit = True

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give requests their time; who needs longer is answered before it is canceled."""
        self._cut_short(after_s=0.0 if self.force_exit else CLOSE_CLIENTS_S)
        await super().shutdown(sockets)
        if self.force_exit and self._cutting_short is not None:
            await asyncio.wait([self._cutting_short], timeout=LAST_WORDS_S)
        await end(self._cutting_short)

    def _cut_short(self, after_s: float) -> None:
        if self._cutting_short is not None:
            self._cutting_short.cancel()
        self._cutting_short = start_once(
            "cutting requests short", self._cut_short_after(after_s)
        )

    async def _cut_short_after(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        await self._requests.cut_short()
