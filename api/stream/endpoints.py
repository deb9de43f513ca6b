"""The event stream's endpoints: server-sent events and WebSocket (contract, section 5).

First `GET /events/stream`, whose clients resume by themselves; then the metrics of WebSockets, and
`/ws`.
"""

import asyncio
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args

from fastapi import APIRouter, Header, Query, Request, WebSocket, WebSocketDisconnect
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.access import (
    PROTOCOL,
    ForbiddenError,
    TooManyGuessesError,
    UnauthenticatedError,
    principal_of,
    until_revoked,
)
from api.http.connections import FRAMES, abort, admit_stream
from api.http.dependencies import (
    MayRead,
    refuse_misspelt_names,
    refuse_unknown_names,
    service_of,
    until_cut_off,
)
from api.http.limits import FINAL_FLUSH_S
from api.shapes.base import failures
from api.stream.frames import Frame, StreamRequest, connection_ended, pong, stream_request
from api.stream.hub import Arrival
from api.stream.sessions import Stream, Streams
from domain.errors import ConflictError, InvalidInputError, LogUnavailableError
from runtime.tasks import run_until_one_ends

server_sent_events_router = APIRouter(tags=["stream"])

RECONNECT_MS = 1_000
"""How long browsers wait before they connect again."""

_ABOUT = (
    "Stream every event from now on, or from a position: the messages of `/ws`, described in"
    " `/asyncapi.json`."
)


class EventStream(Response):
    """Server-sent events, until the client leaves or is too slow, or until it is cut off."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, arrival: Arrival, request: StreamRequest) -> None:
        # Proxies must neither cache nor buffer the stream.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._streams = streams
        self._arrival = arrival
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the client, which connects again by itself however the response ends."""
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async with self._streams.open(self._request, self._arrival) as stream:
            await run_until_one_ends(
                _send_messages(stream, send),
                _wait_for_disconnect(receive),
                stream.until_over(),
                until_cut_off(HTTPConnection(scope)),
            )
        reason = stream.end_reason
        last_chunk = b"" if reason is None else connection_ended(reason).server_sent
        with suppress(TimeoutError):
            async with asyncio.timeout(FINAL_FLUSH_S):
                await send(_chunk(last_chunk, more=False))
                return
        await abort(scope, receive)


async def _send_messages(stream: Stream, send: Send) -> None:
    await send(_chunk(b"retry: %d\n" % RECONNECT_MS + stream.ack.server_sent))
    async with aclosing(stream.messages()) as messages:
        async for frames in messages:
            await send(_chunk(b"".join(frame.server_sent for frame in frames)))


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _chunk(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


_NAMES = ("after", "logId", "types", "job", "token")


@server_sent_events_router.get(
    "/events/stream",
    description=_ABOUT,
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **failures(400, 409)},
    dependencies=[MayRead],
)
async def stream_events(  # noqa: PLR0913 - one for each parameter
    request: Request,
    after: Annotated[
        str | None, Query(description="the position to resume from; 0 is the beginning")
    ] = None,
    log_id: Annotated[
        str | None, Query(alias="logId", description="the log that this position belongs to")
    ] = None,
    types: Annotated[
        str | None, Query(description="only these types, with commas; `job.run.*` are several")
    ] = None,
    job: Annotated[
        str | None, Query(description="a slug: only this job's runs, definitions and schedules")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="the same as `after`, and takes precedence")
    ] = None,
) -> EventStream:
    """Stream the selected events until the client leaves or falls too far behind."""
    # Read from the query below, as `/ws` does; declared here for OpenAPI.
    del after, log_id, types, job
    refuse_unknown_names(request, _NAMES)
    stream_query = stream_request(request.query_params, last_event_id)
    admit_stream(request.scope)
    streams = cast("Streams", request.app.state.streams)
    arrival = await streams.hub.arrive()
    await streams.check(stream_query)
    return EventStream(streams, arrival, stream_query)


Reason = Literal["forbidden", "refused", "unavailable", "log_changed", "too_slow"]
"""Why the service closes a WebSocket."""


class WebSocketMetrics:
    """Counts WebSockets.

    Attributes:
        connections: gauge of the open ones.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "apphub_ws_connections", "WebSockets that are open.", registry=registry
        )
        self._dropped = Counter(
            "apphub_ws_dropped",
            "WebSockets that the service closed, by reason.",
            ["reason"],
            registry=registry,
        )
        # Reasons that have not occurred are exported as zero.
        for reason in get_args(Reason):
            self._dropped.labels(reason)

    def count_dropped(self, reason: Reason) -> None:
        """Count a WebSocket that the service closed."""
        self._dropped.labels(reason).inc()


router = APIRouter()

POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013

_ClosedError = RuntimeError
"""What Starlette raises for a socket that has been closed."""

MAX_REASON_BYTES = 123
"""The longest reason that fits into a close frame."""


@router.websocket("/ws")
async def stream(websocket: WebSocket) -> None:
    """Send the selected events until the client leaves or falls too far behind."""
    metrics = cast("WebSocketMetrics", websocket.app.state.websockets)
    try:
        settings = service_of(websocket).settings
        principal_of(websocket, settings.tokens, settings.origins, to_write=False)
    except (UnauthenticatedError, ForbiddenError, TooManyGuessesError) as error:
        metrics.count_dropped("forbidden")
        await websocket.close(POLICY_VIOLATION, str(error))
        return
    streams = cast("Streams", websocket.app.state.streams)
    arrival = await streams.hub.arrive()
    # Accepted even if it is refused below: browsers show no reason for a failed handshake.
    offered = websocket.scope["subprotocols"]
    await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
    with metrics.connections.track_inprogress(), suppress(WebSocketDisconnect):
        end = await _serve(websocket, streams, arrival)
        metrics.count_dropped(end.reason)
        await _close(websocket, end.code, end.message)


class _End(NamedTuple):
    """Why the service closes a WebSocket.

    Attributes:
        reason: for metrics.
        code: the close code, for the client's program.
        message: for people.
    """

    reason: Reason
    code: int
    message: str


async def _serve(websocket: WebSocket, streams: Streams, arrival: Arrival) -> _End:
    """Serve the client as long as possible; return how to close."""
    try:
        refuse_misspelt_names(websocket, _NAMES)
        request = stream_request(websocket.query_params)
        await streams.check(request)
    except InvalidInputError as error:
        return _End("refused", POLICY_VIOLATION, str(error).removeprefix("/"))
    except ConflictError as error:
        return _End("refused", POLICY_VIOLATION, error.message)
    except LogUnavailableError:
        message = "the log cannot be read at the moment: connect again"
        return _End("unavailable", TRY_AGAIN_LATER, message)
    async with streams.open(request, arrival) as client_stream:
        connection = _Connection(websocket, client_stream)
        await connection.send([client_stream.ack])
        *_, is_revoked = await run_until_one_ends(
            connection.send_messages(),
            connection.answer_pings(),
            client_stream.until_over(),
            until_revoked(websocket, service_of(websocket).settings.tokens),
        )
        if is_revoked:
            return _End("forbidden", POLICY_VIOLATION, "the token has been revoked")
        if client_stream.end_reason is not None:
            message = f"{client_stream.end_reason}: read anew what you need"
            return _End("log_changed", POLICY_VIOLATION, message)
        message = f"too slow: connect again with after={client_stream.position}"
        return _End("too_slow", TRY_AGAIN_LATER, message)


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    shortened = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    with suppress(TimeoutError, _ClosedError):
        async with asyncio.timeout(FINAL_FLUSH_S):
            await websocket.close(code, shortened)


class _Connection:
    """A client's socket. Messages of one event are sent without a pong in between."""

    def __init__(self, websocket: WebSocket, client_stream: Stream) -> None:
        self._websocket = websocket
        self._stream = client_stream
        self._sending = asyncio.Lock()

    async def send(self, frames: list[Frame]) -> None:
        encoded = b"".join([frame.web_socket for frame in frames])
        try:
            await self._websocket.send({"type": "websocket.send", FRAMES: encoded})
        except _ClosedError as error:
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
            if message.get("text") == "ping":  # All other messages are ignored.
                async with self._sending:
                    await self.send([pong(self._stream.position)])
