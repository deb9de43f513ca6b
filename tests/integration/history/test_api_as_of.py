"""`asOf`: what clients see of the past (contract, section 4)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from domain.jobs.run_values import STATUSES
from tests.integration.shared_api import (
    Json,
    SharedApi,
    check_failure,
    issues_of,
    unique,
)

NOBODY = dict.fromkeys(STATUSES, 0)


def events_of(shared: SharedApi, run_id: str) -> list[Json]:
    return list(shared.get(f"/job-runs/{run_id}/events")["data"])


def head(shared: SharedApi) -> int:
    return int(shared.get("/job-runs/counts")["meta"]["position"])


@pytest.fixture
def story(shared: SharedApi) -> Json:
    """Tell a little story of one job; return its slug and what was to be seen at each position."""
    slug = unique("Story")
    before = head(shared)
    job = shared.register(slug=slug, name="first name")
    registered = head(shared)
    first = shared.launch(slug, {"parameters": {"n": 1}})
    second = shared.launch(slug, {"parameters": {"n": 2}})
    launched = head(shared)
    shared.client.post(
        f"/job-runs/{first['id']}/cancel", json={"reason": "why not"}
    ).raise_for_status()
    canceled = head(shared)
    revised_job = (
        shared.client.patch(f"/jobs/{slug}", json={"name": "second name"})
        .raise_for_status()
        .json()["data"]
    )
    third = shared.launch(slug)
    return {
        "slug": slug,
        "before": before,
        "registered": registered,
        "launched": launched,
        "canceled": canceled,
        "end": head(shared),
        "job": job,
        "revised job": revised_job,
        "runs": [first, second, third],
        "canceled run": shared.get(f"/job-runs/{first['id']}")["data"]["run"],
    }


def test_a_run_is_shown_as_it_was_with_its_job_as_that_was(
    shared: SharedApi, story: Json
) -> None:
    first = story["runs"][0]
    path = f"/job-runs/{first['id']}"
    at_launch = shared.get(path, asOf=story["launched"])
    assert set(at_launch) == {"data"}
    assert at_launch["data"]["run"] == first
    assert at_launch["data"]["job"] == {
        name: story["job"][name] for name in ("id", "slug", "name", "version", "type")
    }
    canceled = shared.get(path, asOf=story["canceled"])["data"]
    assert (canceled["run"], canceled["job"]["name"]) == (
        story["canceled run"],
        "first name",
    )
    now = shared.get(path, asOf=story["end"])
    assert now == shared.get(path)
    assert now["data"]["job"]["name"] == "second name"


def test_a_run_that_was_not_there_yet_is_not_found(
    shared: SharedApi, story: Json
) -> None:
    first = story["runs"][0]
    [requested, *_] = events_of(shared, first["id"])
    for position in (requested["position"] - 1, story["before"], 0):
        answer = shared.client.get(
            f"/job-runs/{first['id']}", params={"asOf": position}
        )
        check_failure(answer, 404, "run_not_found", "job run not found")
    assert (
        shared.get(f"/job-runs/{first['id']}", asOf=requested["position"])["data"][
            "run"
        ]
        == first
    )
    for unknown in (str(uuid4()), "nonsense"):
        check_failure(
            shared.client.get(f"/job-runs/{unknown}", params={"asOf": 0}),
            404,
            "run_not_found",
        )


def test_a_job_is_shown_as_it_was_with_its_runs_as_they_were(
    shared: SharedApi, story: Json
) -> None:
    first, second, third = story["runs"]
    path = f"/jobs/{story['slug'].upper()}"
    check_failure(
        shared.client.get(path, params={"asOf": story["before"]}),
        404,
        "job_not_found",
        "job not found",
    )
    seen = shared.get(path, asOf=story["registered"])
    assert seen == {
        "data": {"job": story["job"], "runs": []},
        "meta": {"limit": 10, "offset": 0, "asOf": story["registered"]},
    }
    assert shared.get(path, asOf=story["launched"])["data"] == {
        "job": story["job"],
        "runs": [second, first],
    }
    assert shared.get(path, asOf=story["canceled"])["data"]["runs"] == [
        second,
        story["canceled run"],
    ]
    assert shared.get(path, asOf=story["canceled"], status="pending")["data"][
        "runs"
    ] == [second]
    end = shared.get(path, asOf=story["end"])["data"]
    assert end == {
        "job": story["revised job"],
        "runs": [third, second, story["canceled run"]],
    }
    runs = shared.get(f"{path}/runs", asOf=story["launched"], limit=1, offset=1)
    assert runs == {
        "data": [first],
        "meta": {"limit": 1, "offset": 1, "asOf": story["launched"]},
    }
    check_failure(
        shared.client.get(f"{path}/runs", params={"asOf": 0}), 404, "job_not_found"
    )


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


def test_pages_of_the_past_stay_as_they_are_while_runs_end_and_come(
    shared: SharedApi,
) -> None:
    slug = shared.register()["slug"]
    runs = [shared.launch(slug)["id"] for _ in range(9)]
    position = head(shared)
    seen: list[str] = []
    page: Json = {"meta": {"nextCursor": None}}
    for turn in range(9):
        shared.client.post(f"/job-runs/{runs[-turn]}/cancel").raise_for_status()
        shared.launch(slug)
        cursor = {"cursor": page["meta"]["nextCursor"]} if turn else {}
        page = shared.get(
            "/job-runs",
            asOf=position,
            job=slug,
            status="pending,running",
            limit=2,
            **cursor,
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


def test_runs_are_counted_by_status_then_and_now(
    shared: SharedApi, story: Json
) -> None:
    def counted(**query: Any) -> Json:
        return dict(
            shared.get("/job-runs/counts", job=story["slug"].lower(), **query)["data"]
        )

    assert counted(asOf=story["before"]) == counted(asOf=story["registered"]) == NOBODY
    assert counted(asOf=story["launched"]) == {**NOBODY, "pending": 2}
    assert counted(asOf=story["canceled"]) == {**NOBODY, "pending": 1, "canceled": 1}
    assert (
        counted(asOf=story["end"])
        == counted()
        == {**NOBODY, "pending": 2, "canceled": 1}
    )
    assert shared.get("/job-runs/counts", job=unique())["data"] == NOBODY
    everything = shared.get("/job-runs/counts")
    rows = shared.rows("SELECT status, count(*) AS runs FROM job_runs GROUP BY 1")
    assert everything["data"] == {
        **NOBODY,
        **{row["status"]: row["runs"] for row in rows},
    }
    [[end]] = [
        list(row.values())
        for row in shared.rows("SELECT max(notification_id) FROM jobs_events")
    ]
    assert everything["meta"] == {"position": end}
    assert shared.get("/job-runs/counts", asOf=0) == {
        "data": NOBODY,
        "meta": {"position": 0, "asOf": 0},
    }


def test_a_time_means_the_last_position_recorded_by_then(
    shared: SharedApi, story: Json
) -> None:
    run_id = story["runs"][0]["id"]
    _, canceled = events_of(shared, run_id)
    recorded = datetime.fromisoformat(canceled["recordedAt"])
    for text in (
        canceled["recordedAt"],
        recorded.astimezone(tz=datetime.strptime("+0530", "%z").tzinfo).isoformat(),
        recorded.strftime("%Y%m%dT%H%M%S.%f+0000"),
    ):
        page = shared.get("/job-runs", asOf=text, job=story["slug"])
        by_then = shared.rows(
            "SELECT max(notification_id) AS position FROM jobs_events"
            " WHERE date_trunc('milliseconds', recorded_at) <= %s",
            recorded,
        )
        assert page["meta"]["asOf"] == by_then[0]["position"] >= canceled["position"]
        assert (
            shared.get("/job-runs", asOf=page["meta"]["asOf"], job=story["slug"])
            == page
        )
    before = (recorded - timedelta(milliseconds=1)).isoformat()
    assert (
        shared.get(f"/job-runs/{run_id}", asOf=before)["data"]["run"]["status"]
        == "pending"
    )
    assert shared.get("/job-runs", asOf="2001-01-01T00:00:00Z")["meta"]["asOf"] == 0
    assert shared.get("/job-runs/counts", asOf=datetime.now(UTC).isoformat())["meta"][
        "position"
    ] == head(shared)


def test_a_time_leads_to_an_event_also_where_positions_were_given_up(
    shared: SharedApi,
) -> None:
    shared.register()
    last = head(shared)
    with psycopg.connect(shared.database_url) as connection:
        connection.execute(
            "INSERT INTO jobs_events (originator_id, originator_version, topic, state)"
            " SELECT gen_random_uuid(), 1, 'job_run.requested', '' FROM generate_series(1, 5)"
        )
        connection.rollback()
    between = datetime.now(UTC).isoformat()
    shared.register()
    assert head(shared) > last + 5
    assert shared.get("/job-runs", asOf=between)["meta"]["asOf"] == last
    # A position in the gap is a place like any other.
    assert shared.get("/job-runs", asOf=last + 3)["meta"]["asOf"] == last + 3


def _places(shared: SharedApi) -> Iterator[str]:
    job = shared.register()
    run = shared.launch(job["slug"])
    yield from (
        "/job-runs",
        "/job-runs/counts",
        f"/job-runs/{run['id']}",
        f"/jobs/{job['slug']}",
    )
    yield f"/jobs/{job['slug']}/runs"


def test_what_is_to_come_or_makes_no_sense_is_refused(shared: SharedApi) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for path in _places(shared):
        for text, hint in {
            str(head(shared) + 1): f"the log ends at position {head(shared)}",
            "9" * 40: "the log ends at position",
            tomorrow: "lies in the future",
            "9999-12-31T23:59:59.999Z": "lies in the future",
            "9999-12-31T23:59:59.999-01:00": "must be",
            "-1": "must be a position (0, 1, 2, …) or a time",
            "1.5": "must be",
            "1e3": "must be",
            "٣": "must be",
            "": "must be",
            "yesterday": "must be",
            "2026-11-24T14:31:04": "must be",
            "2026-11-24": "must be",
            "2026-13-24T14:31:04Z": "must be",
            "2026-01-01T00:00:00 02:00": "write + as %2B",
            "0\x00": "must be",
        }.items():
            [issue] = issues_of(shared.client.get(path, params={"asOf": text}))
            assert (issue["path"], hint in issue["message"]) == ("/asOf", True), (
                path,
                text,
                issue,
            )
        [issue] = issues_of(shared.client.get(path, params={"asOf": "1" * 41}))
        assert issue["path"] == "/asOf"


def test_the_document_names_the_parameter(shared: SharedApi) -> None:
    paths = shared.get("/openapi.json")["paths"]
    for path in (
        "/job-runs",
        "/job-runs/counts",
        "/job-runs/{run_id}",
        "/jobs/{slug}",
        "/jobs/{slug}/runs",
    ):
        [parameter] = [
            one for one in paths[path]["get"]["parameters"] if one["name"] == "asOf"
        ]
        assert (parameter["in"], parameter["required"]) == ("query", False)
        assert "position" in parameter["description"]
