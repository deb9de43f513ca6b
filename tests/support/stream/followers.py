"""Clients of the stream that are cut off at random, and keep what they got of whole positions."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.stream.expected import ComparableMessage, comparable

Message = dict[str, Any]

MEAN_MESSAGES = 100
"""After this many, on average, a client loses its connection."""


@dataclass
class Follower:
    """A client that resumes as the contract says: from the last position seen without `more`.

    Attributes:
        url: of the API.
        query: the filters.
        slowness_s: how long it pauses, at most, now and then.
        messages: all that it got, of positions that were complete.
        cuts: how often it lost its connection, and how often in the middle of a position.
    """

    url: str
    protocol: Literal["ws", "events"]
    query: dict[str, str]
    position: int | None = 0
    slowness_s: float = 0
    messages: list[ComparableMessage] = field(default_factory=list)
    cuts: Counter[str] = field(default_factory=Counter)
    started_after: int = 0

    async def follow(self) -> None:
        """Follow the stream for ever."""
        while True:
            left = random.expovariate(1 / MEAN_MESSAGES)
            mid_position = random.random() < 0.5
            unfinished: list[Message] = []
            async with aclosing(self._messages()) as messages:
                async for message in messages:
                    left -= 1
                    self._take(message, unfinished)
                    if left < 0 and (unfinished or not mid_position):
                        break
                    if self.slowness_s and random.random() < 0.005:
                        await asyncio.sleep(random.uniform(0, self.slowness_s))
            if unfinished:
                self.cuts["mid-position"] += 1
            elif left < 0:
                self.cuts["between positions"] += 1
            else:
                self.cuts["by the server"] += 1
            await asyncio.sleep(random.uniform(0, 0.3))

    def _take(self, message: Message, unfinished: list[Message]) -> None:
        if "eventId" in message:
            assert message["position"] > (self.position or 0)
            assert all(other["position"] == message["position"] for other in unfinished)
            unfinished.append(message)
        if message["type"] == "connection.ack":
            if self.position is None:
                self.started_after = message["data"]["head"]
                self.position = self.started_after
        elif "more" not in message:
            assert unfinished == [] or unfinished[-1] is message, "a heartbeat within a position"
            self.messages += map(comparable, unfinished)
            unfinished.clear()
            self.position = message["position"]

    def _messages(self) -> AsyncGenerator[Message]:
        return self._socket_messages() if self.protocol == "ws" else self._event_messages()

    async def _socket_messages(self) -> AsyncGenerator[Message]:
        after = {} if self.position is None else {"after": self.position}
        url = f"{self.url.replace('http', 'ws')}/ws?{urlencode({**self.query, **after})}"
        async with connect(
            url, max_size=None, compression=None, proxy=None, close_timeout=0.1
        ) as connection:
            try:
                async for text in connection:
                    yield json.loads(text)
            except ConnectionClosed as closed:
                self._check_reason(closed)
            finally:
                if random.random() < 0.5:
                    connection.transport.abort()

    def _check_reason(self, closed: ConnectionClosed) -> None:
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1013, closed.rcvd
        assert closed.rcvd.reason == f"too slow: connect again with after={self.position}"

    async def _event_messages(self) -> AsyncGenerator[Message]:
        """Yield what comes; resume as browsers do, by the last id, with the first query."""
        headers = {"Last-Event-ID": str(self.position)} if self.position else {}
        query = self.query if self.position is None else {**self.query, "after": "0"}
        fields: dict[str, str] = {}
        async with (
            httpx.AsyncClient(timeout=90, trust_env=False) as client,
            client.stream(
                "GET", f"{self.url}/events/stream", params=query, headers=headers
            ) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                    continue
                message = json.loads(fields["data"])
                assert ("id" in fields) == ("more" not in message)
                yield message
                fields = {}
