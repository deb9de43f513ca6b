"""`asOf`: a run and a job of the past, at a position or a time (contract, section 4)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from tests.integration.shared_api import Json, SharedApi, check_failure, issues_of


def events_of(shared: SharedApi, run_id: str) -> list[Json]:
    return list(shared.get(f"/job-runs/{run_id}/events")["data"])


def test_a_run_is_shown_as_it_was_with_its_job_as_that_was(shared: SharedApi, story: Json) -> None:
    first = story["runs"][0]
    path = f"/job-runs/{first['id']}"
    at_launch = shared.get(path, asOf=story["launched"])
    assert set(at_launch) == {"data"}
    assert at_launch["data"]["run"] == first
    assert at_launch["data"]["job"] == {
        name: story["job"][name] for name in ("id", "slug", "name", "version", "type", "runtime")
    }
    canceled = shared.get(path, asOf=story["canceled"])["data"]
    assert (canceled["run"], canceled["job"]["name"]) == (story["canceled run"], "first name")
    now = shared.get(path, asOf=story["end"])
    assert now == shared.get(path)
    assert now["data"]["job"]["name"] == "second name"


def test_a_run_that_was_not_there_yet_is_not_found(shared: SharedApi, story: Json) -> None:
    first = story["runs"][0]
    [requested, *_] = events_of(shared, first["id"])
    for position in (requested["position"] - 1, story["before"], 0):
        answer = shared.client.get(f"/job-runs/{first['id']}", params={"asOf": position})
        check_failure(answer, 404, "run_not_found", "job run not found")
    assert (
        shared.get(f"/job-runs/{first['id']}", asOf=requested["position"])["data"]["run"] == first
    )
    for unknown in (str(uuid4()), "nonsense"):
        check_failure(
            shared.client.get(f"/job-runs/{unknown}", params={"asOf": 0}), 404, "run_not_found"
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
    assert shared.get(path, asOf=story["canceled"], status="pending")["data"]["runs"] == [second]
    end = shared.get(path, asOf=story["end"])["data"]
    assert end == {"job": story["revised job"], "runs": [third, second, story["canceled run"]]}
    runs = shared.get(f"{path}/runs", asOf=story["launched"], limit=1, offset=1)
    assert runs == {"data": [first], "meta": {"limit": 1, "offset": 1, "asOf": story["launched"]}}
    check_failure(shared.client.get(f"{path}/runs", params={"asOf": 0}), 404, "job_not_found")


def test_a_time_means_the_last_position_recorded_by_then(shared: SharedApi, story: Json) -> None:
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
        assert shared.get("/job-runs", asOf=page["meta"]["asOf"], job=story["slug"]) == page
    before = (recorded - timedelta(milliseconds=1)).isoformat()
    assert shared.get(f"/job-runs/{run_id}", asOf=before)["data"]["run"]["status"] == "pending"
    assert shared.get("/job-runs", asOf="2001-01-01T00:00:00Z")["meta"]["asOf"] == 0
    assert (
        shared.get("/job-runs/counts", asOf=datetime.now(UTC).isoformat())["meta"]["position"]
        == shared.head()
    )


@pytest.mark.parametrize("path", ["/jobs", "/job-runs", "/schedules", "/failures", "/bulk"])
def test_each_page_of_the_past_names_its_position(shared: SharedApi, path: str) -> None:
    shared.register()
    head = shared.head()
    meta = shared.get(path, asOf=head, limit=1)["meta"]
    assert (meta["limit"], meta["asOf"]) == (1, head)
    assert "asOf" not in shared.get(path, limit=1)["meta"]


def test_a_time_leads_to_an_event_also_where_positions_were_given_up(shared: SharedApi) -> None:
    shared.register()
    last = shared.head()
    with psycopg.connect(shared.database_url) as connection:
        connection.execute(
            "INSERT INTO jobs_events (originator_id, originator_version, topic, state)"
            " SELECT gen_random_uuid(), 1, 'job_run.requested', '' FROM generate_series(1, 5)"
        )
        connection.rollback()
    between = datetime.now(UTC).isoformat()
    shared.register()
    assert shared.head() > last + 5
    assert shared.get("/job-runs", asOf=between)["meta"]["asOf"] == last
    # A position in the gap is a place like any other.
    assert shared.get("/job-runs", asOf=last + 3)["meta"]["asOf"] == last + 3


def _places(shared: SharedApi) -> Iterator[str]:
    job = shared.register()
    run = shared.launch(job["slug"])
    yield from ("/job-runs", "/job-runs/counts", f"/job-runs/{run['id']}", f"/jobs/{job['slug']}")
    yield f"/jobs/{job['slug']}/runs"


def test_what_is_to_come_or_makes_no_sense_is_refused(shared: SharedApi) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for path in _places(shared):
        for text, hint in {
            str(shared.head() + 1): f"the log ends at position {shared.head()}",
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
            assert (issue["path"], hint in issue["message"]) == ("/asOf", True), (path, text, issue)
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
        [parameter] = [one for one in paths[path]["get"]["parameters"] if one["name"] == "asOf"]
        assert (parameter["in"], parameter["required"]) == ("query", False)
        assert "position" in parameter["description"]
