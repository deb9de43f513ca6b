"""The ids of an app's history are whole numbers that nothing changes (contract, section 4)."""

from pathlib import Path

import httpx

from eventlog.database.connection import Database
from eventlog.rebuild.rebuild import rebuild
from projections import repositories
from tests.integration.shared_api import Json, unique
from tests.integration.streams import server_sent
from tests.support.logs import query
from tests.support.processes import eventually
from tests.support.sample_logs.archives import archive_now


def history(client: httpx.Client, app_id: str) -> list[Json]:
    return list(client.get(f"/apps/{app_id}/history").json()["data"])


def cancel_ingestions(client: httpx.Client) -> None:
    asked = {"job": "repository-ingest", "status": "pending"}
    for item in client.get("/job-runs", params=asked).json()["data"]:
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

    asked = "/events?type=repository.ingestion_*&limit=1000"
    events = client.get(asked).json()["data"]
    assert [event["position"] for event in events] == ids[::-1]
    told: list[Json] = []
    types = "repository.ingestion-event"
    with server_sent(client, after=0, types=types) as stream:
        while len(told) < len(ids):
            message = stream.until(lambda message: message["type"] == types)
            told.append(message["data"]["event"])
    assert told == steps[::-1]

    query(database_url, "UPDATE repositories SET name = 'spoilt' RETURNING 1")
    done = await rebuild(
        Database(database_url), repositories.TABLE, print, lambda *_: None
    )
    assert done.mended == 1
    # What is not sealed stays where it is.
    sealed = "SELECT 1 FROM log_seals WHERE position >= %s"
    eventually(lambda: query(database_url, sealed, ids[0]))
    archived = await archive_now(database_url, tmp_path / "data" / "archive")
    assert archived
    assert history(client, app_id) == steps
