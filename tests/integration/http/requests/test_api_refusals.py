"""Requests refused before anybody looks at their content; wrong queries (contract, section 1)."""

import gzip
import re
from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import HTTPConnection

from api.http.dependencies import MAX_SUGGESTIONS, refuse_unknown_names
from domain.errors import InvalidInputError
from tests.integration.shared_api import (
    AS_JSON,
    Json,
    SharedApi,
    check_failure,
    issues_of,
    job_body,
)

LIMIT = 1_048_576

RUN_QUERIES = (
    "limit=51",
    "limit=0",
    "limit=-1",
    "limit=abc",
    "limit=",
    "limit=1.5",
    "limit=1e1",
    "limit=1.0",
    "limit=1_0",
    "limit=%2B1",
    "offset=-1",
)
WRONG_QUERIES = [
    *(f"/job-runs?{query}" for query in RUN_QUERIES),
    *(f"/jobs/repository-build?{query}" for query in RUN_QUERIES),
    *(f"/jobs/repository-build/runs?{query}" for query in RUN_QUERIES),
    "/job-runs?offset=99999999999999999999",
    f"/job-runs?offset={'9' * 5_000}",
    "/job-runs?status=done",
    "/job-runs?status=pending,done",
    "/job-runs?status=%00",
    "/jobs/repository-build?status=done",
    "/jobs/repository-build/runs?status=done",
    "/job-runs?cursor=",
    "/job-runs?cursor=abc",
    "/job-runs?cursor=-1",
    "/job-runs?cursor=1.5",
    "/job-runs?cursor=%00",
    "/job-runs?cursor=9999999999999999999999",
    "/jobs?cursor=%00",
    "/job-runs?search=%00",
    "/job-runs?search=a%00b",
    "/job-runs?job=%00",
    "/job-runs/x/logs?follow=maybe",
    "/job-runs/x/logs?follow=",
    "/job-runs/x/logs?last=5&follow=true",
    "/job-runs/x/logs?last=5&offset=1",
    f"/job-runs?search={'x' * 201}",
]


@pytest.mark.parametrize("path", WRONG_QUERIES, ids=lambda path: path[:60])
def test_a_wrong_query_is_a_400_that_names_the_parameter(shared: SharedApi, path: str) -> None:
    parameter = path.partition("?")[2].partition("=")[0]
    answer = shared.client.get(path)
    assert [issue["path"] for issue in issues_of(answer)] == [f"/{parameter}"]
    assert list(answer.json()["error"]["fieldErrors"]) == [parameter]


def test_a_number_of_very_many_digits_is_refused_in_plain_words(shared: SharedApi) -> None:
    [issue] = issues_of(shared.client.get(f"/job-runs?offset={'9' * 5_000}"))
    assert (issue["message"], issue["keyword"]) == ("has too many digits", "maximum")


UNKNOWN_NAMES = [
    ("GET", "/jobs?limt=1", "limt", "did you mean limit?"),
    ("GET", "/jobs?ASOF=1", "ASOF", "did you mean asOf?"),
    ("GET", "/job-runs?CREATEDAFTER=1", "CREATEDAFTER", "did you mean createdAfter?"),
    ("GET", "/jobs?bogus=1", "bogus", "there are asOf, cursor, limit, moduleId"),
    ("GET", "/jobs/repository-build?stats=failed", "stats", "did you mean status?"),
    ("GET", "/jobs/repository-build/runs?Limit=1", "Limit", "did you mean limit?"),
    ("GET", "/job-runs?limt=1", "limt", "did you mean limit?"),
    ("GET", "/job-runs?moduleID=1", "moduleID", "did you mean moduleId?"),
    ("GET", "/job-runs/counts?jobs=x", "jobs", "did you mean job?"),
    ("GET", "/events?types=x", "types", "did you mean type?"),
    ("GET", "/events/stream?type=x", "type", "did you mean types?"),
    ("GET", "/schedules?limits=1", "limits", "did you mean limit?"),
    ("GET", "/failures?stat=open", "stat", "did you mean status?"),
    ("GET", "/bulk?offset=1", "offset", "there are"),
    ("GET", "/workers?state=lost", "state", "there are"),
    ("POST", "/bulk?dryRun=true", "dryRun", "it takes none"),
    ("POST", "/jobs/repository-build/run?delayMs=1", "delayMs", "it takes none"),
]


@pytest.mark.parametrize(("method", "path", "name", "remedy"), UNKNOWN_NAMES)
def test_an_unknown_name_in_a_query_is_refused_with_the_nearest_right_one(
    shared: SharedApi, method: str, path: str, name: str, remedy: str
) -> None:
    body: Json | None = {} if method == "POST" else None
    with shared.nothing_written():
        [issue] = issues_of(shared.client.request(method, path, json=body))
    assert issue["path"] == f"/{name}"
    assert remedy in issue["message"]


WITHOUT_BODY = [
    ("POST", "/jobs/repository-build/resume"),
    ("DELETE", "/jobs/repository-build"),
    ("POST", "/schedules/nightly/trigger"),
    ("POST", "/schedules/nightly/resume"),
    ("DELETE", "/schedules/nightly"),
    ("DELETE", "/views/mine"),
    ("POST", "/failures/0123456789abcdef/ignore"),
    ("POST", "/failures/0123456789abcdef/reopen"),
    ("POST", "/workers/one/drain"),
]


@pytest.mark.parametrize(("method", "path"), WITHOUT_BODY)
def test_fields_are_refused_where_none_would_have_an_effect(
    shared: SharedApi, method: str, path: str
) -> None:
    with shared.nothing_written():
        answer = shared.client.request(method, path, json={"parameters": {}, "force": True})
        assert {issue["path"] for issue in issues_of(answer)} == {"/parameters", "/force"}
        assert len(answer.json()["error"]["formErrors"]) == 2
        for raw in (b"[]", b"5", b'{"a": NaN}', b"{", b"{" + b'"":{' * 99, b"\xff"):
            answer = shared.client.request(method, path, content=raw, headers=AS_JSON)
            assert [issue["path"] for issue in issues_of(answer)] == [""]
    for nothing in (b"", b"{}", b"null"):
        answer = shared.client.request(method, path, content=nothing, headers=AS_JSON)
        assert answer.status_code in {200, 404, 409}, answer.text


@pytest.mark.parametrize(
    ("headers", "remedy"),
    [
        ({"Content-Type": "image/x+json"}, "Content-Type: application/json"),
        ({"Content-Type": "+json"}, "Content-Type: application/json"),
        ({"Content-Type": "application/jsonp"}, "Content-Type: application/json"),
        ({**AS_JSON, "Content-Encoding": "gzip"}, "without the header Content-Encoding: gzip"),
    ],
)
def test_a_body_in_another_form_is_a_415_that_says_what_to_send(
    shared: SharedApi, headers: dict[str, str], remedy: str
) -> None:
    for path in ("/jobs", "/jobs/repository-build/run", "/schedules/nightly/trigger"):
        with shared.nothing_written():
            answer = shared.client.post(path, content=gzip.compress(b"{}"), headers=headers)
        check_failure(answer, 415, "unsupported_media_type")
        assert remedy in answer.json()["error"]


def test_ten_thousand_unknown_names_are_answered_with_suggestions_for_the_first() -> None:
    query = "&".join(f"limi{number}" for number in range(10_000)).encode()
    scope = {"type": "http", "headers": [], "query_string": query}
    with pytest.raises(InvalidInputError) as refused:
        refuse_unknown_names(HTTPConnection(scope), ["limit"])
    suggestions = [issue for issue in refused.value.issues if "limit?" in issue.message]
    assert len(refused.value.issues) == 10_000
    assert len(suggestions) == MAX_SUGGESTIONS


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/repository-build/runs?status=failed&status=expired",
        "/job-runs?limit=1&limit=2",
        "/job-runs?job=a&job=b",
        "/job-runs/counts?job=a&job=b",
        "/job-runs/statistics?job=a&job=b",
        "/events?type=job_run.started&type=job_run.succeeded",
        "/events/stream?types=job.run.failed&types=job.run.expired",
    ],
)
def test_a_parameter_that_stands_twice_is_refused_for_one_of_them_would_be_ignored(
    shared: SharedApi, path: str
) -> None:
    [issue] = issues_of(shared.client.get(path))
    assert issue["keyword"] == "uniqueItems"
    assert "stands twice" in issue["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/apps?moduleId=m&bogus=1",
        "/jobs?moduleId=m&moduleId=n",
        "/tags/suggest?bogus=1",
        "/jobs?moduleId=m&_=17",
        "/job-runs?moduleId=m",
        "/health?verbose",
        "/readyz",
        "/ready?verbose",
    ],
)
def test_what_the_platforms_clients_and_probes_send_is_accepted(
    shared: SharedApi, path: str
) -> None:
    assert shared.client.get(path).status_code == 200


def filled(size: int) -> bytes:
    """Return a launch's body of exactly this size."""
    frame = b'{"context":{"a":"%s"}}'
    return frame % (b"x" * (size - len(frame) + 2))


def in_pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


def post(
    shared: SharedApi, path: str, content: bytes | Iterator[bytes], content_type: str | None
) -> httpx.Response:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return shared.client.post(path, content=content, headers=headers)


def test_a_body_of_a_mebibyte_is_taken_and_a_longer_one_is_a_413(shared: SharedApi) -> None:
    path = f"/jobs/{shared.register()['slug']}/run"
    assert post(shared, path, filled(LIMIT), "application/json").status_code == 202
    assert post(shared, path, in_pieces(filled(LIMIT)), "application/json").status_code == 202
    before = shared.count_events()
    for size in (LIMIT + 1, 3 * LIMIT):
        check_failure(post(shared, path, filled(size), "application/json"), 413, "body_too_large")
        check_failure(
            post(shared, path, in_pieces(filled(size)), "application/json"), 413, "body_too_large"
        )
    for other in ("/jobs", "/apps", "/nowhere", "/job-runs/x/cancel"):
        check_failure(
            post(shared, other, filled(2 * LIMIT), "application/json"), 413, "body_too_large"
        )
    assert shared.count_events() == before


def test_a_client_that_closes_after_its_too_long_body_still_gets_the_answer(
    shared: SharedApi,
) -> None:
    headers = {"Connection": "close", "Content-Type": "application/json"}
    for _ in range(10):
        answer = httpx.post(
            f"{shared.client.base_url}/jobs", content=filled(2 * LIMIT), headers=headers
        )
        check_failure(answer, 413, "body_too_large")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "json",
    ],
)
def test_a_body_that_is_not_said_to_be_json_is_a_415(
    shared: SharedApi, content_type: str | None
) -> None:
    before = shared.count_events()
    slug = "repository-build"
    for path in (
        "/jobs",
        "/apps",
        f"/jobs/{slug}/run",
        "/job-runs/00000000-0000-0000-0000-000000000000/cancel",
    ):
        check_failure(post(shared, path, b"{}", content_type), 415, "unsupported_media_type")
    answer = shared.client.patch(
        f"/jobs/{slug}", content=b"{}", headers={"Content-Type": content_type or "text/plain"}
    )
    check_failure(answer, 415, "unsupported_media_type")
    assert shared.count_events() == before


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"],
)
def test_json_is_known_by_any_of_its_names(shared: SharedApi, content_type: str) -> None:
    slug = shared.register()["slug"]
    assert post(shared, f"/jobs/{slug}/run", b'{"context": {}}', content_type).status_code == 202


@pytest.mark.parametrize(
    "path", ["/nowhere", "/jobs/", "/jobs/a/b", "/job-runs/x/y", "/%00", "/jobs/..%2fx/run"]
)
def test_an_unknown_path_is_a_404_with_a_code(shared: SharedApi, path: str) -> None:
    check_failure(shared.client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/jobs", "GET, HEAD, POST"),
        ("PUT", "/jobs/repository-build", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/jobs/repository-build/run", "POST"),
        ("POST", "/job-runs", "GET, HEAD"),
        ("PATCH", "/job-runs/x", "GET, HEAD"),
        ("GET", "/job-runs/x/cancel", "POST"),
        ("DELETE", "/apps", "GET, HEAD, POST"),
        ("DELETE", "/apps/x", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_know_is_a_405_that_names_those_it_knows(
    shared: SharedApi, method: str, path: str, allowed: str
) -> None:
    answer = shared.client.request(method, path)
    check_failure(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


OF_PATTERNS = {
    "/jobs/runtimes": {"DELETE", "PATCH"},
    "/schedules/preview": {"DELETE", "GET", "PATCH"},
}
"""Methods of a path with a parameter, such as `/jobs/{slug}`, that matches these, too."""


def test_every_path_names_the_methods_that_its_description_has(shared: SharedApi) -> None:
    for path, operations in shared.get("/openapi.json")["paths"].items():
        answer = shared.client.request("TRACE", re.sub(r"\{\w+\}", "x", path))
        check_failure(answer, 405, "method_not_allowed")
        methods = {method.upper() for method in operations}
        methods.update(OF_PATTERNS.get(path, ()))
        if "GET" in methods:
            methods.add("HEAD")
        assert answer.headers["Allow"] == ", ".join(sorted(methods)), path


def test_the_service_says_that_it_is_well(shared: SharedApi) -> None:
    assert shared.get("/health") == {"status": "ok"}


def test_a_failure_does_not_hurt_the_next_request_of_the_connection(shared: SharedApi) -> None:
    with httpx.Client(base_url=shared.client.base_url) as client:
        for _ in range(5):
            assert client.post("/jobs", content=filled(2 * LIMIT)).status_code == 413
            assert client.post("/jobs", content=b"nonsense").status_code == 415
            assert client.post("/jobs", json=[]).status_code == 400
            assert client.get("/nowhere").status_code == 404
            assert client.post("/jobs", json=job_body()).status_code == 201
