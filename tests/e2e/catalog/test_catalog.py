"""From a repository to its image, through API, worker and a real builder (contract, section 9)."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from random import randrange
from typing import Any

import httpx
import pytest

from tests.e2e.support import events
from tests.integration.streams import stream
from tests.support.building.builds import made_base_images, need_builder
from tests.support.git.repositories import git, repository
from tests.support.processes import Process, eventually, started, wait_for_run

Json = dict[str, Any]

SCRATCH = {"Dockerfile": "FROM scratch\nCOPY hello.txt /\n", "hello.txt": "hello\n"}

ENDED = {"succeeded", "failed", "canceled"}


@pytest.fixture(scope="session")
def base_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_builder()
    return made_base_images(tmp_path_factory.mktemp("bases"))


@pytest.fixture(autouse=True)
def worker(
    api: Process, database_url: str, tmp_path: Path, base_images: Path
) -> Iterator[Process]:
    del api
    variables = {"APPHUB_BUILDER": "buildah", "APPHUB_BASE_IMAGES": str(base_images)}
    arguments = ("worker", "--data-dir", str(tmp_path / "data"))
    with started(*arguments, APPHUB_DATABASE_URL=database_url, **variables) as process:
        yield process


def add(client: httpx.Client, origin: Path, **fields: Any) -> Json:
    body = {
        "id": "Shop",
        "name": "Shop",
        "description": "",
        "repoUrl": str(origin),
        **fields,
    }
    answer = client.post("/apps", json=body)
    assert answer.status_code == 201, answer.text
    app: Json = answer.json()["data"]
    assert app["ingestStatus"] == "pending"
    return app


def built(
    client: httpx.Client,
    timeout_s: float = 60,
    *,
    number: int = 1,
    app_id: str = "Shop",
) -> Json:
    """Wait until this many builds of the app have ended, and return the newest."""

    def ended() -> Json | None:
        builds = client.get(f"/apps/{app_id}/builds?limit=100").json()["data"]
        over = len(builds) >= number and all(
            build["status"] in ENDED for build in builds
        )
        return dict(builds[0]) if over else None

    return dict(eventually(ended, timeout_s, f"{number} builds of {app_id} ending"))


def test_an_ingestion_is_followed_by_its_build_and_all_of_it_is_one_story(
    client: httpx.Client, tmp_path: Path
) -> None:
    package = json.dumps(
        {
            "name": "shop-front",
            "dependencies": {"next": "1"},
            "engines": {"node": ">=20"},
        }
    )
    origin = repository(
        tmp_path,
        {
            **SCRATCH,
            "package.json": package,
            "README.md": "# Shop\n\nSells things.\n\n![front](docs/front.png)\n",
            "docs/front.png": b"\x89PNG\r\n\x1a\n" + b"0" * 20,
            "tags.yaml": "team: web\n",
            ".env.example": "# where it listens\nexport PORT=80\nTOKEN=\n",
        },
    )
    with stream(client) as messages:
        messages.next()
        add(client, origin, tags=[{"key": "tier", "value": "1"}])
        messages.until(
            lambda message: (
                message["type"] == "build.updated"
                and message["data"]["build"]["status"] == "succeeded"
            )
        )
        told = [
            message["data"]["build"]["status"]
            for message in messages.received
            if "build" in message["data"]
        ]
    build = built(client)
    commit = git(origin, "rev-parse", "HEAD")
    assert (build["status"], build["commitSha"], build["gitBranch"]) == (
        "succeeded",
        commit,
        None,
    )
    assert build["imageTag"] == f"apphub/shop:{commit[:12]}"
    layout = json.loads((tmp_path / "data" / "images" / "index.json").read_text())
    assert build["imageDigest"] in {
        manifest["digest"] for manifest in layout["manifests"]
    }
    assert told[0] == "pending"
    assert told[-1] == "succeeded"
    app = client.get("/apps/Shop").json()["data"]
    assert app["latestBuild"] == build
    assert app["launchEnvTemplates"] == [
        {"key": "PORT", "value": "80"},
        {"key": "TOKEN", "value": ""},
    ]
    assert (app["name"], app["description"], app["ingestStatus"]) == (
        "shop-front",
        "Sells things.",
        "ready",
    )
    assert {f"{tag['key']}:{tag['value']}" for tag in app["tags"]} == {
        *("tier:1", "framework:nextjs", "runtime:node20", "team:web"),
    }
    assert [tile["kind"] for tile in app["previewTiles"]] == ["image"]
    check_story(client, build)
    log = client.get(f"/builds/{build['id']}/logs").json()["data"]
    assert (log["size"], log["repositoryId"]) == (len(log["logs"].encode()), "Shop")
    assert log["logs"].endswith(build["logsPreview"])
    assert (build["hasLogs"], build["logsSize"]) == (True, log["size"])
    assert client.get(f"/builds/{build['id']}/logs?download=1").text == log["logs"]


def check_story(client: httpx.Client, build: Json) -> None:
    """The ingestion's success launched the build's run; its record and the build's agree."""
    [ingestion] = client.get("/job-runs", params={"job": "repository-ingest"}).json()[
        "data"
    ]
    run = wait_for_run(client, build["jobRunId"])
    success = events(client, ingestion["run"]["id"])[-1]
    requested = events(client, run["id"])[0]
    assert (success["type"], requested["causationId"]) == (
        "job_run.succeeded",
        success["eventId"],
    )
    assert requested["correlationId"] == success["correlationId"]
    assert run["context"]["ingestRunId"] == ingestion["run"]["id"]
    assert run["requestedBy"] == ingestion["run"]["requestedBy"]
    result = {
        name: build[name]
        for name in ("repositoryId", "imageTag", "commitSha", "imageDigest")
    }
    assert run["result"] == {"buildId": build["id"], **result}
    reported = {
        "buildId": build["id"],
        "status": "succeeded",
        "commitSha": build["commitSha"],
    }
    assert reported.items() <= run["metrics"].items()
    assert (run["startedAt"], run["completedAt"]) == (
        build["startedAt"],
        build["completedAt"],
    )


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
    wanted = [
        {"ref": "v1"},
        {"branch": "main"},
        {"ref": first},
        None,
        *[{"ref": "v9"}] * 6,
    ]
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda body: client.post("/apps/Shop/builds", json=body), wanted)
        )
    assert {answer.status_code for answer in answers} == {202}
    built(client, 120, number=11)
    builds = {
        build["id"]: build
        for build in client.get("/apps/Shop/builds?limit=100").json()["data"]
    }
    ours = [builds[answer.json()["data"]["id"]] for answer in answers]
    assert [build["commitSha"] for build in ours] == [
        first,
        second,
        first,
        second,
        *[None] * 6,
    ]
    assert [build["status"] for build in ours] == [*["succeeded"] * 4, *["failed"] * 6]
    assert "no tag, branch or commit v9" in ours[4]["errorMessage"]
    times = sorted(
        (build["startedAt"], build["completedAt"]) for build in builds.values()
    )
    assert all(before[1] <= after[0] for before, after in pairwise(times)), times


def test_ingestions_of_one_app_take_turns_however_they_are_launched(
    client: httpx.Client, tmp_path: Path
) -> None:
    add(client, repository(tmp_path, {"README.md": "no Dockerfile"}))
    body = {"parameters": {"repositoryId": "Shop"}, "maxAttempts": 1}
    with ThreadPoolExecutor(20) as pool:
        direct = list(
            pool.map(
                lambda _: client.post("/jobs/repository-ingest/run", json=body),
                range(10),
            )
        )
        retried = list(pool.map(lambda _: client.post("/apps/Shop/retry"), range(10)))
    assert {answer.status_code for answer in direct} == {202}
    assert {answer.status_code for answer in retried} <= {202, 409}
    page = client.get(
        "/job-runs", params={"job": "repository-ingest", "limit": 50}
    ).json()["data"]
    runs = [wait_for_run(client, item["run"]["id"], timeout_s=60) for item in page]
    assert len(runs) >= 11
    times = sorted((run["startedAt"], run["completedAt"]) for run in runs)
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


@pytest.mark.parametrize("end", ["cancel", "timeout"])
def test_a_build_that_is_ended_leaves_nothing(
    client: httpx.Client, tmp_path: Path, end: str
) -> None:
    if end == "timeout":
        client.patch(
            "/jobs/repository-build", json={"timeoutMs": 6_000}
        ).raise_for_status()
    # By which no other test's is taken for this one's.
    command = f"sleep {randrange(1_000, 1_000_000)}"
    add(
        client,
        repository(
            tmp_path, {"Dockerfile": f"FROM localhost/busybox\nRUN {command}\n"}
        ),
    )
    sleeping = eventually(lambda: processes(command), 60, "the step running")
    run_id = client.get("/apps/Shop").json()["data"]["latestBuild"]["jobRunId"]
    if end == "cancel":
        client.post(
            f"/job-runs/{run_id}/cancel", json={"reason": "not today"}
        ).raise_for_status()
    build = built(client)
    assert build["status"] == ("canceled" if end == "cancel" else "failed")
    assert (build["errorMessage"] == "not today") == (end == "cancel")
    assert not [pid for pid in sleeping if Path(f"/proc/{pid}").exists()]
    run = wait_for_run(client, run_id)
    assert run["status"] == ("canceled" if end == "cancel" else "expired")
    assert "apphub-work" not in Path("/proc/self/mountinfo").read_text()


def processes(command: str) -> list[str]:
    """Return the processes with this command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (
                (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            )
        except OSError:
            continue
        if line == command:
            found.append(process.name)
    return found


def test_what_cannot_be_ingested_is_not_built(
    client: httpx.Client, tmp_path: Path
) -> None:
    add(client, repository(tmp_path, {"README.md": "no Dockerfile"}))
    app = eventually(lambda: failed(client), what="the ingestion failing")
    assert app["ingestError"] == "Dockerfile not found, unable to launch app"
    assert app["latestBuild"] is None
    assert client.get("/apps/Shop/builds").json()["meta"]["total"] == 0


def failed(client: httpx.Client) -> Json | None:
    app: Json = client.get("/apps/Shop").json()["data"]
    return app if app["ingestStatus"] == "failed" else None


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
