"""The catalog of apps over HTTP, without any worker (contract, section 4)."""

import httpx

from tests.integration.http.catalog.apps import add, app_body, ingestions
from tests.integration.shared_api import (
    Json,
    SharedApi,
    at_once,
    check_failure,
    issues_of,
    moment,
    unique,
)


def test_an_added_app_is_pending_and_its_ingestion_is_launched(shared: SharedApi) -> None:
    body = app_body(
        description="What it does",
        dockerfilePath="docker/Dockerfile",
        tags=[{"key": "team", "value": "ünï"}, {"key": "team", "value": "two"}],
    )
    answer = shared.client.post("/apps", json=body)
    assert answer.status_code == 201
    app = answer.json()["data"]
    moment(app["updatedAt"])
    assert app == {
        **body,
        "updatedAt": app["updatedAt"],
        "ingestStatus": "pending",
        "ingestError": None,
        "ingestAttempts": 0,
        "latestBuild": None,
        "latestLaunch": None,
        "previewTiles": [],
        "launchEnvTemplates": [],
        "metadataStrategy": "auto",
    }
    assert shared.get(f"/apps/{body['id']}") == {"data": app}
    [run] = ingestions(shared, body["id"])
    assert (run["status"], run["slug"], run["requestedBy"]) == (
        "pending",
        "repository-ingest",
        "anonymous",
    )
    assert (run["timeoutMs"], run["maxAttempts"]) == (900_000, 3)


def test_an_app_says_whose_metadata_it_has(shared: SharedApi) -> None:
    for strategy in ("auto", "explicit"):
        assert add(shared, metadataStrategy=strategy)["metadataStrategy"] == strategy
    wrong = app_body(metadataStrategy="manual")
    [issue] = issues_of(shared.client.post("/apps", json=wrong))
    assert issue["path"] == "/metadataStrategy"


def test_app_and_run_are_one_request_s_doing(shared: SharedApi) -> None:
    app = add(shared)
    [run] = ingestions(shared, app["id"])
    rows = shared.rows(
        "SELECT topic, correlation_id, causation_id, actor FROM jobs_events"
        " WHERE originator_id = %s OR originator_id ="
        " (SELECT aggregate_id FROM repositories WHERE id = %s) ORDER BY notification_id",
        run["id"],
        app["id"],
    )
    assert {row["topic"] for row in rows} == {
        "repository.added",
        "repository.ingestion_requested",
        "job_run.requested",
    }
    assert len({(row["correlation_id"], row["causation_id"], row["actor"]) for row in rows}) == 1


def test_only_id_name_and_url_are_needed(shared: SharedApi) -> None:
    optional = ("description", "dockerfilePath", "tags", "metadataStrategy")
    for nulls in ({}, dict.fromkeys(optional)):
        app = add(shared, **nulls)
        assert (app["description"], app["dockerfilePath"], app["tags"]) == ("", "Dockerfile", [])
    paths = {issue["path"] for issue in issues_of(shared.client.post("/apps", json={}))}
    assert paths == {"/id", "/name", "/repoUrl"}


def test_other_fields_are_checked_too(shared: SharedApi) -> None:
    before = shared.count_events()
    wrong: list[tuple[Json, str]] = [
        ({"id": ""}, "/id"),
        ({"id": "a/b"}, "/id"),
        ({"id": 5}, "/id"),
        ({"id": "."}, "/id"),
        ({"id": ".. "}, "/id"),
        ({"id": "x" * 101}, "/id"),
        ({"name": ""}, "/name"),
        ({"description": 5}, "/description"),
        ({"dockerfilePath": ""}, "/dockerfilePath"),
        ({"dockerfilePath": " "}, "/dockerfilePath"),
        ({"dockerfilePath": "/etc/Dockerfile"}, "/dockerfilePath"),
        ({"dockerfilePath": "a/../../Dockerfile"}, "/dockerfilePath"),
        ({"dockerfilePath": "..\\Dockerfile"}, "/dockerfilePath"),
        ({"name": " "}, "/name"),
        ({"tags": [{"key": " ", "value": "x"}]}, "/tags/0/key"),
        ({"tags": {"team": "x"}}, "/tags"),
        ({"tags": ["team:x"]}, "/tags/0"),
        ({"tags": [{"key": "a", "value": "b"}, {"key": "", "value": "x"}]}, "/tags/1/key"),
        ({"tags": [{"key": "a"}]}, "/tags/0/value"),
        ({"tags": [{"key": "a", "value": "b", "colour": 1}]}, "/tags/0/colour"),
    ]
    for fields, path in wrong:
        answer = shared.client.post("/apps", json=app_body(**fields))
        assert [issue["path"] for issue in issues_of(answer)] == [path], fields
    assert shared.count_events() == before


def test_blanks_and_detours_in_what_an_author_types_do_not_count(shared: SharedApi) -> None:
    app_id = unique("app")
    app = add(
        shared,
        id=f" {app_id}\t",
        name="  My app ",
        description="\nWhat it does\n",
        dockerfilePath=" ./backend//x\\..\\Dockerfile",
        tags=[{"key": " team ", "value": "\tblue "}],
    )
    assert (app["id"], app["name"], app["description"]) == (app_id, "My app", "What it does")
    assert app["dockerfilePath"] == "backend/Dockerfile"
    assert app["tags"] == [{"key": "team", "value": "blue"}]


def test_an_app_s_id_is_taken_once(shared: SharedApi) -> None:
    app = add(shared, name="The first")
    before = shared.count_events()
    check_failure(shared.client.post("/apps", json=app_body(id=app["id"])), 409, "app_exists")
    assert shared.count_events() == before
    assert shared.get(f"/apps/{app['id']}")["data"] == app
    app_id = unique("race")
    answers = at_once(
        20, lambda number: shared.client.post("/apps", json=app_body(id=app_id, name=f"{number}"))
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 19]
    assert len(ingestions(shared, app_id)) == 1


def test_the_list_holds_every_app_the_newest_first(shared: SharedApi) -> None:
    added = ["list-b", "list_a", "Ünï", "list-B", "0 spaces are fine"]
    for app_id in added:
        add(shared, id=app_id)
    ids = [app["id"] for app in shared.get("/apps")["data"]]
    assert ids[: len(added)] == added[::-1]
    assert len(ids) == len(set(ids)) == shared.get("/apps", limit=1)["total"]
    assert shared.get("/apps/0%20spaces%20are%20fine")["data"]["id"] == "0 spaces are fine"
    assert shared.get("/apps/%C3%9Cn%C3%AF")["data"]["id"] == "Ünï"


def test_the_history_tells_each_step_newest_first(shared: SharedApi) -> None:
    app = add(shared)
    [run] = ingestions(shared, app["id"])
    [step] = shared.get(f"/apps/{app['id']}/history")["data"]
    moment(step["createdAt"])
    [event] = shared.rows(
        "SELECT notification_id AS position FROM jobs_events WHERE originator_id ="
        " (SELECT aggregate_id FROM repositories WHERE id = %s)"
        " AND topic = 'repository.ingestion_requested'",
        app["id"],
    )
    assert step["id"] == event["position"]
    assert step == {
        "id": step["id"],
        "repositoryId": app["id"],
        "status": "pending",
        "message": step["message"],
        "attempt": None,
        "commitSha": None,
        "durationMs": None,
        "jobRunId": run["id"],
        "createdAt": step["createdAt"],
    }
    assert step["message"]


def test_an_ingestion_in_progress_is_not_retried(shared: SharedApi) -> None:
    app = add(shared)
    before = shared.count_events()
    answer = shared.client.post(f"/apps/{app['id']}/retry")
    check_failure(answer, 409, "ingestion_in_progress", "ingestion already in progress")
    assert shared.count_events() == before


def test_an_ingestion_that_was_canceled_can_be_retried(shared: SharedApi) -> None:
    app = add(shared)
    [run] = ingestions(shared, app["id"])
    shared.client.post(f"/job-runs/{run['id']}/cancel")
    assert shared.get(f"/apps/{app['id']}")["data"]["ingestStatus"] == "failed"
    answer = shared.client.post(f"/apps/{app['id']}/retry")
    assert answer.status_code == 202, answer.text
    assert (answer.json()["data"]["ingestStatus"], answer.json()["data"]["ingestError"]) == (
        "pending",
        None,
    )
    second, first = ingestions(shared, app["id"])
    assert first["id"] == run["id"]
    history = shared.get(f"/apps/{app['id']}/history")["data"]
    assert [step["status"] for step in history] == ["pending", "failed", "pending"]
    assert [step["jobRunId"] for step in history] == [second["id"], first["id"], first["id"]]


def test_a_repeated_retry_with_one_key_ingests_once(shared: SharedApi) -> None:
    app = add(shared)
    path = f"/apps/{app['id']}/retry"

    def retry(key: str) -> httpx.Response:
        return shared.client.post(path, headers={"Idempotency-Key": key})

    for _ in range(2):
        run, *_ = ingestions(shared, app["id"])
        shared.client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
        answers = at_once(5, lambda _: retry("one"))
        assert {answer.status_code for answer in answers} == {202}
        assert [run["idempotencyKey"] for run in ingestions(shared, app["id"])] == ["one", None]
    assert retry("two").status_code == 202
    check_failure(retry("three"), 409, "ingestion_in_progress")


def test_an_unknown_app_is_a_404(shared: SharedApi) -> None:
    add(shared, id="Known")
    for app_id in ("unknown", "known", "%00", "%ff", "x" * 3_000):
        for call in ("GET ", "GET /history", "POST /retry"):
            method, below = call.split(" ")
            answer = shared.client.request(method, f"/apps/{app_id}{below}")
            check_failure(answer, 404, "app_not_found", "app not found")


def test_answers_warn_where_nobody_would_ingest_or_build(shared: SharedApi) -> None:
    added = shared.client.post("/apps", json=app_body())
    path = f"/apps/{added.json()['data']['id']}"
    built = shared.client.post(f"{path}/builds")
    for answer, entry_point in (
        (added, "catalog.ingestion.processRepository"),
        (built, "catalog.build.run"),
    ):
        [warning] = answer.json()["meta"]["warnings"]
        assert warning["code"] == "no_worker_offers_entry_point"
        assert entry_point in warning["message"]
