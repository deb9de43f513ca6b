"""Follow the event stream of AppHub Jobs, across lost connections, without gap or repetition.

```python
async for message in Stream("http://localhost:4000", after=0, types="job.run.*"):
    print(message["position"], message["type"])
```
"""

import asyncio
import json
from collections.abc import AsyncIterator
from random import SystemRandom
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from apphub_jobs.errors import StreamRefusedError

__all__ = ["Message", "Stream", "StreamRefusedError"]

Message = dict[str, Any]

SILENCE_S = 45.0
"""The server sends a heartbeat every 15 seconds; a connection that is silent for three of them is
dead."""

MIN_BACK_OFF_S, MAX_BACK_OFF_S = 0.1, 10.0
"""The back-off between attempts to connect doubles until a message comes."""

_RANDOM = SystemRandom()
"""A generator apart from the shared one of `random`, which programs seed and tests watch."""

CLIENT_ERRORS = range(400, 500)
"""Statuses of answers that a retry would not change."""

REFUSED = 1008
"""The WebSocket close code of a stream that the server refuses for good."""


class Stream:
    """An endless stream that begins after a position, or with the next event.

    Attributes:
        position: the position to resume after; store it to resume after a restart. It advances
            when you request the next message after the position's last, so a message counts only
            once you have handled it.
        log_id: the log that the position belongs to; store it as well.
    """

    def __init__(  # noqa: PLR0913 - one for each parameter of the stream
        self,
        url: str,
        *,
        after: int | None = None,
        log_id: str | None = None,
        types: str | None = None,
        job: str | None = None,
        token: str | None = None,
    ) -> None:
        self._url = url.rstrip("/").replace("http", "ws", 1) + "/ws"
        self._filters = {"types": types, "job": job}
        self._headers = {}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._back_off_s = MIN_BACK_OFF_S
        self.position = after
        self.log_id = log_id

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Yield every message in order; those of one position once all of them have arrived.

        Raises:
            StreamRefusedError: for example, the position is beyond the log's end, or the token is
                invalid.
        """
        while True:
            try:
                async with connect(
                    self._url_with_query(), additional_headers=self._headers, max_size=None
                ) as connection:
                    async for messages in self._messages_by_position(connection):
                        for message in messages:
                            yield message
                        self.position = messages[-1]["position"]
            except (OSError, asyncio.TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                _raise_if_refused(error)
            await asyncio.sleep(self._back_off_s * _RANDOM.uniform(0.5, 1))
            self._back_off_s = min(2 * self._back_off_s, MAX_BACK_OFF_S)

    def _url_with_query(self) -> str:
        parameters = {"after": self.position, "logId": self.log_id, **self._filters}
        query = {name: value for name, value in parameters.items() if value is not None}
        return f"{self._url}?{urlencode(query)}"

    async def _messages_by_position(
        self, connection: ClientConnection
    ) -> AsyncIterator[list[Message]]:
        messages: list[Message] = []
        while True:
            message: Message = json.loads(await asyncio.wait_for(connection.recv(), SILENCE_S))
            self._back_off_s = MIN_BACK_OFF_S
            if message["type"] == "connection.ack":
                self.log_id = message["data"]["logId"]
                if self.position is None:
                    self.position = message["data"]["head"]
            elif "eventId" not in message:
                # A heartbeat: events that the filters leave out advance the position, too.
                self.position = message.get("position", self.position)
            else:
                messages.append(message)
                if not message.get("more"):
                    yield messages
                    messages = []


def _raise_if_refused(error: Exception) -> None:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in CLIENT_ERRORS:
            raise StreamRefusedError(f"HTTP {status}") from error
    elif isinstance(error, ConnectionClosed):
        close_frame = error.rcvd
        if close_frame is not None and close_frame.code == REFUSED:
            raise StreamRefusedError(close_frame.reason) from error
