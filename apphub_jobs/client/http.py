"""What httpx and this client say to each other; shared by both clients.

First lines out of chunks, then whether a failed request is sent again (`pause_s`), then headers,
time limits and errors, last the stream's server-sent events and where they resume (`Resumption`).
"""

import json
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx

from apphub_jobs.client.documents import Message
from apphub_jobs.client.errors import ApiError, ConflictError, UnreachableError, api_error
from apphub_jobs.client.requests.request import Request
from apphub_jobs.errors import ClientError, StreamRefusedError


class Lines:
    """Puts chunks together to lines, which end with a line feed and nothing else.

    Attributes:
        count_bytes: how many bytes have come.
    """

    def __init__(self) -> None:
        self.count_bytes = 0
        self._parts: list[bytes] = []

    def of(self, chunk: bytes) -> list[str]:
        """Return the lines that a chunk completes, without their ends."""
        self.count_bytes += len(chunk)
        *ended, rest = chunk.split(b"\n")
        lines = []
        for part in ended:
            self._parts.append(part)
            lines.append(self._joined())
        self._parts.append(rest)
        return lines

    def rest(self) -> list[str]:
        """Return what came after the last line, if anything did."""
        rest = self._joined()
        if not rest:
            return []
        return [rest]

    def _joined(self) -> str:
        line = b"".join(self._parts)
        self._parts.clear()
        return line.decode(errors="replace")


# Whether a failed request is sent again, and after which pause.

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Twice as long each time."""

NOTHING_WAS_DONE = frozenset(
    {"log_unavailable", "too_many_requests", "subject_keys_unavailable", "archive_unavailable"}
)
"""Codes of failures after which any request may be sent again."""

PASSING = frozenset({429, 502, 503, 504})
"""Statuses of failures that may be over soon."""


def pause_s(
    request: Request, error: ApiError | UnreachableError, attempt: int, left_s: float
) -> float | None:
    """Return how long to wait before the request is sent again; None if it must not be.

    Args:
        request: what was sent.
        error: what came of it.
        attempt: how often it was sent.
        left_s: for how long it may still be tried.
    """
    if not _may_be_repeated(request, error):
        return None
    waited_s = backed_off_s(attempt)
    if isinstance(error, ApiError) and error.retry_after_s is not None:
        waited_s = max(waited_s, error.retry_after_s)
    if waited_s > left_s:
        return None
    return waited_s


def backed_off_s(attempt: int) -> float:
    """Return the pause after so many attempts without success."""
    doubled_s = min(FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 10), LONGEST_PAUSE_S)
    return doubled_s * random.uniform(0.5, 1)  # noqa: S311 - no secret


def _may_be_repeated(request: Request, error: ApiError | UnreachableError) -> bool:
    if isinstance(error, UnreachableError):
        return request.is_repeatable or not error.was_sent
    if error.status not in PASSING:
        return False
    return request.is_repeatable or error.code in NOTHING_WAS_DONE


DEFAULT_URL = "http://localhost:4000"

URL_VARIABLE = "APPHUB_URL"
TOKEN_VARIABLE = "APPHUB_TOKEN"  # noqa: S105 - a variable's name

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Each run that is waited for holds a connection of its own."""

SILENCE_S = 45.0
"""The service breaks every silence of a stream after 15 seconds; a connection that stays silent
three times as long is dead."""

MOST_OVERSHOT_S = 0.5
"""How much longer than asked a stream may be waited for."""

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def headers(token: str | None) -> dict[str, str]:
    """Return what every request says of who sends it."""
    if token is None:
        return {}
    return {"Authorization": f"Bearer {token}"}


def stream_timeout(timeout_s: float, silence_s: float) -> httpx.Timeout:
    """Return the time limits of a connection that may be silent for so long."""
    return httpx.Timeout(timeout_s, read=silence_s)


def silence_s(left_s: float) -> float:
    """Return for how long a stream may be silent that is of use for so long.

    Not all of it, or the first message would be the last that can be waited for.
    """
    return min(SILENCE_S, max(left_s / 2, MOST_OVERSHOT_S))


def unreachable(url: str, error: httpx.TransportError) -> UnreachableError:
    """Return what to raise where no answer came."""
    if isinstance(error, httpx.TimeoutException):
        problem = f"no answer from {url} in time ({type(error).__name__})"
    else:
        problem = f"cannot reach {url} ({str(error) or type(error).__name__})"
    remedy = "start the service with `apphub-jobs up`, or set APPHUB_URL to its address"
    was_sent = not isinstance(error, NEVER_SENT)
    return UnreachableError(f"{problem}: {remedy}", was_sent=was_sent)


def content(response: httpx.Response) -> Any:
    """Return an answer's JSON; its body has been read.

    Raises:
        ApiError: the service refuses, or somebody else answered.
    """
    if response.is_success:
        with suppress(ValueError, RecursionError):
            found = response.json()
            if isinstance(found, dict) and _is_ours(found.get("data", {})):
                return _Answer(response, found)
    raise failure(response)


def _is_ours(data: Any) -> bool:
    """Return whether this may be the service's data: an object, or a list of objects."""
    if isinstance(data, list):
        return all(isinstance(item, dict) for item in data)
    return isinstance(data, dict)


class _Answer(dict[str, Any]):
    """An answer's JSON; where what each of the service's has is missing, it is somebody else's."""

    def __init__(self, response: httpx.Response, found: dict[str, Any]) -> None:
        super().__init__(found)
        self._response = response

    def __missing__(self, name: str) -> Any:
        raise api_error(self._response.status_code, None)


def failure(response: httpx.Response) -> ApiError:
    """Return what to raise for an answer that is no success; its body has been read."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    error = api_error(response.status_code, body)
    retry_after = response.headers.get("Retry-After", "")
    if retry_after.isdecimal():
        error.retry_after_s = float(retry_after)
    return error


def is_passing(error: ApiError | UnreachableError) -> bool:
    """Return whether it may be over soon, for a request that changes nothing."""
    return isinstance(error, UnreachableError) or error.status in PASSING


def stream_failure(error: ClientError) -> ClientError:
    """Return what to raise where a stream was not begun: another log is a refusal."""
    if isinstance(error, ConflictError):
        return StreamRefusedError(str(error))
    return error


def address(url: str | None) -> str:
    """Return the service's address.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    found = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    if not _is_address(found):
        msg = f"{found!r} is no address of a service: write {DEFAULT_URL} or https://…"
        raise ValueError(msg)
    return found.rstrip("/")


def _is_address(text: str) -> bool:
    try:
        return httpx.URL(text).scheme in {"http", "https"}
    except httpx.InvalidURL:
        return False


def token_of(token: str | None) -> str | None:
    """Return the token to send, if there is one."""
    return token or os.environ.get(TOKEN_VARIABLE) or None


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
