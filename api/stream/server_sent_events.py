"""`GET /events/stream`: the stream as server-sent events, which resume by themselves.

The contract says in section 5 what they are.
"""

import asyncio
from contextlib import aclosing, suppress
from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http.dependencies import MayRead
from api.http.limits import LAST_WORDS_S
from api.http.query_names import refuse_unknown_names
from api.http.wire.clients import abort
from api.shapes.base import failures
from api.stream.frames import ended
from api.stream.request import Wanted, wanted_of
from api.stream.sessions import Stream, Streams
from api.stream.subscriber import Arrival
from runtime.background_tasks import until_one_ends

router = APIRouter(tags=["stream"])

RECONNECT_MS = 1_000
"""How long browsers wait before they connect again."""

_ABOUT = (
    "Stream every event from now on, or from a position: the messages of `/ws`, described in"
    " `/asyncapi.json`."
)


class EventStream(Response):
    """The body: events until the client leaves, is too slow, or the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: Streams,
        arrival: Arrival,
        wanted: Wanted,
        closing: asyncio.Event,
    ) -> None:
        # Proxies must neither keep the stream for others nor gather it up.
        super().__init__(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        del self.headers["Content-Length"]
        self._streams = streams
        self._arrival = arrival
        self._wanted = wanted
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the client; it connects again by itself however this ends."""
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async with self._streams.open(self._wanted, self._arrival) as stream:
            await until_one_ends(
                _send(stream, send),
                _left(receive),
                stream.fell_behind(),
                self._closing.wait(),
            )
        last = b""
        if stream.ended is not None:
            last = ended(stream.ended).server_sent
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await send(_chunk(last, more=False))
                return
        await abort(scope, receive)


async def _send(stream: Stream, send: Send) -> None:
    retry = f"retry: {RECONNECT_MS}\n"
    beginning = retry.encode() + stream.ack.server_sent
    await send(_chunk(beginning))
    async with aclosing(stream.messages()) as messages:
        async for frames in messages:
            events = [frame.server_sent for frame in frames]
            await send(_chunk(b"".join(events)))


async def _left(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return


def _chunk(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


_NAMES = ("after", "logId", "types", "job", "token")


@router.get(
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
        str | None,
        Query(alias="logId", description="the log that this position belongs to"),
    ] = None,
    types: Annotated[
        str | None,
        Query(description="only these types, with commas; `job.run.*` are several"),
    ] = None,
    job: Annotated[
        str | None,
        Query(description="a slug: only this job's runs, definitions and schedules"),
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="the same as `after`, and stronger")
    ] = None,
) -> EventStream:
    """Stream every event that the client wants, until it leaves or falls too far behind."""
    # Read from the query below, as `/ws` does; named here for OpenAPI.
    del after, log_id, types, job
    refuse_unknown_names(request, _NAMES)
    wanted = wanted_of(request.query_params, last_event_id)
    streams = cast("Streams", request.app.state.streams)
    arrival = await streams.arrive()
    await streams.check(wanted)
    closing = cast("asyncio.Event", request.app.state.closing)
    return EventStream(streams, arrival, wanted, closing)
