"""Events as the very bytes that are stored: what is sealed, and what is compared with the seals.

Every column counts in PostgreSQL's binary form and is never interpreted: eight bytes for positions,
versions and times (microseconds), sixteen for ids, UTF-8 for text. So nothing that an editor could
change escapes. The sealer lets the server put the bytes together and hash them, which costs the
API's process next to nothing; whoever checks has the bytes sent and hashes them here, so that the
server's word is not taken for it. A test holds the two together.
"""

from typing import TypeVar

from psycopg import AsyncCursor, AsyncServerCursor
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from eventlog.database.sql import EVENTS_TABLE
from projections.rows import Connection

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

_ENCODED = " || ".join(
    rf"coalesce(int4send(octet_length({form})) || {form}, '\xffffffff')"
    for form in BINARY_FORMS.values()
)

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

WITHOUT_POSITION = (
    f"SELECT count(*) AS events FROM {EVENTS_TABLE} WHERE notification_id IS NULL"
)
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
    return b"".join(
        [_NULL if field is None else _LENGTHS[len(field)] + field for field in row]
    )


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
