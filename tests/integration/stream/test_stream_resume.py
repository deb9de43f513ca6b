"""The stream from any position, filtered or not, over both protocols (contract, section 5)."""

from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError

from tests.integration.shared_api import (
    Json,
    SharedApi,
    check_failure,
    issues_of,
    unique,
)
from tests.integration.streams import server_sent, stream
from tests.support.stream.told import check_marks, is_job, of_events, tell_now, told_of


@pytest.fixture(scope="module")
def slug(shared: SharedApi) -> str:
    """Fill the log with some of everything, and return a job's slug."""
    job = shared.register(slug=unique("Some-Job"))
    other = shared.register()
    for _ in range(3):
        run = shared.launch(job["slug"])
        shared.launch(other["slug"])
        shared.client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
    shared.client.patch(
        f"/jobs/{job['slug']}", json={"name": "Renamed"}
    ).raise_for_status()
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


async def test_a_client_resumes_from_every_position(
    shared: SharedApi, log: Json
) -> None:
    for after in range(log["head"] + 1):
        expected = await tell_now(shared.database_url, after)
        with stream(shared, after=after, logId=log["id"].upper()) as opened:
            received = opened.until_served(log["head"])
        assert [told_of(message) for message in of_events(received)] == expected
        check_marks(received)


def test_the_ack_says_from_where_the_client_will_be_served(
    shared: SharedApi, log: Json
) -> None:
    with stream(shared, after=3) as opened, server_sent(shared, after=3) as events:
        ack, same = opened.next(), events.next()
        assert set(ack) == {"type", "data", "emittedAt"}
        assert {**ack["data"], "now": 0} == {
            "now": 0,
            "logId": log["id"],
            "head": log["head"],
            "after": 3,
        }
        assert {**same["data"], "now": ack["data"]["now"]} == ack["data"]
        assert events.last_id == "3"
    with server_sent(shared) as events:
        assert "after" not in events.next()["data"]
        # So that a browser that is cut off at once misses nothing.
        assert events.last_id == str(log["head"])


async def test_after_what_was_missed_comes_what_happens(
    shared: SharedApi, log: Json
) -> None:
    del log
    with stream(shared, after=0) as opened, server_sent(shared, after=0) as events:
        opened.until_served(3)
        run = shared.launch(shared.register()["slug"])
        expected = await tell_now(shared.database_url)
        opened.until_served(expected[-1].position)
        events.until(
            lambda message: (
                message.get("position") == expected[-1].position
                and "more" not in message
            )
        )
    for received in (opened.received, events.received):
        assert [told_of(message) for message in of_events(received)] == expected
        check_marks(received)
    assert opened.of_run(run["id"])


async def test_server_sent_events_resume_by_the_last_id_that_a_browser_has(
    shared: SharedApi, log: Json
) -> None:
    expected = await tell_now(shared.database_url)
    for cut in range(1, len(expected) + 2):
        # Also between two messages of one position.
        with server_sent(shared, after=0) as events:
            for _ in range(cut):
                events.next()
        seen = [told_of(message) for message in of_events(events.received)]
        while seen and seen[-1].position > int(events.last_id or 0):
            seen.pop()
        # A browser sends its old query again; what it has seen since is stronger.
        with server_sent(
            shared, after=0, headers={"Last-Event-ID": events.last_id or ""}
        ) as events:
            if len(seen) < len(expected):
                events.until(
                    lambda message: (
                        message.get("position", 0) >= log["head"]
                        and "more" not in message
                    )
                )
            else:
                events.next()
        assert (
            seen + [told_of(message) for message in of_events(events.received)]
            == expected
        )


FILTERS: list[tuple[str, set[str]]] = [
    ("job.run.*", {"pending", "canceled", "updated"}),
    ("job.run.pending", {"pending"}),
    (" job.run.canceled , job.run.pending", {"canceled", "pending"}),
    ("job.*", {"job.definition.updated", "pending", "canceled", "updated"}),
    (
        "repository.*,build.updated",
        {"repository.updated", "repository.ingestion-event"},
    ),
    (
        "repository.ingestion-event,job.definition.*",
        {"repository.ingestion-event", "job.definition.updated"},
    ),
    (",", {"*"}),
]


@pytest.mark.parametrize(("types", "kinds"), FILTERS)
async def test_only_the_wanted_types_are_told_and_the_last_of_them_ends_a_position(
    shared: SharedApi, log: Json, types: str, kinds: set[str]
) -> None:
    wanted = {kind if "." in kind else f"job.run.{kind}" for kind in kinds}
    expected = [
        told
        for told in await tell_now(shared.database_url)
        if "*" in kinds or told.type in wanted
    ]
    with (
        stream(shared, after=0, types=types) as opened,
        server_sent(shared, after=0, types=types) as events,
    ):
        received = opened.until_served(log["head"])
        while len(of_events(events.received)) < len(expected):
            events.next()
    for messages in (received, events.received):
        assert [told_of(message) for message in of_events(messages)] == expected
        check_marks(messages)
    assert "*" in kinds or {told.type for told in expected} == wanted


async def test_only_the_wanted_job_is_told_ignoring_case(
    shared: SharedApi, log: Json
) -> None:
    slug = log["slug"].swapcase()
    expected = list(filter(is_job(slug), await tell_now(shared.database_url)))
    assert {told.type.rpartition(".")[2] for told in expected} == {
        "pending",
        "canceled",
        "updated",
    }
    with stream(shared, after=0, job=slug) as opened:
        received = opened.until_served(log["head"])
    assert [told_of(message) for message in of_events(received)] == expected
    check_marks(received)
    with stream(shared, after=0, job=slug, types="job.run.canceled") as opened:
        received = opened.until_served(log["head"])
    canceled = [told for told in expected if told.type == "job.run.canceled"]
    assert [told_of(message) for message in of_events(received)] == canceled
    with stream(shared, after=0, job=unique()) as opened:
        assert of_events(opened.until_served(log["head"])) == []


async def test_filters_hold_for_what_happens_as_well(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    with stream(shared, job=slug, types="job.run.pending,job.run.canceled") as opened:
        run = shared.launch(slug)
        shared.launch(shared.register()["slug"])
        shared.client.post(f"/job-runs/{run['id']}/cancel").raise_for_status()
        head = (await tell_now(shared.database_url))[-1].position
        received = opened.until_served(head)
    told = of_events(received)
    assert [message["type"] for message in told] == [
        "job.run.pending",
        "job.run.canceled",
    ]
    assert not any("more" in message for message in told)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"after": ""}, "/after"),
    ({"after": "x"}, "/after"),
    ({"after": "-1"}, "/after"),
    ({"after": "1.0"}, "/after"),
    ({"after": "+1"}, "/after"),
    ({"after": "\N{ARABIC-INDIC DIGIT ONE}"}, "/after"),
    ({"after": "9" * 19}, "/after"),
    ({"types": "job.run"}, "/types"),
    ({"types": "job.run.pending,nothing"}, "/types"),
    ({"types": "*"}, "/types"),
    ({"types": "job.r*"}, "/types"),
    ({"types": "é" * 200}, "/types"),
    ({"job": ""}, "/job"),
    ({"job": "\N{KELVIN SIGN}"}, "/job"),
    ({"job": "a" * 101}, "/job"),
    ({"job": "a\x00"}, "/job"),
]


def closed_with(shared: SharedApi, query: Json) -> tuple[int, str]:
    """Return code and reason of a connection that the server ends before it says anything."""
    with (
        stream(shared, **query) as opened,
        pytest.raises(ConnectionClosedError) as refused,
    ):
        opened.next()
    assert refused.value.rcvd is not None
    return refused.value.rcvd.code, refused.value.rcvd.reason


@pytest.mark.parametrize(("query", "path"), REFUSED)
def test_what_cannot_be_meant_is_refused_in_words(
    shared: SharedApi, query: Json, path: str
) -> None:
    [issue] = issues_of(shared.client.get("/events/stream", params=query))
    assert issue["path"] == path
    code, reason = closed_with(shared, query)
    assert code == 1008
    assert reason == f"{path[1:]}: {issue['message']}".encode()[:123].decode(
        errors="ignore"
    )


def test_a_last_event_id_that_is_no_position_is_refused(shared: SharedApi) -> None:
    [issue] = issues_of(
        shared.client.get("/events/stream", headers={"Last-Event-ID": "x"})
    )
    assert issue["path"] == "/Last-Event-ID"


async def test_a_position_beyond_the_head_is_an_error_not_a_silence(
    shared: SharedApi, log: Json
) -> None:
    head = (await tell_now(shared.database_url))[-1].position
    message = f"position {head + 1} is beyond the head {head}: read anew what you need, begin there"
    for request in (
        {"params": {"after": head + 1}},
        {"headers": {"Last-Event-ID": str(head + 1)}},
    ):
        check_failure(
            shared.client.get("/events/stream", **request),
            409,
            "position_beyond_head",
            message,
        )
    assert closed_with(shared, {"after": head + 1}) == (1008, message)
    assert closed_with(shared, {"after": "9" * 18})[0] == 1008
    del log


def test_a_position_of_another_log_is_an_error(shared: SharedApi, log: Json) -> None:
    query = {"after": 1, "logId": "0" * 8 + log["id"][8:]}
    answer = shared.client.get("/events/stream", params=query)
    check_failure(answer, 409, "other_log")
    code, reason = closed_with(shared, query)
    assert (code, reason) == (1008, answer.json()["error"])
    assert closed_with(shared, {"logId": "another"}) == (1008, answer.json()["error"])


def test_server_sent_events_are_not_kept_by_anybody_on_the_way(
    shared: SharedApi,
) -> None:
    with server_sent(shared) as events:
        headers = events.answer.headers
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert headers["Cache-Control"] == "no-store"
        assert "Content-Length" not in headers


def test_openapi_knows_the_server_sent_events(shared: SharedApi) -> None:
    operation = shared.get("/openapi.json")["paths"]["/events/stream"]["get"]
    assert set(operation["responses"]) == {"200", "400", "401", "403", "409", "503"}
    assert set(operation["responses"]["200"]["content"]) == {"text/event-stream"}
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        *("after", "logId", "types", "job", "last-event-id")
    }


def test_the_pong_of_a_filtered_client_moves_on(client: httpx.Client) -> None:
    with stream(client, types="build.updated") as opened:
        head = opened.next()["data"]["head"]
        opened.connection.send("ping")
        assert opened.next()["position"] == head
        client.post(
            "/jobs", json={"slug": "x", "name": "x", "type": "batch", "entryPoint": "x"}
        ).raise_for_status()
        assert opened.until_served(head + 1)[-1]["position"] == head + 1
        assert of_events(opened.received) == []
