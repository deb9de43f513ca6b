"""A client of the event stream."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.integration.shared_api import Json, SharedApi

PATIENCE_S = 20.0


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
        """Return the first message to come that fulfils the condition; those before it are in `received`, too."""
        while True:
            message = self.next()
            if condition(message):
                return message

    def of_run(self, run_id: str) -> list[Json]:
        """Return the messages so far that tell of this run's status."""
        changes = [message for message in self.received if message["type"].startswith("job.run.")]
        return [message for message in changes if message["data"]["run"]["id"] == run_id]


@contextmanager
def stream(
    api: SharedApi | httpx.Client, *, token: str | None = None, headers: Mapping[str, str] | None = None
) -> Iterator[Stream]:
    """Connect to the event stream."""
    client = api.client if isinstance(api, SharedApi) else api
    query = "" if token is None else "?" + urlencode({"token": token})
    url = str(client.base_url.copy_with(scheme="ws")).rstrip("/") + f"/ws{query}"
    with connect(url, additional_headers=headers, max_size=None, compression=None) as connection:
        yield Stream(connection)
