"""Whole records of apps, made from repositories by API, worker and git (contract, section 9)."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import ROOT
from tests.e2e.catalog.odd_cases import ODD_CASES, ODD_ORIGINS
from tests.e2e.catalog.record_cases import CASES, Case, Json
from tests.support import databases
from tests.support.git.repositories import git, imported, repository
from tests.support.processes import eventually, started

ALL_CASES = {
    **CASES,
    **ODD_CASES,
    **{name: Case({}, shows) for name, (_, shows) in ODD_ORIGINS.items()},
}


@pytest.fixture(scope="module")
def records(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Json], httpx.Client]]:
    """Ingest all repositories at once, and give the apps' records."""
    base = tmp_path_factory.mktemp("repositories")
    with databases.clone(
        database_server, databases.template(database_server, shared_dir)
    ) as database_url:
        variables = {
            "APPHUB_DATABASE_URL": database_url,
            "APPHUB_BUILDER": "docker",
            "APPHUB_SLOTS": "2",
        }
        data = ("--data-dir", str(tmp_path_factory.mktemp("data")))
        with (
            started("serve", "--port", "0", *data, **variables) as api,
            started("worker", *data, **variables),
            httpx.Client(base_url=api.url(), timeout=90) as client,
        ):
            origins = {name: str(origin_of(base, name, case)) for name, case in ALL_CASES.items()}
            origins["this"] = str(ROOT)
            for name, origin in origins.items():
                app = {"id": name, "name": "As given", "description": "Given", "repoUrl": origin}
                more = ALL_CASES[name].app if name in ALL_CASES else {}
                client.post("/apps", json={**app, **more}).raise_for_status()
            yield (
                eventually(lambda: ended(client), 110, "all ingestions and builds ending"),
                client,
            )


def origin_of(base: Path, name: str, case: Case) -> Path:
    if name in ODD_ORIGINS:
        make, _ = ODD_ORIGINS[name]
        return make(base)
    if not case.links:
        return repository(base, case.files, name)
    directory = base / name
    directory.mkdir()
    files = {
        path.encode(): text.encode() if isinstance(text, str) else text
        for path, text in case.files.items()
    }
    return imported(directory, files, case.links)


def ended(client: httpx.Client) -> dict[str, Json] | None:
    apps = client.get("/apps").json()["data"]
    over = all(
        app["ingestStatus"] == "failed"
        or (app["latestBuild"] is not None and app["latestBuild"]["status"] == "failed")
        for app in apps
    )
    return {app["id"]: app for app in apps} if over else None


@pytest.mark.parametrize("name", ALL_CASES)
def test_a_record_is_what_its_repository_says(
    records: tuple[dict[str, Json], httpx.Client], name: str
) -> None:
    app, case = dict(records[0][name]), ALL_CASES[name]
    as_given: Json = {
        "id": name,
        "name": "As given",
        "description": "Given",
        "dockerfilePath": "Dockerfile",
        "ingestStatus": "ready",
        "ingestError": None,
        "ingestAttempts": 1,
        "latestLaunch": None,
        "previewTiles": [],
        "launchEnvTemplates": [],
        "metadataStrategy": "auto",
        "tags": [],
    }
    app["tags"] = [f"{tag['key']}:{tag['value']}" for tag in app["tags"]]
    build = app.pop("latestBuild")
    for other in ("repoUrl", "updatedAt", "relevance"):
        app.pop(other)
    expected = {**as_given, **case.app, **case.shows}
    if "tags" in case.app and "tags" not in case.shows:
        expected["tags"] = [f"{tag['key']}:{tag['value']}" for tag in case.app["tags"]]
    assert app == expected
    assert (build is not None) == (expected["ingestStatus"] == "ready")


def test_this_very_repository_is_ingested(records: tuple[dict[str, Json], httpx.Client]) -> None:
    apps, client = records
    app, root = apps["this"], ROOT
    assert (app["ingestStatus"], app["dockerfilePath"]) == ("ready", "Dockerfile")
    assert app["description"] in (root / "README.md").read_text().splitlines()
    assert {"key": "language", "value": "python"} in app["tags"]
    [step, *_] = client.get("/apps/this/history").json()["data"]
    assert (step["commitSha"], step["attempt"], step["status"]) == (
        git(root, "rev-parse", "HEAD"),
        1,
        "ready",
    )
    assert step["durationMs"] > 0
    build = client.get("/apps/this/builds").json()["data"][0]
    assert build["commitSha"] == step["commitSha"]


@pytest.mark.parametrize("name", ["no-dockerfile", "submodule"])
def test_a_failed_ingestion_tells_which_commit_it_read(
    records: tuple[dict[str, Json], httpx.Client], name: str
) -> None:
    apps, client = records
    [failed, *_] = client.get(f"/apps/{name}/history").json()["data"]
    commit = git(Path(apps[name]["repoUrl"]), "rev-parse", "HEAD")
    assert (failed["status"], failed["commitSha"]) == ("failed", commit)


def test_without_a_builder_a_build_says_what_to_install(
    records: tuple[dict[str, Json], httpx.Client],
) -> None:
    _, client = records
    [build] = client.get("/apps/node/builds").json()["data"]
    assert "docker" in build["errorMessage"]
