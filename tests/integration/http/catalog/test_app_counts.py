"""Facets, searches and pages of many apps are what looking at every one would find."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from catalog import app_search
from catalog.app_search import STATUSES, AppFilter, Part, Sort, add_search_text, find_suggestions
from catalog.views import BuildLogs, CatalogViews
from tests.support.databases import Filled
from tests.support.logs import Parts, parts
from worker.logs.run_logs import DirectoryLogs, RunLogs

APPS = 400

WORDS = ("shop", "front", "api", "jobs", "zebra", "blue", "indexing", "Ünï")
KEYS = ("owner", "Framework", "framework", "tier", "team")
VALUES = ("ann", "Bob", "next", "1", "two words")

INSERT = """
    INSERT INTO repositories SELECT app.* FROM jsonb_array_elements(%s::jsonb) AS given,
    LATERAL jsonb_populate_record(NULL::repositories, given) AS app
"""

Row = dict[str, Any]


def _app(random: Random, number: int) -> Row:
    words = random.choices(WORDS, k=4)
    tags = [
        {"key": random.choice(KEYS), "value": random.choice(VALUES)}
        for _ in range(random.randint(0, 5))
    ]
    return {
        "aggregate_id": str(UUID(int=random.getrandbits(128))),
        "id": f"app-{number:04}",
        "name": f"{words[0].title()} {words[1]}",
        "description": f"About {words[2]}",
        "repo_url": f"https://code.example/{words[3]}.git",
        "dockerfile_path": "Dockerfile",
        "tags": tags,
        "ingest_status": random.choice(STATUSES),
        "ingest_attempts": 0,
        "preview_tiles": [],
        "launch_env_templates": [],
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": f"2026-01-{random.randint(1, 28):02}T00:00:00Z",
        "last_ingested_at": f"2026-02-{random.randint(1, 28):02}T00:00:00Z",
        "aggregate_version": 1,
        "position": number,
        "metadata_strategy": "auto",
    }


async def _fill(url: str) -> None:
    random = Random(7)
    apps = [_app(random, number) for number in range(APPS)]
    with psycopg.connect(url, autocommit=True) as connection:
        for start in range(0, APPS, 50):
            connection.execute(INSERT, (json.dumps(apps[start : start + 50]),))
        # Enough changes, one by one, that they are folded into sums several times.
        for _ in range(600):
            app = random.choice(apps)
            tags = _app(random, 0)["tags"]
            connection.execute(
                "UPDATE repositories SET ingest_status = %s, tags = %s WHERE id = %s",
                (random.choice(STATUSES), json.dumps(tags), app["id"]),
            )
        connection.execute("DELETE FROM repositories WHERE id < 'app-0020'")


def ids_of(ids: bytes) -> list[UUID]:
    """Return the ids that `app_search.find` has found."""
    return [UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)]


@pytest.fixture
async def catalog(filled: Filled) -> Any:
    """Give the parts on a database with many apps."""
    async with parts(await filled("many_apps", _fill)) as part:
        yield part


async def _rows(part: Parts) -> list[Row]:
    async with part.pool.connection() as connection:
        cursor = await connection.execute("SELECT * FROM repositories")
        return [*await cursor.fetchall()]


def _words_of(row: Row) -> list[str]:
    tags = " ".join(f"{tag['key']} {tag['value']}" for tag in row["tags"])
    text = " ".join([row["id"], row["name"], row["repo_url"], row["description"], tags])
    for mark in "-./:":
        text = text.replace(mark, " ")
    return text.lower().split()


def _passes(row: Row, app_filter: AppFilter) -> bool:
    words = _words_of(row)
    tags = {f"{tag['key']}:{tag['value']}".lower() for tag in row["tags"]}
    tags |= {tag["key"].lower() for tag in row["tags"]}
    return (
        all(any(one.startswith(word) for one in words) for word in app_filter.words)
        and tags.issuperset(tag.lower() for tag in app_filter.tags)
        and (not app_filter.statuses or row["ingest_status"] in app_filter.statuses)
        and (app_filter.after is None or row["last_ingested_at"] >= app_filter.after)
        and (app_filter.before is None or row["last_ingested_at"] <= app_filter.before)
    )


def _place(row: Row, sort: Sort, app_filter: AppFilter) -> Any:
    updated = -int(row["updated_at"][8:10])
    tags = " ".join(f"{tag['key']} {tag['value']}" for tag in row["tags"])
    texts = ((row["name"], 4.0), (row["description"], 1.5), (tags, 2.0))
    score = sum(
        weight * (word in text.lower()) for word in app_filter.words for text, weight in texts
    )
    if sort == "name":
        return row["name"].lower(), row["id"]
    if sort == "updated":
        return updated, row["id"]
    return -score, updated, row["id"]


def _expected_facets(rows: list[Row]) -> tuple[Any, ...]:
    statuses = Counter(row["ingest_status"] for row in rows)
    tags: Counter[tuple[str, str]] = Counter()
    for row in rows:
        tags.update({(tag["key"], tag["value"]) for tag in row["tags"]})
    commonest = sorted(tags.items(), key=lambda item: (-item[1], item[0]))
    frameworks: Counter[str] = Counter()
    for (key, value), count in tags.items():
        if key.lower() == "framework":
            frameworks[value] += count
    return (
        dict(statuses),
        [{"key": key, "value": value, "count": n} for (key, value), n in commonest],
        dict(frameworks),
    )


def _filters(random: Random) -> AppFilter:
    return AppFilter(
        tags=random.choice([(), (), ("owner:ann",), ("framework", "tier:1")]),
        statuses=random.sample(STATUSES, random.choice([0, 0, 1, 2, 5])),
        after=random.choice([None, None, "2026-02-10T00:00:00.000Z"]),
        before=random.choice([None, None, "2026-02-20T00:00:00.000Z"]),
    )


async def test_facets_and_pages_are_those_of_every_app_looked_at(catalog: Parts) -> None:
    rows = await _rows(catalog)
    random = Random(1)
    async with catalog.pool.connection() as connection:
        for _ in range(60):
            text = random.choice(["", "", "sho", "FRONT api", "ünï", "owner blue"])
            app_filter = await add_search_text(connection, _filters(random), text)
            passing = [row for row in rows if _passes(row, app_filter)]
            facets = await app_search.facets(connection, app_filter)
            statuses, tags, frameworks = _expected_facets(passing)
            assert facets.total == len(passing)
            counted = {name: count for name, count in facets.statuses.items() if count}
            assert (counted, facets.tags) == (statuses, tags)
            assert {str(one["value"]): one["count"] for one in facets.frameworks} == frameworks
            sort: Sort = random.choice(("relevance", "updated", "name"))
            limit, offset = random.choice([None, 1, 25]), random.choice([0, 0, 3])
            ids = await app_search.find(connection, app_filter, sort, limit, offset)
            ordered = sorted(passing, key=lambda row: _place(row, sort, app_filter))
            end = None if limit is None else offset + limit
            assert ids == b"".join(UUID(row["aggregate_id"]).bytes for row in ordered[offset:end])


async def test_sums_and_changes_are_kept_apart_until_there_are_many(catalog: Parts) -> None:
    async with catalog.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT (SELECT count(*) FROM repository_counts) AS sums,"
            " (SELECT count(*) FROM repository_count_changes) AS changes,"
            " (SELECT max(number) FROM repository_count_changes) AS made"
        )
        [kept] = await cursor.fetchall()
    assert kept["made"] > 3_000
    assert 0 < kept["changes"] < 1_100
    assert kept["sums"] > 0


async def test_only_tags_that_some_app_has_are_suggested(catalog: Parts) -> None:
    async with catalog.pool.connection() as connection:
        await connection.execute(
            "UPDATE repositories SET tags = '[]' WHERE repository_tags(tags) @> '{tier}'"
        )
        keys = await find_suggestions(connection, "", 50)
        pairs = await find_suggestions(connection, "f:", 50)
    assert {one["value"] for one in keys} == set(KEYS) - {"tier"}
    assert {str(one["value"]).partition(":")[0] for one in pairs} == {"Framework", "framework"}


async def test_what_is_read_at_a_time_is_bounded_by_its_pictures(
    catalog: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A few bytes each: what no compression makes smaller.
    tiles = [{"src": uuid4().hex} for _ in range(3)]
    async with catalog.pool.connection() as connection:
        await connection.execute("UPDATE repositories SET preview_tiles = %s", (json.dumps(tiles),))
        all_ids = await app_search.find(connection, AppFilter(), "name", 30, 0)
        ids = ids_of(all_ids)
        whole = (await app_search.read_part(connection, ids)).rows
        assert [UUID(row["aggregate_id"]) for row in whole] == ids
        size = len(json.dumps(tiles)) * 5
        monkeypatch.setattr(app_search, "MAX_PART_BYTES", size)
        some = (await app_search.read_part(connection, ids)).rows
        assert 3 <= len(some) <= 6
        assert some == whole[: len(some)]
        monkeypatch.setattr(app_search, "MAX_PART_BYTES", 1)
        assert await app_search.read_part(connection, ids) == Part(whole[:1], 1)


async def test_an_app_that_is_gone_meanwhile_is_passed_over_and_no_other_shown_twice(
    catalog: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with catalog.pool.connection() as connection:
        ids = await app_search.find(connection, AppFilter(), "name", 3, 0)
        row_ids = [row["id"] for row in (await app_search.read_part(connection, ids_of(ids))).rows]
    gone = uuid4().bytes
    with_missing = gone + ids[:16] + gone + ids[16:] + gone
    views = CatalogViews(catalog.pool, BuildLogs(RunLogs(DirectoryLogs(tmp_path))))
    for most in (1, app_search.MAX_PART_BYTES):
        monkeypatch.setattr(app_search, "MAX_PART_BYTES", most)
        listed: list[Any] = []
        async for part in views.listed_apps(with_missing, ()):
            assert part
            listed += [app["id"] for app in part]
        assert listed == row_ids
