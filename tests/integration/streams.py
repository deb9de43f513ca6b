"""Clients of the event stream: of the WebSocket and of the server-sent events."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.integration.shared_api import Json, SharedApi

PATIENCE_S = 90.0

CLOSE_S = 2.0
"""How long a client that leaves waits for the server's last word: in vain where it has left other
messages unread before that."""


class Stream:
    """What one client of `/ws` receives."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received: list[Json] = []

    def next(self) -> Json:
        """Return the next message."""
        message: Json = json.loads(self.connection.recv(PATIENCE_S))
        self.received.append(message)
        return message

    def until(self, condition: Callable[[Json], Any]) -> Json:
        """Return the first message that fulfils the condition; `received` has those before it."""
        while True:
            message = self.next()
            if condition(message):
                return message

    def until_served(self, position: int) -> list[Json]:
        """Return all messages so far once the server says that this is all up to the position."""
        while True:
            self.connection.send("ping")
            if self.until(lambda message: message["type"] == "pong")["position"] >= position:
                return self.received

    def of_run(self, run_id: str) -> list[Json]:
        """Return the messages so far that tell of this run's status."""
        changes = [message for message in self.received if message["type"].startswith("job.run.")]
        return [message for message in changes if message["data"]["run"]["id"] == run_id]


@contextmanager
def stream(
    api: SharedApi | httpx.Client,
    *,
    headers: Mapping[str, str] | None = None,
    max_queue: int | None = 16,
    ping_interval: float | None = 20,
    subprotocols: Sequence[str] = (),
    **query: object,
) -> Iterator[Stream]:
    """Connect to the event stream."""
    client = api.client if isinstance(api, SharedApi) else api
    query_string = "?" + urlencode(
        {name: value for name, value in query.items() if value is not None}, doseq=True
    )
    url = str(client.base_url.copy_with(scheme="ws")).rstrip("/") + f"/ws{query_string}"
    with connect(
        url,
        additional_headers=headers,
        max_size=None,
        compression=None,
        max_queue=max_queue,
        ping_interval=ping_interval,
        close_timeout=CLOSE_S,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
    ) as connection:
        yield Stream(connection)


class Events:
    """What one client of `/events/stream` receives."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()
        self.last_id: str | None = None
        self.received: list[Json] = []

    def next(self) -> Json:
        """Return the next message; a browser would resume from `last_id` then.

        Raises StopIteration.
        """
        fields: dict[str, str] = {}
        while line := next(self._lines):
            name, _, value = line.partition(": ")
            assert name not in fields
            fields[name] = value
        self.last_id = fields.get("id", self.last_id)
        message: Json = json.loads(fields["data"])
        assert set(fields) <= {"id", "event", "data", "retry"}
        assert fields["event"] == message["type"]
        if "eventId" in message:
            assert fields.get("id") == (None if message.get("more") else str(message["position"]))
        self.received.append(message)
        return message

    def until(self, condition: Callable[[Json], Any]) -> Json:
        """Return the first message that fulfils the condition; `received` has those before it."""
        while True:
            message = self.next()
            if condition(message):
                return message


@contextmanager
def server_sent(
    api: SharedApi | httpx.Client, *, headers: Mapping[str, str] | None = None, **query: Any
) -> Iterator[Events]:
    """Connect to the server-sent events."""
    client = api.client if isinstance(api, SharedApi) else api
    with client.stream(
        "GET", "/events/stream", params=query, headers=headers, timeout=PATIENCE_S
    ) as answer:
        yield Events(answer)
