"""The forms of stored events: the library's codec, the columns' bytes, and a JSON document.

First the codec, from events to bytes and back (`PlainTranscoder`, `PlainMapper`): plain JSON by
orjson, with times as ISO 8601 text in milliseconds. Then the columns as bytes, which seals cover;
then the document that archives and proofs hold. Uses `database`.
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
    """Plain JSON, without the library's type marks, so that auditors can read what is stored."""

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
        class_ = event_class(stored_event.topic)
        fields: dict[str, Any] = decode_state(stored_event.topic, stored_event.state)
        # By this topic the library looks up the class of the aggregate that the event creates.
        aggregate = fields.get("originator_topic")
        if aggregate is not None and aggregate not in AGGREGATES:
            raise UnreadableEventError(f"the aggregate {aggregate} is unknown to this version")
        for name, value in fields.items():
            if value is not None and _is_time(name):
                fields[name] = from_iso(value)
        fields["originator_id"] = stored_event.originator_id
        fields["originator_version"] = stored_event.originator_version
        event: DomainEventProtocol[UUID] = object.__new__(class_)
        # The library's way to fill a frozen event.
        object.__setattr__(event, "__dict__", fields)
        return event


def _is_time(name: str) -> bool:
    return name == "timestamp" or name.endswith("_at")


def _encode_time(value: object) -> str:
    if isinstance(value, datetime):
        return to_iso(value)
    raise TypeError(f"an event cannot hold a {type(value).__name__}")


# Events as the bytes that are stored: these are sealed, and compared with the seals.
#
# A seal covers every column in PostgreSQL's binary form, uninterpreted: eight bytes for positions,
# versions and times (microseconds), sixteen for ids, UTF-8 for text. So no edit of a row escapes
# it. The sealer lets the server join the bytes and hash them, which costs the API's process next to
# nothing. A check reads the bytes and hashes them here, so that it need not trust the server. A
# test compares the two.

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
"""The SQL of the same bytes as `encoded` returns."""

FIRST = -(2**63)
"""A bound below every position: a forged event may have a negative one."""


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
"""Such an event can only be forged, after the column's constraint was removed. Commands would read
it."""

UTF8 = "SET LOCAL client_encoding = 'UTF8'"
"""Execute it in the transaction before raw columns are read, since the server converts text to the
client's encoding."""

RawRow = tuple[bytes | None, ...]
"""A row's columns in binary form, None for NULL."""


C = TypeVar("C", bound=AsyncCursor[RawRow])


class _Lengths(dict[int, bytes]):
    """Lengths as four bytes. To look them up halves the time that an event takes."""

    def __missing__(self, length: int) -> bytes:
        return length.to_bytes(4, "big")


_LENGTHS = _Lengths({length: length.to_bytes(4, "big") for length in range(2_048)})


def encoded(row: RawRow) -> bytes:
    """Return all columns, each after its length as four bytes; a NULL has the length -1."""
    # One expression, for speed: a check of the seals does this for every event of the log.
    return b"".join([_NULL if field is None else _LENGTHS[len(field)] + field for field in row])


def position_of(row: RawRow) -> int:
    """Return a row's position; NULL counts as 0."""
    return int.from_bytes(row[0] or b"", "big", signed=True)


def raw_cursor(connection: Connection) -> AsyncCursor[RawRow]:
    """Return a cursor that reads columns as bytes; execute statements with `binary=True`."""
    return _raw(connection.cursor(row_factory=tuple_row))


def raw_stream(connection: Connection, name: str) -> AsyncServerCursor[RawRow]:
    """Return such a cursor on the server, for results of any length; it needs a transaction."""
    return _raw(connection.cursor(name, row_factory=tuple_row))


def _raw(cursor: C) -> C:
    for name in _TYPES:
        cursor.adapters.register_loader(name, ByteaBinaryLoader)
    return cursor


# A stored event as JSON that people can read, and that can be turned back into the same bytes.

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL stores times as microseconds since then."""


class UnrepresentableEventError(ValueError):
    """A stored event has a value that no event of this program has, and that JSON cannot hold."""


def to_document(row: RawRow) -> dict[str, Any]:
    """Return the event as JSON; `to_raw_row` is the inverse.

    Raises:
        UnrepresentableEventError: a column has a value that no event of this program has.
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
        raise UnrepresentableEventError(f"the event cannot be shown: {error}") from None


def to_raw_row(document: dict[str, Any]) -> RawRow:
    """Return the columns of a document of `to_document` in binary form.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is no such document.
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
