"""Pages of other origins call the API by a browser (CORS), over HTTP and WebSocket alike."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.shared_api import SharedApi, check_failure, job_body, shared_api
from tests.integration.streams import stream

FRONTEND = "http://localhost:5173"
LISTED = "https://apphub.example"
FOREIGN = "https://evil.example"
TOKEN = {"Authorization": "Bearer token-of-alice"}

ASKED = [
    ("GET", "/jobs"),
    ("POST", "/jobs"),
    ("PATCH", "/jobs/repository-build"),
    ("POST", "/jobs/repository-build/run"),
    ("GET", "/job-runs/x/logs"),
    ("GET", "/events/stream"),
    ("DELETE", "/nowhere"),
]


@pytest.fixture(scope="module")
def guarded(
    database_server: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedApi]:
    """Give an API with tokens that one page may use."""
    directory = tmp_path_factory.mktemp("guarded")
    tokens = directory / "tokens.json"
    tokens.write_text('{"token-of-alice": {"principal": "alice", "role": "write"}}')
    options = ("--tokens-file", str(tokens), "--cors-origin", LISTED)
    with shared_api(database_server, shared_dir, directory, *options) as api:
        yield api


def preflight(api: SharedApi, origin: str, method: str, path: str) -> httpx.Response:
    """Ask as a browser does before a request with headers of its own."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,x-apphub-module-id",
    }
    return api.client.options(path, headers=headers)


def check_allowed(answer: httpx.Response, origin: str) -> None:
    """Check that a browser would let the page read the answer."""
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]


def check_hidden(answer: httpx.Response) -> None:
    """Check that a browser would keep the answer from the page."""
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_a_page_of_this_machine_is_told_what_it_may(
    shared: SharedApi, method: str, path: str
) -> None:
    answer = preflight(shared, FRONTEND, method, path)
    assert (answer.status_code, answer.content) == (204, b"")
    check_allowed(answer, FRONTEND)
    assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    assert answer.headers["Access-Control-Allow-Headers"] == (
        "authorization,content-type,x-apphub-module-id"
    )


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_a_foreign_page_is_not(shared: SharedApi, method: str, path: str) -> None:
    answer = preflight(shared, FOREIGN, method, path)
    check_failure(answer, 403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_page_of_this_machine_reads_successes_and_failures(shared: SharedApi) -> None:
    headers = {"Origin": FRONTEND}
    body = job_body()
    registered = shared.client.post("/jobs", json=body, headers=headers)
    launched = shared.client.post(f"/jobs/{body['slug']}/run", headers=headers)
    assert (registered.status_code, launched.status_code) == (201, 202)
    failures = [
        shared.client.post("/jobs", json=body, headers=headers),
        shared.client.post("/jobs", json={}, headers=headers),
        shared.client.post("/jobs", content="x" * 2_000_000, headers=headers),
        shared.client.post("/jobs", content="x", headers=headers),
        shared.client.get("/nowhere", headers=headers),
        shared.client.get("/jobs/unknown", headers=headers),
        shared.client.delete("/jobs", headers=headers),
    ]
    statuses = [answer.status_code for answer in failures]
    assert statuses == [409, 400, 413, 415, 404, 404, 405]
    for answer in (registered, launched, *failures):
        check_allowed(answer, FRONTEND)


def test_what_comes_from_no_page_is_answered_as_ever(shared: SharedApi) -> None:
    check_hidden(shared.client.get("/jobs"))
    preflight = shared.client.options("/jobs")
    check_failure(preflight, 405, "method_not_allowed")


def test_with_tokens_only_listed_pages_may(guarded: SharedApi) -> None:
    check_allowed(preflight(guarded, LISTED, "POST", "/jobs"), LISTED)
    read = guarded.client.get("/jobs", headers={**TOKEN, "Origin": LISTED})
    assert read.status_code == 200
    check_allowed(read, LISTED)
    # A page must read that its token is missing, too.
    refused = guarded.client.get("/jobs", headers={"Origin": LISTED})
    check_failure(refused, 401, "token_missing")
    check_allowed(refused, LISTED)
    for origin in (FRONTEND, FOREIGN):
        check_failure(preflight(guarded, origin, "POST", "/jobs"), 403, "origin_not_allowed")
        check_hidden(guarded.client.get("/jobs", headers={**TOKEN, "Origin": origin}))


def test_the_websocket_follows_the_same_list(shared: SharedApi, guarded: SharedApi) -> None:
    with stream(shared, headers={"Origin": FRONTEND}) as follower:
        assert follower.next()["type"] == "connection.ack"
    with stream(guarded, headers={"Origin": LISTED}, token="token-of-alice") as follower:
        assert follower.next()["type"] == "connection.ack"
    with stream(guarded, token="token-of-alice") as follower:  # No page at all.
        assert follower.next()["type"] == "connection.ack"
    for api, origin in ((shared, FOREIGN), (guarded, FOREIGN), (guarded, FRONTEND)):
        with (
            pytest.raises(InvalidStatus) as refused,
            stream(api, headers={"Origin": origin}, token="token-of-alice"),
        ):
            pass
        assert refused.value.response.status_code == 403


def test_every_page_may_but_never_with_credentials(
    database_server: str, shared_dir: Path, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"t": {"principal": "alice", "role": "read"}}))
    options = ("--tokens-file", str(tokens), "--cors-origin", "*")
    with shared_api(database_server, shared_dir, tmp_path, *options) as api:
        headers = {"Origin": FOREIGN, "Authorization": "Bearer t"}
        for answer in (
            preflight(api, FOREIGN, "GET", "/jobs"),
            api.client.get("/jobs", headers=headers),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers
