"""Events as the very bytes that are stored: what is sealed, and what is compared with the seals.

Every column is asked for in PostgreSQL's binary form and never interpreted: eight bytes for positions, versions and
times (microseconds), sixteen for ids, UTF-8 for text. So nothing that an editor could change escapes.
"""

from collections.abc import Sequence
from typing import TypeVar

from psycopg import AsyncCursor, AsyncServerCursor
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from eventlog.merkle import leaf_hash
from eventlog.schema import EVENTS_TABLE
from projections.table import Connection

COLUMNS = (
    "notification_id",
    "originator_id",
    "originator_version",
    "topic",
    "state",
    "recorded_at",
    "actor",
    "correlation_id",
    "causation_id",
)
"""All columns of the log, in the order in which they are hashed. A test compares them with the table."""

_TYPES = ("int8", "uuid", "text", "bytea", "timestamptz")

_NULL = b"\xff\xff\xff\xff"

FIRST = -(2**63)
"""Below every position that a column could hold: a forged event may have a negative one."""

AFTER = f"SELECT {', '.join(COLUMNS)} FROM {EVENTS_TABLE} WHERE notification_id > %s ORDER BY notification_id LIMIT %s"

ONE = f"SELECT {', '.join(COLUMNS)} FROM {EVENTS_TABLE} WHERE notification_id = %s"

ALL = f"SELECT {', '.join(COLUMNS)} FROM {EVENTS_TABLE} WHERE notification_id IS NOT NULL ORDER BY notification_id"

WITHOUT_POSITION = f"SELECT count(*) AS events FROM {EVENTS_TABLE} WHERE notification_id IS NULL"
"""Only an editor who removed the column's constraint first can make such an event. Commands would read it."""

RawRow = tuple[bytes | None, ...]
"""A row's columns in binary form, None for NULL."""

C = TypeVar("C", bound=AsyncCursor[RawRow])


Leaf = tuple[int, bytes]
"""What a tree knows of an event: its position, and the hash of all its bytes."""


def encoded(row: RawRow) -> bytes:
    """Return the row's columns one after the other, each after its length; a NULL has the length -1."""
    return b"".join([_NULL if field is None else len(field).to_bytes(4, "big") + field for field in row])


def to_leaves(rows: Sequence[RawRow]) -> list[Leaf]:
    """Return the leaves of rows that have a position."""
    return [(int.from_bytes(row[0] or b"", "big", signed=True), leaf_hash(encoded(row))) for row in rows]


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
