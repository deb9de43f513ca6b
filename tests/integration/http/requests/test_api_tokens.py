"""Who may do what, once an operator gave out tokens (contract, section 1)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.shared_api import (
    Json,
    SharedApi,
    check_failure,
    job_body,
    shared_api,
    unique,
)
from tests.integration.streams import server_sent, stream

ALICE, BOB, READER = "token-of-alice", "token/of bob+é", "token-of-reader"
TOKENS = {
    ALICE: {"principal": "alice", "role": "write"},
    BOB: {"principal": "bob", "role": "write"},
    READER: {"principal": "reader", "role": "read"},
}

READS = [
    "/jobs",
    "/jobs/repository-build",
    "/jobs/repository-build/runs",
    "/jobs/unknown?limit=0",
    "/apps",
    "/apps/x",
    "/job-runs",
    "/job-runs?status=nonsense",
    "/job-runs?limit=0",
    "/job-runs/x",
    "/job-runs/x/logs",
    "/events/stream",
    "/events/stream?after=x",
]
WRITES = [
    "/jobs",
    "/jobs/repository-build/run",
    "/apps",
    "/job-runs/x/cancel",
    "/job-runs/x/retry",
    "/apps/x/retry",
]


@pytest.fixture(scope="module")
def guarded(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedApi]:
    directory = tmp_path_factory.mktemp("guarded")
    tokens = directory / "tokens.json"
    tokens.write_text(json.dumps(TOKENS))
    with shared_api(
        database_server, shared_dir, directory, "--tokens-file", str(tokens)
    ) as api:
        yield api


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + token.encode("latin-1")}


def launch(
    guarded: SharedApi, slug: str, token: str, key: str, body: Json | None = None
) -> Json:
    headers = {**bearer(token), b"Idempotency-Key": key.encode()}
    answer = guarded.client.post(f"/jobs/{slug}/run", json=body or {}, headers=headers)
    assert answer.status_code == 202, answer.text
    return dict(answer.json()["data"])


def register(guarded: SharedApi) -> str:
    answer = guarded.client.post("/jobs", json=job_body(), headers=bearer(ALICE))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["slug"])


STRANGERS: list[dict[bytes, bytes]] = [
    {},
    {b"Authorization": b"Bearer"},
    bearer("wrong"),
    bearer(f"{ALICE}x"),
    bearer(ALICE[:-1]),
    bearer("\xff\xfe"),
    {b"Authorization": ALICE.encode()},
    {b"Authorization": b"Basic " + ALICE.encode()},
    {b"X-Token": ALICE.encode()},
]


@pytest.mark.parametrize("headers", STRANGERS, ids=repr)
def test_nobody_without_a_known_token_gets_in(
    guarded: SharedApi, headers: dict[bytes, bytes]
) -> None:
    before = guarded.count_events()
    for path in READS:
        check_failure(guarded.client.get(path, headers=headers), 401, "token_missing")
    for path in WRITES:
        for content in (b"{}", b"nonsense", b"", b"[" * 1_000):
            answer = guarded.client.post(
                path,
                content=content,
                headers={**headers, b"Content-Type": b"text/plain"},
            )
            check_failure(answer, 401, "token_missing")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert guarded.count_events() == before


def test_a_token_for_reading_reads_and_writes_nothing(guarded: SharedApi) -> None:
    slug = register(guarded)
    run = launch(guarded, slug, ALICE, "k")
    before = guarded.count_events()
    for path in (
        "/jobs",
        f"/jobs/{slug}",
        "/job-runs",
        "/apps",
        f"/job-runs/{run['id']}",
        f"/job-runs/{run['id']}/events",
        f"/job-runs/{run['id']}/attempts",
        f"/job-runs/{run['id']}/logs",
    ):
        assert guarded.client.get(path, headers=bearer(READER)).status_code == 200
    calls = [
        ("POST", "/jobs", job_body()),
        ("PATCH", f"/jobs/{slug}", {"name": "x"}),
        ("POST", f"/jobs/{slug}/run", {}),
        ("POST", f"/job-runs/{run['id']}/cancel", {}),
        ("POST", f"/job-runs/{run['id']}/retry", {}),
        ("POST", "/apps", {"id": unique(), "name": "x", "repoUrl": "/srv/x"}),
        ("POST", "/apps/unknown/retry", {}),
    ]
    for method, path, body in calls:
        answer = guarded.client.request(method, path, json=body, headers=bearer(READER))
        check_failure(answer, 403, "token_insufficient")
        refused = guarded.client.request(
            method, path, content=b"nonsense", headers=bearer(READER)
        )
        check_failure(refused, 403, "token_insufficient")
    assert guarded.count_events() == before


def test_what_tells_nothing_needs_no_token(guarded: SharedApi) -> None:
    for path in ("/health", "/docs", "/openapi.json", "/asyncapi.json"):
        assert guarded.client.get(path).status_code == 200


def test_a_run_names_who_asked_for_it(guarded: SharedApi) -> None:
    slug = register(guarded)
    assert launch(guarded, slug, BOB, "k")["requestedBy"] == "bob"
    run = launch(guarded, slug, ALICE, "k")
    assert run["requestedBy"] == "alice"
    guarded.client.post(f"/job-runs/{run['id']}/cancel", headers=bearer(BOB))
    events = guarded.client.get(
        f"/job-runs/{run['id']}/events", headers=bearer(READER)
    ).json()["data"]
    assert [event["actor"] for event in events] == ["alice", "bob"]
    retried = guarded.client.post(
        f"/job-runs/{run['id']}/retry", headers=bearer(BOB)
    ).json()["data"]
    assert retried["requestedBy"] == "bob"


def test_idempotency_keys_are_each_principal_s_own(guarded: SharedApi) -> None:
    slug = register(guarded)
    alices, bobs = (
        launch(guarded, slug, ALICE, "k", {"priority": 1}),
        launch(guarded, slug, BOB, "k"),
    )
    assert alices["id"] != bobs["id"]
    assert launch(guarded, slug, ALICE, "k", {"priority": 1}) == alices
    assert launch(guarded, slug, BOB, "k") == bobs


def test_a_token_may_stand_in_the_query_since_browsers_cannot_send_headers_with_a_websocket(
    guarded: SharedApi,
) -> None:
    for token in (ALICE, BOB, READER):
        assert guarded.client.get("/jobs", params={"token": token}).status_code == 200
        with stream(guarded, token=token) as opened:
            assert opened.next()["type"] == "connection.ack"
        with server_sent(guarded, token=token) as events:
            assert events.next()["type"] == "connection.ack"
    with stream(guarded, headers={"Authorization": f"Bearer {READER}"}) as opened:
        assert opened.next()["type"] == "connection.ack"
    with server_sent(guarded, headers={"Authorization": f"Bearer {READER}"}) as events:
        assert events.next()["type"] == "connection.ack"


def test_the_stream_is_closed_to_strangers(guarded: SharedApi) -> None:
    for token in (None, "", "wrong", ALICE[:-1]):
        with pytest.raises(InvalidStatus) as refused, stream(guarded, token=token):
            pass
        assert refused.value.response.status_code in {401, 403}
