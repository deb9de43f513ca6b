"""Which apps are wanted, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from typing_extensions import ReadOnly, TypedDict

from projections.rows import Connection, read_rows

Sort = Literal["relevance", "updated", "name"]

MAX_WORDS = 12
"""Of a search text; more make no difference that anybody could follow."""


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


async def with_text(connection: Connection, apps: AppFilter, text: str) -> AppFilter:
    """Return the filter with a search text, taken apart as the index has the words."""
    if not text:
        return apps
    found = await read_rows(connection, _Word, _WORDS, {"text": text})
    stems = {one["word"]: one["stem"] for one in found}
    words = list(stems)[:MAX_WORDS]
    prefixes: list[frozenset[str]] = []
    for word in words:
        stem = stems[word]
        prefixes.append(_prefixes(word, stem))
    return replace(apps, words=words, prefixes=prefixes)


def _prefixes(word: str, stem: str | None) -> frozenset[str]:
    if stem is None:
        return frozenset({word})
    if word.startswith(stem):
        return frozenset({stem})
    return frozenset({word, stem})


_ABOUT = "repository_words(id, name, description, repo_url, tags)"
"""As the index has it."""

_HAS_TAGS = """
    repository_tags(tags) @> ARRAY(SELECT lower(unnest(%(tags)s::text[])))
"""


def conditions(apps: AppFilter) -> str:
    """Return what must hold of an app."""
    found = ["true"]
    if apps.words:
        found.append(f"{_ABOUT} @@ %(query)s::tsquery")
    if apps.tags:
        found.append(_HAS_TAGS)
    if apps.statuses:
        found.append("ingest_status = ANY(%(statuses)s)")
    if apps.after:
        found.append("last_ingested_at >= %(after)s")
    if apps.before:
        found.append("last_ingested_at <= %(before)s")
    return " AND ".join(found)


def values_of(apps: AppFilter) -> dict[str, object]:
    """Return the parameters of `conditions`."""
    # Words have letters and digits alone: nothing in them needs to be quoted.
    one_of = [
        " | ".join(f"{prefix}:*" for prefix in sorted(prefixes))
        for prefixes in apps.prefixes
    ]
    query = " & ".join(f"({words})" for words in one_of)
    return {
        "query": query,
        "tags": list(apps.tags),
        "statuses": list(apps.statuses),
        "after": apps.after,
        "before": apps.before,
    }
