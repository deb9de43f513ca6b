"""What httpx and this client say to each other; shared by both clients."""

import os
from contextlib import suppress
from typing import Any

import httpx

from apphub_jobs.client.errors import (
    ApiError,
    ConflictError,
    UnreachableError,
    api_error,
)
from apphub_jobs.client.retrying import PASSING
from apphub_jobs.errors import ClientError, StreamRefusedError

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
            if isinstance(found, dict):
                return _Answer(response, found)
    raise failure(response)


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
