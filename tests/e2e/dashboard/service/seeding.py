"""What has happened in the world that the dashboard shows: a day at AppHub, in a few seconds."""

from pathlib import Path
from shutil import rmtree
from typing import Any

import httpx

from tests.e2e.dashboard.service import jobs_of_apphub
from tests.support.git.repositories import repository
from tests.support.processes import eventually, wait_for_run

Json = dict[str, Any]

GIT = Path("/tmp/git")
"""Where repositories of apps lie."""

REPOSITORIES = (
    "storefront",
    "payments-api",
    "docs",
    "design-system",
    "search-indexer",
    "mobile-gateway",
)

PREVIEW = """<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180">
<rect width="320" height="180" fill="#eef1fb"/><rect width="320" height="36" fill="#2f4fd0"/>
<rect x="20" y="56" width="130" height="104" rx="8" fill="#c9d3f5"/>
<rect x="170" y="56" width="130" height="12" rx="6" fill="#9fb0ea"/>
<rect x="170" y="78" width="90" height="12" rx="6" fill="#c9d3f5"/></svg>
"""

APPS = (
    ("storefront", "What visitors see and buy", ("framework:nextjs", "team:shop")),
    ("payments-api", "Cards, invoices and refunds", ("language:go", "team:money")),
    ("docs", "Guides and reference", ("framework:astro", "team:docs")),
)


def launch(client: httpx.Client, slug: str, **parameters: Any) -> str:
    """Launch a run; return its id."""
    answer = client.post(f"/jobs/{slug}/run", json={"parameters": parameters})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["id"])


def seed(client: httpx.Client) -> str:
    """Let happen what tests speak of; return a run that failed before it succeeded."""
    for job in jobs_of_apphub.JOBS:
        client.post("/jobs", json=job.definition).raise_for_status()
    runs = [
        launch(client, "scan-secrets", repository=name)
        for name in ("web", "vanished", "vanished", "docs")
    ]
    retried = launch(client, "render-previews", app="storefront")
    other = launch(client, "render-previews", app="docs", pages=2)
    for run in [*runs, retried, other]:
        wait_for_run(client, run)
    return retried


def seed_for_pictures(client: httpx.Client) -> None:
    """Let much more happen, for people to look at."""
    rmtree(GIT, ignore_errors=True)
    GIT.mkdir()
    _have_apps(client, GIT)
    _have_schedules(client)
    runs = [
        launch(client, "scan-secrets", repository=name, depth=depth)
        for depth in (1, 2, 3)
        for name in REPOSITORIES
    ]
    runs += [launch(client, "render-previews", app=name) for name in REPOSITORIES[:3]]
    for run in runs:
        wait_for_run(client, run)
    launch(client, "nightly-statistics", until_canceled=True)
    for name in REPOSITORIES[:2]:
        launch(client, "send-release-notes", app=name, version="4.2.0")
    reason = {"reason": "the registry is being moved"}
    client.post("/jobs/purge-image-cache/pause", json=reason).raise_for_status()
    launch(client, "purge-image-cache", older_than_days=14)
    revision = {"timeoutMs": 120_000, "maxConcurrentRuns": 4}
    client.patch("/jobs/scan-secrets", json=revision).raise_for_status()


def _have_apps(client: httpx.Client, directory: Path) -> None:
    for name, description, tags in APPS:
        files = {
            "Dockerfile": "FROM scratch\nCOPY README.md /\n",
            "README.md": f"# {name}\n\n{description}.\n\n![Screenshot](shot.svg)\n",
            "shot.svg": PREVIEW,
        }
        root = repository(directory, files, name)
        pairs = [tag.split(":") for tag in tags]
        app = {
            "id": name,
            "name": name.replace("-", " ").capitalize(),
            "description": description,
            "repoUrl": str(root),
            "tags": [{"key": key, "value": value} for key, value in pairs],
        }
        client.post("/apps", json=app).raise_for_status()
    for name, _, _ in APPS:
        eventually(lambda name=name: _is_ready(client, name), what=f"{name} is ready")
    for name in ("storefront", "docs"):
        build = client.post(f"/apps/{name}/builds").raise_for_status().json()["data"]
        eventually(lambda build=build: _is_built(client, build), what="the build")


def _is_ready(client: httpx.Client, name: str) -> bool:
    app: Json = client.get(f"/apps/{name}").raise_for_status().json()["data"]
    return bool(app["ingestStatus"] == "ready")


def _is_built(client: httpx.Client, build: Json) -> bool:
    path = f"/apps/{build['repositoryId']}/builds"
    builds = client.get(path).raise_for_status().json()["data"]
    return any(one["id"] == build["id"] and one["completedAt"] is not None for one in builds)


def _have_schedules(client: httpx.Client) -> None:
    berlin = {"timeZone": "Europe/Berlin"}
    weekly = {
        "id": "weekly-previews",
        "job": "render-previews",
        "cron": "30 6 * * 1",
        "parameters": {"app": "storefront"},
        **berlin,
    }
    often = {
        "id": "secrets-of-docs",
        "job": "scan-secrets",
        "everyMs": 1_000,
        "parameters": {"repository": "docs"},
    }
    for body in (weekly, often):
        client.post("/schedules", json=body).raise_for_status()
    eventually(lambda: _has_ticked(client, "secrets-of-docs", 4), what="four ticks")
    quarterly = {"everyMs": None, "cron": "*/15 * * * *"}
    client.patch("/schedules/secrets-of-docs", json=quarterly).raise_for_status()


def _has_ticked(client: httpx.Client, schedule: str, times: int) -> bool:
    path = f"/schedules/{schedule}/ticks"
    ticks = client.get(path).raise_for_status().json()["data"]
    return len(ticks) >= times
