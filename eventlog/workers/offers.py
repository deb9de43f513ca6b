"""What living workers offer to execute."""

from collections.abc import Iterable

from projections.rows import Connection, read_texts

UNOFFERED = """
    SELECT name FROM unnest(%(names)s::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM workers WHERE dead_at IS NULL AND coalesce(name = ANY(entry_points), true)
    )
"""
"""A worker that does not say what it offers may offer anything."""


async def unoffered(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Return those of these entry points that no living worker offers."""
    wanted = sorted(set(names))
    if not wanted:
        return frozenset()
    found = await read_texts(connection, UNOFFERED, {"names": wanted})
    return frozenset(found)
