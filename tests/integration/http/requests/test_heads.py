"""HEAD is answered wherever there is a GET."""

import re

import httpx
import pytest

from tests.integration.shared_api import SharedApi, check_failure


def headers(answer: httpx.Response) -> dict[str, str]:
    of_this_answer = {"date", "x-request-id"}
    return {name: value for name, value in answer.headers.items() if name not in of_this_answer}


def test_every_get_answers_a_head_with_the_same_headers_and_no_body(shared: SharedApi) -> None:
    paths = shared.get("/openapi.json")["paths"]
    readable = [path for path, methods in paths.items() if "get" in methods]
    assert len(readable) > 15
    for described in readable:
        if described == "/events/stream":
            continue  # Its GET has no end.
        path = re.sub(r"\{slug\}", "repository-build", described)
        path = re.sub(r"\{\w+\}", "x", path)
        got, head, again = (
            shared.client.request(method, path) for method in ("GET", "HEAD", "GET")
        )
        while headers(got) != headers(again):  # A count in the body got another digit meanwhile.
            got, head, again = again, shared.client.head(path), shared.client.get(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert headers(head) == headers(got), path


@pytest.mark.parametrize("path", ["/events/stream?after=0", "/job-runs/{id}/logs?follow=true"])
def test_a_head_of_a_stream_ends(shared: SharedApi, path: str) -> None:
    run = shared.launch(shared.register()["slug"])
    head = shared.client.head(path.format(**run))
    assert (head.status_code, head.content) == (200, b"")
    # The connection is as good as before.
    assert shared.client.get("/health").status_code == 200


def test_there_is_no_head_where_there_is_no_get(shared: SharedApi) -> None:
    for path in ("/jobs/repository-build/run", "/job-runs/x/cancel"):
        assert shared.client.head(path).status_code == 405
    check_failure(shared.client.get("/jobs/repository-build/run"), 405, "method_not_allowed")
