"""How many connections there may be, and what is said to those that are refused."""

import asyncio
import resource
from http import HTTPStatus

import orjson
import uvicorn
from starlette.types import ASGIApp

from api.http.limits import (
    CLOSE_CLIENTS_S,
    KEEP_ALIVE_S,
    MAX_CONNECTIONS,
    RESERVED_DESCRIPTORS,
)


class Connections:
    """How many there may be, and which of them wait for a request, the longest waiting first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: dict[asyncio.Protocol, asyncio.Transport] = {}

    def waits(self, one: asyncio.Protocol, transport: asyncio.Transport) -> None:
        """Note that a connection waits for a request."""
        self._waiting[one] = transport

    def is_busy(self, one: asyncio.Protocol) -> None:
        """Note that a connection has a request, or is gone."""
        self._waiting.pop(one, None)

    def close_longest_waiting(self) -> bool:
        """Make room for another connection; return whether there was one that waited."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        self._waiting.pop(longest).close()
        return True


class ServerConfig(uvicorn.Config):
    """uvicorn's settings, and the connections that all protocols of a server share."""

    def __init__(
        self,
        app: ASGIApp,
        http: type[asyncio.Protocol],
        websockets: type[asyncio.Protocol],
        port: int,
    ) -> None:
        super().__init__(
            app,
            port=port,
            http=http,
            ws=websockets,
            access_log=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=CLOSE_CLIENTS_S,
        )
        self.limited = Connections(_most_connections())


def raise_descriptor_limit() -> None:
    """Let this process have as many open files and sockets as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _most_connections() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2))


def refusal(status: int, code: str, message: str) -> bytes:
    """Return a whole answer that closes the connection, for requests that no route ever sees."""
    body = orjson.dumps({"error": message, "code": code})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
