"""Revisions of job definitions over HTTP: what a patch changes, and its number."""

from tests.integration.http.jobs.test_api_jobs import DEFAULTS, FULL
from tests.integration.shared_api import (
    SharedApi,
    at_once,
    check_failure,
    issues_of,
    moment,
    unique,
)


def test_a_patch_changes_what_it_names_and_makes_a_new_version(shared: SharedApi) -> None:
    job = shared.register(**{**FULL, "version": 1})
    for version, (field, value) in enumerate(
        {
            "name": "Renamed",
            "type": "manual",
            "runtime": "node",
            "entryPoint": "tests.elsewhere",
            "unique": None,
            "parametersSchema": {"type": "object"},
            "defaultParameters": {"b": 1},
            "outputSchema": {"type": "string"},
            "timeoutMs": 86_400_000,
            "retryPolicy": {"strategy": "fixed"},
            "metadata": 0,
            "priority": 100,
            "maxConcurrentRuns": 2,
            "concurrencyKey": "b",
            "concurrencyLimit": 3,
            "startDeadlineMs": 2,
            "resources": {"gpus": 1},
            "workerLabels": {"gpu": "h100"},
            "retention": {"expiredMs": 1},
        }.items(),
        start=2,
    ):
        answer = shared.client.patch(f"/jobs/{job['slug'].upper()}", json={field: value})
        assert answer.status_code == 200, answer.text
        revised = answer.json()["data"]
        assert moment(revised["updatedAt"]) >= moment(job["updatedAt"])
        assert revised == {
            **job,
            field: value,
            "version": version,
            "updatedAt": revised["updatedAt"],
        }
        job = revised
    assert shared.get(f"/jobs/{job['slug']}")["data"]["job"] == job


def test_a_patch_may_name_the_current_version_or_any_higher_one(shared: SharedApi) -> None:
    slug = shared.register(version=3)["slug"]
    for version in (2, 1):
        [issue] = issues_of(
            shared.client.patch(f"/jobs/{slug}", json={"name": "Other", "version": version})
        )
        assert issue["path"] == "/version"
    unchanged = shared.client.patch(f"/jobs/{slug}", json={"version": 3})
    assert unchanged.json()["data"]["version"] == 3
    revised = shared.client.patch(f"/jobs/{slug}", json={"name": "New", "version": 3})
    assert revised.json()["data"]["version"] == 4
    answer = shared.client.patch(f"/jobs/{slug}", json={"name": "Other", "version": 10})
    assert answer.json()["data"]["version"] == 10
    assert (
        shared.client.patch(f"/jobs/{slug}", json={"name": "Next"}).json()["data"]["version"] == 11
    )


def test_a_patch_that_changes_nothing_makes_no_new_version(shared: SharedApi) -> None:
    job = shared.register(metadata={"a": 1, "b": [2.0]}, retryPolicy={"maxAttempts": 2})
    before = shared.count_events()
    same = {
        "name": job["name"],
        "metadata": {"b": [2], "a": 1},
        "retryPolicy": {"maxAttempts": 2},
        "timeoutMs": None,
    }
    for body in ({}, {"name": job["name"]}, same):
        answer = shared.client.patch(f"/jobs/{job['slug']}", json=body)
        assert (answer.status_code, answer.json()) == (200, {"data": job})
    assert shared.count_events() == before


def test_null_clears_what_may_be_null_and_resets_what_has_a_default(shared: SharedApi) -> None:
    job = shared.register(**FULL)
    cleared = {field: value for field, value in DEFAULTS.items() if field != "version"}
    answer = shared.client.patch(f"/jobs/{job['slug']}", json=dict.fromkeys(cleared))
    revised = answer.json()["data"]
    assert revised == {**job, **cleared, "version": 8, "updatedAt": revised["updatedAt"]}


def test_null_for_what_every_job_needs_is_refused(shared: SharedApi) -> None:
    job = shared.register()
    for field in ("name", "type", "entryPoint"):
        [issue] = issues_of(shared.client.patch(f"/jobs/{job['slug']}", json={field: None}))
        assert issue["path"] == f"/{field}"
    assert shared.get(f"/jobs/{job['slug']}")["data"]["job"] == job


def test_a_slug_never_changes(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    answer = shared.client.patch(f"/jobs/{slug}", json={"slug": unique()})
    [issue] = issues_of(answer)
    assert issue["path"] == "/slug"
    assert "slug" in answer.json()["error"]["formErrors"][0]


def test_clients_that_revise_one_job_at_once_get_a_version_each(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    answers = at_once(
        10, lambda number: shared.client.patch(f"/jobs/{slug}", json={"name": f"name {number}"})
    )
    assert sorted(answer.json()["data"]["version"] for answer in answers) == list(range(2, 12))
    assert shared.get(f"/jobs/{slug}")["data"]["job"]["version"] == 11


def test_the_last_version_that_there_can_be_is_the_last(shared: SharedApi) -> None:
    slug = shared.register(version=2**31 - 1)["slug"]
    answer = shared.client.patch(f"/jobs/{slug}", json={"name": "Another"})
    check_failure(answer, 409, "no_more_versions")
    assert shared.client.patch(f"/jobs/{slug}", json={}).status_code in {200, 400}
