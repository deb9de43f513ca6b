"""Launching runs, and commands on single runs, without any worker (contract, sections 3 and 4)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.integration.shared_api import Json, SharedApi, at_once, check_failure, moment

BRIEF = ("id", "slug", "name", "version", "type", "runtime")

NOTHING_YET: Json = {
    "status": "pending",
    "result": None,
    "errorMessage": None,
    "failureReason": None,
    "logsUrl": None,
    "metrics": None,
    "attempt": 1,
    "durationMs": None,
    "startedAt": None,
    "completedAt": None,
    "cancelRequestedAt": None,
    "idempotencyKey": None,
    "requestedBy": "anonymous",
}


def test_a_launched_run_is_pending_with_every_field(shared: SharedApi) -> None:
    job = shared.register(version=4, defaultParameters={"a": {"x": 1}, "b": 2}, priority=5)
    answer = shared.client.post(
        f"/jobs/{job['slug']}/run",
        json={
            "parameters": {"a": {"y": None}, "c": [1]},
            "context": {"why": {"deep": None}},
            "timeoutMs": 2_000,
            "maxAttempts": 3,
        },
    )
    assert answer.status_code == 202
    [warning] = answer.json()["meta"]["warnings"]
    assert warning["code"] == "no_worker_offers_entry_point"
    run = answer.json()["data"]
    UUID(run["id"])
    assert moment(run["createdAt"]) == moment(run["scheduledAt"]) == moment(run["updatedAt"])
    assert run == {
        **NOTHING_YET,
        "jobDefinitionId": job["id"],
        "slug": job["slug"],
        "definitionVersion": 4,
        "parameters": {"a": {"y": None}, "b": 2, "c": [1]},
        "context": {"why": {"deep": None}},
        "timeoutMs": 2_000,
        "maxAttempts": 3,
        "priority": 5,
        **{name: run[name] for name in ("id", "createdAt", "scheduledAt", "updatedAt")},
    }


@pytest.mark.parametrize(
    "raw", [None, b"", b" \n", b"{}", b"null"], ids=["none", "empty", "blank", "{}", "null"]
)
def test_a_run_may_be_launched_without_a_body(shared: SharedApi, raw: bytes | None) -> None:
    slug = shared.register(
        defaultParameters={"a": 1}, timeoutMs=5_000, retryPolicy={"maxAttempts": 4}
    )["slug"]
    for headers in ({}, {"Content-Type": "application/json"}):
        if raw and raw.strip() and not headers:
            continue
        answer = shared.client.post(f"/jobs/{slug}/run", content=raw, headers=headers)
        assert answer.status_code == 202, answer.text
        run = answer.json()["data"]
        assert (run["parameters"], run["context"]) == ({"a": 1}, None)
        assert (run["timeoutMs"], run["maxAttempts"]) == (5_000, 4)


def test_null_means_as_the_definition_says(shared: SharedApi) -> None:
    slug = shared.register(timeoutMs=5_000, priority=7, defaultParameters={"a": 1})["slug"]
    fields = (
        "parameters",
        "timeoutMs",
        "maxAttempts",
        "context",
        "scheduledAt",
        "delayMs",
        "startDeadlineMs",
        "priority",
    )
    run = shared.launch(slug, dict.fromkeys(fields))
    assert (run["timeoutMs"], run["maxAttempts"], run["priority"], run["parameters"]) == (
        5_000,
        1,
        7,
        {"a": 1},
    )
    assert shared.launch(slug, {"priority": 0})["priority"] == 0


def test_a_run_is_seen_at_once_in_sql_and_in_the_api(shared: SharedApi) -> None:
    job = shared.register()
    run = shared.launch(job["slug"], {"parameters": {"a": [1.5, None]}, "context": {}})
    brief = {name: job[name] for name in BRIEF}
    assert shared.get(f"/job-runs/{run['id']}") == {"data": {"run": run, "job": brief}}
    assert shared.get(f"/job-runs/{run['id'].upper()}")["data"]["run"] == run
    assert shared.get(f"/jobs/{job['slug']}/runs") == {
        "data": [run],
        "meta": {"limit": 10, "offset": 0},
    }
    columns = {
        "job_definition_id": "jobDefinitionId",
        "status": "status",
        "parameters": "parameters",
        "result": "result",
        "error_message": "errorMessage",
        "logs_url": "logsUrl",
        "metrics": "metrics",
        "context": "context",
        "timeout_ms": "timeoutMs",
        "attempt": "attempt",
        "max_attempts": "maxAttempts",
        "duration_ms": "durationMs",
    }
    times = {"scheduled_at": "scheduledAt", "created_at": "createdAt", "updated_at": "updatedAt"}
    [row] = shared.rows(
        f"SELECT {', '.join([*columns, *times, 'started_at', 'completed_at'])}"
        " FROM job_runs WHERE id = %s",
        run["id"],
    )
    assert str(row.pop("job_definition_id")) == run["jobDefinitionId"]
    assert {row.pop("started_at"), row.pop("completed_at")} == {None}
    assert {field: row.pop(column) for column, field in times.items()} == {
        field: moment(run[field]) for field in times.values()
    }
    assert row == {column: run[field] for column, field in columns.items() if column in row}


def test_a_run_may_be_scheduled_for_later_but_never_for_the_past(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    delayed = shared.launch(slug, {"delayMs": 3_600_000})
    assert moment(delayed["scheduledAt"]) - moment(delayed["createdAt"]) == timedelta(hours=1)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=123_999)
    scheduled = shared.launch(slug, {"scheduledAt": tomorrow.isoformat()})
    assert moment(scheduled["scheduledAt"]) == tomorrow.replace(microsecond=123_000)
    elsewhere = shared.launch(slug, {"scheduledAt": "2031-01-01T01:30:00+05:30"})
    assert elsewhere["scheduledAt"] == "2030-12-31T20:00:00.000Z"
    for past in ("2001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"):
        run = shared.launch(slug, {"scheduledAt": past})
        assert run["scheduledAt"] == run["createdAt"]


def test_a_run_is_pinned_to_the_version_it_was_launched_with(shared: SharedApi) -> None:
    slug = shared.register(timeoutMs=5_000)["slug"]
    first = shared.launch(slug)
    shared.client.patch(f"/jobs/{slug}", json={"timeoutMs": 6_000, "name": "Renamed"})
    second = shared.launch(slug)
    run = shared.get(f"/job-runs/{first['id']}")["data"]
    assert run["run"] == first
    assert (first["definitionVersion"], first["timeoutMs"]) == (1, 5_000)
    assert (second["definitionVersion"], second["timeoutMs"]) == (2, 6_000)
    assert (run["job"]["name"], run["job"]["version"]) == ("Renamed", 2)


def test_a_pending_run_is_canceled_at_once_and_only_once(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"], {"context": {"kept": True}})
    answer = shared.client.post(
        f"/job-runs/{run['id']}/cancel", json={"reason": "no longer needed"}
    )
    assert answer.status_code == 202
    canceled = answer.json()["data"]
    at = canceled["completedAt"]
    assert moment(at) >= moment(run["createdAt"])
    assert canceled == {
        **run,
        "status": "canceled",
        "errorMessage": "no longer needed",
        "completedAt": at,
        "cancelRequestedAt": at,
        "updatedAt": at,
    }
    before = shared.count_events()
    for again in ({}, {"reason": "another one"}, {"reason": None}):
        repeated = shared.client.post(f"/job-runs/{run['id']}/cancel", json=again)
        assert (repeated.status_code, repeated.json()["data"]) == (202, canceled)
    assert shared.client.post(f"/job-runs/{run['id']}/cancel").json()["data"] == canceled
    assert shared.count_events() == before


def test_twenty_clients_that_cancel_one_run_leave_one_event(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"])
    answers = at_once(20, lambda _: shared.client.post(f"/job-runs/{run['id']}/cancel"))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    types = [event["type"] for event in shared.get(f"/job-runs/{run['id']}/events")["data"]]
    assert types == ["job_run.requested", "job_run.canceled"]


def test_a_retry_is_a_new_run_that_names_the_old(shared: SharedApi) -> None:
    slug = shared.register(defaultParameters={"a": 1})["slug"]
    old = shared.launch(
        slug, {"parameters": {"b": 2}, "context": {"kept": 1}, "timeoutMs": 9_000, "maxAttempts": 2}
    )
    shared.client.post(f"/job-runs/{old['id']}/cancel")
    answer = shared.client.post(f"/job-runs/{old['id']}/retry")
    assert answer.status_code == 202
    new = answer.json()["data"]
    assert new["id"] != old["id"]
    assert new["status"] == "pending"
    assert new["context"] == {"kept": 1, "retryOf": old["id"]}
    for field in ("parameters", "timeoutMs", "maxAttempts", "slug", "jobDefinitionId"):
        assert new[field] == old[field]
    assert shared.get(f"/job-runs/{old['id']}")["data"]["run"]["status"] == "canceled"
    [requested] = shared.get(f"/job-runs/{new['id']}/events")["data"]
    ended = shared.get(f"/job-runs/{old['id']}/events")["data"][-1]
    assert requested["causationId"] == ended["eventId"]


def test_a_retry_with_changes_is_the_services_own_and_stands_beside_its_origin(
    shared: SharedApi,
) -> None:
    slug = shared.register(timeoutMs=7_000)["slug"]
    old = shared.launch(
        slug, {"parameters": {"a": 1, "b": 2}, "context": {"kept": 1}, "timeoutMs": 9_000}
    )
    path = f"/job-runs/{old['id']}"
    shared.client.post(f"{path}/cancel")
    body: Json = {"parameters": {"a": 3}, "timeoutMs": None, "delayMs": 60_000}
    body["context"] = {"retryOf": str(uuid4())}
    first, second, other = (
        shared.client.post(f"{path}/retry", json=one, headers={"Idempotency-Key": "k"})
        for one in (body, body, {**body, "priority": 1})
    )
    new = first.json()["data"]
    assert (new["parameters"], new["timeoutMs"]) == ({"a": 3}, 7_000)
    assert new["context"] == {"retryOf": old["id"]}
    assert new["scheduledAt"] > new["createdAt"]
    assert second.json()["data"]["id"] == new["id"]
    check_failure(other, 409, "idempotency_key_reused")
    # A launcher that names the run itself makes no retry of it.
    shared.launch(slug, {"context": {"retryOf": old["id"]}})
    related = shared.get(f"{path}/related")["data"]
    assert [run["id"] for run in related["retries"]] == [new["id"]]
    refused = shared.client.post(f"{path}/retry", json={"timeoutMs": 1})
    assert (refused.status_code, refused.json()["issues"][0]["path"]) == (400, "/timeoutMs")


def test_a_run_that_has_not_ended_is_not_retried(shared: SharedApi) -> None:
    run = shared.launch(shared.register()["slug"])
    before = shared.count_events()
    check_failure(shared.client.post(f"/job-runs/{run['id']}/retry"), 409, "run_not_ended")
    assert shared.count_events() == before


def test_what_names_no_run_is_a_404(shared: SharedApi) -> None:
    job = shared.register()
    shared.client.post("/apps", json={"id": "no-run", "name": "x", "repoUrl": "/srv/x"})
    [app] = shared.rows("SELECT aggregate_id FROM repositories WHERE id = 'no-run'")
    for run_id in (
        job["id"],
        str(app["aggregate_id"]),
        str(uuid4()),
        "garbage",
        "%00",
        "1",
        "a" * 4_000,
        "null",
    ):
        for call in (
            "GET ",
            "GET /events",
            "GET /attempts",
            "GET /logs",
            "POST /cancel",
            "POST /retry",
        ):
            method, below = call.split(" ")
            answer = shared.client.request(method, f"/job-runs/{run_id}{below}")
            check_failure(answer, 404, "run_not_found", "job run not found")
