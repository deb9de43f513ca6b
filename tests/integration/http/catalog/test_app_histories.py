"""The ids of an app's history are whole numbers that nothing changes (contract, section 4)."""

from pathlib import Path

import httpx

from catalog import repository_rows
from eventlog.database.connection import Database
from eventlog.rebuild.rebuild import rebuild
from tests.integration.shared_api import Json, unique
from tests.integration.streams import server_sent
from tests.support.logs import query
from tests.support.processes import eventually
from tests.support.sample_logs.archives import archive_now


def history(client: httpx.Client, app_id: str) -> list[Json]:
    return list(client.get(f"/apps/{app_id}/history").json()["data"])


def cancel_ingestions(client: httpx.Client) -> None:
    conditions = {"job": "repository-ingest", "status": "pending"}
    for item in client.get("/job-runs", params=conditions).json()["data"]:
        client.post(f"/job-runs/{item['run']['id']}/cancel").raise_for_status()


async def test_ids_are_positions_and_stay_after_a_rebuild_and_an_archive(
    client: httpx.Client, database_url: str, tmp_path: Path
) -> None:
    app_id = unique("app")
    body = {"id": app_id, "name": "x", "repoUrl": "/srv/x"}
    client.post("/apps", json=body).raise_for_status()
    cancel_ingestions(client)
    client.post(f"/apps/{app_id}/retry").raise_for_status()
    cancel_ingestions(client)
    steps = history(client, app_id)
    assert [step["status"] for step in steps] == ["failed", "pending"] * 2
    ids = [step["id"] for step in steps]
    assert ids == sorted(ids, reverse=True)

    path = "/events?type=repository.ingestion_*&limit=1000"
    events = client.get(path).json()["data"]
    assert [event["position"] for event in events] == ids[::-1]
    entries: list[Json] = []
    types = "repository.ingestion-event"
    with server_sent(client, after=0, types=types) as stream:
        while len(entries) < len(ids):
            message = stream.until(lambda message: message["type"] == types)
            entries.append(message["data"]["event"])
    assert entries == steps[::-1]

    query(database_url, "UPDATE repositories SET name = 'spoilt' RETURNING 1")
    done = await rebuild(Database(database_url), repository_rows.TABLE, print, lambda *_: None)
    assert done.repaired == 1
    # What is not sealed stays where it is.
    sealed = "SELECT 1 FROM log_seals WHERE position >= %s"
    eventually(lambda: query(database_url, sealed, ids[0]))
    archived = await archive_now(database_url, tmp_path / "data" / "archive")
    assert archived
    assert history(client, app_id) == steps


MORE_FAILURES = """
    INSERT INTO jobs_events (originator_id, originator_version, topic, state)
    SELECT originator_id, originator_version + number, topic, convert_to(jsonb_set(
        convert_from(state, 'UTF8')::jsonb, '{error}', to_jsonb(repeat('x', %s::int))
    )::text, 'UTF8')
    FROM jobs_events, generate_series(1, %s) AS number
    WHERE notification_id = (SELECT max(notification_id) FROM jobs_events
        WHERE topic = 'repository.ingestion_failed')
    RETURNING 1
"""


def test_a_long_history_comes_in_pages_and_in_parts_of_bounded_size(
    client: httpx.Client, database_url: str
) -> None:
    app_id = unique("app")
    body = {"id": app_id, "name": "x", "repoUrl": "/srv/x"}
    client.post("/apps", json=body).raise_for_status()
    cancel_ingestions(client)
    query(database_url, MORE_FAILURES, 1_000_000, 12)
    path = f"/apps/{app_id}/history"
    pages: list[list[Json]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(path, params={"limit": 10, "cursor": cursor}).json()
        pages.append(page["data"])
        cursor = page["meta"]["nextCursor"]
        assert page["meta"]["hasMore"] is (cursor is not None)
    assert max(map(len, pages)) < 10  # Ten have ten megabytes.
    steps = [step for page in pages for step in page]
    assert len(steps) == 14
    assert history(client, app_id) == steps
    assert client.get(path, params={"limit": 2}).json()["data"] == steps[:2]


def test_no_app_has_no_history(client: httpx.Client) -> None:
    for app_id in ("none", "%00"):
        assert client.get(f"/apps/{app_id}/history").status_code == 404
