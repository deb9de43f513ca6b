"""What names a request: its id, in its answer, also where the service failed, and its log line."""

import logging

import httpx
import pytest
from fastapi import FastAPI

from api.http import errors
from api.http.middleware import MAX_LINES, PERIOD_S, FailureLog, RequestIds
from runtime.logs import REQUESTS


async def test_the_answer_to_an_unexpected_failure_has_the_requests_id() -> None:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(RequestIds)

    @app.get("/")
    async def fail() -> None:
        raise RuntimeError("unexpected")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.get("/", headers={"X-Request-Id": "proxy-1:7"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "proxy-1:7")


def test_of_very_many_refused_requests_the_first_have_lines_and_all_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = 5.0
    failures = FailureLog(lambda: now_s)
    scope = {"method": "GET"}
    with caplog.at_level(logging.INFO, REQUESTS.name):
        for _ in range(3 * MAX_LINES):
            failures.record(scope, 404)
        failures.record(scope, 403)
        assert [line.count("404") for line in caplog.messages] == [*[1] * MAX_LINES, 0]
        caplog.clear()
        now_s += PERIOD_S
        failures.record(scope, 404)
    assert caplog.messages == [
        f"{2 * MAX_LINES} more requests were answered 404, and have no line each",
        "GET an unknown path: 404",
    ]
