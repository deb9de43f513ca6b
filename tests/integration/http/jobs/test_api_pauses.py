"""A job is paused and resumed over HTTP (contract, section 10)."""

import pytest

from tests.integration.shared_api import SharedApi, check_failure, issues_of, moment


def test_a_pause_is_shown_with_who_when_and_why_until_it_is_over(shared: SharedApi) -> None:
    job = shared.register()
    path = f"/jobs/{job['slug']}"
    answer = shared.client.post(f"{path}/pause", json={"reason": "database moves"})
    assert answer.status_code == 200
    paused = answer.json()["data"]
    why = paused.pop("paused")
    assert moment(why["at"]) == moment(paused.pop("updatedAt"))
    assert {**why, "at": None} == {"at": None, "by": "anonymous", "reason": "database moves"}
    assert paused == {name: job[name] for name in paused}
    assert shared.get(path)["data"]["job"]["paused"] == why
    listed = {one["slug"]: one for one in shared.get("/jobs")["data"]}
    assert listed[job["slug"]]["paused"] == why
    while_paused = shared.head()
    resumed = shared.client.post(f"{path}/resume")
    assert (resumed.status_code, resumed.json()["data"]["paused"]) == (200, None)
    assert shared.get(path, asOf=while_paused)["data"]["job"]["paused"] == why


def test_asked_again_nothing_changes(shared: SharedApi) -> None:
    path = f"/jobs/{shared.register()['slug']}"
    first = shared.client.post(f"{path}/pause", json={"reason": "one"}).json()
    with shared.nothing_written():
        again = shared.client.post(f"{path}/pause", json={"reason": "two"})
    assert (again.status_code, again.json()) == (200, first)
    resumed = shared.client.post(f"{path}/resume").json()
    with shared.nothing_written():
        again = shared.client.post(f"{path}/resume")
    assert (again.status_code, again.json()) == (200, resumed)


def test_what_is_launched_meanwhile_waits(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    shared.client.post(f"/jobs/{slug}/pause")
    assert shared.launch(slug)["status"] == "pending"


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_an_unknown_job_is_not_found(shared: SharedApi, verb: str) -> None:
    answer = shared.client.post(f"/jobs/nobody/{verb}")
    check_failure(answer, 404, "job_not_found", "job not found")


def test_a_reason_that_is_none_is_refused(shared: SharedApi) -> None:
    path = f"/jobs/{shared.register()['slug']}/pause"
    for wrong in (1, "x" * 1_001):
        with shared.nothing_written():
            answer = shared.client.post(path, json={"reason": wrong})
        assert [issue["path"] for issue in issues_of(answer)] == ["/reason"]
