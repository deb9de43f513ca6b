"""Who may do what, once an operator gave out tokens (contract, section 1)."""

import asyncio
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from api.app import build_app
from api.bootstrap.settings import Settings
from catalog.api_extension import EXTENSION
from cli.composition import FOLLOWERS
from tests.integration.shared_api import Json, SharedApi, check_failure, job_body, shared_api
from tests.integration.streams import server_sent, stream
from tests.support.processes import eventually

ALICE, BOB, READER = "token-of-alice", "token/of bob+é", "token-of-reader"
TOKENS = {
    ALICE: {"principal": "alice", "role": "write"},
    BOB: {"principal": "bob", "role": "write"},
    READER: {"principal": "reader", "role": "read"},
}

READS = [
    "/me",
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


OPEN = {
    "/",
    "/asyncapi.json",
    "/dashboard/{build}/{path:path}",
    "/docs",
    "/docs/favicon.png",
    "/docs/start.js",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
    "/health",
    "/openapi.json",
    "/ready",
    "/readyz",
}
"""The routes that tell nothing of what the service holds."""

READS_BY_POST = {"/schedules/preview"}
"""Those whose question is too long for an address."""


def routes() -> list[tuple[str, str]]:
    """Return the methods and paths of all routes, also of those that nobody documents."""
    settings = Settings("postgresql://unused", Path("unused"))
    app = build_app(settings, asyncio.Event(), FOLLOWERS, [EXTENSION])
    return [
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods or ())
        if method != "HEAD" and route.path is not None
    ]


def of_nothing(path: str) -> str:
    """Return the path with names of what there is not."""
    return re.sub(r"\{[^}]+\}", "unknown", path)


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guarded") / "tokens.json"
    path.write_text(json.dumps(TOKENS))
    return path


@pytest.fixture(scope="module")
def guarded(database_server: str, shared_dir: Path, tokens_file: Path) -> Iterator[SharedApi]:
    options = ("--tokens-file", str(tokens_file), "--trusted-proxy", "127.0.0.1")
    with shared_api(database_server, shared_dir, tokens_file.parent / "data", *options) as api:
        yield api


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + token.encode("latin-1")}


def launch(guarded: SharedApi, slug: str, token: str, key: str, body: Json | None = None) -> Json:
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


_numbers = count(1)


def from_elsewhere() -> dict[bytes, bytes]:
    """Return what a proxy says of a client that has not guessed yet."""
    number = next(_numbers)
    return {b"X-Forwarded-For": f"10.0.{number // 256}.{number % 256}".encode()}


@pytest.mark.parametrize("headers", STRANGERS, ids=repr)
def test_nobody_without_a_known_token_gets_in(
    guarded: SharedApi, headers: dict[bytes, bytes]
) -> None:
    before = guarded.count_events()
    for path in READS:
        answer = guarded.client.get(path, headers={**headers, **from_elsewhere()})
        check_failure(answer, 401, "token_missing")
    for path in WRITES:
        for content in (b"{}", b"nonsense", b"", b"[" * 1_000):
            answer = guarded.client.post(
                path,
                content=content,
                headers={**headers, **from_elsewhere(), b"Content-Type": b"text/plain"},
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
    draft = {"id": "nightly", "job": slug, "cron": "0 3 * * *"}
    for query in ("", "?n=1"):
        preview = f"/schedules/preview{query}"
        answer = guarded.client.post(preview, json=draft, headers=bearer(READER))
        assert answer.status_code == 200, answer.text
    for method, path in routes():
        if method == "GET" or path in READS_BY_POST:
            continue
        for content in (b"{}", b"nonsense"):
            answer = guarded.client.request(
                method, of_nothing(path), content=content, headers=bearer(READER)
            )
            check_failure(answer, 403, "token_insufficient")
    assert guarded.count_events() == before


def test_every_route_but_the_open_ones_needs_a_token(guarded: SharedApi) -> None:
    before = guarded.count_events()
    for method, path in routes():
        answer = guarded.client.request(method, of_nothing(path), headers=from_elsewhere())
        if path in OPEN:
            assert answer.status_code != 401, path
        else:
            check_failure(answer, 401, "token_missing")
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
    events = guarded.client.get(f"/job-runs/{run['id']}/events", headers=bearer(READER)).json()[
        "data"
    ]
    assert [event["actor"] for event in events] == ["alice", "bob"]
    retried = guarded.client.post(f"/job-runs/{run['id']}/retry", headers=bearer(BOB)).json()[
        "data"
    ]
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


def test_a_token_may_stand_in_a_streams_query_since_browsers_cannot_send_headers_with_it(
    guarded: SharedApi,
) -> None:
    for token in (ALICE, BOB, READER):
        for path in ("/jobs", "/job-runs", "/job-runs/x/logs", "/events"):
            refused = guarded.client.get(path, params={"token": token})
            check_failure(refused, 401, "token_missing")
        with stream(guarded, token=token) as opened:
            assert opened.next()["type"] == "connection.ack"
        with server_sent(guarded, token=token) as events:
            assert events.next()["type"] == "connection.ack"
    with stream(guarded, headers={"Authorization": f"Bearer {READER}"}) as opened:
        assert opened.next()["type"] == "connection.ack"
    with server_sent(guarded, headers={"Authorization": f"Bearer {READER}"}) as events:
        assert events.next()["type"] == "connection.ack"


@pytest.mark.parametrize("token", [ALICE, BOB])
def test_a_browser_offers_its_token_as_a_protocol_which_no_log_keeps(
    guarded: SharedApi, token: str
) -> None:
    encoded = urlsafe_b64encode(token.encode()).decode().rstrip("=")
    offered = ("apphub-jobs", f"bearer.{encoded}")
    with stream(guarded, subprotocols=offered) as opened:
        assert opened.next()["type"] == "connection.ack"
        assert opened.connection.subprotocol == "apphub-jobs"


@pytest.mark.parametrize("wrong", ["d3Jvbmc", "****", "_w", "a", ""])
def test_a_wrong_protocol_is_no_token(guarded: SharedApi, wrong: str) -> None:
    offered = ("apphub-jobs", f"bearer.{wrong}")
    with pytest.raises(InvalidStatus) as refused, stream(guarded, subprotocols=offered):
        pass
    assert refused.value.response.status_code in {401, 403}


def test_the_stream_is_closed_to_strangers(guarded: SharedApi) -> None:
    for token in (None, "", "wrong", ALICE[:-1]):
        with pytest.raises(InvalidStatus) as refused, stream(guarded, token=token):
            pass
        assert refused.value.response.status_code in {401, 403}


def test_whoever_guesses_tokens_is_slowed_down(guarded: SharedApi) -> None:
    guesser = from_elsewhere()
    assert ask(guarded, ALICE, guesser).status_code == 200
    statuses = [ask(guarded, f"guess {n}", guesser).status_code for n in range(60)]
    assert statuses[:20] == [401] * 20
    assert statuses.count(429) >= 30
    limited = ask(guarded, BOB, guesser)
    check_failure(limited, 429, "too_many_requests")
    assert limited.headers["Retry-After"] == "1"
    assert ask(guarded, ALICE, guesser).status_code == 200
    assert ask(guarded, BOB, from_elsewhere()).status_code == 200


def ask(guarded: SharedApi, token: str, headers: dict[bytes, bytes]) -> httpx.Response:
    return guarded.client.get("/jobs", headers={**bearer(token), **headers})


def test_who_sends_a_request_is_shown(guarded: SharedApi) -> None:
    def me(token: str) -> object:
        return ask_me(guarded, token).json()["data"]

    assert me(ALICE) == {"principal": "alice", "role": "write", "isOpen": False}
    assert me(READER) == {"principal": "reader", "role": "read", "isOpen": False}
    assert ask_me(guarded, "of nobody").status_code == 401


def ask_me(guarded: SharedApi, token: str) -> httpx.Response:
    return guarded.client.get("/me", headers={**bearer(token), **from_elsewhere()})


def test_streams_end_with_the_token_that_opened_them(guarded: SharedApi, tokens_file: Path) -> None:
    """The others go on; nobody sends a request meanwhile."""
    authorization = {"Authorization": f"Bearer {READER}"}
    remaining = {token: holder for token, holder in TOKENS.items() if token != READER}
    try:
        with (
            stream(guarded, headers=authorization) as socket,
            stream(guarded, headers={"Authorization": f"Bearer {ALICE}"}) as others,
            guarded.client.stream("GET", "/events/stream", headers=authorization) as events,
        ):
            socket.next()
            others.next()
            tokens_file.write_text(json.dumps(remaining))
            with pytest.raises(ConnectionClosedError) as closed:
                socket.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
            assert closed.value.rcvd.reason == "the token has been revoked"
            assert events.read().startswith(b"retry")  # It has an end.
            others.connection.send("ping")
            assert others.next()["type"] == "pong"
    finally:
        tokens_file.write_text(json.dumps(TOKENS))
    eventually(lambda: _status(guarded, READER) == 200, what="the old token")


def test_the_file_is_read_again_when_it_changes(guarded: SharedApi, tokens_file: Path) -> None:
    """Last here: it changes what the others use, and puts it back."""
    new = "token-of-carol"
    known = {**TOKENS, new: {"principal": "carol", "role": "read"}}
    del known[READER]
    try:
        tokens_file.write_text(json.dumps(known))
        eventually(lambda: _status(guarded, new) == 200, what="the new token")
        assert _status(guarded, READER) == 401
        tokens_file.write_text("nonsense")
        line = "keeping the previous tokens"
        eventually(
            lambda: _status(guarded, new) == 200 and line in guarded.process.errors[-1],
            what="a word about the file",
        )
        tokens_file.unlink()
        assert _status(guarded, new) == 200
        assert _status(guarded, READER) == 401
    finally:
        tokens_file.write_text(json.dumps(TOKENS))
    eventually(lambda: _status(guarded, READER) == 200, what="the old token")


def _status(guarded: SharedApi, token: str) -> int:
    return ask(guarded, token, from_elsewhere()).status_code


def forged(number: int) -> dict[bytes, bytes]:
    return {b"X-Forwarded-For": f"172.16.{number // 256}.{number % 256}".encode()}


def test_who_forges_addresses_is_slowed_down_like_everybody_who_guesses(
    database_server: str, shared_dir: Path, tokens_file: Path, tmp_path: Path
) -> None:
    options = ("--tokens-file", str(tokens_file))
    with shared_api(database_server, shared_dir, tmp_path, *options) as api:
        statuses = [ask(api, f"guess {n}", forged(n)).status_code for n in range(60)]
    assert statuses[:20] == [401] * 20
    assert statuses.count(429) >= 30


def test_all_addresses_that_a_proxy_names_together_may_guess_so_often(
    database_server: str, shared_dir: Path, tokens_file: Path, tmp_path: Path
) -> None:
    proxy = ("--trusted-proxy", "192.0.2.0/24, 127.0.0.1")
    options = ("--tokens-file", str(tokens_file), *proxy)
    with shared_api(database_server, shared_dir, tmp_path, *options) as api:
        assert ask(api, ALICE, forged(0)).status_code == 200
        statuses: list[int] = []
        while 429 not in statuses:
            number = len(statuses)
            statuses.append(ask(api, f"guess {number}", forged(number)).status_code)
        assert len(statuses) > 100
        assert ask(api, ALICE, forged(0)).status_code == 200
