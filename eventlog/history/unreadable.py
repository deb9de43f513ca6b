"""Which aggregates a newer version of the program has gone on to write, as their heads tell."""

import re
from collections.abc import Collection
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from domain.errors import UnreadableEventError
from domain.topics import class_version
from eventlog.database.sql import EVENTS_TABLE
from projections.rows import Connection, read_rows

_TAIL = 40
"""Bytes of a state that hold its shape's number, which the codec writes last."""

_HEADS = f"""
    SELECT head.* FROM unnest((SELECT %(ids)s::uuid[])) AS wanted (id), LATERAL (
        SELECT originator_id, topic,
            substr(state, greatest(octet_length(state) - {_TAIL}, 1)) AS tail
        FROM {EVENTS_TABLE} WHERE originator_id = wanted.id
        ORDER BY originator_version DESC LIMIT 1
    ) AS head
"""

_SHAPE = re.compile(rb'"class_version":(\d{1,9})\}$')


class _Head(TypedDict):
    originator_id: ReadOnly[str]
    topic: ReadOnly[str]
    tail: ReadOnly[bytes]


async def with_unreadable_head(
    connection: Connection, ids: Collection[UUID]
) -> set[UUID]:
    """Return those of the aggregates whose last event this version of the program cannot read."""
    if not ids:
        return set()
    values = {"ids": list(ids)}
    heads = await read_rows(connection, _Head, _HEADS, values)
    return {UUID(head["originator_id"]) for head in heads if not _is_readable(head)}


def _is_readable(head: _Head) -> bool:
    try:
        newest = class_version(head["topic"])
    except UnreadableEventError:
        return False
    shape = _SHAPE.search(head["tail"])
    return shape is None or int(shape[1]) <= newest
