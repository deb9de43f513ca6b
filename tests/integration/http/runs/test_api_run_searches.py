"""Lists of runs by status, job and search."""

from uuid import uuid4

from tests.integration.http.runs.test_api_run_lists import ids, listed
from tests.integration.shared_api import SharedApi, unique


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
    for other in (slug[:-1], f"{slug}x", "%"):
        assert listed(shared, job=other) == []
    assert listed(shared, job="") == listed(shared)  # No job is named.


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
        hits = listed(shared, search=text, limit=50)
        assert with_both in hits
        assert without not in hits
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
