"""A later release's migrations may add columns while processes of this one still serve."""

import re
from pathlib import Path

import psycopg

from tests.integration.shared_api import SharedApi, shared_api

EXECUTIONS = 6
"""Psycopg prepares a statement once a session has executed it five times."""

TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def test_they_change_no_answer(database_server: str, shared_dir: Path, tmp_path: Path) -> None:
    with shared_api(database_server, shared_dir, tmp_path) as api:
        ids = _ids_of_some(api)
        paths = [
            re.sub(r"{(\w+)}", lambda match: ids.get(match[1], ids["run_id"]), path)
            for path, operations in api.get("/openapi.json")["paths"].items()
            if "get" in operations and path != "/events/stream"  # It has no end.
        ]
        paths += [f"/job-runs?{query}" for query in ("sort=ended", "status=pending", "search=job")]
        before = {path: _status(api, path) for path in paths for _ in range(EXECUTIONS)}
        with psycopg.connect(api.database_url, autocommit=True) as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                connection.execute(f'ALTER TABLE "{table}" ADD COLUMN added_later integer'.encode())
        assert {path: _status(api, path) for path in paths} == before
        # And commands, by what they read under the lock.
        run_id = api.launch(ids["slug"])["id"]
        assert api.client.post(f"/job-runs/{run_id}/cancel").status_code == 202


def _ids_of_some(api: SharedApi) -> dict[str, str]:
    """Return something of each kind, by the names that paths have for their ids."""
    slug = api.register()["slug"]
    run_id = api.launch(slug)["id"]
    api.client.post(f"/job-runs/{run_id}/cancel").raise_for_status()
    posts = {
        "/schedules": {"id": "hourly", "job": slug, "cron": "0 * * * *"},
        "/bulk": {"action": "cancel", "filter": [f"job={slug}"], "reason": "tidy up"},
        "/apps": {"id": "shop", "name": "Shop", "repoUrl": "https://x.invalid/shop"},
    }
    made = {
        path: api.client.post(path, json=body).raise_for_status().json()["data"]
        for path, body in posts.items()
    }
    view = {"filter": ["status=failed"]}
    api.client.put("/views/mine", json=view).raise_for_status()
    return {
        "slug": slug,
        "run_id": run_id,
        "schedule_id": "hourly",
        "bulk_id": made["/bulk"]["id"],
        "app_id": "shop",
    }


def _status(api: SharedApi, path: str) -> int:
    return api.client.get(path).status_code
