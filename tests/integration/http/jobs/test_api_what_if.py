"""A job's past is played again for clients: what is refused, and the answer's shape."""

import pytest

from api.shapes.jobs import WhatIf
from tests.integration.shared_api import SharedApi, check_failure, issues_of


def test_the_answer_has_the_documented_shape(shared: SharedApi) -> None:
    slug = shared.register(maxConcurrentRuns=2)["slug"]
    shared.launch(slug)
    answer = shared.get(f"/jobs/{slug}/what-if", maxConcurrentRuns=3, lookBackMs=60_000)["data"]
    WhatIf.model_validate(answer)
    assert (answer["job"], answer["runs"], answer["maxConcurrentRuns"]) == (slug, 0, 3)
    assert answer["recorded"]["starts"] == 0
    assert [one["maxConcurrentRuns"] for one in answer["limits"]] == [2]
    unlimited = shared.get(f"/jobs/{slug}/what-if")["data"]
    assert unlimited["maxConcurrentRuns"] is None


def test_an_unknown_job_is_not_found(shared: SharedApi) -> None:
    answer = shared.client.get("/jobs/nothing-like-it/what-if")
    check_failure(answer, 404, "job_not_found", "job not found")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxConcurrentRuns", "0"),
        ("maxConcurrentRuns", "none"),
        ("lookBackMs", "0"),
        ("lookBackMs", "9999999999999"),
        ("limit", "3"),
    ],
)
def test_odd_questions_are_refused(shared: SharedApi, name: str, value: str) -> None:
    slug = shared.register()["slug"]
    answer = shared.client.get(f"/jobs/{slug}/what-if", params={name: value})
    assert answer.status_code == 400
    assert [issue["path"] for issue in issues_of(answer)] == [f"/{name}"]
