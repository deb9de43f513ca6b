"""Job definitions over HTTP (contract, sections 2 and 4)."""

from typing import Any

import pytest

from tests.integration.shared_api import (
    Json,
    SharedApi,
    at_once,
    check_failure,
    issues_of,
    job_body,
    moment,
    unique,
)

DEFAULTS: Json = {
    "version": 1,
    "runtime": "python",
    "parametersSchema": {},
    "defaultParameters": {},
    "outputSchema": None,
    "timeoutMs": None,
    "retryPolicy": None,
    "metadata": None,
    "moduleBinding": None,
    "owner": None,
    "priority": 0,
    "maxConcurrentRuns": None,
    "concurrencyKey": None,
    "concurrencyLimit": 1,
    "rateLimit": None,
    "fairnessKey": None,
    "unique": None,
    "startDeadlineMs": None,
    "resources": None,
    "workerLabels": {},
    "retention": None,
    "isolation": "process",
}

FULL: Json = {
    "name": "Every field",
    "version": 7,
    "type": "service-triggered",
    "runtime": "docker",
    "entryPoint": "tests.everything",
    "parametersSchema": {"type": "object", "properties": {"a": {"type": ["integer", "null"]}}},
    "defaultParameters": {"a": None, "nested": {"kept": None}},
    "outputSchema": {"type": "object"},
    "timeoutMs": 1_000,
    "retryPolicy": {
        "maxAttempts": 10,
        "strategy": "exponential",
        "initialDelayMs": 0,
        "maxDelayMs": 86_400_000,
        "jitter": "equal",
    },
    "metadata": [{"ünï": "☃ 𝄞", "null": None}, 1.5, -1, True, ""],
    "moduleBinding": {"moduleId": "m", "targetVersion": "1.0.0", "null": None},
    "owner": "team-a",
    "priority": -100,
    "maxConcurrentRuns": 1,
    "concurrencyKey": "a",
    "concurrencyLimit": 2,
    "rateLimit": {"limit": 100, "periodMs": 60_000, "key": "day"},
    "fairnessKey": "day",
    "unique": {"key": ["a"], "until": "start", "onConflict": "replace"},
    "startDeadlineMs": 1,
    "resources": {"cpus": 0.5, "memoryMb": 64, "gpus": 0},
    "workerLabels": {"gpu": "a100", "zone": "eu-1:b/2"},
    "retention": {"succeededMs": 0, "failedMs": 3_153_600_000_000},
    "isolation": "shared",
}


def test_a_registered_job_is_shown_with_every_field_as_given(shared: SharedApi) -> None:
    slug = unique("Full_Job")
    answer = shared.client.post("/jobs", json={"slug": slug, **FULL})
    assert answer.status_code == 201
    assert set(answer.json()) == {"data"}
    job = answer.json()["data"]
    read_only = ("id", "paused", "createdAt", "updatedAt")
    assigned = {name: job.pop(name) for name in read_only}
    assert job == {"slug": slug, **FULL}
    assert assigned["id"]
    assert assigned["paused"] is None
    assert moment(assigned["createdAt"]) == moment(assigned["updatedAt"])
    assert shared.get(f"/jobs/{slug}")["data"]["job"] == {**job, **assigned}


def test_what_is_left_out_or_null_has_its_default(shared: SharedApi) -> None:
    least = job_body()
    nulls = {**job_body(), **dict.fromkeys(DEFAULTS)}
    for body in (least, nulls):
        job = shared.register(**body)
        named = {name: body[name] for name in ("slug", "name", "type", "entryPoint")}
        expected = {**DEFAULTS, **named}
        assert {name: job[name] for name in expected} == expected
        assert set(job) == {*expected, "id", "paused", "createdAt", "updatedAt"}


def test_a_null_inside_a_retry_policy_means_absent(shared: SharedApi) -> None:
    policy = {
        "maxAttempts": 2,
        "strategy": None,
        "initialDelayMs": None,
        "maxDelayMs": None,
        "jitter": None,
    }
    assert shared.register(retryPolicy=policy)["retryPolicy"] == {"maxAttempts": 2}


def test_the_rows_that_sql_reports_read_are_what_the_api_shows(shared: SharedApi) -> None:
    job = shared.register(**FULL)
    [row] = shared.rows(
        "SELECT id::text, slug, name, version, type, entry_point, parameters_schema,"
        " default_parameters, timeout_ms,"
        " retry_policy, metadata, created_at, updated_at FROM job_definitions WHERE slug = %s",
        job["slug"],
    )
    same = {
        "id": "id",
        "name": "name",
        "version": "version",
        "type": "type",
        "entry_point": "entryPoint",
        "parameters_schema": "parametersSchema",
        "default_parameters": "defaultParameters",
        "timeout_ms": "timeoutMs",
        "retry_policy": "retryPolicy",
        "metadata": "metadata",
    }
    assert {column: row[column] for column in same} == {
        column: job[field] for column, field in same.items()
    }
    assert row["created_at"] == moment(job["createdAt"])
    assert row["updated_at"] == moment(job["updatedAt"])


@pytest.mark.parametrize("slug", ["0", "a", "Z9", "a-", "a_b-C", "x" * 100])
def test_a_slug_of_letters_digits_dashes_and_underscores_is_fine(
    shared: SharedApi, slug: str
) -> None:
    assert shared.register(slug=slug)["slug"] == slug


def test_any_other_slug_is_refused(shared: SharedApi) -> None:
    wrong: list[Any] = [
        "",
        "-a",
        "_a",
        "a b",
        "a.b",
        "a/b",
        "ä",
        "\u212aelvin",
        "a\n",
        "x" * 101,
        5,
        None,
        ["a"],
    ]
    for slug in wrong:
        assert [
            issue["path"]
            for issue in issues_of(shared.client.post("/jobs", json=job_body(slug=slug)))
        ] == ["/slug"], slug


def test_a_slug_is_taken_and_found_whatever_its_case(shared: SharedApi) -> None:
    slug = unique("MixedCase")
    job = shared.register(slug=slug, name="The first")
    for taken in (slug, slug.lower(), slug.upper()):
        check_failure(shared.client.post("/jobs", json=job_body(slug=taken)), 409, "job_exists")
        assert shared.get(f"/jobs/{taken}")["data"]["job"] == job
        assert shared.launch(taken)["slug"] == slug
    assert len(shared.get(f"/jobs/{slug.upper()}/runs")["data"]) == 3


def test_case_is_ignored_in_ascii_alone(shared: SharedApi) -> None:
    shared.register(slug="kelvin")
    for call in ("GET /jobs/{}", "GET /jobs/{}/runs", "POST /jobs/{}/run", "PATCH /jobs/{}"):
        method, path = call.split()
        answer = shared.client.request(
            method, path.format("\u212aelvin"), json={"name": "x"} if "PATCH" in call else {}
        )
        check_failure(answer, 404, "job_not_found", "job not found")
    assert shared.get("/job-runs", job="\u212aelvin")["data"] == []


def test_of_twenty_clients_racing_for_a_slug_one_gets_it(shared: SharedApi) -> None:
    slug = unique("race")

    def register(number: int) -> Any:
        spelt = slug.upper() if number % 2 else slug
        return shared.client.post("/jobs", json=job_body(slug=spelt, name=f"client {number}"))

    answers = at_once(20, register)
    winners = [answer.json()["data"] for answer in answers if answer.status_code == 201]
    assert [winner["slug"] for winner in winners] in ([slug], [slug.upper()])
    for loser in answers:
        if loser.status_code != 201:
            check_failure(loser, 409, "job_exists")
    assert shared.get(f"/jobs/{slug}")["data"]["job"] == winners[0]
    assert (
        len(shared.rows("SELECT 1 FROM job_definitions WHERE lower(slug) = lower(%s)", slug)) == 1
    )


def test_the_list_is_sorted_bytewise_by_slug(shared: SharedApi) -> None:
    for slug in ("sort-b", "sort_a", "sort-B", "sortA", "sort0", "Sort-a"):
        shared.client.post("/jobs", json=job_body(slug=slug))
    slugs = [job["slug"] for job in shared.get("/jobs")["data"]]
    assert slugs == sorted(slugs)
    assert {
        "sort-b",
        "sort_a",
        "sortA",
        "sort0",
        "Sort-a",
        "repository-ingest",
        "repository-build",
    } <= set(slugs)
    assert "sort-B" not in slugs


def test_pages_of_the_list_follow_each_other(shared: SharedApi) -> None:
    for slug in ("page-a", "page-b", "page-c"):
        shared.register(slug=slug)
    slugs = [job["slug"] for job in shared.get("/jobs")["data"]]
    page = shared.get("/jobs", limit=2)
    paged = page["data"]
    while page["meta"]["hasMore"]:
        assert len(page["data"]) == 2
        page = shared.get("/jobs", limit=2, cursor=page["meta"]["nextCursor"])
        paged += page["data"]
    assert page["meta"] == {"limit": 2, "hasMore": False, "nextCursor": None}
    assert [job["slug"] for job in paged] == slugs


def test_the_list_of_a_module_has_its_jobs_alone(shared: SharedApi) -> None:
    for slug, module_id in (("of-a", "mod-a"), ("of-b", "mod-b"), ("of-c", "mod-c")):
        shared.register(slug=slug, moduleBinding={"moduleId": module_id})

    def slugs(query: str) -> list[str]:
        listed = shared.client.get(f"/jobs?{query}").raise_for_status().json()["data"]
        return [job["slug"] for job in listed]

    bound_at = shared.head()
    assert slugs("moduleId=mod-a") == ["of-a"]
    assert slugs("moduleId=mod-a&moduleId=mod-c") == ["of-a", "of-c"]
    assert slugs("moduleId=mod-c,mod-b&limit=1") == ["of-b"]
    assert slugs("moduleId=nobody") == []
    changed = shared.client.patch("/jobs/of-a", json={"moduleBinding": None})
    assert changed.json()["data"]["moduleBinding"] is None
    assert slugs("moduleId=mod-a") == []
    assert slugs(f"moduleId=mod-a&asOf={bound_at}") == ["of-a"]


def test_the_built_in_jobs_are_there_from_the_start(shared: SharedApi) -> None:
    jobs = {job["slug"]: job for job in shared.get("/jobs")["data"]}
    ingest, build = jobs["repository-ingest"], jobs["repository-build"]
    assert (ingest["name"], ingest["type"]) == ("Repository Ingestion", "batch")
    assert ingest["metadata"]["description"]
    assert build["metadata"]["description"]
    assert ingest["entryPoint"] == "catalog.ingestion.processRepository"
    assert ingest["parametersSchema"]["required"] == ["repositoryId"]
    assert ingest["defaultParameters"] == {"repositoryId": None}
    assert ingest["timeoutMs"] == 900_000
    assert ingest["retryPolicy"] == {
        "maxAttempts": 3,
        "strategy": "exponential",
        "initialDelayMs": 10_000,
    }
    assert (build["name"], build["type"]) == ("Repository Build", "batch")
    assert build["entryPoint"] == "catalog.build.run"
    assert build["parametersSchema"]["required"] == ["buildId"]
    assert build["defaultParameters"] == {"buildId": None}
    assert build["timeoutMs"] == 1_800_000
    assert build["retryPolicy"] == {"maxAttempts": 1}
    for slug in ("repository-ingest", "repository-build"):
        issues_of(shared.client.post(f"/jobs/{slug}/run"))  # The default null is no id.


def test_a_job_is_shown_with_its_newest_runs(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    empty = shared.get(f"/jobs/{slug}")
    assert (empty["data"]["runs"], empty["meta"]) == ([], {"limit": 10, "offset": 0})
    ids = [shared.launch(slug)["id"] for _ in range(12)][::-1]
    answer = shared.get(f"/jobs/{slug}")
    assert [run["id"] for run in answer["data"]["runs"]] == ids[:10]
    rest = shared.get(f"/jobs/{slug}", limit=50, offset=9)
    assert [run["id"] for run in rest["data"]["runs"]] == ids[9:]
    assert rest["meta"] == {"limit": 50, "offset": 9}
    shared.client.post(f"/job-runs/{ids[3]}/cancel")
    canceled = shared.get(f"/jobs/{slug}", status="canceled")["data"]["runs"]
    assert [run["id"] for run in canceled] == [ids[3]]


def test_an_unknown_job_is_a_404(shared: SharedApi) -> None:
    for slug in (unique(), "%00", "%ff", "a" * 5_000):
        for call in ("GET /jobs/{}", "GET /jobs/{}/runs", "PATCH /jobs/{}", "POST /jobs/{}/run"):
            method, path = call.split()
            answer = shared.client.request(
                method, path.format(slug), json={"name": "x"} if method == "PATCH" else {}
            )
            check_failure(answer, 404, "job_not_found", "job not found")
