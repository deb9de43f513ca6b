"""`/ws`: the event stream over a WebSocket (contract, section 5)."""

import asyncio
from contextlib import aclosing, suppress
from typing import NamedTuple, cast

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.access.guesses import TooManyGuessesError
from api.access.principals import (
    PROTOCOL,
    ForbiddenError,
    UnauthenticatedError,
    principal_of,
)
from api.http.dependencies import service_of
from api.http.limits import LAST_WORDS_S
from api.stream.frames import Frame, pong
from api.stream.request import wanted_of
from api.stream.sessions import Stream, Streams
from api.stream.subscriber import Arrival
from api.stream.websocket_metrics import Reason, WebSocketMetrics
from domain.errors import ConflictError, InvalidInputError, LogUnavailableError
from runtime.background_tasks import until_one_ends

router = APIRouter()

POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013

_CLOSED = RuntimeError
"""Starlette's word for a socket that has been closed meanwhile."""

MAX_REASON_BYTES = 123
"""What fits into the frame that closes a WebSocket."""


@router.websocket("/ws")
async def stream(websocket: WebSocket) -> None:
    """Send the events that the client wants, until it leaves or falls too far behind."""
    metrics = cast("WebSocketMetrics", websocket.app.state.websockets)
    try:
        settings = service_of(websocket).settings
        principal_of(websocket, settings.tokens, settings.origins, to_write=False)
    except (UnauthenticatedError, ForbiddenError, TooManyGuessesError) as error:
        metrics.dropped("forbidden")
        await websocket.close(POLICY_VIOLATION, str(error))
        return
    streams = cast("Streams", websocket.app.state.streams)
    arrival = await streams.arrive()
    # Also those that are refused below: of a refused handshake browsers tell nothing.
    offered = websocket.scope["subprotocols"]
    await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
    with metrics.connections.track_inprogress(), suppress(WebSocketDisconnect):
        end = await _serve(websocket, streams, arrival)
        metrics.dropped(end.reason)
        await _close(websocket, end.code, end.told)


class _End(NamedTuple):
    """Why the service closes a stream, and what it tells the client."""

    reason: Reason
    code: int
    told: str


async def _serve(websocket: WebSocket, streams: Streams, arrival: Arrival) -> _End:
    """Serve the client as long as possible; return how to close."""
    try:
        wanted = wanted_of(websocket.query_params)
        await streams.check(wanted)
    except InvalidInputError as error:
        return _End("refused", POLICY_VIOLATION, str(error).removeprefix("/"))
    except ConflictError as error:
        return _End("refused", POLICY_VIOLATION, error.message)
    except LogUnavailableError:
        told = "the log cannot be read at the moment: connect again"
        return _End("unavailable", TRY_AGAIN_LATER, told)
    async with streams.open(wanted, arrival) as opened:
        connection = _Connection(websocket, opened)
        await connection.send([opened.ack])
        await until_one_ends(
            connection.send_messages(), connection.answer_pings(), opened.fell_behind()
        )
        if opened.ended is not None:
            told = f"{opened.ended}: read anew what you need"
            return _End("log_changed", POLICY_VIOLATION, told)
        told = f"too slow: connect again with after={opened.position}"
        return _End("too_slow", TRY_AGAIN_LATER, told)


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    fitting = reason.encode()[:MAX_REASON_BYTES]
    with suppress(TimeoutError, _CLOSED):
        async with asyncio.timeout(LAST_WORDS_S):
            await websocket.close(code, fitting.decode(errors="ignore"))


class _Connection:
    """A client's socket. What belongs together is sent without anything in between."""

    def __init__(self, websocket: WebSocket, opened: Stream) -> None:
        self._websocket = websocket
        self._stream = opened
        self._sending = asyncio.Lock()

    async def send(self, frames: list[Frame]) -> None:
        try:
            for frame in frames:
                await self._websocket.send_text(frame.text)
        except _CLOSED as error:
            raise WebSocketDisconnect from error

    async def send_messages(self) -> None:
        async with aclosing(self._stream.messages()) as messages:
            async for frames in messages:
                async with self._sending:
                    await self.send(frames)

    async def answer_pings(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            # Anything else, binary frames included, is not for us.
            if message.get("text") == "ping":
                async with self._sending:
                    answer = pong(self._stream.position)
                    await self.send([answer])
