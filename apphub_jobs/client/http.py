"""What both clients share in their use of httpx: retries, headers, timeouts, errors and streams.

First lines of chunks (`LineBuffer`) and the lines of a log; then whether and when a failed request
is sent again (`retry_delay_s`); then headers, timeouts and errors; last `EventStream`, which parses
server-sent events and has the position to resume from.
"""

import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from random import SystemRandom
from typing import Any

import httpx

from apphub_jobs.client.documents import Document, LogStream, Message
from apphub_jobs.client.errors import ApiError, ConflictError, UnreachableError, api_error
from apphub_jobs.client.requests.request import Request
from apphub_jobs.errors import ClientError, StreamRefusedError


class LineBuffer:
    """Splits chunks of bytes into lines. Lines end with a line feed and nothing else.

    Attributes:
        received_bytes: the total size of all chunks.
    """

    def __init__(self) -> None:
        self.received_bytes = 0
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that a chunk completes, without their ends."""
        self.received_bytes += len(chunk)
        *completed, rest = chunk.split(b"\n")
        lines = []
        for part in completed:
            self._parts.append(part)
            lines.append(self._join())
        self._parts.append(rest)
        return lines

    def flush(self) -> list[str]:
        """Return the unfinished last line, if there is one."""
        rest = self._join()
        return [rest] if rest else []

    def _join(self) -> str:
        line = b"".join(self._parts)
        self._parts.clear()
        return line.decode(errors="replace")


_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}([Zz]) ")


def stream_of(line: str) -> LogStream | None:
    """Return the stream on which a line of a log was printed; None for a note of the worker's own.

    The timestamp ends with `z` on lines of standard error, else with `Z`. Logs of older versions do
    not distinguish streams: all their lines count as standard output.
    """
    timestamp = _TIMESTAMP.match(line)
    if timestamp is None:
        return None
    return "stderr" if timestamp[1] == "z" else "stdout"


def is_selected(line: str, stream: LogStream | None) -> bool:
    """Return whether a line belongs to a stream, or is a note; None selects every line."""
    return stream is None or stream_of(line) in (None, stream)


# Whether a failed request is sent again, and after which delay.

MIN_BACK_OFF_S, MAX_BACK_OFF_S = 0.1, 5.0
"""The back-off doubles with each attempt."""

NOT_EXECUTED_CODES = frozenset(
    {"log_unavailable", "too_many_requests", "subject_keys_unavailable", "archive_unavailable"}
)
"""Codes of failures of requests that were not executed, so that any request may be sent again."""

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})


def retry_delay_s(
    request: Request, error: ApiError | UnreachableError, attempt: int, remaining_s: float
) -> float | None:
    """Return how long to wait before the request is sent again; None if it must not be.

    Args:
        request: the request that failed.
        error: how it failed.
        attempt: how many times it was sent.
        remaining_s: how much time is left for retries.
    """
    if not _can_retry(request, error):
        return None
    delay_s = back_off_s(attempt)
    if isinstance(error, ApiError) and error.retry_after_s is not None:
        delay_s = max(delay_s, error.retry_after_s)
    return delay_s if delay_s <= remaining_s else None


def back_off_s(attempt: int) -> float:
    """Return the jittered delay after this many failed attempts in a row."""
    doubled_s = min(MIN_BACK_OFF_S * 2.0 ** min(attempt - 1, 10), MAX_BACK_OFF_S)
    return doubled_s * _RANDOM.uniform(0.5, 1)


_RANDOM = SystemRandom()
"""A generator apart from the shared one of `random`, which programs seed and tests watch."""


def _can_retry(request: Request, error: ApiError | UnreachableError) -> bool:
    if isinstance(error, UnreachableError):
        return request.is_repeatable or not error.was_sent
    if error.status not in TRANSIENT_STATUSES:
        return False
    return request.is_repeatable or error.code in NOT_EXECUTED_CODES


DEFAULT_URL = "http://localhost:4000"

URL_VARIABLE = "APPHUB_URL"
TOKEN_VARIABLE = "APPHUB_TOKEN"  # noqa: S105 - a variable's name

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Not limited: each `wait` for a run holds a connection of its own."""

SILENCE_S = 45.0
"""The service sends a heartbeat every 15 seconds; a stream that is silent for three of them is
dead."""

MAX_OVERRUN_S = 0.5
"""How much longer than its timeout a wait may take."""

NOT_SENT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def authorization_headers(token: str | None) -> dict[bytes, bytes]:
    """Return the headers that every request carries.

    Raises:
        ValueError: no header can hold the token.
    """
    if token is None:
        return {}
    if not (token.isprintable() and all(character <= "\xff" for character in token)):
        # Not the token itself: this is printed.
        msg = "the token has a line end or another character that no header can hold: copy it again"
        raise ValueError(msg)
    return {b"Authorization": b"Bearer " + token.encode("latin-1")}


def certificate_check(url: str) -> ssl.SSLContext | bool:
    """Return httpx's `verify` for an address.

    Without TLS, a context that trusts nobody: to read the machine's authorities would take twenty
    milliseconds of each command.
    """
    if httpx.URL(url).scheme == "https":
        return True
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def stream_timeout(timeout_s: float, silence_s: float) -> httpx.Timeout:
    """Return the timeouts of a streaming connection that may be silent for `silence_s`."""
    return httpx.Timeout(timeout_s, read=silence_s)


def silence_s(remaining_s: float) -> float:
    """Return for how long a stream may be silent when it is read for another `remaining_s`.

    Half of that time at most: with all of it, one silence would use up the time.
    """
    return min(SILENCE_S, max(remaining_s / 2, MAX_OVERRUN_S))


def unreachable_error(url: str, error: httpx.RequestError) -> UnreachableError:
    """Return the error to raise when no answer came, or one that cannot be decompressed."""
    if isinstance(error, httpx.TimeoutException):
        problem = f"no answer from {url} in time ({type(error).__name__})"
    else:
        problem = f"cannot reach {url} ({str(error) or type(error).__name__})"
    remedy = "start the service with `apphub-jobs up`, or set APPHUB_URL to its address"
    was_sent = not isinstance(error, NOT_SENT_ERRORS)
    return UnreachableError(f"{problem}: {remedy}", was_sent=was_sent)


def parse_answer(response: httpx.Response) -> Any:
    """Return the JSON of an answer whose body has been read.

    Raises:
        ApiError: the service refuses the request, or another server answered.
    """
    if response.is_success:
        with suppress(ValueError, RecursionError):
            answer = response.json()
            if isinstance(answer, dict) and _is_service_data(answer.get("data", {})):
                members = {name: _to_documents(value) for name, value in answer.items()}
                return _Answer(response, members)
    raise response_error(response)


def _to_documents(value: Any) -> Any:
    """Return a member of an answer with its objects as documents, whose errors name the field."""
    if isinstance(value, list):
        return [_to_documents(item) for item in value]
    return Document(value) if isinstance(value, dict) else value


def _is_service_data(data: Any) -> bool:
    """Return whether the service may have sent this: an object, or a list of objects."""
    if isinstance(data, list):
        return all(isinstance(item, dict) for item in data)
    return isinstance(data, dict)


class _Answer(dict[str, Any]):
    """An answer's JSON; a missing member means that another server answered."""

    def __init__(self, response: httpx.Response, answer: dict[str, Any]) -> None:
        super().__init__(answer)
        self._response = response

    def __missing__(self, name: str) -> Any:
        raise api_error(self._response.status_code, None)


def check_event_stream(response: httpx.Response) -> None:
    """Check that an answer is a stream of events: with another one, the client would wait for ever.

    Raises:
        ApiError: another server answered.
    """
    if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
        raise api_error(response.status_code, None)


def response_error(response: httpx.Response) -> ApiError:
    """Return the error to raise for an unsuccessful answer whose body has been read."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    error = api_error(response.status_code, body)
    error.request_id = response.headers.get("X-Request-Id")
    retry_after = response.headers.get("Retry-After", "")
    if retry_after.isdecimal():
        error.retry_after_s = float(retry_after)
    return error


def is_transient(error: ApiError | UnreachableError) -> bool:
    """Return whether a request that changes nothing may succeed when it is sent again."""
    return isinstance(error, UnreachableError) or error.status in TRANSIENT_STATUSES


def stream_error(error: ClientError) -> ClientError:
    """Return the error to raise when a stream cannot begin; a conflict means another log."""
    if isinstance(error, ConflictError):
        return StreamRefusedError(str(error))
    return error


def resolve_url(url: str | None) -> str:
    """Return the service's address: the argument, else `APPHUB_URL`, else the default.

    Raises:
        ValueError: it is not an address; the message says how to write one.
    """
    resolved = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    if not _is_http_url(resolved):
        msg = f"{resolved!r} is no address of a service: write {DEFAULT_URL} or https://…"
        raise ValueError(msg)
    return resolved.rstrip("/")


def _is_http_url(text: str) -> bool:
    try:
        return httpx.URL(text).scheme in {"http", "https"}
    except httpx.InvalidURL:
        return False


def resolve_token(token: str | None) -> str | None:
    """Return the token to send: the argument, else `APPHUB_TOKEN`, else None."""
    return token or os.environ.get(TOKEN_VARIABLE) or None


class EventStream:
    """The state of an event stream across its connections: unfinished data, and where to resume.

    Attributes:
        position: the position to resume after; None until the service has sent its head.
        log_id: the log that the position belongs to.
    """

    def __init__(self, after: int | None = None, log_id: str | None = None) -> None:
        self.position = after
        self.log_id = log_id
        self._data: list[str] = []
        self._pending: list[Message] = []

    def connect(self) -> Mapping[str, Any]:
        """Drop what the last connection left unfinished, and return the query of the next one."""
        self._data.clear()
        self._pending.clear()
        query = {"after": self.position, "logId": self.log_id}
        return {name: value for name, value in query.items() if value is not None}

    def feed(self, line: str) -> Iterator[Message]:
        """Yield the messages that a line completes; those of one position come together.

        The position advances when the caller requests the next message after the position's last,
        so a message counts only once it has been handled. Messages that are no events, such as
        heartbeats, are yielded as well.

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
            self._apply_control(message)
            yield message
            return
        self._pending.append(message)
        if not message.get("more"):
            yield from self._pending
            self._pending.clear()
            self.position = message.position

    def _apply_control(self, message: Message) -> None:
        if message.type == "connection.ended":
            raise StreamRefusedError(message.data["reason"])
        if message.type == "connection.ack":
            self.log_id = message.data["logId"]
            if self.position is None:
                self.position = message.data["head"]
        else:
            # A heartbeat: events that the filters leave out advance the position, too.
            self.position = message.get("position", self.position)
