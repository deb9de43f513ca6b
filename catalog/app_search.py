"""Searches apps: the filter, the order, and the rows part by part; facets and suggestions.

First the filter (`AppFilter`), then relevance, then the search (`find`, `read_part`), then counts
by status and tag (`facets`), then tags that complete what a user types.

A search returns ids first, sixteen bytes each. Rows are read for a part of them at a time: one may
hold four megabytes of pictures, and a catalog may have a million apps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from catalog.repository import IngestStatus
from catalog.repository_rows import RepositoryRow
from domain.json_values import Json, JsonObject
from projections.rows import Connection, read_one, read_rows

Sort = Literal["relevance", "updated", "name"]

MAX_WORDS = 12
"""How many words of a search text are used; further ones are ignored."""


@dataclass(frozen=True, kw_only=True)
class AppFilter:
    """Which apps to list; what is empty selects all.

    Attributes:
        words: each begins a word of the name, description, tags, id or URL.
        prefixes: for each word what it is looked up by: itself, and its stem.
        tags: `key:value` or a key alone; an app must have every one of them, ignoring case.
        statuses: any of these ingestion statuses.
        after: when the last ingestion ended at the earliest, as ISO 8601 text.
        before: when it ended at the latest.
    """

    words: Sequence[str] = ()
    prefixes: Sequence[frozenset[str]] = ()
    tags: Sequence[str] = ()
    statuses: Sequence[str] = ()
    after: str | None = None
    before: str | None = None

    @property
    def is_by_status(self) -> bool:
        """Return whether nothing but the status restricts it."""
        return not (self.words or self.tags or self.after or self.before)


class _Word(TypedDict):
    word: ReadOnly[str]
    stem: ReadOnly[str | None]


_WORDS = """
    SELECT word, (ts_lexize('pg_catalog.english_stem', word))[1] AS stem
    FROM unnest(catalog_words(%(text)s)) AS word
"""


async def add_search_text(connection: Connection, apps: AppFilter, text: str) -> AppFilter:
    """Return the filter with a search text, split into words as the index does."""
    if not text:
        return apps
    rows = await read_rows(connection, _Word, _WORDS, {"text": text})
    stems = {row["word"]: row["stem"] for row in rows}
    words = list(stems)[:MAX_WORDS]
    return replace(apps, words=words, prefixes=[_prefixes(word, stems[word]) for word in words])


def _prefixes(word: str, stem: str | None) -> frozenset[str]:
    if stem is None:
        return frozenset({word})
    return frozenset({stem}) if word.startswith(stem) else frozenset({word, stem})


_ABOUT = "repository_words(id, name, description, repo_url, tags)"
"""The expression of the index."""

_HAS_TAGS = """
    repository_tags(tags) @> ARRAY(SELECT lower(unnest(%(tags)s::text[])))
"""


def conditions(apps: AppFilter) -> str:
    """Return what must hold of an app."""
    parts = ["true"]
    if apps.words:
        parts.append(f"{_ABOUT} @@ %(query)s::tsquery")
    if apps.tags:
        parts.append(_HAS_TAGS)
    if apps.statuses:
        parts.append("ingest_status = ANY(%(statuses)s)")
    if apps.after:
        parts.append("last_ingested_at >= %(after)s")
    if apps.before:
        parts.append("last_ingested_at <= %(before)s")
    return " AND ".join(parts)


def values_of(apps: AppFilter) -> dict[str, object]:
    """Return the parameters of `conditions`."""
    # Words have letters and digits alone: nothing in them needs to be quoted.
    one_of = [
        " | ".join(f"{prefix}:*" for prefix in sorted(prefixes)) for prefixes in apps.prefixes
    ]
    return {
        "query": " & ".join(f"({words})" for words in one_of),
        "tags": list(apps.tags),
        "statuses": list(apps.statuses),
        "after": apps.after,
        "before": apps.before,
    }


# Relevance: where the words of a search occur, and what each field counts.

WEIGHTS = {"name": 4.0, "description": 1.5, "tags": 2.0}


def relevance(app: RepositoryRow, words: Sequence[str]) -> JsonObject | None:
    """Return an app's relevance as clients see it; None without words. Lists are ordered by it."""
    if not words:
        return None
    tags = ["{key}:{value}".format_map(tag) for tag in app["tags"]]
    texts = {"name": app["name"], "description": app["description"], "tags": " ".join(tags)}
    components: JsonObject = {}
    score = 0.0
    for field_name, weight in WEIGHTS.items():
        text = texts[field_name].lower()
        hits = sum(word in text for word in words)
        score += hits * weight
        components[field_name] = {"hits": hits, "weight": weight, "score": hits * weight}
    max_score = len(words) * sum(WEIGHTS.values())
    return {"score": score, "normalizedScore": score / max_score, "components": components}


STATUSES: tuple[IngestStatus, ...] = get_args(IngestStatus)

ID_BYTES = 16

_UPDATED = 'updated_at DESC, id COLLATE "C"'

_ORDERS: dict[Sort, str] = {
    "relevance": f"score DESC, {_UPDATED}",
    "updated": _UPDATED,
    "name": 'left(lower(name), 200) COLLATE "C", id COLLATE "C"',
}


_TEXTS = {
    "name": "name",
    "description": "description",
    "tags": "jsonb_path_query_array(tags, '$[*].*')::text",
}
"""The texts of an app that are searched for words."""


class _Ids(TypedDict):
    ids: ReadOnly[bytes | None]


async def find(
    connection: Connection, apps: AppFilter, sort: Sort, limit: int | None, offset: int
) -> bytes:
    """Return the ids of a page of apps, concatenated; of all apps without a limit."""
    values = {
        **values_of(apps),
        "words": list(apps.words),
        "limit": limit,
        "offset": offset,
        "page_end": None if limit is None else offset + limit,
    }
    order = _ORDERS[sort]
    page = _branch(conditions(apps), order, _score(apps))
    if apps.is_by_status:
        page, of_status = _by_status(apps.statuses or STATUSES, order)
        values |= of_status
    query = f"""
        SELECT string_agg(uuid_send(aggregate_id), ''::bytea ORDER BY {order}) AS ids
        FROM (
            SELECT * FROM ({page}) AS page ORDER BY {order} OFFSET %(offset)s LIMIT %(limit)s
        ) AS page
    """
    row = await read_one(connection, _Ids, query, values)
    return row["ids"] or b""


def _branch(condition: str, order: str, score: str = "0") -> str:
    return f"""(
        SELECT aggregate_id, id, name, updated_at, {score} AS score FROM repositories
        WHERE {condition} ORDER BY {order} LIMIT %(page_end)s)"""


def _by_status(statuses: Sequence[str], order: str) -> tuple[str, dict[str, object]]:
    """Return a query for what comes first of each status, read off the index in its order."""
    named: dict[str, object] = {}
    branches: list[str] = []
    for index, status in enumerate(statuses):
        name = f"status_{index}"
        named[name] = status
        branches.append(_branch(f"ingest_status = %({name})s", order))
    return " UNION ALL ".join(branches), named


def _score(apps: AppFilter) -> str:
    """Return how relevant an app is, as `relevance` says it."""
    if not apps.words:
        return "0"
    return " + ".join(f"{WEIGHTS[name]} * {_hits(text)}" for name, text in _TEXTS.items())


def _hits(text: str) -> str:
    return f"""(
        SELECT count(*) FROM unnest(%(words)s::text[]) AS word
        WHERE strpos(lower({text}), word) > 0)"""


MAX_PART_BYTES = 4_194_304
"""The size of the pictures that are read at a time, as the database keeps them."""

_PART = """
    SELECT * FROM (
        SELECT app.*, sum(pg_column_size(preview_tiles)) OVER (ORDER BY ordinal) AS bytes, ordinal,
            min(ordinal) OVER () AS first
        FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS listed (id, ordinal)
        JOIN repositories AS app ON app.aggregate_id = listed.id
    ) AS part
    WHERE ordinal = first OR bytes <= %(max_bytes)s ORDER BY ordinal
"""


class _NumberedRow(RepositoryRow):
    ordinal: ReadOnly[int]


@dataclass(frozen=True)
class Part:
    """Some of a search's hits.

    Attributes:
        rows: the apps in their order, without those that no longer exist.
        consumed: how many of the ids need not be read again.
    """

    rows: Sequence[RepositoryRow]
    consumed: int


async def read_part(connection: Connection, ids: Sequence[UUID]) -> Part:
    """Return the first of these apps that fit into a part, at least one if any exists."""
    values = {"ids": list(ids), "max_bytes": MAX_PART_BYTES}
    rows = await read_rows(connection, _NumberedRow, _PART, values)
    return Part(rows, rows[-1]["ordinal"] if rows else len(ids))


# Counts of the matching apps by status and tag.
#
# The table's triggers keep counts for each status (`migrations/versions/0014_catalog_search.py`),
# so that facets of the whole catalog, or of a status, read no apps. For other filters the matching
# apps are counted.

MAX_TAGS = 50
MAX_VALUES_OF_A_KEY = 10

KEPT = """(
    SELECT ingest_status, key, value, apps FROM repository_counts
    UNION ALL SELECT ingest_status, key, value, apps FROM repository_count_changes
)"""
"""What the triggers keep: sums, and changes that are not folded into them yet."""

_KEPT = f"""
    SELECT ingest_status, key, value, sum(apps)::bigint AS apps FROM {KEPT} AS kept
    WHERE ingest_status = ANY(%(statuses)s) GROUP BY 1, 2, 3
"""


def _matching(condition: str) -> str:
    return f"""
        SELECT ingest_status, counted.key, counted.value, count(*) AS apps
        FROM repositories, repository_counted(tags) AS counted
        WHERE {condition} GROUP BY 1, 2, 3
    """


def _of_key(key: str) -> str:
    return f"""(
        SELECT '{key}' AS facet, '{key}' AS key, value, sum(apps)::bigint AS apps FROM tags
        WHERE lower(key) = '{key}' GROUP BY value
        ORDER BY apps DESC, value COLLATE "C" LIMIT {MAX_VALUES_OF_A_KEY})"""


def _query(counts: str) -> str:
    return f"""
        WITH counts AS MATERIALIZED ({counts}), tags AS MATERIALIZED (
            SELECT key, value, sum(apps)::bigint AS apps FROM counts
            WHERE key <> '' GROUP BY key, value HAVING sum(apps) > 0
        )
        SELECT 'status' AS facet, '' AS key, ingest_status AS value, apps FROM counts WHERE key = ''
        UNION ALL (
            SELECT 'tag', key, value, apps FROM tags
            ORDER BY apps DESC, key COLLATE "C", value COLLATE "C" LIMIT {MAX_TAGS})
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
        statuses: list[Json] = [
            {"status": status, "count": self.statuses.get(status, 0)} for status in STATUSES
        ]
        return {
            "tags": [*self.tags],
            "statuses": statuses,
            "owners": [*self.owners],
            "frameworks": [*self.frameworks],
        }


async def facets(connection: Connection, apps: AppFilter) -> Facets:
    """Return the facets of the matching apps."""
    values = values_of(apps)
    query = _query(_matching(conditions(apps)))
    if apps.is_by_status:
        values["statuses"] = [*(apps.statuses or STATUSES)]
        query = _query(_KEPT)
    counted = Facets()
    lists = {"tag": counted.tags, "owner": counted.owners, "framework": counted.frameworks}
    for row in await read_rows(connection, _Count, query, values):
        if row["facet"] == "status":
            counted.statuses[row["value"]] = row["apps"]
            continue
        tag: JsonObject = {"key": row["key"], "value": row["value"], "count": row["apps"]}
        lists[row["facet"]].append(tag)
    return counted


# Tags that complete what a user types: keys first, and after a colon pairs.


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


async def find_suggestions(connection: Connection, prefix: str, limit: int) -> list[JsonObject]:
    """Return tags of the catalog with this prefix, ignoring case, as clients see them."""
    key, colon, value = (part.strip() for part in prefix.partition(":"))
    kind, query = ("pair", _PAIRS) if colon else ("key", _KEYS)
    tags = await read_rows(connection, _Tag, query, {"key": key, "value": value, "limit": limit})
    texts = [f"{tag['key']}:{tag['value']}" if colon else tag["key"] for tag in tags]
    return [{"type": kind, "value": text, "label": text} for text in texts]
