"""Follow the event stream of AppHub Jobs: through lost connections, nothing is lost or told twice.

```python
async for message in Stream("http://localhost:4000", after=0, types="job.run.*"):
    print(message["position"], message["type"])
```
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from apphub_jobs.errors import StreamRefusedError

__all__ = ["Message", "Stream", "StreamRefusedError"]

Message = dict[str, Any]

SILENCE_S = 45.0
"""The server breaks every silence after 15 seconds; a connection that stays silent three times as
long is dead."""

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
"""Between two attempts to connect: twice as long each time, until something comes again."""

CLIENT_ERRORS = range(400, 500)
"""The statuses of answers that repeating a request does not change."""

REFUSED = 1008
"""The code with which the server closes what it will never serve."""


class Stream:
    """A stream that begins after a position, or with the next event, and never ends by itself.

    Attributes:
        position: from where to resume, to be kept if you want to go on after a restart. It moves
            when you ask for the message after the last one of a position, so what you were given
            last counts only once you have handled it.
        log_id: the log that the position belongs to; keep it as well.
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
        self._address = url.rstrip("/").replace("http", "ws", 1) + "/ws"
        self._filters = {"types": types, "job": job}
        self._headers = {}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pause_s = SHORTEST_PAUSE_S
        self.position = after
        self.log_id = log_id

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Yield every message in order, those of a position only once all of them are here.

        Raises:
            StreamRefusedError: for example, the position is beyond the log's end, or the token is
                unknown.
        """
        while True:
            try:
                async with connect(
                    self._url(), additional_headers=self._headers, max_size=None
                ) as connection:
                    async for messages in self._positions(connection):
                        for message in messages:
                            yield message
                        self.position = messages[-1]["position"]
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                _raise_if_refused(error)
            pause_s = self._pause_s * random.uniform(0.5, 1)  # noqa: S311 - no secret
            await asyncio.sleep(pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _url(self) -> str:
        asked = {"after": self.position, "logId": self.log_id, **self._filters}
        given = {name: value for name, value in asked.items() if value is not None}
        return f"{self._address}?{urlencode(given)}"

    async def _positions(self, connection: ClientConnection) -> AsyncIterator[list[Message]]:
        messages: list[Message] = []
        while True:
            async with asyncio.timeout(SILENCE_S):
                message: Message = json.loads(await connection.recv())
            self._pause_s = SHORTEST_PAUSE_S
            if message["type"] == "connection.ack":
                self.log_id = message["data"]["logId"]
                if self.position is None:
                    self.position = message["data"]["head"]
            elif "eventId" not in message:
                # A heartbeat: filters may pass over much.
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
        closed = error.rcvd
        if closed is not None and closed.code == REFUSED:
            raise StreamRefusedError(closed.reason) from error
