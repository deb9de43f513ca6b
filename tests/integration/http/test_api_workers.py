"""`/workers`: who lives, who was lost, and who is told to come to its end."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import psycopg
import pytest

from apphub_jobs.client import Client, ConflictError, NotFoundError
from tests.integration.shared_api import Json, SharedApi

WORKERS: dict[str, dict[str, Any]] = {
    "a-alive": {"entry_points": ["b.b", "c.c"], "version": "9.9.9"},
    "b-older": {"entry_points": None, "labels": "{}"},
    "c-draining": {"entry_points": [], "draining_at": "now"},
    "d-silent": {"entry_points": [], "beat_at": "2026-01-01T00:00:00Z"},
    "e-dead": {"entry_points": [], "dead_at": "now"},
    "f-long-dead": {"entry_points": [], "dead_at": "2026-01-01T00:00:00Z"},
    "g-left": {"entry_points": [], "dead_at": "now", "left_at": "now"},
}

STATES = {
    "a-alive": "alive",
    "b-older": "alive",
    "c-draining": "draining",
    "d-silent": "lost",
    "e-dead": "lost",
}


@pytest.fixture(scope="module")
def fleet(shared: SharedApi) -> SharedApi:
    """Give an API beside a fleet that is only made up."""
    with psycopg.connect(shared.database_url, autocommit=True) as connection:
        for worker_id, capabilities in WORKERS.items():
            row = {"id": worker_id, "host": "h", "pid": 7, "slots": 3, **capabilities}
            row.setdefault("labels", '{"zone": "north"}')
            row["lease_ms"] = 3_600_000
            names = ", ".join(row)
            placeholders = ", ".join(f"%({name})s" for name in row)
            insert = f"INSERT INTO workers ({names}) VALUES ({placeholders})"
            connection.execute(insert.encode(), row)
    return shared


def _schema(fleet: SharedApi, path: str, method: str, status: str) -> Json:
    document = fleet.get("/openapi.json")
    answer = document["paths"][path][method]["responses"][status]
    schema = answer["content"]["application/json"]["schema"]
    return {**schema, "components": document["components"]}


def test_workers_are_listed_with_what_they_offer(fleet: SharedApi) -> None:
    answer = fleet.get("/workers")
    workers = answer["data"]
    assert {worker["id"]: worker["state"] for worker in workers} == STATES
    alive, older, *_ = workers
    assert alive["entryPoints"] == ["b.b", "c.c"]
    assert (alive["version"], alive["labels"]) == ("9.9.9", {"zone": "north"})
    assert (alive["host"], alive["pid"], alive["slots"]) == ("h", 7, 3)
    assert alive["busy"] == 0
    assert (older["entryPoints"], older["version"]) == (None, None)
    schema = _schema(fleet, "/workers", "get", "200")
    jsonschema.Draft202012Validator(schema).validate(answer)


def test_workers_come_in_pages(fleet: SharedApi) -> None:
    ids: list[str] = []
    cursor = ""
    lengths: list[int] = []
    while True:
        answer = fleet.get("/workers", limit=2, cursor=cursor)
        ids += [worker["id"] for worker in answer["data"]]
        lengths.append(len(answer["data"]))
        assert answer["meta"]["hasMore"] == (answer["meta"]["nextCursor"] is not None)
        if not answer["meta"]["hasMore"]:
            break
        cursor = answer["meta"]["nextCursor"]
    assert (ids, lengths) == (list(STATES), [2, 2, 1])
    assert fleet.client.get("/workers", params={"limit": 0}).status_code == 400
    assert fleet.client.get("/workers", params={"cursor": "\0"}).status_code == 400


@pytest.fixture
def undrained(fleet: SharedApi) -> Iterator[SharedApi]:
    """Let the worker go on afterwards that a test drains, for others look at it."""
    yield fleet
    with psycopg.connect(fleet.database_url) as connection:
        connection.execute("UPDATE workers SET draining_at = NULL WHERE id = 'a-alive'")


def test_a_worker_is_drained_once_and_for_all(undrained: SharedApi) -> None:
    fleet = undrained
    with fleet.nothing_written():
        first = fleet.client.post("/workers/a-alive/drain")
        again = fleet.client.post("/workers/a-alive/drain")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["data"]["state"] == "draining"
    schema = _schema(fleet, "/workers/{worker_id}/drain", "post", "202")
    jsonschema.Draft202012Validator(schema).validate(again.json())


def test_only_a_living_worker_can_be_drained(fleet: SharedApi) -> None:
    for worker_id, status, code in (
        ("nobody", 404, "worker_not_found"),
        ("g-left", 404, "worker_not_found"),
        ("e-dead", 409, "worker_lost"),
    ):
        answer = fleet.client.post(f"/workers/{worker_id}/drain")
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_client_knows_workers(fleet: SharedApi) -> None:
    with Client(str(fleet.client.base_url)) as client:
        by_id = {worker.id: worker for worker in client.workers()}
        older = by_id["b-older"]
        assert list(by_id) == list(STATES)
        assert (older.state, older.host, older.slots, older.busy) == ("alive", "h", 3, 0)
        assert (older.version, older.entry_points) == (None, None)
        assert older.started_at <= older.last_beat_at
        assert client.drain("c-draining").state == "draining"
        with pytest.raises(NotFoundError):
            client.drain("no/body")
        with pytest.raises(ConflictError):
            client.drain("e-dead")
