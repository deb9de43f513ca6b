"""A log with some of everything, which the tests of the stream read."""

import pytest

from tests.integration.shared_api import Json, SharedApi, unique


@pytest.fixture(scope="module")
def slug(shared: SharedApi) -> str:
    """Fill the log with some of everything, and return a job's slug."""
    job = shared.register(slug=unique("Some-Job"))
    other = shared.register()
    for _ in range(3):
        run = shared.launch(job["slug"])
        shared.launch(other["slug"])
        shared.client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
    shared.client.patch(f"/jobs/{job['slug']}", json={"name": "Renamed"}).raise_for_status()
    app = {"id": unique("app"), "name": "An app", "repoUrl": "/srv/x"}
    shared.client.post("/apps", json=app).raise_for_status()
    return str(job["slug"])


@pytest.fixture
def log(shared: SharedApi, slug: str) -> Json:
    """Return the filled log's id, its head and a job's slug."""
    [row] = shared.rows(
        "SELECT id::text, (SELECT max(notification_id) FROM jobs_events) AS head FROM log_identity"
    )
    return {**row, "slug": slug}
