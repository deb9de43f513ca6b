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
        sending = asyncio.create_task(_send(websocket, subscriber))
        try:
            await _answer_pings(websocket)
        except (WebSocketDisconnect, RuntimeError):
            return  # The client is gone, or we closed: RuntimeError is Starlette's word for a closed socket.
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending


async def _send(websocket: WebSocket, subscriber: Subscriber) -> None:
    while (texts := await subscriber.next()) is not None:
        for text in texts:
            await websocket.send_text(text)
    await websocket.close(TRY_AGAIN_LATER, "too slow: connect again")


async def _answer_pings(websocket: WebSocket) -> None:
    while True:
        if await websocket.receive_text() == "ping":
            await websocket.send_text(_text("pong", {"now": _now()}))


def _now() -> str:
    return to_iso(datetime.now(UTC))


def _text(kind: str, data: dict[str, object]) -> str:
    return orjson.dumps({"type": kind, "data": data, "emittedAt": _now()}).decode()
