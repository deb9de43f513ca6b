"""What the API says of itself to programs and people, and what it tells browsers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.http.test_openapi import operations
from tests.integration.shared_api import Json, SharedApi


@pytest.fixture(scope="module")
def document(shared: SharedApi) -> Json:
    return shared.get("/openapi.json")


def shapes_of(document: Json) -> dict[str, Json]:
    return dict(document["components"]["schemas"])


def query_of(document: Json, operation: str, name: str) -> Json:
    parameters = operations(document)[operation]["parameters"]
    [match] = [parameter for parameter in parameters if parameter["name"] == name]
    return dict(match)


def test_all_that_clients_send_and_see_is_described(document: Json) -> None:
    silent = [
        f"{shape}.{name}"
        for shape, described in shapes_of(document).items()
        for name, field in described.get("properties", {}).items()
        if not field.get("description")
    ]
    silent += [
        f"{operation} {parameter['name']}"
        for operation, described in operations(document).items()
        for parameter in described.get("parameters", [])
        if not parameter.get("description")
    ]
    silent += [
        name for name, operation in operations(document).items() if not operation.get("description")
    ]
    assert silent == [], "say what they mean in api/reference.py"


def test_a_patch_is_documented_to_take_no_null_where_it_takes_none(
    document: Json, shared: SharedApi
) -> None:
    fields = shapes_of(document)["JobPatch"]["properties"]
    slug = shared.register()["slug"]
    for name, field in fields.items():
        answer = shared.client.patch(f"/jobs/{slug}", json={name: None})
        takes_null = answer.status_code == 200
        kinds = [field, *field.get("anyOf", [])]
        says_null = any(kind.get("type") == "null" for kind in kinds)
        is_anything = "type" not in field and "anyOf" not in field
        assert takes_null == (says_null or is_anything), name


def test_times_ids_statuses_and_cursors_have_their_formats(document: Json) -> None:
    run = shapes_of(document)["Run"]["properties"]
    assert run["createdAt"]["format"] == "date-time"
    assert run["id"]["format"] == run["jobDefinitionId"]["format"] == "uuid"
    [sent, _] = shapes_of(document)["LaunchBody"]["properties"]["scheduledAt"]["anyOf"]
    assert sent == {"type": "string", "format": "date-time"}
    for name in ("since", "until"):
        assert query_of(document, "GET /events", name)["schema"]["format"] == "date-time"
    status = query_of(document, "GET /job-runs", "status")["schema"]["pattern"]
    assert re.search(status, "pending, running")
    assert not re.search(status, "pending,odd")
    cursor = query_of(document, "GET /job-runs", "cursor")["schema"]["pattern"]
    assert re.search(cursor, "123")
    assert not re.search(cursor, "x")
    of_page = shapes_of(document)["RunPageMeta"]["properties"]["nextCursor"]
    assert of_page["anyOf"][0]["pattern"] == cursor


def test_a_download_is_documented_as_the_text_that_it_is(document: Json) -> None:
    answer = operations(document)["GET /builds/{build_id}/logs"]["responses"]["200"]
    assert set(answer["content"]) == {"application/json", "text/plain"}


def test_it_says_who_needs_a_token_and_how_it_is_sent(document: Json) -> None:
    schemes = document["components"]["securitySchemes"]
    bearer = {name for name, one in schemes.items() if one.get("scheme") == "bearer"}
    in_query = {name for name, one in schemes.items() if one.get("in") == "query"}
    for name, operation in operations(document).items():
        ways = [way for needed in operation["security"] for way in needed]
        if name in {"GET /health", "GET /ready", "GET /asyncapi.json"}:
            assert ways == []
        elif name == "GET /events/stream":
            assert {*ways} == bearer | in_query
        else:
            assert {*ways} == bearer, name


ANYWHERE = re.compile(r"""(?:src|href)=["']([^"']+)|url\(["']?(?!data:)([^"')]+)""")


def linked(text: str) -> Iterator[str]:
    for match in ANYWHERE.finditer(text):
        yield match[1] or match[2]


def test_the_page_for_people_needs_no_other_server(shared: SharedApi) -> None:
    page = shared.client.get("/docs")
    assert page.status_code == 200
    files = list(linked(page.text))
    assert len(files) == 4
    for name in files:
        answer = shared.client.get(f"/{name}")
        assert answer.status_code == 200
        assert len(answer.content) > 50
    style = shared.client.get("/docs/swagger-ui.css").text
    assert [one for one in linked(style) if one.startswith(("http", "//"))] == []
    assert 'url: "openapi.json"' in shared.client.get("/docs/start.js").text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/docs", 200),
        ("GET", "/jobs", 200),
        ("GET", "/nowhere", 404),
        ("DELETE", "/jobs", 405),
        ("POST", "/jobs", 400),
        ("POST", "/jobs/none/run", 404),
        ("GET", "/job-runs?limit=0", 400),
    ],
)
def test_every_answer_tells_browsers_what_they_may_not_do(
    shared: SharedApi, method: str, path: str, status: int
) -> None:
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}
    answer = shared.client.request(method, path, **body)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert len(answer.headers.get_list("Content-Security-Policy")) == 1
