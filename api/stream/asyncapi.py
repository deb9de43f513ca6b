"""`GET /asyncapi.json`: the stream's messages, described as OpenAPI describes the rest."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.http.errors import JsonResponse
from api.routes.bulk import BulkOperation
from api.routes.events import Event
from api.routes.failures import FailureGroup, FailureSearch
from api.routes.saved_views import SavedView
from api.routes.subjects import ErasedSubject
from api.shapes.jobs import Definition
from api.shapes.runs import Run
from api.shapes.schedules import Schedule
from api.stream.frames import message_types
from projections.messages import UNKNOWN

router = APIRouter()

Schema = dict[str, Any]

Shapes = Mapping[str, tuple[str, type[BaseModel]]]
"""By the beginning of a message's type, the field that such messages have, and its shape."""

_SHAPES: Shapes = {
    "job.definition": ("job", Definition),
    "job.run": ("run", Run),
    "subject.erased": ("subject", ErasedSubject),
    "schedule": ("schedule", Schedule),
    "failure.updated": ("failure", FailureGroup),
    "failure.noted": ("search", FailureSearch),
    "bulk": ("bulk", BulkOperation),
    "view": ("view", SavedView),
    UNKNOWN: ("event", Event),
}

_TIME: Schema = {"type": "string", "format": "date-time"}
_POSITION: Schema = {
    "type": "integer",
    "minimum": 0,
    "description": "An event's position in the log.",
}

_QUERY: dict[str, Schema] = {
    "after": {
        **_POSITION,
        "description": "Resume from this position; 0 is the beginning. Left out: from now on.",
    },
    "logId": {
        "type": "string",
        "description": "The log that the position belongs to; another one is refused.",
    },
    "types": {
        "type": "string",
        "description": "Only these types, with commas; `job.run.*` are several.",
    },
    "job": {
        "type": "string",
        "description": "A slug: only this job's runs, definitions and schedules.",
    },
    "token": {
        "type": "string",
        "description": "The API token, where no Authorization header can be sent. A WebSocket may"
        " offer the protocols `apphub-jobs` and `bearer.` with the token in base64url instead.",
    },
}

_ABOUT = """\
Every event of the log, in log order, as messages: from a position that you name, or from now on.

A position may yield several messages, or none if the event only records that older ones were \
archived. All messages
but its last carry `more: true`; resume with `after` = the last position that you have seen \
without it, heartbeats
included. A position beyond the head, a position of another log and an invalid query are refused: \
`/ws` closes with
code 1008 and a reason, `/events/stream` answers 400 or 409. A client that is too slow is closed \
with code 1013, or
its response ends: connect again and resume, nothing is lost."""

_SERVER_SENT = (
    "Each message is one server-sent event: its type is `event`, its JSON is `data`; `id` is the"
    " position, if a client can resume from it. The header Last-Event-ID takes precedence over"
    " `after`."
)


@router.get("/asyncapi.json", include_in_schema=False)
async def describe(request: Request) -> JsonResponse:
    """Describe the stream of this server."""
    state = request.app.state
    if not hasattr(state, "asyncapi"):
        # Made once: it takes as long as forty requests, and clients need no token for it.
        state.asyncapi = document(request.app.version, state.shapes)
    host = request.url.netloc
    servers = {protocol: {"host": host, "protocol": protocol} for protocol in ("ws", "http")}
    return JsonResponse({**state.asyncapi, "servers": servers})


def document(version: str, extension_shapes: Shapes) -> Schema:
    """Return the AsyncAPI document without its servers.

    Args:
        version: the program's version.
        extension_shapes: shapes of the messages of extensions.
    """
    by_type = {**_SHAPES, **extension_shapes}
    from_server = [*message_types(), "connection.ack", "heartbeat"]
    server_sent = [*from_server, "connection.ended"]
    _, shapes = models_json_schema(
        [(model, "serialization") for _, model in by_type.values()],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "AppHub Jobs: the event stream",
            "version": version,
            "description": _ABOUT,
        },
        "defaultContentType": "application/json",
        "channels": {
            "ws": _channel("/ws", "ws", [*from_server, "ping", "pong"], {"ws": _binding("0.1.0")}),
            "events": _channel("/events/stream", "http", server_sent, {}),
        },
        "operations": {
            "tell": _operation("send", "ws", from_server),
            "hearPing": {
                **_operation("receive", "ws", ["ping"]),
                "reply": {
                    "channel": {"$ref": "#/channels/ws"},
                    "messages": [_message_ref("ws", "pong")],
                },
            },
            "tellServerSent": {
                **_operation("send", "events", server_sent),
                "summary": _SERVER_SENT,
                "bindings": {"http": _binding("0.3.0")},
            },
        },
        "components": {"messages": _messages(by_type), "schemas": shapes["$defs"]},
    }


def _messages(by_type: Shapes) -> dict[str, Schema]:
    now = _object({"now": _TIME})
    log = {"now": _TIME, "logId": {"type": "string", "format": "uuid"}, "head": _POSITION}
    reason = _object({"reason": {"type": "string"}})
    ack = _object({**log, "after": _POSITION}, optional=("after",))
    return {
        **{kind: _message(kind, _event(kind, by_type)) for kind in message_types()},
        "connection.ack": _message("connection.ack", _payload("connection.ack", ack)),
        "connection.ended": _message("connection.ended", _payload("connection.ended", reason)),
        "heartbeat": _message("heartbeat", _payload("heartbeat", now, position=_POSITION)),
        "pong": _message("pong", _payload("pong", now, position=_POSITION)),
        "ping": {
            "name": "ping",
            "contentType": "text/plain",
            "payload": {"type": "string", "const": "ping"},
        },
    }


def _event(kind: str, by_type: Shapes) -> Schema:
    field, model = next(shape for prefix, shape in by_type.items() if kind.startswith(prefix))
    data = _object({field: {"$ref": f"#/components/schemas/{model.__name__}"}})
    return _payload(
        kind,
        data,
        position=_POSITION,
        eventId={"type": "string", "format": "uuid"},
        occurredAt=_TIME,
        more={"const": True, "description": "More messages of the same position follow."},
    )


def _payload(kind: str, data: Schema, **fields: Schema) -> Schema:
    """Return the schema of a message from the server."""
    properties: Schema = {
        "type": {"type": "string", "const": kind},
        "data": data,
        "emittedAt": _TIME,
        **fields,
    }
    return _object(properties, optional=("more",))


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _message(kind: str, payload: Schema) -> Schema:
    return {"name": kind, "payload": payload}


def _channel(address: str, protocol: str, kinds: list[str], bindings: Schema) -> Schema:
    return {
        "address": address,
        "servers": [{"$ref": f"#/servers/{protocol}"}],
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds},
        "bindings": bindings,
    }


def _operation(action: str, channel: str, kinds: list[str]) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [_message_ref(channel, kind) for kind in kinds],
    }


def _message_ref(channel: str, kind: str) -> Schema:
    return {"$ref": f"#/channels/{channel}/messages/{kind}"}


def _binding(version: str) -> Schema:
    return {
        "method": "GET",
        "query": {"type": "object", "properties": _QUERY},
        "bindingVersion": version,
    }
