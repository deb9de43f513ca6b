"""`/ws`: the event stream (contract, section 5)."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.auth import principal_of
from api.context import service_of
from api.errors import ForbiddenError, UnauthenticatedError
from api.hub import Hub, Subscriber
from domain.clock import to_iso

router = APIRouter()

POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013

FAREWELL_S = 1.0
"""How long a client that fell behind may take until it can be told; one that reads nothing is cut off instead."""


@router.websocket("/ws")
async def stream(websocket: WebSocket) -> None:
    """Send every event from now on, until the client leaves or falls too far behind."""
    try:
        principal_of(websocket, service_of(websocket).settings.tokens, to_write=False)
    except (UnauthenticatedError, ForbiddenError) as error:
        await websocket.close(POLICY_VIOLATION, str(error))
        return
    await websocket.accept()
    hub = cast("Hub", websocket.app.state.hub)
    async with hub.subscribed() as subscriber:
        await websocket.send_text(_text("connection.ack", {"now": _now(), "logId": hub.log_id, "head": hub.head}))
        falling_behind = asyncio.create_task(subscriber.fell_behind())
        tasks = [
            falling_behind,
            asyncio.create_task(_send(websocket, subscriber)),
            asyncio.create_task(_answer_pings(websocket)),
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(tasks)
    if falling_behind in ended:
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(FAREWELL_S):
                await websocket.close(TRY_AGAIN_LATER, "too slow: connect again")


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        # RuntimeError is Starlette's word for a closed socket.
        with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await task


async def _send(websocket: WebSocket, subscriber: Subscriber) -> None:
    while True:
        for text in await subscriber.next():
            await websocket.send_text(text)


async def _answer_pings(websocket: WebSocket) -> None:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if message.get("text") == "ping":  # Anything else, binary frames included, is not for us.
            await websocket.send_text(_text("pong", {"now": _now()}))


def _now() -> str:
    return to_iso(datetime.now(UTC))


def _text(kind: str, data: dict[str, object]) -> str:
    return orjson.dumps({"type": kind, "data": data, "emittedAt": _now()}).decode()
