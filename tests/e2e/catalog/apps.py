"""An app that the tests of the catalog add, and its builds."""

from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import eventually

Json = dict[str, Any]

SCRATCH = {"Dockerfile": "FROM scratch\nCOPY hello.txt /\n", "hello.txt": "hello\n"}

ENDED = {"succeeded", "failed", "canceled"}


def add(client: httpx.Client, origin: Path, **fields: Any) -> Json:
    """Add an app whose repository this is, and return it."""
    body = {"id": "Shop", "name": "Shop", "description": "", "repoUrl": str(origin), **fields}
    answer = client.post("/apps", json=body)
    assert answer.status_code == 201, answer.text
    app: Json = answer.json()["data"]
    assert app["ingestStatus"] == "pending"
    return app


def built(
    client: httpx.Client, timeout_s: float = 60, *, number: int = 1, app_id: str = "Shop"
) -> Json:
    """Wait until this many builds of the app have ended, and return the newest."""

    def ended() -> Json | None:
        builds = client.get(f"/apps/{app_id}/builds?limit=100").json()["data"]
        over = len(builds) >= number and all(build["status"] in ENDED for build in builds)
        return dict(builds[0]) if over else None

    return dict(eventually(ended, timeout_s, f"{number} builds of {app_id} ending"))
