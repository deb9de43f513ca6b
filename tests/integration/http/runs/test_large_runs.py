"""Pages of runs are bounded by bytes: one that is shorter than its limit tells how to go on."""

import pytest

from apphub_jobs import Client
from projections.rows import PAGE_BYTES
from tests.integration.shared_api import Json, SharedApi

RUN_BYTES = 1_000_000

RUNS = 2 * PAGE_BYTES // RUN_BYTES + 1

SLUG = "large"


@pytest.fixture(scope="module")
def large(shared: SharedApi) -> list[str]:
    """Launch runs of a megabyte each, and return their ids, newest first."""
    shared.register(slug=SLUG)
    # Stored, they are a hundredth of this; sent, they are not.
    body = {"parameters": {"text": "x" * RUN_BYTES}}
    launched = [shared.launch(SLUG, body)["id"] for _ in range(RUNS)]
    return launched[::-1]


def ids_on(page: Json) -> list[str]:
    """Return the ids of a page's runs, whichever list it is of."""
    data = page["data"]
    items = data["runs"] if isinstance(data, dict) else data
    return [item.get("run", item)["id"] for item in items]


def pages(shared: SharedApi, path: str, query: Json, way: str, message: str) -> list[list[str]]:
    """Return the ids of page after page, by offsets or by cursors."""
    query = {**query, "limit": 50}
    result: list[list[str]] = []
    while True:
        page = shared.get(path, **query)
        result.append(ids_on(page))
        following = page["meta"].get(message)
        if following is None:
            return result
        query[way] = following


BY_OFFSET, BY_CURSOR = ("offset", "nextOffset"), ("cursor", "nextCursor")


@pytest.mark.parametrize("in_the_past", [False, True])
@pytest.mark.parametrize(
    ("path", "query", "way"),
    [
        ("/job-runs", {"job": SLUG}, BY_OFFSET),
        ("/job-runs", {"job": SLUG}, BY_CURSOR),
        ("/job-runs", {"search": SLUG, "status": "pending"}, BY_OFFSET),
        (f"/jobs/{SLUG}/runs", {}, BY_CURSOR),
        (f"/jobs/{SLUG}", {}, BY_CURSOR),
    ],
)
def test_a_page_of_large_runs_is_short_and_the_next_goes_on(
    shared: SharedApi,
    large: list[str],
    path: str,
    query: Json,
    way: tuple[str, str],
    in_the_past: bool,  # noqa: FBT001 - a parameter
) -> None:
    past = {"asOf": shared.head()} if in_the_past else {}
    all_pages = pages(shared, path, {**query, **past}, *way)
    assert [run_id for page in all_pages for run_id in page] == large
    # The run with which a page is full belongs to it.
    fit = PAGE_BYTES // RUN_BYTES + 1
    assert [len(page) for page in all_pages] == [fit, RUNS - fit]


def test_the_client_misses_none_of_them(shared: SharedApi, large: list[str]) -> None:
    with Client(str(shared.client.base_url)) as client:
        assert [run.id for run in client.runs(job=SLUG)] == large


def test_who_counts_by_offset_is_told_what_to_add(shared: SharedApi) -> None:
    paths = shared.get("/openapi.json")["paths"]
    for path in ("/jobs/{slug}", "/jobs/{slug}/runs"):
        description = paths[path]["get"]["description"]
        assert "continue\nwith `meta.nextCursor`" in description
        assert "adds the number of runs that it got" in description


def test_the_first_run_is_shown_however_large_it_is(shared: SharedApi, large: list[str]) -> None:
    page = shared.get("/job-runs", job=SLUG, limit=1)
    assert ids_on(page) == large[:1]
    assert page["meta"]["nextOffset"] == 1


def test_a_list_of_one_job_tells_of_more_only_where_it_is_cut(
    shared: SharedApi, large: list[str]
) -> None:
    whole = shared.get(f"/jobs/{SLUG}/runs", limit=2)["meta"]
    assert whole == {"limit": 2, "offset": 0}
    cut = shared.get(f"/jobs/{SLUG}/runs", limit=50)["meta"]
    assert set(cut) == {"limit", "offset", "hasMore", "nextCursor"}
    assert cut["hasMore"]
    assert len(large) == RUNS
