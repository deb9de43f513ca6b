"""Tags that begin as somebody types: keys at first, and once there is a colon, pairs."""

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import JsonObject
from projections.apps.facets import KEPT
from projections.rows import Connection, read_rows


class _Tag(TypedDict):
    key: ReadOnly[str]
    value: ReadOnly[str]


def _begins(column: str) -> str:
    return f'lower({column}) COLLATE "C" ^@ lower(%({column})s::text)'


_KEYS = f"""
    SELECT key, '' AS value FROM {KEPT} AS kept WHERE key <> '' AND {_begins("key")}
    GROUP BY key HAVING sum(apps) > 0 ORDER BY key COLLATE "C" LIMIT %(limit)s
"""

_PAIRS = f"""
    SELECT key, value FROM {KEPT} AS kept
    WHERE key <> '' AND {_begins("key")} AND {_begins("value")}
    GROUP BY key, value HAVING sum(apps) > 0
    ORDER BY key COLLATE "C", value COLLATE "C" LIMIT %(limit)s
"""


async def suggestions(
    connection: Connection, prefix: str, limit: int
) -> list[JsonObject]:
    """Return tags of the catalog that begin so, ignoring case, as clients see them."""
    parts = [part.strip() for part in prefix.partition(":")]
    key, colon, value = parts
    kind = "key"
    query = _KEYS
    if colon:
        kind = "pair"
        query = _PAIRS
    values = {"key": key, "value": value, "limit": limit}
    found: list[JsonObject] = []
    for tag in await read_rows(connection, _Tag, query, values):
        text = tag["key"]
        if colon:
            text = f"{text}:{tag['value']}"
        found.append({"type": kind, "value": text, "label": text})
    return found
