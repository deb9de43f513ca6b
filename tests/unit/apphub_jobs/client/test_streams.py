"""From the stream's bytes to messages, and from where it is resumed."""

import json
from typing import Any

import pytest

from apphub_jobs import stream
from apphub_jobs.client import ClientError, StreamRefusedError
from apphub_jobs.client.documents import Message
from apphub_jobs.client.http import EventStream, LineBuffer


def event(position: int, **more: Any) -> bytes:
    message = {"type": "job.run.pending", "position": position, "eventId": "e", **more}
    return sent(message)


def sent(message: dict[str, Any]) -> bytes:
    text = json.dumps(message, ensure_ascii=False)
    return f"id: 7\nevent: {message['type']}\ndata: {text}\n\n".encode()


def received(event_stream: EventStream, stream: bytes, chunk_bytes: int) -> list[Message]:
    lines = LineBuffer()
    return [
        message
        for start in range(0, len(stream), chunk_bytes)
        for line in lines.feed(stream[start : start + chunk_bytes])
        for message in event_stream.feed(line)
    ]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 10_000])
def test_messages_are_the_same_however_the_bytes_come(chunk_bytes: int) -> None:
    # Python's own idea of lines has ends within these texts; JSON keeps them as they are.
    text = "a\u2028b\u0085c\x1cd\u2029é\U0001f600"
    stream = b"retry: 1000\n" + b"".join([event(1, data={"run": {"id": text}}), event(2, data={})])
    one, two = received(EventStream(), stream, chunk_bytes)
    assert one.run is not None
    assert (one.run.id, one.position, two.position) == (text, 1, 2)


def test_a_positions_messages_come_together_and_count_once_all_are_handled() -> None:
    event_stream = EventStream(after=3)
    assert received(event_stream, event(4, more=True), 100) == []
    # The connection is lost; the next one tells all of the position.
    assert event_stream.connect() == {"after": 3}
    *before, end = LineBuffer().feed(event(4, more=True) + event(4))
    assert [list(event_stream.feed(line)) for line in before] == [[]] * len(before)
    messages = event_stream.feed(end)
    assert (next(messages)["more"], event_stream.position) == (True, 3)
    assert (next(messages).position, event_stream.position) == (4, 3)
    assert next(messages, None) is None
    assert event_stream.position == 4


def test_a_stream_without_a_position_resumes_from_the_head_and_from_heartbeats() -> None:
    event_stream = EventStream()
    assert event_stream.connect() == {}
    data = {"logId": "l", "head": 9}
    [ack] = received(event_stream, sent({"type": "connection.ack", "data": data}), 100)
    assert not ack.is_event
    assert event_stream.connect() == {"after": 9, "logId": "l"}
    received(event_stream, sent({"type": "heartbeat", "position": 12}), 100)
    assert event_stream.connect() == {"after": 12, "logId": "l"}


def test_all_streams_are_refused_by_one_error() -> None:
    assert issubclass(StreamRefusedError, ClientError)
    assert stream.StreamRefusedError is StreamRefusedError


def test_a_stream_that_is_ended_for_good_says_why() -> None:
    ended = sent({"type": "connection.ended", "data": {"reason": "the log went back"}})
    with pytest.raises(StreamRefusedError, match="the log went back"):
        received(EventStream(), ended, 100)


def test_what_comes_after_the_last_line_is_not_lost() -> None:
    lines = LineBuffer()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"") == []
    assert lines.flush() == ["tw"]
    assert lines.flush() == []
    assert lines.received_bytes == 6
