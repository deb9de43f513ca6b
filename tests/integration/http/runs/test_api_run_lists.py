"""Lists of runs: order, pages, filters, search (contract, section 4)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from projections import job_definitions
from projections.runs import lists
from projections.runs.filters import RunFilter
from tests.integration.shared_api import Json, SharedApi, at_once
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


def test_runs_are_sorted_by_their_end_page_by_page(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    created = [shared.launch(slug)["id"] for _ in range(6)]
    ended = [created[number] for number in (3, 0, 4, 1, 2)]
    for run_id in ended:
        shared.client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    head = shared.head()
    shared.client.post(f"/job-runs/{created[5]}/cancel").raise_for_status()
    for as_of, expected in (({}, [*ended, created[5]]), ({"asOf": head}, ended)):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = shared.get("/job-runs", job=slug, sort="ended", limit=2, **cursor, **as_of)
            seen += ids(page)
            if page["meta"]["nextCursor"] is None:
                break
            cursor = {"cursor": page["meta"]["nextCursor"]}
        assert seen == [*reversed(expected)]
    assert ids(shared.get("/job-runs", job=slug, sort="ended", search=ended[0][:18])) == ended[:1]
    assert ids(shared.get("/job-runs", job=slug, sort="ended", status="pending")) == []
    # None of them started, so none took any time.
    for sort in ("started", "duration"):
        assert ids(shared.get("/job-runs", job=slug, sort=sort)) == []
    for query, field in ((f"sort=duration&cursor={head}", "cursor"), ("sort=size", "sort")):
        answer = shared.client.get(f"/job-runs?{query}")
        assert answer.status_code == 400
        assert field in answer.json()["error"]["fieldErrors"]


def test_pages_have_25_runs_of_all_jobs_unless_told_otherwise(
    shared: SharedApi, crowd: list[str]
) -> None:
    other = shared.launch(shared.register()["slug"])
    page = shared.get("/job-runs")
    assert ids(page)[0] == other["id"]
    assert len(page["data"]) == page["meta"]["limit"] == page["meta"]["nextOffset"] == 25
    assert page["data"][0]["run"] == other
    assert set(page["data"][0]) == {"run", "job"}
    assert set(page["data"][0]["job"]) == {"id", "slug", "name", "version", "type", "runtime"}
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
        run_filter = RunFilter(definition_id=UUID(str(job["id"])), statuses=["pending", "canceled"])
        rows, next_offset = await lists.list_runs(connection, run_filter, 25, 60)
        assert next_offset == 85
        return [str(row["id"]) for row in rows]


def test_lists_are_joined_by_commas_or_blanks(shared: SharedApi) -> None:
    one, two, other = (shared.register()["slug"] for _ in range(3))
    first, second = shared.launch(one)["id"], shared.launch(two)["id"]
    shared.launch(other)
    third = shared.launch(one)["id"]
    shared.client.post(f"/job-runs/{second}/cancel")
    both = [third, second, first]
    for jobs in (f"{one},{two}", f"{one} {two}", f" {two.upper()} , {one}, unknown"):
        assert ids(shared.get("/job-runs", job=jobs)) == both, jobs
        assert ids(shared.get("/job-runs", job=jobs, search=one)) == [third, first]
        counts = shared.get("/job-runs/counts", job=jobs)["data"]
        assert (counts["pending"], counts["canceled"]) == (2, 1)
    for statuses in ("pending,canceled", "pending canceled", "PENDING\tcanceled,"):
        assert ids(shared.get("/job-runs", job=f"{one} {two}", status=statuses)) == both
    page = shared.get("/job-runs", job=f"{one} {two}", limit=2)
    assert ids(page) == both[:2]
    cursor = page["meta"]["nextCursor"]
    assert ids(shared.get("/job-runs", job=f"{one} {two}", cursor=cursor)) == both[2:]
    head = shared.head()
    assert ids(shared.get("/job-runs", job=f"{one} {two}", asOf=head)) == both
    assert ids(shared.get("/job-runs", job="unknown,nobody")) == []
    assert ids(shared.get("/job-runs", job=" , ")) == ids(shared.get("/job-runs"))
    for query in ("status=pending,odd", "status=pending odd", "runtime=python,java"):
        assert shared.client.get(f"/job-runs?{query}").status_code == 400


def test_runs_are_found_by_the_runtime_of_their_job(shared: SharedApi) -> None:
    jobs = {
        runtime: shared.register(runtime=runtime)["slug"]
        for runtime in ("node", "docker", "python")
    }
    runs = {runtime: shared.launch(slug)["id"] for runtime, slug in jobs.items()}
    before = shared.head()
    assert ids(shared.get("/job-runs", runtime="node")) == [runs["node"]]
    for runtimes in ("node,docker", "Docker node"):
        listed = ids(shared.get("/job-runs", runtime=runtimes))
        assert listed == [runs["docker"], runs["node"]]
    assert runs["python"] in ids(shared.get("/job-runs", runtime="python"))
    assert shared.get("/job-runs", runtime="module")["data"] == []
    of_both = shared.get("/job-runs", runtime="node", job=jobs["docker"])
    assert of_both["data"] == []
    assert shared.get("/job-runs/counts", runtime="node")["data"]["pending"] == 1
    item = shared.get("/job-runs", runtime="docker")["data"][0]
    assert item["job"]["runtime"] == "docker"
    # Whose runtime changes, changes sides; what was, stays.
    shared.client.patch(f"/jobs/{jobs['node']}", json={"runtime": "module"})
    assert shared.get("/job-runs", runtime="node")["data"] == []
    assert ids(shared.get("/job-runs", runtime="node", asOf=before)) == [runs["node"]]
