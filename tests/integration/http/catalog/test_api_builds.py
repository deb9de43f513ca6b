"""Builds and the search for apps over HTTP, without any worker (contract, section 4)."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.http.catalog.apps import add
from tests.integration.shared_api import (
    Json,
    SharedApi,
    at_once,
    check_failure,
    issues_of,
    moment,
    unique,
)
from tests.support.processes import started


def build(shared: SharedApi, app: Json, body: Json | None = None) -> Json:
    answer = shared.client.post(f"/apps/{app['id']}/builds", json=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json()["data"])


def run_of(shared: SharedApi, build_: Json) -> Json:
    return dict(shared.get(f"/job-runs/{build_['jobRunId']}")["data"]["run"])


def test_a_build_is_pending_and_its_run_is_launched(shared: SharedApi) -> None:
    app = add(shared)
    answer = build(shared, app, {"branch": "main"})
    moment(answer["createdAt"])
    assert answer == {
        "id": answer["id"],
        "repositoryId": app["id"],
        "status": "pending",
        "imageTag": None,
        "imageDigest": None,
        "errorMessage": None,
        "commitSha": None,
        "gitBranch": "main",
        "gitRef": None,
        "createdAt": answer["createdAt"],
        "updatedAt": answer["createdAt"],
        "startedAt": None,
        "completedAt": None,
        "durationMs": None,
        "logsPreview": "",
        "logsTruncated": False,
        "hasLogs": False,
        "logsSize": 0,
        "jobRunId": answer["jobRunId"],
    }
    run = run_of(shared, answer)
    assert run["parameters"] == {"buildId": answer["id"], "repositoryId": app["id"]}
    assert (run["slug"], run["timeoutMs"], run["maxAttempts"]) == ("repository-build", 1_800_000, 1)
    assert shared.get(f"/apps/{app['id']}")["data"]["latestBuild"] == answer
    assert shared.client.post(f"/apps/{app['id']}/retry").status_code == 409


@pytest.mark.parametrize(
    "body", [None, {}, {"branch": None, "ref": None}, {"ref": "v1.0"}, {"branch": "feature/x"}]
)
def test_branch_and_ref_may_be_left_out(shared: SharedApi, body: Json | None) -> None:
    answer = build(shared, add(shared), body)
    assert (answer["gitBranch"], answer["gitRef"]) == (
        (body or {}).get("branch"),
        (body or {}).get("ref"),
    )


@pytest.mark.parametrize(
    "name", ["-x", "--upload-pack=sh", "a b", "a..b", "a\nb", "a~1", "/a", "a/", "x" * 251, 5]
)
def test_what_names_no_branch_creates_nothing(shared: SharedApi, name: Any) -> None:
    app = add(shared)
    before = shared.count_events()
    for field in ("branch", "ref"):
        answer = shared.client.post(f"/apps/{app['id']}/builds", json={field: name})
        assert [issue["path"] for issue in issues_of(answer)] == [f"/{field}"]
    assert shared.count_events() == before


def test_blanks_around_a_branch_do_not_count_and_nothing_but_blanks_is_nothing(
    shared: SharedApi,
) -> None:
    answer = build(shared, add(shared), {"branch": " main\n", "ref": "  "})
    assert (answer["gitBranch"], answer["gitRef"]) == ("main", None)
    empty = build(shared, add(shared), {"branch": "", "ref": "\tv1.0"})
    assert (empty["gitBranch"], empty["gitRef"]) == (None, "v1.0")


def test_builds_are_listed_newest_first_by_pages(shared: SharedApi) -> None:
    app, other = add(shared), add(shared)
    build(shared, other)
    ids = [build(shared, app)["id"] for _ in range(12)][::-1]
    first = shared.get(f"/apps/{app['id']}/builds")
    assert [item["id"] for item in first["data"]] == ids[:10]
    assert first["meta"] == {
        "total": 12,
        "count": 10,
        "limit": 10,
        "offset": 0,
        "nextOffset": 10,
        "hasMore": True,
    }
    second = shared.get(f"/apps/{app['id']}/builds", limit=5, offset=10)
    assert [item["id"] for item in second["data"]] == ids[10:]
    assert second["meta"] == {
        "total": 12,
        "count": 2,
        "limit": 5,
        "offset": 10,
        "nextOffset": None,
        "hasMore": False,
    }
    for query in ("limit=0", "limit=101", "offset=-1", "limit=x"):
        assert shared.client.get(f"/apps/{app['id']}/builds?{query}").status_code == 400


def test_a_canceled_run_cancels_its_build_and_only_failed_builds_are_retried(
    shared: SharedApi,
) -> None:
    answer = build(shared, add(shared))
    message = "only failed builds can be retried"
    check_failure(
        shared.client.post(f"/builds/{answer['id']}/retry"), 409, "build_not_failed", message
    )
    shared.client.post(
        f"/job-runs/{answer['jobRunId']}/cancel", json={"reason": "not today"}
    ).raise_for_status()
    [last_build] = shared.get(f"/apps/{answer['repositoryId']}/builds")["data"]
    assert (last_build["status"], last_build["errorMessage"], last_build["durationMs"]) == (
        "canceled",
        "not today",
        None,
    )
    moment(last_build["completedAt"])
    check_failure(
        shared.client.post(f"/builds/{answer['id']}/retry"), 409, "build_not_failed", message
    )


def test_a_repeated_request_with_one_key_builds_once(shared: SharedApi) -> None:
    app = add(shared)

    def post(path: str, key: str, body: Json | None = None) -> httpx.Response:
        return shared.client.post(path, json=body, headers={"Idempotency-Key": key})

    builds = f"/apps/{app['id']}/builds"
    answers = at_once(5, lambda _: post(builds, "one", {"branch": "main"}))
    assert {answer.status_code for answer in answers} == {202}
    [build_id] = {answer.json()["data"]["id"] for answer in answers}
    check_failure(post(builds, "one", {"branch": "other"}), 409, "idempotency_key_reused")
    other = post(builds, "two", {"branch": "main"}).json()["data"]["id"]
    assert [item["id"] for item in shared.get(builds)["data"]] == [other, build_id]


def test_a_build_that_printed_nothing_has_an_empty_log(shared: SharedApi) -> None:
    answer = build(shared, add(shared))
    log = shared.get(f"/builds/{answer['id']}/logs")["data"]
    assert log == {
        "id": answer["id"],
        "repositoryId": answer["repositoryId"],
        "logs": "",
        "size": 0,
        "updatedAt": answer["updatedAt"],
        "status": "pending",
        "logsPreview": "",
        "logsTruncated": False,
        "hasLogs": False,
        "logsSize": 0,
    }
    assert "Cache-Control" not in shared.client.get(f"/builds/{answer['id']}/logs").headers
    text = shared.client.get(f"/builds/{answer['id']}/logs?download=true")
    assert text.headers["Cache-Control"] == "no-store"
    assert (text.text, text.headers["content-type"]) == ("", "text/plain; charset=utf-8")


def test_unknown_apps_and_builds_are_a_404(shared: SharedApi) -> None:
    for method in ("GET", "POST"):
        answer = shared.client.request(method, "/apps/unknown/builds")
        check_failure(answer, 404, "app_not_found", "app not found")
    for build_id in ("unknown", "0" * 32, "%00", add(shared)["id"]):
        for method, below in (("GET", "logs"), ("POST", "retry")):
            answer = shared.client.request(method, f"/builds/{build_id}/{below}")
            check_failure(answer, 404, "build_not_found", "build not found")


def test_ten_builds_at_once_are_ten_runs_of_one_group(shared: SharedApi) -> None:
    app = add(shared)
    answers = at_once(10, lambda _: shared.client.post(f"/apps/{app['id']}/builds"))
    assert {answer.status_code for answer in answers} == {202}
    groups = shared.rows(
        "SELECT concurrency_value FROM job_runs"
        " WHERE parameters ->> 'repositoryId' = %s AND slug = 'repository-build'",
        app["id"],
    )
    assert [row["concurrency_value"] for row in groups] == [f'"{app["id"]}"'] * 10


def test_a_build_launched_as_a_job_takes_its_turn_too(shared: SharedApi) -> None:
    answer = build(shared, add(shared))
    run = shared.launch("repository-build", {"parameters": {"buildId": answer["id"]}})
    assert run["parameters"] == {"buildId": answer["id"], "repositoryId": answer["repositoryId"]}
    wrong = {"parameters": {"buildId": answer["id"], "repositoryId": "another"}}
    refused = shared.client.post("/jobs/repository-build/run", json=wrong)
    assert [issue["path"] for issue in issues_of(refused)] == ["/parameters/repositoryId"]
    gone = shared.launch("repository-build", {"parameters": {"buildId": "gone"}})
    assert gone["parameters"] == {"buildId": "gone"}


def test_local_repositories_can_be_switched_off(database_url: str, tmp_path: Path) -> None:
    variables = {"APPHUB_DATABASE_URL": database_url, "APPHUB_LOCAL_REPOSITORIES": "false"}
    with (
        started(
            "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), **variables
        ) as process,
        httpx.Client(base_url=process.url(), timeout=90) as client,
    ):
        for url, status in {
            "/srv/app": 400,
            "file:///srv/app": 400,
            "FILE:/srv/app": 400,
            "https://x.org/a": 201,
        }.items():
            answer = client.post("/apps", json={"id": unique("app"), "name": "x", "repoUrl": url})
            assert answer.status_code == status, url
            if status == 400:
                assert [issue["path"] for issue in issues_of(answer)] == ["/repoUrl"]
