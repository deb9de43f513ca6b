"""Fields that break a rule: a clean 400 that says where, and nothing is written.

Contract, section 1.
"""

from typing import Any

from tests.integration.shared_api import AS_JSON, Json, SharedApi, issues_of, job_body

UNIQUE: Json = {"key": ["day"], "until": "end", "onConflict": "keep"}

BAD_FIELDS: list[tuple[Json, str]] = [
    ({"slug": "Runtimes"}, "/slug"),
    ({"name": ""}, "/name"),
    ({"name": "x" * 201}, "/name"),
    ({"name": None}, "/name"),
    ({"name": 5}, "/name"),
    ({"version": 0}, "/version"),
    ({"version": -1}, "/version"),
    ({"version": 1.5}, "/version"),
    ({"version": "1"}, "/version"),
    ({"version": True}, "/version"),
    ({"version": 2**31}, "/version"),
    ({"version": 2**63}, "/version"),
    ({"type": "cron"}, "/type"),
    ({"type": "Batch"}, "/type"),
    ({"type": None}, "/type"),
    ({"runtime": "bash"}, "/runtime"),
    ({"entryPoint": ""}, "/entryPoint"),
    ({"entryPoint": "x" * 257}, "/entryPoint"),
    ({"entryPoint": ["os", "system"]}, "/entryPoint"),
    ({"timeoutMs": 10}, "/timeoutMs"),
    ({"timeoutMs": 999}, "/timeoutMs"),
    ({"timeoutMs": 86_400_001}, "/timeoutMs"),
    ({"timeoutMs": "1000"}, "/timeoutMs"),
    ({"timeoutMs": True}, "/timeoutMs"),
    ({"timeoutMs": 1000.5}, "/timeoutMs"),
    ({"defaultParameters": []}, "/defaultParameters"),
    ({"defaultParameters": "{}"}, "/defaultParameters"),
    ({"retryPolicy": []}, "/retryPolicy"),
    ({"retryPolicy": {"maxAttempts": 0}}, "/retryPolicy/maxAttempts"),
    ({"retryPolicy": {"maxAttempts": 11}}, "/retryPolicy/maxAttempts"),
    ({"retryPolicy": {"maxAttempts": "3"}}, "/retryPolicy/maxAttempts"),
    ({"retryPolicy": {"maxAttempts": True}}, "/retryPolicy/maxAttempts"),
    ({"retryPolicy": {"strategy": "linear"}}, "/retryPolicy/strategy"),
    ({"retryPolicy": {"jitter": "some"}}, "/retryPolicy/jitter"),
    ({"retryPolicy": {"initialDelayMs": -1}}, "/retryPolicy/initialDelayMs"),
    ({"retryPolicy": {"initialDelayMs": 86_400_001}}, "/retryPolicy/initialDelayMs"),
    ({"retryPolicy": {"maxDelayMs": 86_400_001}}, "/retryPolicy/maxDelayMs"),
    ({"retryPolicy": {"initialDelayMs": 2, "maxDelayMs": 1}}, "/retryPolicy/initialDelayMs"),
    ({"retryPolicy": {"retries": 3}}, "/retryPolicy/retries"),
    ({"workerLabels": {f"l{n}": 1 for n in range(30_000)}}, "/workerLabels"),
    ({"priority": 101}, "/priority"),
    ({"priority": -101}, "/priority"),
    ({"priority": False}, "/priority"),
    ({"maxConcurrentRuns": 0}, "/maxConcurrentRuns"),
    ({"concurrencyKey": ""}, "/concurrencyKey"),
    ({"concurrencyLimit": 0}, "/concurrencyLimit"),
    ({"rateLimit": {"limit": 1}}, "/rateLimit/periodMs"),
    ({"rateLimit": {"limit": 1_001, "periodMs": 1}}, "/rateLimit/limit"),
    ({"rateLimit": {"limit": 1, "periodMs": 2_678_400_001}}, "/rateLimit/periodMs"),
    ({"rateLimit": {"limit": 1, "periodMs": 1, "key": ""}}, "/rateLimit/key"),
    ({"fairnessKey": ""}, "/fairnessKey"),
    ({"fairnessKey": ["t"]}, "/fairnessKey"),
    ({"retention": {"succeededMs": -1}}, "/retention/succeededMs"),
    ({"retention": {"failedMs": 3_153_600_000_001}}, "/retention/failedMs"),
    ({"retention": {"canceledMs": "1d"}}, "/retention/canceledMs"),
    ({"retention": {"runningMs": 1}}, "/retention/runningMs"),
    ({"moduleBinding": {}}, "/moduleBinding/moduleId"),
    ({"moduleBinding": {"moduleId": ""}}, "/moduleBinding/moduleId"),
    ({"moduleBinding": {"moduleId": 7}}, "/moduleBinding/moduleId"),
    ({"moduleBinding": "reports"}, "/moduleBinding"),
    ({"owner": "team a"}, "/owner"),
    ({"isolation": "thread"}, "/isolation"),
    ({"isolation": "shared", "entryPoint": "command.x"}, "/isolation"),
    ({"isolation": "shared", "entryPoint": "catalog.build.run"}, "/isolation"),
    ({"unique": {"until": "end", "onConflict": "keep"}}, "/unique/key"),
    ({"unique": {**UNIQUE, "key": []}}, "/unique/key"),
    ({"unique": {**UNIQUE, "key": [""]}}, "/unique/key/0"),
    ({"unique": {**UNIQUE, "key": ["nobody"]}}, "/unique/key/0"),
    ({"unique": {**UNIQUE, "until": "never"}}, "/unique/until"),
    ({"unique": {**UNIQUE, "onConflict": "fail"}}, "/unique/onConflict"),
    ({"startDeadlineMs": 0}, "/startDeadlineMs"),
    ({"resources": {"cpus": 0}}, "/resources/cpus"),
    ({"resources": {"cpus": "1"}}, "/resources/cpus"),
    ({"resources": {"memoryMb": 0}}, "/resources/memoryMb"),
    ({"resources": {"gpus": -1}}, "/resources/gpus"),
    ({"resources": {"disk": 1}}, "/resources/disk"),
    ({"workerLabels": {"gpu": 1}}, "/workerLabels/gpu"),
    ({"workerLabels": {"gpu": ""}}, "/workerLabels/gpu"),
    ({"workerLabels": {"a b": "c"}}, "/workerLabels/a b"),
    ({"workerLabels": ["gpu"]}, "/workerLabels"),
    ({"workerLabels": {f"n{n}": "v" for n in range(33)}}, "/workerLabels"),
]


def test_a_job_with_a_wrong_field_is_refused_with_its_place(shared: SharedApi) -> None:
    with shared.nothing_written():
        for wrong, path in BAD_FIELDS:
            answer = shared.client.post("/jobs", json=job_body(**wrong))
            assert [issue["path"] for issue in issues_of(answer)] == [path], wrong
            assert list(answer.json()["error"]["fieldErrors"]) == [path.split("/")[1]], wrong
            assert answer.json()["error"]["formErrors"] == []


def test_a_patch_obeys_the_same_rules(shared: SharedApi) -> None:
    job = shared.register()
    with shared.nothing_written():
        for wrong, path in BAD_FIELDS:
            if wrong != {"version": None}:
                answer = shared.client.patch(f"/jobs/{job['slug']}", json=wrong)
                assert [issue["path"] for issue in issues_of(answer)] == [path], wrong
    assert shared.get(f"/jobs/{job['slug']}")["data"]["job"] == job


def test_everything_that_is_missing_is_named(shared: SharedApi) -> None:
    with shared.nothing_written():
        missing = issues_of(shared.client.post("/jobs", json={}))
        assert {issue["path"] for issue in missing} == {"/slug", "/name", "/type", "/entryPoint"}
        assert {issue["keyword"] for issue in missing} == {"required"}
        for empty in (b"", b"  ", b"null"):
            [issue] = issues_of(shared.client.post("/jobs", content=empty, headers=AS_JSON))
            assert issue["path"] == ""
            assert "an object" in issue["message"]


def test_every_unknown_field_is_named_among_the_forms_errors(shared: SharedApi, slug: str) -> None:
    with shared.nothing_written():
        for path, body in (("/jobs", job_body()), (f"/jobs/{slug}/run", {}), ("/apps", app_body())):
            answer = shared.client.post(path, json={**body, "colour": 1, "a/b~": None})
            issues = issues_of(answer)
            assert {issue["path"] for issue in issues} == {"/colour", "/a~1b~0"}
            assert {issue["keyword"] for issue in issues} == {"additionalProperties"}
            error = answer.json()["error"]
            assert error["fieldErrors"] == {}
            assert all(
                any(name in message for message in error["formErrors"])
                for name in ("colour", "a/b~")
            )


def test_a_nested_unknown_field_stands_under_its_top_level_field(shared: SharedApi) -> None:
    answer = shared.client.post(
        "/jobs", json=job_body(retryPolicy={"maxAttempts": 2, "retries": 3})
    )
    issues_of(answer)
    error = answer.json()["error"]
    assert error["formErrors"] == []
    [message] = error["fieldErrors"]["retryPolicy"]
    assert "retries" in message


def test_a_launch_with_a_wrong_field_is_refused_with_its_place(
    shared: SharedApi, slug: str
) -> None:
    wrong: list[tuple[Json, str]] = [
        ({"timeoutMs": 10}, "/timeoutMs"),
        ({"timeoutMs": "1000"}, "/timeoutMs"),
        ({"maxAttempts": 0}, "/maxAttempts"),
        ({"maxAttempts": 11}, "/maxAttempts"),
        ({"maxAttempts": True}, "/maxAttempts"),
        ({"context": []}, "/context"),
        ({"context": "x"}, "/context"),
        ({"parameters": []}, "/parameters"),
        ({"parameters": ["n"]}, "/parameters"),
        ({"parameters": "n"}, "/parameters"),
        ({"parameters": 5}, "/parameters"),
        ({"parameters": {"n": "1"}}, "/parameters/n"),
        ({"parameters": {"n": None}}, "/parameters/n"),
        ({"parameters": {"t/~": "long"}}, "/parameters/t~1~0"),
        ({"priority": 1_000}, "/priority"),
        ({"delayMs": -1}, "/delayMs"),
        ({"delayMs": "5"}, "/delayMs"),
        ({"delayMs": 2**62}, "/delayMs"),
        ({"startDeadlineMs": 0}, "/startDeadlineMs"),
        ({"scheduledAt": "2030-01-01T00:00:00Z", "delayMs": 0}, "/delayMs"),
        ({"scheduledAt": "2030-01-01T00:00:00"}, "/scheduledAt"),
        ({"scheduledAt": "tomorrow"}, "/scheduledAt"),
        ({"scheduledAt": ""}, "/scheduledAt"),
        ({"scheduledAt": 1_900_000_000}, "/scheduledAt"),
        ({"scheduledAt": "9999-12-31T23:59:59Z"}, "/scheduledAt"),
        ({"scheduledAt": "9999-12-31T23:59:59-23:59"}, "/scheduledAt"),
        ({"scheduledAt": "0001-01-01T00:00:00+23:59"}, "/scheduledAt"),
        ({"scheduledAt": "2030-13-01T00:00:00Z"}, "/scheduledAt"),
        ({"scheduledAt": "2030-02-29T00:00:00Z"}, "/scheduledAt"),
    ]
    with shared.nothing_written():
        for body, path in wrong:
            answer = shared.client.post(f"/jobs/{slug}/run", json=body)
            assert [issue["path"] for issue in issues_of(answer)] == [path], body
            assert list(answer.json()["error"]["fieldErrors"]) == [path.split("/")[1]], body
            if path == "/scheduledAt" and "9999-12-31T23:59:59Z" not in body.values():
                assert "such as 2026-11-24T14:31:04.123Z" in answer.text


def test_parameters_are_checked_as_they_will_be_with_the_defaults(shared: SharedApi) -> None:
    schema = {"required": ["a", "b"], "additionalProperties": {"type": "object", "required": ["c"]}}
    slug = shared.register(
        parametersSchema=schema, defaultParameters={"a": {"c": 1}, "b": {"c": 1}}
    )["slug"]
    shared.launch(slug)
    with shared.nothing_written():
        answer = shared.client.post(
            f"/jobs/{slug}/run", json={"parameters": {"a": {"d": 1}, "b": 5}}
        )
        violations = {(issue["path"], issue["keyword"]) for issue in issues_of(answer)}
    assert ("/parameters/b", "type") in violations
    assert {path for path, _ in violations} <= {"/parameters/b", "/parameters/a", "/parameters/a/c"}
    assert len(violations) == 2


def app_body(**fields: Any) -> Json:
    return {"id": "an-app", "name": "An app", "repoUrl": "/nowhere", **fields}
