"""`asOf`: lists, their pages and counts of the past (contract, section 4)."""

from typing import Any

from domain.jobs.run_events import STATUSES
from tests.integration.shared_api import Json, SharedApi, unique

NOBODY = dict.fromkeys(STATUSES, 0)


def test_the_list_is_filtered_by_what_was_then(shared: SharedApi, story: Json) -> None:
    first, second, third = (run["id"] for run in story["runs"])

    def listed(position: str, **query: Any) -> list[str]:
        page = shared.get("/job-runs", asOf=story[position], job=story["slug"], **query)
        assert page["meta"]["asOf"] == story[position]
        return [item["run"]["id"] for item in page["data"]]

    assert listed("before") == listed("registered") == []
    assert listed("launched") == listed("launched", status="pending") == [second, first]
    assert listed("launched", status="canceled") == []
    assert listed("canceled", status="canceled") == [first]
    assert listed("canceled", status="canceled,pending") == [second, first]
    assert listed("end") == [third, second, first]
    assert listed("end", status="running,succeeded,failed,expired") == []
    assert listed("canceled", search="FIRST name") == [second, first]
    assert listed("canceled", search="second name") == []
    assert listed("end", search="second name", status="pending") == [third, second]
    assert listed("end", search="first name") == []
    assert listed("end", search=second[:13], status="pending,canceled") in (
        [second],
        [third, second],
        [second, first],
    )
    assert shared.get("/job-runs", asOf=story["end"], job=unique())["data"] == []


def test_pages_of_the_past_stay_as_they_are_while_runs_end_and_come(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    runs = [shared.launch(slug)["id"] for _ in range(9)]
    position = shared.head()
    seen: list[str] = []
    page: Json = {"meta": {"nextCursor": None}}
    for turn in range(9):
        shared.client.post(f"/job-runs/{runs[-turn]}/cancel").raise_for_status()
        shared.launch(slug)
        cursor = {"cursor": page["meta"]["nextCursor"]} if turn else {}
        page = shared.get(
            "/job-runs", asOf=position, job=slug, status="pending,running", limit=2, **cursor
        )
        assert {item["run"]["status"] for item in page["data"]} == {"pending"}
        seen += [item["run"]["id"] for item in page["data"]]
        if not page["meta"]["hasMore"]:
            break
    assert seen == runs[::-1]
    by_offset = shared.get(
        "/job-runs", asOf=position, job=slug, status="pending", limit=4, offset=4
    )
    assert [item["run"]["id"] for item in by_offset["data"]] == runs[4::-1][:4]
    assert by_offset["meta"] == {
        "limit": 4,
        "offset": 4,
        "hasMore": True,
        "nextOffset": 8,
        "nextCursor": by_offset["meta"]["nextCursor"],
        "asOf": position,
    }


def test_runs_are_counted_by_status_then_and_now(shared: SharedApi, story: Json) -> None:
    def counted(**query: Any) -> Json:
        return dict(shared.get("/job-runs/counts", job=story["slug"].lower(), **query)["data"])

    assert counted(asOf=story["before"]) == counted(asOf=story["registered"]) == NOBODY
    assert counted(asOf=story["launched"]) == {**NOBODY, "pending": 2}
    assert counted(asOf=story["canceled"]) == {**NOBODY, "pending": 1, "canceled": 1}
    assert counted(asOf=story["end"]) == counted() == {**NOBODY, "pending": 2, "canceled": 1}
    assert shared.get("/job-runs/counts", job=unique())["data"] == NOBODY
    everything = shared.get("/job-runs/counts")
    rows = shared.rows("SELECT status, count(*) AS runs FROM job_runs GROUP BY 1")
    assert everything["data"] == {**NOBODY, **{row["status"]: row["runs"] for row in rows}}
    [[end]] = [
        list(row.values()) for row in shared.rows("SELECT max(notification_id) FROM jobs_events")
    ]
    assert everything["meta"] == {"position": end}
    assert shared.get("/job-runs/counts", asOf=0) == {
        "data": NOBODY,
        "meta": {"position": 0, "asOf": 0},
    }
