"""What living workers offer to execute."""

from collections.abc import Iterable

from psycopg.types.json import Jsonb

from domain.workers.labels import Labels
from projections.rows import Connection, read_texts, read_value

UNOFFERED = """
    SELECT name FROM unnest(%(names)s::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM workers WHERE dead_at IS NULL AND coalesce(name = ANY(entry_points), true)
    )
"""
"""A worker that does not say what it offers may offer anything."""


HAS_LABELS = """
    SELECT EXISTS (
        SELECT FROM workers
        WHERE dead_at IS NULL AND draining_at IS NULL AND labels @> %(labels)s
    )
"""


async def any_with(connection: Connection, labels: Labels) -> bool:
    """Return whether a living worker, not told to end, has all of these labels."""
    return await read_value(connection, bool, HAS_LABELS, {"labels": Jsonb({**labels})})


async def unoffered(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Return those of these entry points that no living worker offers."""
    wanted = sorted(set(names))
    if not wanted:
        return frozenset()
    found = await read_texts(connection, UNOFFERED, {"names": wanted})
    return frozenset(found)
