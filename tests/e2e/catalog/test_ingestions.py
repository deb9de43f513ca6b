"""From a repository to its image, through API, worker and a real builder (contract, section 9)."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.e2e.catalog.apps import SCRATCH, Json, add, built
from tests.e2e.support import events
from tests.integration.streams import stream
from tests.support.git.repositories import git, repository
from tests.support.processes import eventually, wait_for_run

pytestmark = pytest.mark.usefixtures("worker")


def test_an_ingestion_is_followed_by_its_build_and_all_of_it_is_one_story(
    client: httpx.Client, tmp_path: Path
) -> None:
    package = json.dumps(
        {"name": "shop-front", "dependencies": {"next": "1"}, "engines": {"node": ">=20"}}
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
        story = [
            message["data"]["build"]["status"]
            for message in messages.received
            if "build" in message["data"]
        ]
    build = built(client)
    commit = git(origin, "rev-parse", "HEAD")
    assert (build["status"], build["commitSha"], build["gitBranch"]) == ("succeeded", commit, None)
    assert build["imageTag"] == f"apphub/shop:{commit[:12]}"
    layout = json.loads((tmp_path / "data" / "images" / "index.json").read_text())
    assert build["imageDigest"] in {manifest["digest"] for manifest in layout["manifests"]}
    assert story[0] == "pending"
    assert story[-1] == "succeeded"
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
        *("tier:1", "framework:nextjs", "runtime:node20", "team:web")
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
    [ingestion] = client.get("/job-runs", params={"job": "repository-ingest"}).json()["data"]
    run = wait_for_run(client, build["jobRunId"])
    success = events(client, ingestion["run"]["id"])[-1]
    requested = events(client, run["id"])[0]
    assert (success["type"], requested["causationId"]) == ("job_run.succeeded", success["eventId"])
    assert requested["correlationId"] == success["correlationId"]
    assert run["context"]["ingestRunId"] == ingestion["run"]["id"]
    assert run["requestedBy"] == ingestion["run"]["requestedBy"]
    result = {
        name: build[name] for name in ("repositoryId", "imageTag", "commitSha", "imageDigest")
    }
    assert run["result"] == {"buildId": build["id"], **result}
    reported = {"buildId": build["id"], "status": "succeeded", "commitSha": build["commitSha"]}
    assert reported.items() <= run["metrics"].items()
    assert (run["startedAt"], run["completedAt"]) == (build["startedAt"], build["completedAt"])


def test_ingestions_of_one_app_take_turns_however_they_are_launched(
    client: httpx.Client, tmp_path: Path
) -> None:
    add(client, repository(tmp_path, {"README.md": "no Dockerfile"}))
    body = {"parameters": {"repositoryId": "Shop"}, "maxAttempts": 1}
    with ThreadPoolExecutor(20) as pool:
        direct = list(
            pool.map(lambda _: client.post("/jobs/repository-ingest/run", json=body), range(10))
        )
        retried = list(pool.map(lambda _: client.post("/apps/Shop/retry"), range(10)))
    assert {answer.status_code for answer in direct} == {202}
    assert {answer.status_code for answer in retried} <= {202, 409}
    page = client.get("/job-runs", params={"job": "repository-ingest", "limit": 50}).json()["data"]
    runs = [wait_for_run(client, item["run"]["id"], timeout_s=90) for item in page]
    assert len(runs) >= 11
    times = sorted((run["startedAt"], run["completedAt"]) for run in runs)
    assert all(before[1] <= after[0] for before, after in pairwise(times)), times


def test_what_cannot_be_ingested_is_not_built(client: httpx.Client, tmp_path: Path) -> None:
    add(client, repository(tmp_path, {"README.md": "no Dockerfile"}))
    app = eventually(lambda: failed(client), what="the ingestion failing")
    assert app["ingestError"] == "Dockerfile not found, unable to launch app"
    assert app["latestBuild"] is None
    assert client.get("/apps/Shop/builds").json()["meta"]["total"] == 0


def failed(client: httpx.Client) -> Json | None:
    app: Json = client.get("/apps/Shop").json()["data"]
    return app if app["ingestStatus"] == "failed" else None
