"""How many apps have which status and which tag, of those that a filter lets pass.

The table's triggers keep counts for each status (`migrations/versions/0014_catalog_search.py`), so
that the whole catalog, or a status of it, is never read for them. For other filters the apps that
are found are counted.
"""

from dataclasses import dataclass, field

from typing_extensions import ReadOnly, TypedDict

from domain.json_values import Json, JsonObject
from projections.apps.filter import AppFilter, conditions, values_of
from projections.apps.search import STATUSES
from projections.rows import Connection, read_rows

MOST_TAGS = 50
MOST_OF_A_KEY = 10

KEPT = """(
    SELECT ingest_status, key, value, apps FROM repository_counts
    UNION ALL SELECT ingest_status, key, value, apps FROM repository_count_changes
)"""
"""What the triggers keep: sums, and changes that are not folded into them yet."""

_KEPT = f"""
    SELECT ingest_status, key, value, sum(apps)::bigint AS apps FROM {KEPT} AS kept
    WHERE ingest_status = ANY(%(statuses)s) GROUP BY 1, 2, 3
"""


def _found(condition: str) -> str:
    return f"""
        SELECT ingest_status, counted.key, counted.value, count(*) AS apps
        FROM repositories, repository_counted(tags) AS counted
        WHERE {condition} GROUP BY 1, 2, 3
    """


def _of_key(key: str) -> str:
    return f"""(
        SELECT '{key}' AS facet, '{key}' AS key, value, sum(apps)::bigint AS apps FROM tags
        WHERE lower(key) = '{key}' GROUP BY value
        ORDER BY apps DESC, value COLLATE "C" LIMIT {MOST_OF_A_KEY})"""


def _query(counts: str) -> str:
    return f"""
        WITH counts AS MATERIALIZED ({counts}), tags AS MATERIALIZED (
            SELECT key, value, sum(apps)::bigint AS apps FROM counts
            WHERE key <> '' GROUP BY key, value HAVING sum(apps) > 0
        )
        SELECT 'status' AS facet, '' AS key, ingest_status AS value, apps FROM counts WHERE key = ''
        UNION ALL (
            SELECT 'tag', key, value, apps FROM tags
            ORDER BY apps DESC, key COLLATE "C", value COLLATE "C" LIMIT {MOST_TAGS})
        UNION ALL {_of_key("owner")} UNION ALL {_of_key("framework")}
    """


class _Count(TypedDict):
    facet: ReadOnly[str]
    key: ReadOnly[str]
    value: ReadOnly[str]
    apps: ReadOnly[int]


@dataclass
class Facets:
    """How many apps there are by status, and the commonest of their tags."""

    statuses: dict[str, int] = field(default_factory=dict)
    tags: list[JsonObject] = field(default_factory=list)
    owners: list[JsonObject] = field(default_factory=list)
    frameworks: list[JsonObject] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Return how many apps there are."""
        return sum(self.statuses.values())

    def present(self) -> JsonObject:
        """Return them as clients see them."""
        statuses: list[Json] = []
        for status in STATUSES:
            count = self.statuses.get(status, 0)
            statuses.append({"status": status, "count": count})
        return {
            "tags": [*self.tags],
            "statuses": statuses,
            "owners": [*self.owners],
            "frameworks": [*self.frameworks],
        }


async def facets(connection: Connection, apps: AppFilter) -> Facets:
    """Return the facets of the apps that the filter lets pass."""
    values = values_of(apps)
    query = _query(_found(conditions(apps)))
    if apps.is_by_status:
        values["statuses"] = [*(apps.statuses or STATUSES)]
        query = _query(_KEPT)
    found = Facets()
    lists = {"tag": found.tags, "owner": found.owners, "framework": found.frameworks}
    for row in await read_rows(connection, _Count, query, values):
        if row["facet"] == "status":
            found.statuses[row["value"]] = row["apps"]
            continue
        tag: JsonObject = {
            "key": row["key"],
            "value": row["value"],
            "count": row["apps"],
        }
        lists[row["facet"]].append(tag)
    return found
