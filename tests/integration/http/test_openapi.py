"""The OpenAPI document tells the truth: clients are generated from it."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pytest

from tests.integration.shared_api import Json, SharedApi, job_body, unique

PROMISED: dict[str, set[int]] = {
    "GET /health": {200},
    "GET /jobs": {200, 400},
    "POST /jobs": {201, 400, 409, 413, 415, 429, 503},
    "GET /jobs/{slug}": {200, 400, 404, 503},
    "PATCH /jobs/{slug}": {200, 400, 404, 413, 415, 429, 503},
    "POST /jobs/{slug}/run": {200, 202, 400, 404, 409, 413, 415, 429, 503},
    "DELETE /jobs/{slug}": {200, 404, 409, 429, 503},
    "POST /jobs/{slug}/pause": {200, 400, 404, 413, 415, 429, 503},
    "POST /jobs/{slug}/resume": {200, 404, 429, 503},
    "GET /jobs/{slug}/runs": {200, 400, 404, 503},
    "GET /job-runs": {200, 400, 503},
    "GET /job-runs/counts": {200, 400, 503},
    "GET /job-runs/waiting": {200, 400, 503},
    "GET /job-runs/{run_id}": {200, 400, 404, 503},
    "POST /job-runs/{run_id}/cancel": {202, 400, 404, 409, 413, 415, 429, 503},
    "POST /job-runs/{run_id}/retry": {200, 202, 404, 409, 429, 503},
    "GET /job-runs/{run_id}/logs": {200, 400, 404, 503},
    "GET /job-runs/{run_id}/events": {200, 404, 503},
    "GET /job-runs/{run_id}/attempts": {200, 404, 503},
    "GET /job-runs/{run_id}/explain": {200, 400, 404, 503},
    "GET /workers": {200, 400, 503},
    "POST /workers/{worker_id}/drain": {202, 404, 409, 429, 503},
    "POST /subjects/erase": {200, 400, 404, 409, 413, 415, 429, 503},
    "POST /apps": {201, 400, 409, 413, 415, 429, 503},
    "GET /apps": {200, 503},
    "GET /apps/{app_id}": {200, 404, 503},
    "GET /apps/{app_id}/history": {200, 400, 404, 503},
    "POST /apps/{app_id}/retry": {202, 404, 409, 429, 503},
}


@pytest.fixture(scope="module")
def document(shared: SharedApi) -> Json:
    return shared.get("/openapi.json")


def operations(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_status_that_the_contract_names_is_documented(document: Json) -> None:
    documented = {
        name: {int(status) for status in operation["responses"]}
        for name, operation in operations(document).items()
    }
    promised = {(name, one) for name, statuses in PROMISED.items() for one in statuses}
    pairs = {(name, one) for name, statuses in documented.items() for one in statuses}
    assert promised - pairs == set()


def test_what_never_happens_is_not_documented(document: Json) -> None:
    assert [
        name for name, operation in operations(document).items() if "422" in operation["responses"]
    ] == []
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_the_document_is_fit_for_generators(document: Json) -> None:
    assert document["openapi"].startswith("3.")
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(ids)) == len(ids)
    references = set(references_in(document))
    assert references
    assert references <= {
        f"#/components/schemas/{name}" for name in document["components"]["schemas"]
    }


def references_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references_in(inner)


class Tour:
    """Makes calls, and checks each answer against the document's schema for its status."""

    def __init__(self, client: httpx.Client, document: Json) -> None:
        self._client = client
        self._document = document
        self.seen: set[tuple[str, int]] = set()

    def call(self, operation: str, status: int, **request: Any) -> Any:
        method, template = operation.split(" ")
        url = request.pop("at", None)
        path = re.sub(r"\{\w+\}", str(url), template)
        answer = self._client.request(method, path, **request)
        assert answer.status_code == status, f"{operation}: {answer.status_code} {answer.text}"
        self.seen.add((operation, status))
        content = operations(self._document)[operation]["responses"][str(status)]["content"]
        media_type = answer.headers["Content-Type"].partition(";")[0]
        assert media_type in content
        if media_type != "application/json":
            return None
        schema = {**content[media_type]["schema"], "components": self._document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())
        return answer.json().get("data")


def test_every_answer_of_a_tour_fits_its_schema(shared: SharedApi, document: Json) -> None:
    tour = Tour(shared.client, document)
    _visit_jobs(tour)
    _visit_runs(tour)
    _visit_apps(tour)
    _visit_subjects(tour)
    _visit_workers(tour)
    # No tokens, no overload and no lost database on this tour,
    rare = {401, 403, 429, 503}
    # nor a worker, or a run that one has ended.
    without_workers = {
        ("POST /job-runs/{run_id}/cancel", 409),
        ("POST /workers/{worker_id}/drain", 202),
        ("POST /workers/{worker_id}/drain", 409),
    }
    planned = {(name, status) for name, statuses in PROMISED.items() for status in statuses - rare}
    assert planned - without_workers <= tour.seen


def _visit_jobs(tour: Tour) -> None:
    too_long = {"content": b" " * 1_100_000, "headers": {"Content-Type": "application/json"}}
    no_json = {"content": b"x", "headers": {"Content-Type": "text/plain"}}
    tour.call("GET /health", 200)
    full = job_body(
        retryPolicy={"maxAttempts": 2, "jitter": "full"},
        metadata=["anything"],
        outputSchema={"type": "object"},
        resources={"cpus": 1},
        parametersSchema={"required": ["a"]},
        timeoutMs=1_000,
    )
    slug = tour.call("POST /jobs", 201, json=full)["slug"]
    tour.call("POST /jobs", 201, json=job_body())
    tour.call("POST /jobs", 400, json={"nothing": 1})
    tour.call("POST /jobs", 409, json=full)
    tour.call("POST /jobs", 413, **too_long)
    tour.call("POST /jobs", 415, **no_json)
    tour.call("PATCH /jobs/{slug}", 200, at=slug, json={"name": "Renamed"})
    tour.call("PATCH /jobs/{slug}", 400, at=slug, json={"name": None})
    tour.call("PATCH /jobs/{slug}", 404, at=unique(), json={"name": "x"})
    tour.call("PATCH /jobs/{slug}", 413, at=slug, **too_long)
    tour.call("PATCH /jobs/{slug}", 415, at=slug, **no_json)
    run = {"parameters": {"a": 1}, "context": {"b": None}}
    key = {"Idempotency-Key": "k"}
    tour.call("POST /jobs/{slug}/run", 202, at=slug, json=run, headers=key)
    tour.call("POST /jobs/{slug}/run", 409, at=slug, json={}, headers=key)
    tour.call("POST /jobs/{slug}/run", 400, at=slug)
    tour.call("POST /jobs/{slug}/run", 404, at=unique())
    tour.call("POST /jobs/{slug}/run", 413, at=slug, **too_long)
    tour.call("POST /jobs/{slug}/run", 415, at=slug, **no_json)
    for operation in ("GET /jobs/{slug}", "GET /jobs/{slug}/runs"):
        tour.call(operation, 200, at=slug)
        tour.call(operation, 400, at=slug, params={"limit": 0})
        tour.call(operation, 404, at=unique())
    tour.call("POST /jobs/{slug}/pause", 200, at=slug, json={"reason": "why"})
    tour.call("POST /jobs/{slug}/pause", 400, at=slug, json={"reason": 1})
    tour.call("POST /jobs/{slug}/pause", 413, at=slug, **too_long)
    tour.call("POST /jobs/{slug}/pause", 415, at=slug, **no_json)
    tour.call("POST /jobs/{slug}/resume", 200, at=slug)
    tour.call("DELETE /jobs/{slug}", 409, at=slug)
    unused = tour.call("POST /jobs", 201, json=job_body())["slug"]
    tour.call("DELETE /jobs/{slug}", 200, at=unused)
    for call in ("POST /jobs/{slug}/pause", "POST /jobs/{slug}/resume"):
        tour.call(call, 404, at=unused)
    tour.call("DELETE /jobs/{slug}", 404, at=unused)


def _visit_runs(tour: Tour) -> None:
    kept = {"key": ["a"], "until": "end", "onConflict": "keep"}
    job = job_body(parametersSchema={"properties": {"a": {}}}, unique=kept)
    slug = tour.call("POST /jobs", 201, json=job)["slug"]
    run_id = tour.call("POST /jobs/{slug}/run", 202, at=slug)["id"]
    tour.call("POST /jobs/{slug}/run", 200, at=slug)
    tour.call("GET /job-runs", 200)
    tour.call("GET /job-runs", 200, params={"limit": 1})
    tour.call("GET /job-runs", 400, params={"status": "x"})
    tour.call("POST /job-runs/{run_id}/retry", 409, at=run_id)
    tour.call("POST /job-runs/{run_id}/cancel", 400, at=run_id, json={"reason": 5})
    tour.call("POST /job-runs/{run_id}/cancel", 413, at=run_id, content=b" " * 1_100_000)
    tour.call("POST /job-runs/{run_id}/cancel", 415, at=run_id, content=b"x")
    tour.call("POST /job-runs/{run_id}/cancel", 202, at=run_id, json={"reason": "why"})
    tour.call("POST /job-runs/{run_id}/retry", 202, at=run_id)
    tour.call("POST /job-runs/{run_id}/retry", 200, at=run_id)
    tour.call("GET /job-runs/{run_id}", 200, at=run_id)
    tour.call("GET /job-runs/{run_id}", 400, at=run_id, params={"asOf": "-1"})
    tour.call("GET /job-runs/waiting", 200)
    tour.call("GET /job-runs/waiting", 400, params={"limit": 11})
    for operation in ("GET /jobs", "GET /job-runs/counts"):
        tour.call(operation, 400, params={"asOf": "never"})
    explain = "GET /job-runs/{run_id}/explain"
    tour.call(explain, 200, at=run_id)
    tour.call(explain, 400, at=run_id, params={"asOf": "never"})
    for operation in ("GET /jobs", "GET /job-runs", "GET /job-runs/counts"):
        tour.call(operation, 200, params={"asOf": 1})
    for operation in ("GET /jobs/{slug}", "GET /jobs/{slug}/runs"):
        tour.call(operation, 200, at="repository-ingest", params={"asOf": 2})
    tour.call("GET /job-runs/{run_id}/events", 200, at=run_id)
    tour.call("GET /job-runs/{run_id}/attempts", 200, at=run_id)
    tour.call("GET /job-runs/{run_id}/logs", 200, at=run_id)
    tour.call("GET /job-runs/{run_id}/logs", 400, at=run_id, params={"attempt": 0})
    for operation in PROMISED:
        if "{run_id}" in operation:
            tour.call(operation, 404, at=uuid4())


def _visit_subjects(tour: Tour) -> None:
    marked = {"properties": {"who": {"x-subject": "who"}}}
    slug = tour.call("POST /jobs", 201, json=job_body(parametersSchema=marked))["slug"]
    run_id = tour.call("POST /jobs/{slug}/run", 202, at=slug, json={"parameters": {"who": slug}})[
        "id"
    ]
    erase = {"subject": slug, "reason": "asked"}
    tour.call("POST /subjects/erase", 400, json={"subject": ""})
    tour.call("POST /subjects/erase", 404, json={"subject": unique()})
    tour.call("POST /subjects/erase", 409, json=erase)
    tour.call("POST /subjects/erase", 413, content=b" " * 1_100_000)
    tour.call("POST /subjects/erase", 415, content=b"x")
    tour.call("POST /job-runs/{run_id}/cancel", 202, at=run_id)
    tour.call("POST /subjects/erase", 200, json=erase)
    tour.call("POST /job-runs/{run_id}/retry", 409, at=run_id)
    tour.call("GET /job-runs/{run_id}", 200, at=run_id)
    tour.call("GET /job-runs/{run_id}/events", 200, at=run_id)


def _visit_workers(tour: Tour) -> None:
    tour.call("GET /workers", 200)
    tour.call("GET /workers", 400, params={"limit": 0})
    tour.call("POST /workers/{worker_id}/drain", 404, at=unique())


def _visit_apps(tour: Tour) -> None:
    app = {
        "id": unique("app"),
        "name": "x",
        "repoUrl": "/srv/x",
        "tags": [{"key": "a", "value": "b"}],
    }
    tour.call("POST /apps", 201, json=app)
    tour.call("POST /apps", 400, json={})
    tour.call("POST /apps", 409, json=app)
    tour.call("POST /apps", 413, content=b" " * 1_100_000)
    tour.call("POST /apps", 415, content=b"x")
    tour.call("GET /apps", 200)
    tour.call("GET /apps/{app_id}", 200, at=app["id"])
    tour.call("GET /apps/{app_id}/history", 200, at=app["id"])
    tour.call("GET /apps/{app_id}/history", 400, at=app["id"], params={"limit": 0})
    tour.call("POST /apps/{app_id}/retry", 409, at=app["id"])
    [run] = [
        item["run"] for item in tour.call("GET /job-runs", 200, params={"job": "repository-ingest"})
    ]
    tour.call("POST /job-runs/{run_id}/cancel", 202, at=run["id"])
    tour.call("POST /apps/{app_id}/retry", 202, at=app["id"])
    for operation in PROMISED:
        if "{app_id}" in operation:
            tour.call(operation, 404, at=unique())
