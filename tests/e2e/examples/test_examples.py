"""Each example is registered, launched and run by a worker, on real repositories and images."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apphub_jobs import Job
from catalog.handlers.oci_layout import add_image
from cli.definitions import jobs_in
from examples.mirror_repository import mirror_repository
from examples.nightly_statistics import nightly_statistics
from examples.prune_images import prune_images
from examples.scan_secrets import scan_secrets
from tests import ROOT
from tests.e2e.support import at_work, launch, register
from tests.support.contexts import context_of
from tests.support.git.origins import commit, git, made
from tests.support.processes import wait_for_run

JOBS: tuple[Job[..., object], ...] = (
    mirror_repository,
    nightly_statistics,
    prune_images,
    scan_secrets,
)


@pytest.fixture(scope="module")
def client(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Give a client of an API whose worker has the examples, which are registered."""
    directory = tmp_path_factory.mktemp("examples")
    commands = directory / "commands.json"
    node = shutil.which("node")
    reports = [node or "/bin/false", str(ROOT / "examples" / "package_report.mjs")]
    commands.write_text(json.dumps({"package-report": reports}))
    options = ["--commands", str(commands)]
    for job in JOBS:
        options += ["--handlers", job.module]
    with at_work(database_server, shared_dir, directory / "data", *options) as client:
        written = jobs_in([str(ROOT / "examples" / "package-report.yaml")])
        for definition in (*(job.definition for job in JOBS), *written):
            client.post("/jobs", json=definition).raise_for_status()
        yield client


def run(client: httpx.Client, slug: str, **parameters: Any) -> dict[str, Any]:
    ended = wait_for_run(client, launch(client, slug, parameters=parameters))
    return {name: ended[name] for name in ("status", "result", "errorMessage")}


def succeeded(result: Any) -> dict[str, Any]:
    return {"status": "succeeded", "result": result, "errorMessage": None}


def test_a_repository_is_mirrored_and_then_kept_up_to_date(
    client: httpx.Client, tmp_path: Path
) -> None:
    origin = made(tmp_path / "origin", {"a": "1"})
    git(origin, "tag", "old")
    mirror = tmp_path / "mirrors" / "shop.git"
    what = {"url": str(origin), "directory": str(mirror)}
    both = {"directory": str(mirror), "refs": 2}
    first = run(client, "mirror-repository", **what)
    assert first == succeeded({**both, "changed": ["refs/heads/main", "refs/tags/old"]})
    assert run(client, "mirror-repository", **what) == succeeded({**both, "changed": []})
    git(origin, "tag", "-d", "old")
    git(origin, "tag", "new")
    sha = commit(origin, {"a": "2"})
    again = run(client, "mirror-repository", **what)
    changed = ["refs/heads/main", "refs/tags/new", "refs/tags/old"]
    assert again == succeeded({**both, "changed": changed})
    assert git(mirror, "rev-parse", "refs/heads/main") == sha
    assert [path.name for path in mirror.parent.iterdir()] == ["shop.git"]
    other = run(client, "mirror-repository", url="/other", directory=str(mirror))
    assert other["errorMessage"] == f"{mirror} is a mirror of {origin}"
    assert other["status"] == "failed"


def kept(images: Path, reference: str, *layers: bytes) -> None:
    """Keep an image of these layers, as a build of the service does."""
    source = images.with_name(reference.replace("/", "-"))
    blobs = source / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(content: bytes) -> dict[str, Any]:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"mediaType": "x", "digest": f"sha256:{name}", "size": len(content)}

    parts = {"config": blob(b"{}"), "layers": [blob(layer) for layer in layers]}
    manifest = blob(json.dumps(parts).encode())
    index = {"schemaVersion": 2, "manifests": [manifest]}
    (source / "index.json").write_text(json.dumps(index))
    add_image(context_of(), source, images, reference)


def test_old_images_are_removed_with_what_is_theirs_alone(
    client: httpx.Client, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    for number in range(4):
        kept(images, f"apphub/shop:{number}", b"shared", b"own %d" % number)
    kept(images, "apphub/blog:0", b"shared", b"own 0")
    before = sorted(images.rglob("*"))
    removed = ["apphub/shop:0", "apphub/shop:1"]
    result = run(client, "prune-images", images=str(images), keep=2, dry_run=True)
    assert result["result"]["removed"] == removed
    assert sorted(images.rglob("*")) == before
    done = run(client, "prune-images", images=str(images), keep=2)
    assert done == result
    assert (done["status"], done["result"]["kept"]) == ("succeeded", 3)
    assert done["result"]["freed_bytes"] > 0
    left = {blob.read_bytes() for blob in (images / "blobs" / "sha256").iterdir()}
    assert {b"shared", b"own 0", b"own 2", b"own 3"} <= left
    assert b"own 1" not in left
    again = run(client, "prune-images", images=str(images), keep=2)
    assert again == succeeded({"removed": [], "kept": 3, "freed_bytes": 0})


def test_secrets_are_found_and_told_by_their_place_alone(
    client: httpx.Client, tmp_path: Path
) -> None:
    key = "AKIA" + "Z" * 16
    login = "https://anna:" + "hunter2" + "@example.org"
    files = {
        "README.md": f"# Shop\nuse {key}\n",
        "src/settings.py": f"URL = '{login}'\n",
        "big.txt": f"{key}\n" + "x" * 1_000_001,
        "plain.txt": "AKIA is no key, https://example.org no secret\n",
    }
    origin = made(tmp_path / "origin", files)
    (origin / "link").symlink_to("/etc/passwd")
    sha = commit(origin, {})
    findings = [
        {"path": "README.md", "line": 2, "rule": "AWS access key"},
        {"path": "src/settings.py", "line": 1, "rule": "password in a URL"},
    ]
    run_id = launch(client, "scan-secrets", parameters={"url": str(origin)})
    ended = wait_for_run(client, run_id)
    assert ended["result"] == {"commit": sha, "files": 5, "findings": findings}
    assert (ended["metrics"]["progress"], ended["metrics"]["findings"]) == (1, 2)
    output = client.get(f"/job-runs/{run_id}/logs").text + json.dumps(ended)
    assert "README.md, line 2: AWS access key" in output
    assert key not in output
    assert "hunter2" not in output


def test_a_days_runs_are_summed_up(client: httpx.Client) -> None:
    register(client, "counted", "test.noop")
    counted = [launch(client, "counted", parameters={}) for _ in "123"]
    canceled = launch(client, "counted", delayMs=3_600_000)
    client.post(f"/job-runs/{canceled}/cancel").raise_for_status()
    ended = [wait_for_run(client, run_id) for run_id in counted]
    day = ended[0]["createdAt"][:10]
    durations = [run["durationMs"] for run in ended]
    result = run(client, "nightly-statistics", api=str(client.base_url), day=day)
    assert result["result"]["day"] == day
    [ours] = [one for one in result["result"]["jobs"] if one["slug"] == "counted"]
    assert ours == {
        "slug": "counted",
        "runs": 4,
        "by_status": {"succeeded": 3, "canceled": 1},
        "median_ms": sorted(durations)[1],
        "longest_ms": max(durations),
    }
    before = run(client, "nightly-statistics", api=str(client.base_url), day="2020-02-29")
    assert before["result"] == {"day": "2020-02-29", "jobs": []}


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_job_in_node_reports_on_packages(client: httpx.Client, tmp_path: Path) -> None:
    web = {"name": "web", "dependencies": {"vue": "*", "vite": "^5"}}
    made(
        tmp_path / "shop",
        {
            "package.json": "{}",
            "web/package.json": json.dumps(web),
            "web/yarn.lock": "",
            "web/node_modules/vue/package.json": "{}",
        },
    )
    nothing = {"dependencies": 0, "unpinned": [], "locked": False}
    reported = {
        "packages": [
            {"path": "package.json", "name": None, **nothing},
            {
                "path": "web/package.json",
                "name": "web",
                "dependencies": 2,
                "unpinned": ["vue"],
                "locked": True,
            },
        ]
    }
    ended = run(client, "package-report", directory=str(tmp_path / "shop"))
    assert ended == succeeded(reported)
    run_id = launch(client, "package-report", parameters={"directory": "shop"}, maxAttempts=1)
    assert wait_for_run(client, run_id)["status"] == "failed"
    log = client.get(f"/job-runs/{run_id}/logs").text
    assert "directory must be an absolute path: shop" in log
