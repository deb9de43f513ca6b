"""Looking for apps: words, tags, times, orders, facets, tags to suggest (contract, section 4)."""

from typing import Any

import pytest

from tests.integration.http.catalog.apps import add, ingestions
from tests.integration.shared_api import Json, SharedApi, issues_of, unique


def names_by(shared: SharedApi, **query: Any) -> list[str]:
    return [app["id"] for app in shared.get("/apps", **query)["data"]]


def tag(key: str, value: str) -> Json:
    return {"key": key, "value": value}


@pytest.fixture(scope="module")
def key() -> str:
    """Return a word that all apps of the shop have, and no others."""
    return unique("shop").replace("-", "")


@pytest.fixture(scope="module")
def shop(shared: SharedApi, key: str) -> dict[str, str]:
    """Add apps that are found by the word; return their ids by what they are."""
    apps = {
        "front": add(
            shared,
            id=f"{key}-front",
            name=f"{key} Frontend",
            description="Sells shoes to Ünïque people",
            tags=[tag("Framework", "Next"), tag("owner", "Ann"), tag("tier", "1")],
        ),
        "api": add(
            shared,
            id=f"{key}-api",
            name="api",
            description=f"What the {key} front end asks",
            repoUrl="https://code.example/ann/orders.git",
            tags=[tag("framework", "FastAPI"), tag("owner", "Bob")],
        ),
        "jobs": add(
            shared,
            id=f"{key}-jobs",
            name="Zebra jobs",
            description="Indexing libraries",
            tags=[tag("team", key), tag("owner", "Ann"), tag("owner", "Ann")],
        ),
    }
    return {name: app["id"] for name, app in apps.items()}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{key}", ["front", "api", "jobs"]),
        ("FRONT {key}", ["front", "api"]),
        ("  {key},front-end!", ["api"]),
        ("shoes {key} sell", ["front"]),
        ("{key} ünïq", ["front"]),
        ("{key} fastapi", ["api"]),
        ("{key} framework", ["front", "api"]),
        ("{key} framework:next", ["front"]),
        ("{key} orders", ["api"]),
        ("{key} indexes library", ["jobs"]),
        ("{key} hoes", []),
        ("{key}x", []),
        ("{key} nothing", []),
    ],
)
def test_every_word_begins_a_word_of_the_app(
    shared: SharedApi, key: str, shop: dict[str, str], text: str, names: list[str]
) -> None:
    expected = {shop[name] for name in names}
    assert set(names_by(shared, q=text.format(key=key))) == expected


def test_a_text_without_any_word_restricts_nothing(
    shared: SharedApi, key: str, shop: dict[str, str]
) -> None:
    assert set(names_by(shared, q="%_ :!", tags=f"team:{key}")) == {shop["jobs"]}
    assert shared.get("/apps", q="'& | !:*()\\")["meta"]["tokens"] == []


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ("owner:ann", ["front", "jobs"]),
        ("OWNER:Ann,tier", ["front"]),
        ("owner:ann tier:1", ["front"]),
        ("framework, owner:bob", ["api"]),
        ("owner:ann owner:bob", []),
        ("own", []),
        ("owner:an", []),
    ],
)
def test_an_app_has_every_tag_that_is_wanted(
    shared: SharedApi, key: str, shop: dict[str, str], tags: str, names: list[str]
) -> None:
    expected = {shop[name] for name in names}
    assert set(names_by(shared, q=key, tags=tags)) == expected


def test_apps_come_by_relevance_by_name_or_the_newest_first(
    shared: SharedApi, key: str, shop: dict[str, str]
) -> None:
    front, api, jobs = shop["front"], shop["api"], shop["jobs"]
    # In name 4, in tags 2, in description 1.5.
    assert names_by(shared, q=key) == [front, jobs, api]
    assert names_by(shared, q=key, sort="relevance") == [front, jobs, api]
    assert names_by(shared, q=key, sort="updated") == [jobs, api, front]
    assert names_by(shared, q=key, sort="name") == [api, front, jobs]
    for sort, expected in (("relevance", "updated"), ("name", "name")):
        meta = shared.get("/apps", tags="owner", sort=sort)["meta"]
        assert (meta["sort"], meta["tokens"]) == (expected, [])
    assert shared.get("/apps")["meta"]["sort"] == "updated"
    everything = names_by(shared, sort="updated")
    assert names_by(shared) == everything
    assert everything.index(jobs) < everything.index(api) < everything.index(front)
    assert [issue["path"] for issue in issues_of(shared.client.get("/apps?sort=x"))] == ["/sort"]


def test_relevance_tells_where_words_are_found(
    shared: SharedApi, key: str, shop: dict[str, str]
) -> None:
    page = shared.get("/apps", q=f"{key} front {key}")
    assert page["meta"]["tokens"] == [key, "front"]
    assert page["meta"]["weights"] == {"name": 4, "description": 1.5, "tags": 2}
    by_id = {app["id"]: app["relevance"] for app in page["data"]}
    assert by_id[shop["front"]] == {
        "score": 8,
        "normalizedScore": 8 / 15,
        "components": {
            "name": {"hits": 2, "weight": 4, "score": 8},
            "description": {"hits": 0, "weight": 1.5, "score": 0},
            "tags": {"hits": 0, "weight": 2, "score": 0},
        },
    }
    assert by_id[shop["api"]]["score"] == 3
    [unsought] = shared.get("/apps", tags=f"team:{key}")["data"]
    assert unsought["relevance"] is None


def test_facets_count_all_that_the_filters_let_pass(
    shared: SharedApi, key: str, shop: dict[str, str]
) -> None:
    del shop
    page = shared.get("/apps", q=key, limit=1, offset=1)
    assert (page["total"], page["meta"]["total"], page["meta"]["count"]) == (3, 3, 1)
    assert (page["meta"]["nextOffset"], page["meta"]["hasMore"]) == (2, True)
    assert page["facets"] == {
        "tags": [
            {"key": "owner", "value": "Ann", "count": 2},
            {"key": "Framework", "value": "Next", "count": 1},
            {"key": "framework", "value": "FastAPI", "count": 1},
            {"key": "owner", "value": "Bob", "count": 1},
            {"key": "team", "value": key, "count": 1},
            {"key": "tier", "value": "1", "count": 1},
        ],
        "statuses": [
            {"status": "seed", "count": 0},
            {"status": "pending", "count": 3},
            {"status": "processing", "count": 0},
            {"status": "ready", "count": 0},
            {"status": "failed", "count": 0},
        ],
        "owners": [
            {"key": "owner", "value": "Ann", "count": 2},
            {"key": "owner", "value": "Bob", "count": 1},
        ],
        "frameworks": [
            {"key": "framework", "value": "FastAPI", "count": 1},
            {"key": "framework", "value": "Next", "count": 1},
        ],
    }
    none = shared.get("/apps", q=f"{key}x")
    assert (none["total"], none["facets"]["tags"]) == (0, [])


def test_apps_are_found_by_status_and_by_the_end_of_their_last_ingestion(shared: SharedApi) -> None:
    word = unique("w").replace("-", "")
    ended, pending = add(shared, name=word), add(shared, name=word)
    [run] = ingestions(shared, ended["id"])
    shared.client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
    at = shared.get(f"/apps/{ended['id']}")["data"]["updatedAt"]
    assert names_by(shared, q=word, status="failed") == [ended["id"]]
    assert names_by(shared, q=word, status="Ready pending") == [pending["id"]]
    for query in ({}, {"ingestedBefore": "2999-12-31"}, {"ingestedBefore": at}):
        assert names_by(shared, q=word, ingestedAfter=at, **query) == [ended["id"]]
    for query in ({"ingestedAfter": "2999-01-01T00:00"}, {"ingestedBefore": "2020-01-01"}):
        assert names_by(shared, q=word, **query) == []
    # An ingestion that begins anew has not ended.
    shared.client.post(f"/apps/{ended['id']}/retry").raise_for_status()
    assert names_by(shared, q=word, ingestedAfter=at) == [ended["id"]]
    for wrong in (
        "status=odd",
        "status=ready odd",
        "limit=0",
        "limit=101",
        "q=%00",
        "tags=%00",
        "ingestedAfter=yesterday",
        "ingestedBefore=2026-13-01",
    ):
        answer = shared.client.get(f"/apps?{wrong}")
        name, _, _ = wrong.partition("=")
        assert [issue["path"] for issue in issues_of(answer)] == [f"/{name}"]


def test_tags_are_suggested_as_somebody_types(shared: SharedApi) -> None:
    key = unique("Sug").replace("-", "")
    add(shared, tags=[tag(key, "Blue"), tag(key, "black"), tag(f"{key}More", "x")])
    add(shared, tags=[tag(key, "Blue"), tag(key, "red:dish"), tag(key, "a b")])

    def suggested(prefix: str, **more: Any) -> list[Json]:
        return list(shared.get("/tags/suggest", prefix=prefix, **more)["data"])

    def texts(prefix: str, **more: Any) -> list[str]:
        return [one["value"] for one in suggested(prefix, **more)]

    assert suggested(key.lower()) == [
        {"type": "key", "value": key, "label": key},
        {"type": "key", "value": f"{key}More", "label": f"{key}More"},
    ]
    assert suggested(f" {key}:BLU ") == [
        {"type": "pair", "value": f"{key}:Blue", "label": f"{key}:Blue"}
    ]
    assert texts(f"{key}: b") == [f"{key}:Blue", f"{key}:black"]
    assert texts(f"{key}:red:") == [f"{key}:red:dish"]
    assert texts(f"{key[:-1]}:") == [
        *(f"{key}:{value}" for value in ("Blue", "a b", "black", "red:dish")),
        f"{key}More:x",
    ]
    assert texts(key, limit=1) == [key]
    assert texts("%") == texts("_") == texts(f"{key}x") == []
    assert 0 < len(texts("")) <= 10
    for query in ("limit=0", "limit=51", "limit=x", "prefix=%00"):
        assert shared.client.get(f"/tags/suggest?{query}").status_code == 400
