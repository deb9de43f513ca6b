"""Launches of jobs whose runs are unique, over HTTP (contract, section 10)."""

from collections import Counter

import pytest

from tests.integration.shared_api import Json, SharedApi, at_once


def _registered(shared: SharedApi, how: str) -> str:
    job = shared.register(
        parametersSchema={"properties": {"k": {}}},
        unique={"key": ["k"], "until": "start", "onConflict": how},
    )
    return str(job["slug"])


def test_a_launch_is_answered_with_the_run_that_is_there(shared: SharedApi) -> None:
    slug = _registered(shared, "keep")
    body: Json = {"parameters": {"k": 1}}
    first = shared.launch(slug, body)
    with shared.nothing_written():
        kept = shared.client.post(f"/jobs/{slug}/run", json=body)
    assert (kept.status_code, kept.json()["data"]) == (200, first)
    shared.launch(slug, {"parameters": {"k": 2}})
    shared.client.post(f"/job-runs/{first['id']}/cancel").raise_for_status()
    after = shared.launch(slug, body)
    kept = shared.client.post(f"/job-runs/{first['id']}/retry")
    assert (kept.status_code, kept.json()["data"]) == (200, after)


@pytest.mark.parametrize(
    ("how", "statuses", "replaced"),
    [("keep", {200: 7, 202: 1}, {}), ("replace", {202: 8}, {("canceled", "replaced"): 7})],
)
def test_of_launches_at_once_one_is_kept_or_the_last_one_stays(
    shared: SharedApi, how: str, statuses: dict[int, int], replaced: dict[tuple[str, str], int]
) -> None:
    slug = _registered(shared, how)
    body: Json = {"parameters": {"k": 1}, "delayMs": 3_600_000}
    path = f"/jobs/{slug}/run"
    answers = at_once(8, lambda _: shared.client.post(path, json=body))
    assert Counter(answer.status_code for answer in answers) == statuses
    rows = shared.rows("SELECT status, error_message FROM job_runs WHERE slug = %s", slug)
    reasons = Counter((one["status"], one["error_message"]) for one in rows)
    assert reasons.pop(("pending", None)) == 1
    assert reasons == replaced
