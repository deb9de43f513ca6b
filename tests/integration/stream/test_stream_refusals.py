"""Questions to the stream that cannot be meant are refused in words, over both protocols."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from tests.integration.shared_api import Json, SharedApi, check_failure, issues_of
from tests.integration.streams import stream
from tests.support.stream.expected import messages_in

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
    ({"after": ["1", "2"]}, "/after"),
    ({"types": ["job.run.pending", "job.run.running"]}, "/types"),
    ({"type": "job.run.pending"}, "/type"),
    ({"jobs": "report"}, "/jobs"),
    ({"job": ""}, "/job"),
    ({"job": "\N{KELVIN SIGN}"}, "/job"),
    ({"job": "a" * 101}, "/job"),
    ({"job": "a\x00"}, "/job"),
]


def closed_with(shared: SharedApi, query: Json) -> tuple[int, str]:
    """Return code and reason of a connection that the server ends before it says anything."""
    with stream(shared, **query) as opened, pytest.raises(ConnectionClosedError) as refused:
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
    assert reason == f"{path[1:]}: {issue['message']}".encode()[:123].decode(errors="ignore")


def test_parameters_of_the_platforms_own_clients_are_ignored(shared: SharedApi) -> None:
    with stream(shared, session="7", _="1") as opened:
        assert opened.next()["type"] == "connection.ack"


def test_a_last_event_id_that_is_no_position_is_refused(shared: SharedApi) -> None:
    [issue] = issues_of(shared.client.get("/events/stream", headers={"Last-Event-ID": "x"}))
    assert issue["path"] == "/Last-Event-ID"


async def test_a_position_beyond_the_head_is_an_error_not_a_silence(
    shared: SharedApi, log: Json
) -> None:
    head = (await messages_in(shared.database_url))[-1].position
    message = f"position {head + 1} is beyond the head {head}: read anew what you need, begin there"
    for request in ({"params": {"after": head + 1}}, {"headers": {"Last-Event-ID": str(head + 1)}}):
        check_failure(
            shared.client.get("/events/stream", **request), 409, "position_beyond_head", message
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
