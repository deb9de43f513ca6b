"""Lists of runs: order, pages, filters, search (contract, section 4)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from projections import job_definitions
from projections.runs import lists
from projections.runs.filter import RunFilter
from tests.integration.shared_api import Json, SharedApi, at_once, unique
from tests.support.logs import parts

RUNS = 120


@pytest.fixture(scope="module")
def crowd(shared: SharedApi) -> list[str]:
    """Launch many runs of one job, some at the same moment; return their ids, newest first."""
    slug = shared.register(slug="crowd")["slug"]
    for _ in range(RUNS // 20):
        at_once(20, lambda _: shared.client.post(f"/jobs/{slug}/run"))
    rows = shared.rows(
        "SELECT id::text FROM job_runs WHERE slug = 'crowd' ORDER BY created_position DESC"
    )
    assert len(rows) == RUNS
    return [row["id"] for row in rows]


def ids(page: Json) -> list[str]:
    return [item["run"]["id"] for item in page["data"]]


def listed(shared: SharedApi, **query: Any) -> list[str]:
    return ids(shared.get("/job-runs", **query))


@pytest.mark.parametrize("limit", [7, 40, 50])
def test_offsets_lead_through_all_runs_without_gap_or_repeat(
    shared: SharedApi, crowd: list[str], limit: int
) -> None:
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = shared.get("/job-runs", job="crowd", limit=limit, offset=offset)
        meta = page["meta"]
        seen += ids(page)
        assert set(meta) == {"limit", "offset", "hasMore", "nextOffset", "nextCursor"}
        assert (meta["limit"], meta["offset"]) == (limit, offset)
        assert (
            meta["hasMore"] == (meta["nextOffset"] is not None) == (meta["nextCursor"] is not None)
        )
        assert meta["nextOffset"] in {None, offset + limit}
        offset = meta["nextOffset"]
    assert seen == crowd


@pytest.mark.parametrize("limit", [7, 40, 50])
def test_cursors_lead_through_all_runs_while_new_ones_arrive(
    shared: SharedApi, crowd: list[str], limit: int
) -> None:
    newcomer = shared.register()["slug"]
    page = shared.get("/job-runs", job="crowd", limit=limit)
    seen = ids(page)
    while page["meta"]["nextCursor"] is not None:
        shared.launch(newcomer)
        page = shared.get(
            "/job-runs", search="crowd", limit=limit, cursor=page["meta"]["nextCursor"]
        )
        seen += ids(page)
    assert seen == crowd
    assert page["meta"]["hasMore"] is False


def test_pages_have_25_runs_of_all_jobs_unless_told_otherwise(
    shared: SharedApi, crowd: list[str]
) -> None:
    other = shared.launch(shared.register()["slug"])
    page = shared.get("/job-runs")
    assert ids(page)[0] == other["id"]
    assert len(page["data"]) == page["meta"]["limit"] == page["meta"]["nextOffset"] == 25
    assert page["data"][0]["run"] == other
    assert set(page["data"][0]) == {"run", "job"}
    assert set(page["data"][0]["job"]) == {"id", "slug", "name", "version", "type"}
    assert shared.get("/job-runs", job="crowd")["data"][0]["run"]["id"] == crowd[0]


def test_a_page_past_the_end_is_empty(shared: SharedApi, crowd: list[str]) -> None:
    del crowd
    for offset in (RUNS, 2**31 - 1):
        page = shared.get("/job-runs", job="crowd", offset=offset)
        assert page["data"] == []
        assert page["meta"] == {
            "limit": 25,
            "offset": offset,
            "hasMore": False,
            "nextOffset": None,
            "nextCursor": None,
        }


def test_the_list_of_one_job_pages_likewise(shared: SharedApi, crowd: list[str]) -> None:
    seen: list[str] = []
    for offset in range(0, RUNS, 50):
        page = shared.get("/jobs/CROWD/runs", limit=50, offset=offset)
        assert page["meta"] == {"limit": 50, "offset": offset}
        seen += [run["id"] for run in page["data"]]
    assert seen == crowd
    assert len(shared.get("/jobs/crowd/runs")["data"]) == 10


def walked(shared: SharedApi, url: str, between: Callable[[], object], **query: Any) -> list[Json]:
    """Return all runs of a list, page by page by cursor, while other things go on."""
    seen: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        page = shared.get(url, cursor=cursor, **query)
        assert set(page["meta"]) == {"limit", "offset", "hasMore", "nextCursor"}
        assert page["meta"]["hasMore"] == (page["meta"]["nextCursor"] is not None)
        seen += page["data"]["runs"] if isinstance(page["data"], dict) else page["data"]
        cursor = page["meta"]["nextCursor"]
        between()
    return seen


@pytest.mark.parametrize("limit", [1, 7, 50])
@pytest.mark.parametrize("status", ["", "canceled", "pending,canceled", "running"])
def test_cursors_lead_through_the_lists_of_one_job_while_it_is_launched(
    shared: SharedApi, limit: int, status: str
) -> None:
    slug = shared.register()["slug"]
    runs = [shared.launch(slug)["id"] for _ in range(23)][::-1]
    for run_id in runs[::3]:
        shared.client.post(f"/job-runs/{run_id}/cancel")
    canceled, all_runs = runs[::3], runs
    expected = {"": all_runs, "canceled": canceled, "pending,canceled": all_runs, "running": []}[
        status
    ]
    for url in (f"/jobs/{slug}/runs", f"/jobs/{slug}"):
        newest = [
            run["id"]
            for run in walked(shared, url, lambda: shared.launch(slug), limit=limit, status=status)
        ]
        since = [run_id for run_id in newest if run_id not in set(runs)]
        # What was launched before the first page is in front, once; nothing else is new.
        assert [run_id for run_id in newest if run_id in set(runs)] == expected
        assert newest[: len(since)] == since
        assert len(set(newest)) == len(newest)


def test_a_cursor_must_be_one(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    for url in ("/job-runs", f"/jobs/{slug}", f"/jobs/{slug}/runs"):
        for cursor in ("x", "-1", "1.5", "9" * 19):
            assert shared.client.get(url, params={"cursor": cursor}).status_code == 400


async def test_a_far_page_is_the_same_as_by_cursor(shared: SharedApi, crowd: list[str]) -> None:
    # Far pages are found in another way; here everything is far.
    far = lists.FAR
    lists.FAR = 0
    try:
        rows = await listed_directly(shared)
    finally:
        lists.FAR = far
    assert rows == crowd[60:85]


async def listed_directly(shared: SharedApi) -> list[str]:
    async with parts(shared.database_url) as part, part.pool.connection() as connection:
        job = await job_definitions.by_slug(connection, "crowd")
        assert job is not None
        wanted = RunFilter(definition_id=UUID(str(job["id"])), statuses=["pending", "canceled"])
        rows, more = await lists.list_runs(connection, wanted, 25, 60)
        assert more
        return [str(row["id"]) for row in rows]


def test_runs_are_filtered_by_one_status_or_several(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    runs = [shared.launch(slug)["id"] for _ in range(9)][::-1]
    for run_id in runs[::3]:
        shared.client.post(f"/job-runs/{run_id}/cancel")
    pending = [run_id for index, run_id in enumerate(runs) if index % 3]
    assert listed(shared, job=slug, status="canceled") == runs[::3]
    assert listed(shared, job=slug, status="pending") == pending
    for both in (
        "pending,canceled",
        "canceled,pending",
        " pending , canceled,",
        "pending,canceled,pending,running",
    ):
        assert listed(shared, job=slug, status=both) == runs
    assert listed(shared, job=slug, status="") == runs
    assert listed(shared, job=slug, status="running,succeeded,failed,expired") == []
    assert [
        run["id"] for run in shared.get(f"/jobs/{slug}/runs", status="canceled,failed")["data"]
    ] == runs[::3]
    page = shared.get("/job-runs", job=slug, status="pending,canceled", limit=4, offset=3)
    assert (ids(page), page["meta"]["hasMore"]) == (runs[3:7], True)


def test_the_job_filter_takes_a_whole_slug_in_any_case(shared: SharedApi) -> None:
    slug = shared.register(slug=unique("Filter"))["slug"]
    run_id = shared.launch(slug)["id"]
    for spelt in (slug, slug.lower(), slug.upper()):
        assert listed(shared, job=spelt) == [run_id]
    for other in (slug[:-1], f"{slug}x", "%", ""):
        assert listed(shared, job=other) == []


def test_a_search_finds_part_of_a_slug_or_name_in_any_case(shared: SharedApi) -> None:
    slug = shared.register(slug=unique("Needle_In"), name="Größe ПРИВЕТ 日本 100% a\\b")["slug"]
    run_id = shared.launch(slug)["id"]
    shared.launch(shared.register(name="Another job: 100 percent")["slug"])
    part = slug[3:9].upper()
    for text in (
        slug,
        part,
        "eedle_i",
        "größe",
        "GRÖßE",
        "привет",
        "ивет 日",
        "100% A",
        "a\\B",
        "Ö",
    ):
        assert listed(shared, search=text) == [run_id], text
    for text in (
        "eedle-i",
        "eedleXi",
        "100 %",
        "gro%e",
        "Gr__e",
        "a\\\\b",
        "'",
        '"',
        "größe_",
        "; DROP TABLE",
    ):
        assert listed(shared, search=text) == [], text


def test_wildcards_in_a_search_are_plain_characters(shared: SharedApi) -> None:
    with_both = shared.launch(shared.register(slug=unique("under_score"), name="50% off")["slug"])[
        "id"
    ]
    without = shared.launch(shared.register(slug=unique("plain"), name="plain")["slug"])["id"]
    for text in ("0% o", "r_s"):
        found = listed(shared, search=text, limit=50)
        assert with_both in found
        assert without not in found
    for text in ("%", "_"):
        assert without not in listed(shared, search=text, limit=50)


def test_a_search_finds_the_start_of_a_runs_id(shared: SharedApi) -> None:
    run_id = shared.launch(shared.register(slug=unique("zzz"), name="zzz")["slug"])["id"]
    for length in (9, 14, 20, 30, 35, 36):
        assert run_id in listed(shared, search=run_id[:length], limit=50)
        assert run_id in listed(shared, search=run_id[:length].upper(), limit=50)
    assert listed(shared, search=run_id) == [run_id]
    for other in (
        run_id[5:],
        run_id + "0",
        run_id.replace("-", ""),
        str(uuid4()),
        f"{run_id[:8]}--",
    ):
        assert listed(shared, search=other) == [], other


def test_a_search_that_several_jobs_match_pages_by_offset_and_cursor(shared: SharedApi) -> None:
    name = unique("several")
    slugs = [shared.register(name=name)["slug"] for _ in range(5)]
    runs = [shared.launch(slugs[number * 7 % 5])["id"] for number in range(30)][::-1]
    for run_id in runs[::2]:
        shared.client.post(f"/job-runs/{run_id}/cancel")
    for status, expected in {
        "": runs,
        "canceled": runs[::2],
        "canceled,pending": runs,
        "running": [],
    }.items():
        by_offset = [
            listed(shared, search=name, status=status, limit=7, offset=offset)
            for offset in range(0, 30, 7)
        ]
        assert [run_id for page in by_offset for run_id in page] == expected
        page = shared.get("/job-runs", search=name, status=status, limit=7)
        seen = ids(page)
        while page["meta"]["nextCursor"] is not None:
            page = shared.get(
                "/job-runs", search=name, status=status, limit=7, cursor=page["meta"]["nextCursor"]
            )
            seen += ids(page)
        assert seen == expected
    assert (
        listed(
            shared, search=name, asOf=shared.get("/job-runs/counts")["meta"]["position"], limit=50
        )
        == runs
    )
    assert listed(shared, search=runs[3][:13], job=slugs[0]) == [
        run_id
        for run_id in listed(shared, search=runs[3][:13], limit=50)
        if run_id in listed(shared, job=slugs[0])
    ]


def test_a_search_combines_with_the_other_filters(shared: SharedApi) -> None:
    name = unique("combined")
    first, second = (shared.register(name=name)["slug"] for _ in range(2))
    runs = [shared.launch(slug)["id"] for slug in (first, second, first, second)][::-1]
    shared.client.post(f"/job-runs/{runs[0]}/cancel")
    assert listed(shared, search=name) == runs
    assert listed(shared, search=name, job=second) == [runs[0], runs[2]]
    assert listed(shared, search=name, job=second, status="canceled") == [runs[0]]
    assert listed(shared, search=name, status="pending", limit=1, offset=1) == [runs[2]]
    shared.client.patch(f"/jobs/{first}", json={"name": "renamed"})
    assert listed(shared, search=name) == [runs[0], runs[2]]
