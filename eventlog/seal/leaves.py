"""The leaves of the tree: hashes of the log's rows."""

from collections.abc import Sequence

from eventlog.database.sql import ARCHIVED_TO, EVENTS_TABLE
from eventlog.encoding.columns import _ENCODED, RawRow, encoded
from eventlog.seal.merkle import leaf_hash

LEAVES_AFTER = rf"""
    SELECT array_agg(position ORDER BY position) AS positions,
        string_agg(leaf, '' ORDER BY position) AS leaves,
        {ARCHIVED_TO} AS archived_to
    FROM (
        SELECT notification_id AS position, sha256('\x00' || {_ENCODED}) AS leaf FROM {EVENTS_TABLE}
        WHERE notification_id > %(after)s ORDER BY notification_id LIMIT %(limit)s
    ) AS next
"""
"""The positions and leaf hashes of the next events; NULL where there is none."""


Leaf = tuple[int, bytes]
"""What a tree knows of an event: its position, and the hash of all its bytes."""


def to_leaves(rows: Sequence[RawRow]) -> list[Leaf]:
    """Return the leaves of rows that have positions."""
    return [_leaf_of(row) for row in rows]


def _leaf_of(row: RawRow) -> Leaf:
    position = position_of(row)
    text = encoded(row)
    return position, leaf_hash(text)


def position_of(row: RawRow) -> int:
    """Return a row's position; a column that an editor made NULL counts as 0."""
    position = row[0] or b""
    return int.from_bytes(position, "big", signed=True)
