"""An API that is asked to stop while the database is slow says what came of each write."""

import http.client
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from eventlog.database import sql
from tests.e2e.support import register
from tests.support.logs import query
from tests.support.processes import Process, eventually
from tests.support.slow import slow

LAUNCHES = 40


@dataclass(frozen=True)
class _Answer:
    status: int
    content_type: str | None
    body: dict[str, Any]


class _Launch:
    """A launch over a connection of its own; once made, the application waits for its body."""

    def __init__(self, url: httpx.URL, number: int) -> None:
        self._body = json.dumps({"parameters": {"number": number}}).encode()
        self.number = number
        self.socket = socket.create_connection((url.host, url.port), timeout=90)
        head = (
            f"POST /jobs/job/run HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n"
            "Expect: 100-continue\r\n\r\n"
        )
        self.socket.sendall(head.encode())
        assert self.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"

    def send(self) -> None:
        """Send the body."""
        self.socket.sendall(self._body)

    def answer(self) -> _Answer:
        """Wait for the answer."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        content_type = response.getheader("content-type")
        text = response.read()
        assert content_type == "application/json", (response.status, text)
        return _Answer(response.status, content_type, json.loads(text))


@pytest.fixture
def launches(client: httpx.Client) -> Iterator[list[_Launch]]:
    """Give launches that have begun."""
    register(client, "job", "test.noop")
    begun = [_Launch(client.base_url, number) for number in range(LAUNCHES)]
    with ExitStack() as stack:
        for launch in begun:
            stack.enter_context(launch.socket)
        yield begun


def _existing(database_url: str) -> set[int]:
    rows = query(database_url, "SELECT parameters ->> 'number' AS number FROM job_runs")
    return {int(number) for (number,) in rows}


def _waits_for_the_lock(session: psycopg.Connection[Any]) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    row = session.execute(query).fetchone()
    return row is not None and row[0] > 0


@pytest.mark.parametrize("signals", [1, slow(2)])
def test_launches_that_wait_for_the_log_were_not_written(
    api: Process, database_url: str, launches: list[_Launch], signals: int
) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", (sql.APPEND_LOCK,))
        for launch in launches:
            launch.send()
        eventually(lambda: _waits_for_the_lock(session), what="the writer waiting")
        for _ in range(signals):
            api.popen.send_signal(signal.SIGTERM)
        answers = [launch.answer() for launch in launches]
    assert api.popen.wait(60) == 0
    codes = {(answer.status, answer.body["code"]) for answer in answers}
    assert codes == {(503, "log_unavailable")}
    assert _existing(database_url) == set()
    assert "Traceback" not in "\n".join(api.errors)


_SLOW_COMMIT = """
    CREATE TABLE slow (on_purpose boolean);
    INSERT INTO slow VALUES (true);
    CREATE FUNCTION wait_while_slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        WHILE EXISTS (SELECT FROM slow) LOOP PERFORM pg_sleep(0.02); END LOOP;
        RETURN NULL;
    END $$;
    CREATE TRIGGER slow AFTER INSERT ON job_runs EXECUTE FUNCTION wait_while_slow();
"""


def test_launches_that_are_being_committed_name_the_run_to_ask_for(
    api: Process, database_url: str, launches: list[_Launch]
) -> None:
    waiting = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'"""
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute(_SLOW_COMMIT)
        for launch in launches:
            launch.send()

        def is_committing() -> bool:
            row = session.execute(waiting).fetchone()
            return row is not None and row[0] > 0

        eventually(is_committing, what="the writer committing")
        api.popen.send_signal(signal.SIGTERM)
        answers = [launch.answer() for launch in launches]
        session.execute("DELETE FROM slow")
    assert api.popen.wait(60) == 0
    existing = _existing(database_url)
    ids = {one for (one,) in query(database_url, "SELECT id::text FROM job_runs")}
    run_ids = set()
    for launch, answer in zip(launches, answers, strict=True):
        assert answer.status == 503
        if answer.body["code"] == "outcome_unknown":
            run_ids.add(answer.body["id"])
        else:
            assert answer.body["code"] == "log_unavailable"
            assert launch.number not in existing
    assert run_ids
    assert run_ids >= ids
    assert "Traceback" not in "\n".join(api.errors)
