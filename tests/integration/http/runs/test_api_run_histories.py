"""What is told of a run's life: its events, its attempts, its log (contract, section 5)."""

from typing import Any
from uuid import UUID

from api.http.dependencies import MAX_HISTORY_PAGE
from tests.integration.shared_api import SharedApi, check_failure, moment


def test_a_runs_events_tell_who_did_what_and_why(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    run = shared.launch(slug, {"parameters": {"a": 1}})
    shared.client.post(f"/job-runs/{run['id']}/cancel", json={"reason": "because"})
    body = shared.get(f"/job-runs/{run['id']}/events")
    assert set(body) == {"data"}
    requested, canceled = body["data"]
    for version, event in enumerate((requested, canceled), start=1):
        assert set(event) == {
            "position",
            "eventId",
            "type",
            "subject",
            "version",
            "occurredAt",
            "recordedAt",
            "actor",
            "correlationId",
            "causationId",
            "data",
        }
        assert event["version"] == version
        assert event["subject"] == {"type": "job_run", "id": run["id"]}
        assert event["actor"] == "anonymous"
        for name in ("eventId", "correlationId", "causationId"):
            UUID(event[name])
        moment(event["recordedAt"])
    assert requested["position"] < canceled["position"]
    assert (requested["type"], canceled["type"]) == ("job_run.requested", "job_run.canceled")
    assert (requested["occurredAt"], canceled["occurredAt"]) == (
        run["createdAt"],
        canceled["occurredAt"],
    )
    assert requested["correlationId"] == canceled["correlationId"]
    assert (
        len(
            {
                requested["causationId"],
                canceled["causationId"],
                requested["eventId"],
                canceled["eventId"],
            }
        )
        == 4
    )
    data: dict[str, Any] = requested["data"]
    assert (data["slug"], data["parameters"], data["requested_by"]) == (slug, {"a": 1}, "anonymous")
    assert canceled["data"]["reason"] == "because"


MORE_REPORTS = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state)
    SELECT originator_id, originator_version + number, 'job_run.of_a_version_to_come', state
    FROM jobs_events, generate_series(1, %s) AS number WHERE originator_id = %s
    RETURNING originator_version
"""


def test_a_history_is_a_list_of_data_however_long_it_is(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"])
    shared.rows(MORE_REPORTS, 2 * MAX_HISTORY_PAGE, run["id"])
    body = shared.get(f"/job-runs/{run['id']}/events")
    assert set(body) == {"data"}
    versions = [event["version"] for event in body["data"]]
    assert versions == [*range(1, 2 * MAX_HISTORY_PAGE + 2)]


def test_a_run_that_never_started_has_no_attempts(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"])
    assert shared.get(f"/job-runs/{run['id']}/attempts") == {"data": []}
    shared.client.post(f"/job-runs/{run['id']}/cancel")
    assert shared.get(f"/job-runs/{run['id']}/attempts") == {"data": []}


def test_a_run_that_never_started_has_an_empty_log(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"])
    answer = shared.client.get(f"/job-runs/{run['id']}/logs")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/plain")
    check_failure(
        shared.client.get(f"/job-runs/{run['id']}/logs?attempt=2"), 404, "attempt_not_found"
    )
