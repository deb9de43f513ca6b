"""Apps that tests add over HTTP."""

from typing import Any

from tests.integration.shared_api import Json, SharedApi, unique


def app_body(**fields: Any) -> Json:
    """Return the least that adds an app, with these fields changed."""
    return {"id": unique("app"), "name": "An app", "repoUrl": "/srv/git/app", **fields}


def add(shared: SharedApi, **fields: Any) -> Json:
    """Add an app, and return it."""
    answer = shared.client.post("/apps", json=app_body(**fields))
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


def ingestions(shared: SharedApi, app_id: str) -> list[Json]:
    """Return the runs of the app's ingestion, the newest first."""
    runs = shared.get("/job-runs", job="repository-ingest", limit=50)["data"]
    return [item["run"] for item in runs if item["run"]["parameters"] == {"repositoryId": app_id}]
