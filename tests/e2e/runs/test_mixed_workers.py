"""Workers with different handlers beside each other."""

import json
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest

from tests.e2e.support import launch, register
from tests.support.processes import eventually, started, wait_for_run


def test_each_of_two_workers_takes_what_it_has_handlers_for(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    commands = tmp_path / "commands.json"
    commands.write_text(json.dumps({"say": ["echo", '{"said": true}']}))
    register(client, "ours", "test.noop")
    register(client, "theirs", "command.say")
    early = launch(client, "theirs")
    working = ("worker", "--data-dir", str(tmp_path / "data"))
    # However slow the machine is, the second one starts before the first gives anything up.
    patient = (*working, "--no-handler-after-s", "3600")
    ours = (*patient, "--handlers", "tests.support.handlers")
    theirs = (*working, "--no-handler-after-s", "0", "--commands", str(commands))
    with started(*ours, APPHUB_DATABASE_URL=database_url) as first:
        first.wait_for_line("is ready with", errors=True)
        with started(*theirs, APPHUB_DATABASE_URL=database_url) as second:
            second.wait_for_line("is ready with", errors=True)
            slugs = ["ours", "theirs"] * 6
            runs = [launch(client, slug) for slug in slugs]
            ended = [wait_for_run(client, run_id) for run_id in (early, *runs)]
    assert {run["status"] for run in ended} == {"succeeded"}


def test_a_run_that_no_living_worker_can_do_fails_after_its_grace(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "nobodys", "no.such.handler", retryPolicy={"maxAttempts": 3})
    before = launch(client, "nobodys")
    common = ("--data-dir", str(tmp_path / "data"), "--no-handler-after-s", "0.3")
    with started("worker", *common, APPHUB_DATABASE_URL=database_url) as worker:
        worker.wait_for_line("is ready with", errors=True)
        after = launch(client, "nobodys")
        for run_id in (before, after):
            run = wait_for_run(client, run_id)
            assert (run["status"], run["attempt"]) == ("failed", 1)
            assert run["failureReason"] == "no_handler"
            assert run["errorMessage"] == "No handler registered for job nobodys"
        reason = "the entry point no.such.handler, which no living worker offers"
        eventually(lambda: any(reason in line for line in worker.errors), what=reason)


@pytest.mark.slow
def test_a_run_waits_for_a_worker_that_comes_back_and_everybody_is_told(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    register(client, "theirs", "test.noop")
    working = ("worker", "--data-dir", str(tmp_path / "data"))
    commands = tmp_path / "commands.json"
    commands.write_text(json.dumps({"say": ["echo", "{}"]}))
    env = {"APPHUB_DATABASE_URL": database_url}
    answer = _launched(client, "theirs")
    [warning] = answer["meta"]["warnings"]
    assert warning["code"] == "no_worker_offers_entry_point"
    assert "test.noop" in warning["message"]
    run_id = answer["data"]["id"]
    with started(*working, "--commands", str(commands), **env) as other:
        reason = "the entry point test.noop, which no living worker offers"
        other.wait_for_line(reason, errors=True)
        # As long as a worker was given before, and more.
        sleep(6)
        assert _why(client, run_id) == "no_worker_offers_entry_point"
        waiting = client.get("/workers/unoffered").json()["data"]
        assert waiting == [{"slug": "theirs", "entryPoint": "test.noop", "runs": 1}]
        metrics = client.get("/metrics").text
        assert "\napphub_unoffered_entry_points 1\n" in metrics
        assert f"{reason}: start a worker that does" in "\n".join(other.errors)
        handlers = ("--handlers", "tests.support.handlers")
        with started(*working, *handlers, **env) as worker:
            worker.wait_for_line("is ready with", errors=True)
            assert wait_for_run(client, run_id)["status"] == "succeeded"
            assert "meta" not in _launched(client, "theirs")
            assert client.get("/workers/unoffered").json()["data"] == []
            assert "\napphub_unoffered_entry_points 0\n" in client.get("/metrics").text


LABELLED: dict[str, tuple[dict[str, str], set[str]]] = {
    "anywhere": ({}, {"eu", "us"}),
    "in-europe": ({"zone": "eu"}, {"eu"}),
    "in-america": ({"zone": "us"}, {"us"}),
    "on-a-gpu": ({"gpu": "a100"}, {"us"}),
    "on-a-gpu-there": ({"gpu": "a100", "zone": "us"}, {"us"}),
    "nowhere": ({"gpu": "a100", "zone": "eu"}, set()),
}
"""What jobs ask for, and in which zones there is a worker that has it."""


def test_runs_go_to_workers_that_have_the_labels_of_their_job(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    for slug, (labels, _) in LABELLED.items():
        register(client, slug, "test.noop", workerLabels=labels)
    working = (
        *("worker", "--data-dir", str(tmp_path / "data")),
        *("--handlers", "tests.support.handlers"),
    )
    american = ("--label", "zone=us", "--label", "gpu=a100")
    variables = {"APPHUB_DATABASE_URL": database_url}
    with (
        started(*working, APPHUB_LABELS="zone=eu", **variables) as one,
        started(*working, *american, **variables) as other,
    ):
        for worker in (one, other):
            worker.wait_for_line("is ready with", errors=True)
        fleet = client.get("/workers").json()["data"]
        zones = {worker["id"]: worker["labels"]["zone"] for worker in fleet}
        launched = [(slug, _launched(client, slug)) for slug in LABELLED for _ in "123"]
        for slug, answer in launched:
            _, expected = LABELLED[slug]
            run_id = answer["data"]["id"]
            if not expected:
                [warning] = answer["meta"]["warnings"]
                assert warning["code"] == _why(client, run_id)
                continue
            assert "meta" not in answer
            assert wait_for_run(client, run_id)["status"] == "succeeded"
            [attempt] = client.get(f"/job-runs/{run_id}/attempts").json()["data"]
            assert zones[attempt["workerId"]] in expected, slug
        # What nobody could do, somebody can once it asks for less.
        revised = client.patch("/jobs/nowhere", json={"workerLabels": {"zone": "eu"}})
        assert revised.status_code == 200
        ids = [answer["data"]["id"] for slug, answer in launched if slug == "nowhere"]
        assert {wait_for_run(client, run_id)["status"] for run_id in ids} == {"succeeded"}


def _launched(client: httpx.Client, slug: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(f"/jobs/{slug}/run").raise_for_status().json()
    return answer


def _why(client: httpx.Client, run_id: str) -> str:
    explained = client.get(f"/job-runs/{run_id}/explain").raise_for_status().json()
    first = explained["data"]["reasons"][0]
    return str(first["code"])


def test_what_is_no_label_is_refused_before_anything_starts(tmp_path: Path) -> None:
    for words in (("gpu",), ("gpu=",), ("=a",), ("a=b c",), ("a=1", "--label", "a=2")):
        options = ("--data-dir", str(tmp_path / "data"))
        with started("worker", *options, "--label", *words) as worker:
            assert worker.popen.wait(60) == 1
            assert "label" in "\n".join(worker.errors)
    assert not (tmp_path / "data").exists()
