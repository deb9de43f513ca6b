"""Bodies that are wrong in very many ways, or at great length: the answer stays small."""

from typing import Any

import pytest

from tests.integration.shared_api import SharedApi, issues_of, job_body

FLOOD = {f"f{number}": 0 for number in range(90_000)}
LONG = "x" * 900_000

ANSWER_BYTES = 150_000

APP = {"id": "flooded", "name": "n", "description": "d", "repoUrl": "/x"}

BODIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/jobs", job_body(**FLOOD), "and 89900 more"),
    ("PATCH", "/jobs/repository-build", FLOOD, "and 89900 more"),
    ("POST", "/jobs/repository-build/run", FLOOD, "and 89900 more"),
    ("POST", "/job-runs/x/cancel", FLOOD, "and 89900 more"),
    ("POST", "/jobs", job_body(retryPolicy=FLOOD), "and 89900 more"),
    ("POST", "/apps", {**APP, "tags": [FLOOD]}, "and 89900 more"),
    ("POST", "/jobs/repository-build/run", {LONG: 1}, "unknown field"),
    ("POST", "/jobs", job_body(**{LONG: 1}), "unknown field"),
    ("POST", "/apps", {**APP, "tags": [{"k": 1}] * 100}, "more"),
    ("POST", "/apps", {**APP, "tags": [{"k" * 9_000: 1}] * 100}, "more"),
]


@pytest.mark.parametrize(("method", "path", "body", "message"), BODIES)
def test_the_answer_to_a_flood_is_small(
    shared: SharedApi, method: str, path: str, body: dict[str, Any], message: str
) -> None:
    before = shared.count_events()
    answer = shared.client.request(method, path, json=body)
    issues = issues_of(answer)
    assert len(answer.content) < ANSWER_BYTES
    assert len(issues) <= 101
    assert any(message in issue["message"] for issue in issues)
    assert shared.count_events() == before


def test_up_to_a_hundred_unknown_fields_are_each_named(shared: SharedApi) -> None:
    few = dict(list(FLOOD.items())[:95])
    answer = shared.client.post("/jobs", json=job_body(**few))
    issues_of(answer)
    assert answer.json()["error"]["formErrors"] == [f"unknown field {name!r}" for name in few]


def test_the_first_unknown_fields_of_a_flood_are_named(shared: SharedApi) -> None:
    answer = shared.client.post("/jobs/repository-build/run", json=FLOOD)
    [issue] = issues_of(answer)
    assert issue["keyword"] == "maxProperties"
    assert answer.json()["error"]["formErrors"] == [issue["message"]]
    assert "'f0', 'f1', 'f2'" in issue["message"]
    assert "'f99', and 89900 more" in issue["message"]
