"""Builds of an app: in turns, failing, ended, or of what is gone (contract, section 9)."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from random import randrange

import httpx
import pytest

from tests.e2e.catalog.apps import SCRATCH, add, built
from tests.support.git.repositories import git, repository
from tests.support.processes import eventually, wait_for_run
from tests.support.slow import slow

pytestmark = pytest.mark.usefixtures("worker")


@pytest.mark.slow
def test_builds_of_one_app_take_turns_and_each_builds_what_it_was_asked_for(
    client: httpx.Client, tmp_path: Path
) -> None:
    origin = repository(tmp_path, SCRATCH)
    first = git(origin, "rev-parse", "HEAD")
    git(origin, "tag", "v1")
    (origin / "hello.txt").write_text("changed\n")
    git(origin, "commit", "-q", "-am", "second")
    second = git(origin, "rev-parse", "HEAD")
    add(client, origin)
    built(client)
    requests = [{"ref": "v1"}, {"branch": "main"}, {"ref": first}, None, *[{"ref": "v9"}] * 6]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda body: client.post("/apps/Shop/builds", json=body), requests))
    assert {answer.status_code for answer in answers} == {202}
    built(client, 120, number=11)
    builds = {
        build["id"]: build for build in client.get("/apps/Shop/builds?limit=100").json()["data"]
    }
    ours = [builds[answer.json()["data"]["id"]] for answer in answers]
    assert [build["commitSha"] for build in ours] == [first, second, first, second, *[None] * 6]
    assert [build["status"] for build in ours] == [*["succeeded"] * 4, *["failed"] * 6]
    assert "no tag, branch or commit v9" in ours[4]["errorMessage"]
    times = sorted((build["startedAt"], build["completedAt"]) for build in builds.values())
    assert all(before[1] <= after[0] for before, after in pairwise(times)), times


def test_a_build_that_fails_says_which_step_and_can_be_retried(
    client: httpx.Client, tmp_path: Path
) -> None:
    broken = "FROM localhost/busybox\nRUN echo before; exit 7\n"
    add(client, repository(tmp_path, {"Dockerfile": broken}))
    build = built(client)
    assert build["status"] == "failed"
    assert "exit 7" in build["errorMessage"]
    assert "before" in build["logsPreview"]
    answer = client.post(f"/builds/{build['id']}/retry")
    assert answer.status_code == 202
    again = built(client, number=2)
    assert (again["id"], again["status"]) == (answer.json()["data"]["id"], "failed")
    assert again["commitSha"] == build["commitSha"]
    history = client.get("/apps/Shop/history").json()["data"]
    assert [step["status"] for step in history] == ["ready", "processing", "pending"]


@pytest.mark.parametrize("end", ["cancel", slow("timeout")])
def test_a_build_that_is_ended_leaves_nothing(
    client: httpx.Client, tmp_path: Path, end: str
) -> None:
    if end == "timeout":
        client.patch("/jobs/repository-build", json={"timeoutMs": 6_000}).raise_for_status()
    # By which no other test's is taken for this one's.
    command = f"sleep {randrange(1_000, 1_000_000)}"
    add(client, repository(tmp_path, {"Dockerfile": f"FROM localhost/busybox\nRUN {command}\n"}))
    sleeping = eventually(lambda: processes(command), 60, "the step running")
    run_id = client.get("/apps/Shop").json()["data"]["latestBuild"]["jobRunId"]
    if end == "cancel":
        client.post(f"/job-runs/{run_id}/cancel", json={"reason": "not today"}).raise_for_status()
    build = built(client)
    assert build["status"] == ("canceled" if end == "cancel" else "failed")
    assert (build["errorMessage"] == "not today") == (end == "cancel")
    assert not [pid for pid in sleeping if Path(f"/proc/{pid}").exists()]
    run = wait_for_run(client, run_id)
    assert run["status"] == ("canceled" if end == "cancel" else "expired")
    assert "/work-" not in Path("/proc/self/mountinfo").read_text()


def processes(command: str) -> list[str]:
    """Return the processes with this command line."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
        if line == command:
            pids.append(process.name)
    return pids


def test_a_build_or_an_app_that_is_gone(client: httpx.Client) -> None:
    launched = client.post(
        "/jobs/repository-build/run", json={"parameters": {"buildId": "gone"}}
    ).json()["data"]
    run = wait_for_run(client, launched["id"])
    assert (run["status"], run["errorMessage"]) == ("failed", "repository missing")
    launched = client.post(
        "/jobs/repository-ingest/run", json={"parameters": {"repositoryId": "gone"}}
    ).json()["data"]
    run = wait_for_run(client, launched["id"])
    assert (run["status"], run["result"]) == ("succeeded", {"skipped": True})
