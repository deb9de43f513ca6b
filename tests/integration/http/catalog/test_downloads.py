"""Downloads of logs are kept by no browser and no proxy."""

import pytest

from tests.integration.http.catalog.apps import add
from tests.integration.shared_api import SharedApi


@pytest.mark.parametrize("path", ["/builds/{id}/logs?download=1", "/job-runs/{jobRunId}/logs"])
def test_a_downloaded_log_is_not_kept(shared: SharedApi, path: str) -> None:
    app = add(shared)
    build = shared.client.post(f"/apps/{app['id']}/builds").json()["data"]
    answer = shared.client.get(path.format(**build))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
