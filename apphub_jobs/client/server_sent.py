"""The stream's server-sent events: from lines to messages, and from where to resume."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from apphub_jobs.client.documents import Message
from apphub_jobs.errors import StreamRefusedError


class Resumption:
    """How far a stream has come.

    Attributes:
        position: what to resume from; None until the service has told its head.
        log_id: the log that the position belongs to.
    """

    def __init__(self, after: int | None = None, log_id: str | None = None) -> None:
        self.position = after
        self.log_id = log_id
        self._data: list[str] = []
        self._waiting: list[Message] = []

    def query(self) -> Mapping[str, Any]:
        """Begin a connection: forget what was left unfinished, and say from where to go on."""
        self._data.clear()
        self._waiting.clear()
        asked = {"after": self.position, "logId": self.log_id}
        return {name: value for name, value in asked.items() if value is not None}

    def messages(self, line: str) -> Iterator[Message]:
        """Yield what is complete with this line: all messages of a position at once.

        The position moves once the last of them has been asked for, so what somebody was given last
        counts only once it has been handled. What is no event, such as a heartbeat, comes as well.

        Raises:
            StreamRefusedError: the service ends this stream for good.
        """
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        if line or not self._data:
            return
        message = Message(json.loads("\n".join(self._data)))
        self._data.clear()
        if not message.is_event:
            self._heed(message)
            yield message
            return
        self._waiting.append(message)
        if not message.get("more"):
            yield from self._waiting
            self._waiting.clear()
            self.position = message.position

    def _heed(self, message: Message) -> None:
        if message.type == "connection.ended":
            raise StreamRefusedError(message.data["reason"])
        if message.type == "connection.ack":
            self.log_id = message.data["logId"]
            if self.position is None:
                self.position = message.data["head"]
        else:
            # Filters may pass over much: a heartbeat tells how far the stream is.
            self.position = message.get("position", self.position)
