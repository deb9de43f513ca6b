"""Stored events in their forms: the library's codec, the very bytes, and a JSON document.

First events to bytes and back (`PlainTranscoder`): orjson's plain JSON, times as ISO 8601 text with
milliseconds. Then the columns as bytes, which seals cover; then the document that archives and
proofs hold. Uses `database`.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from psycopg import AsyncCursor, AsyncServerCursor
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from domain.clock import from_iso, to_iso
from domain.errors import UnreadableEventError
from domain.topics import AGGREGATES, event_class
from eventlog.database.sql import EVENTS_TABLE
from projections.envelope import decode_state
from projections.rows import Connection


class PlainTranscoder(Transcoder):
    """Plain JSON, without the library's type marks: what is stored is what auditors read."""

    def encode(self, obj: Any) -> bytes:
        """Return the JSON text."""
        return orjson.dumps(obj, default=_encode_time, option=orjson.OPT_PASSTHROUGH_DATETIME)

    def decode(self, data: bytes) -> Any:
        """Return the plain values."""
        return orjson.loads(data)


class PlainMapper(Mapper[UUID]):
    """Turns stored fields back into events.

    An event's times are its `timestamp` and the fields that end in `_at`.
    """

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """Return the event, upcast to today's shape.

        Raises:
            UnreadableEventError: a newer version of the program wrote it.
        """
        type_ = event_class(stored_event.topic)
        fields: dict[str, Any] = decode_state(stored_event.topic, stored_event.state)
        # The library finds the class of the aggregate that the event creates by this topic.
        aggregate = fields.get("originator_topic")
        if aggregate is not None and aggregate not in AGGREGATES:
            raise UnreadableEventError(f"the aggregate {aggregate} is unknown to this version")
        for name, value in fields.items():
            if value is not None and _is_time(name):
                fields[name] = from_iso(value)
        fields["originator_id"] = stored_event.originator_id
        fields["originator_version"] = stored_event.originator_version
        event: DomainEventProtocol[UUID] = object.__new__(type_)
        # The library's way to fill a frozen event.
        object.__setattr__(event, "__dict__", fields)
        return event


def _is_time(name: str) -> bool:
    return name == "timestamp" or name.endswith("_at")


def _encode_time(value: object) -> str:
    if isinstance(value, datetime):
        return to_iso(value)
    raise TypeError(f"an event cannot hold a {type(value).__name__}")


# Events as the very bytes that are stored: these are sealed, and compared with the seals.
#
# Every column counts in PostgreSQL's binary form and is never interpreted: eight bytes for
# positions, versions and times (microseconds), sixteen for ids, UTF-8 for text. So nothing that an
# editor could change escapes. The sealer lets the server put the bytes together and hash them,
# which costs the API's process next to nothing; a check has the bytes sent and hashes them here, so
# that it does not trust the server's word. A test compares the two.

BINARY_FORMS = {
    "notification_id": "int8send(notification_id)",
    "originator_id": "uuid_send(originator_id)",
    "originator_version": "int8send(originator_version)",
    "topic": "convert_to(topic, 'UTF8')",
    "state": "state",
    "recorded_at": "timestamptz_send(recorded_at)",
    "actor": "convert_to(actor, 'UTF8')",
    "correlation_id": "uuid_send(correlation_id)",
    "causation_id": "uuid_send(causation_id)",
}
"""All columns of the log in the order in which they are hashed, each with the SQL of its bytes. A
test compares them with the table."""

COLUMNS = ", ".join(BINARY_FORMS)

_TYPES = ("int8", "uuid", "text", "bytea", "timestamptz")

_NULL = b"\xff\xff\xff\xff"

ENCODED = " || ".join(
    rf"coalesce(int4send(octet_length({form})) || {form}, '\xffffffff')"
    for form in BINARY_FORMS.values()
)
"""The SQL of what `encoded` returns."""

FIRST = -(2**63)
"""Below every position that a column could hold: a forged event may have a negative one."""


NEXT = f"""
    SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE notification_id > %(after)s
    ORDER BY notification_id LIMIT %(limit)s
"""

ONE = f"SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE notification_id = %s"

ALL = f"""
    SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE notification_id IS NOT NULL
    ORDER BY notification_id
"""

WITHOUT_POSITION = f"SELECT count(*) AS events FROM {EVENTS_TABLE} WHERE notification_id IS NULL"
"""Only an editor who removed the column's constraint first can make such an event. Commands would
read it."""

UTF8 = "SET LOCAL client_encoding = 'UTF8'"
"""Execute it in the transaction before raw columns are read: the server sends text in the client's
encoding."""

RawRow = tuple[bytes | None, ...]
"""A row's columns in binary form, None for NULL."""


C = TypeVar("C", bound=AsyncCursor[RawRow])


class _Lengths(dict[int, bytes]):
    """Lengths as four bytes. Looking them up halves the time that an event takes."""

    def __missing__(self, length: int) -> bytes:
        return length.to_bytes(4, "big")


_LENGTHS = _Lengths({length: length.to_bytes(4, "big") for length in range(2_048)})


def encoded(row: RawRow) -> bytes:
    """Return the columns one after the other, each after its length; a NULL has the length -1."""
    # In one expression, and only here: whoever checks seals does it for every event of the log.
    return b"".join([_NULL if field is None else _LENGTHS[len(field)] + field for field in row])


def position_of(row: RawRow) -> int:
    """Return a row's position; NULL counts as 0."""
    return int.from_bytes(row[0] or b"", "big", signed=True)


def raw_cursor(connection: Connection) -> AsyncCursor[RawRow]:
    """Return a cursor that reads columns as their bytes. Give it `binary=True` when executing."""
    return _raw(connection.cursor(row_factory=tuple_row))


def raw_stream(connection: Connection, name: str) -> AsyncServerCursor[RawRow]:
    """Return such a cursor on the server, for results of any length; it needs a transaction."""
    return _raw(connection.cursor(name, row_factory=tuple_row))


def _raw(cursor: C) -> C:
    for name in _TYPES:
        cursor.adapters.register_loader(name, ByteaBinaryLoader)
    return cursor


# A stored event as JSON that people can read, and that leads back to the very bytes.

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From here PostgreSQL counts microseconds."""


class UnshowableEventError(ValueError):
    """A stored event holds what no event of this program holds."""


def show_event(row: RawRow) -> dict[str, Any]:
    """Return the event as JSON.

    Raises:
        UnshowableEventError: it holds what no event of this program holds.
    """
    (
        position,
        aggregate_id,
        version,
        topic,
        state,
        recorded_at,
        actor,
        correlation_id,
        causation_id,
    ) = row
    try:
        return {
            "position": _number(position),
            "aggregateId": _id(aggregate_id),
            "version": _number(version),
            "topic": _text(topic),
            "state": _text(state),
            "recordedAt": _time(recorded_at),
            "actor": _text(actor),
            "correlationId": _id(correlation_id),
            "causationId": _id(causation_id),
        }
    except (OverflowError, TypeError, ValueError) as error:
        raise UnshowableEventError(f"the event cannot be shown: {error}") from None


def read_event(document: dict[str, Any]) -> RawRow:
    """Return the columns in binary form.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is not an event that `show_event`
        returned.
    """
    since_epoch = datetime.fromisoformat(document["recordedAt"]) - EPOCH
    return (
        _int8(document["position"]),
        UUID(document["aggregateId"]).bytes,
        _int8(document["version"]),
        document["topic"].encode(),
        document["state"].encode(),
        _int8(since_epoch // timedelta(microseconds=1)),
        _text_bytes(document["actor"]),
        _id_bytes(document["correlationId"]),
        _id_bytes(document["causationId"]),
    )


def _text_bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    return text.encode()


def _id_bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    return UUID(text).bytes


def _int8(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)


def _number(field: bytes | None) -> int:
    if field is None:
        raise TypeError("a number is missing")
    return int.from_bytes(field, "big", signed=True)


def _text(field: bytes | None) -> str | None:
    if field is None:
        return None
    return field.decode()


def _id(field: bytes | None) -> str | None:
    if field is None:
        return None
    return str(UUID(bytes=field))


def _time(field: bytes | None) -> str:
    moment = EPOCH + timedelta(microseconds=_number(field))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
