"""Whatever a client sends, it is never the service's fault: no 5xx (contract, section 1)."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.integration.shared_api import Json, SharedApi, job_body, unique
from tests.support.slow import slow

FIELDS = [
    "slug",
    "name",
    "version",
    "type",
    "entryPoint",
    "parametersSchema",
    "defaultParameters",
    "timeoutMs",
    "runtime",
    "retryPolicy",
    "metadata",
    "outputSchema",
    "priority",
    "maxConcurrentRuns",
    "concurrencyKey",
    "concurrencyLimit",
    "rateLimit",
    "fairnessKey",
    "unique",
    "startDeadlineMs",
    "resources",
    "workerLabels",
    "retention",
    "isolation",
    "parameters",
    "context",
    "maxAttempts",
    "scheduledAt",
    "delayMs",
    "id",
    "description",
    "repoUrl",
    "dockerfilePath",
    "tags",
    "key",
    "value",
    "initialDelayMs",
    "maxDelayMs",
    "strategy",
    "jitter",
    "cpus",
]
SCHEMA_WORDS = [
    "$ref",
    "$schema",
    "$id",
    "$defs",
    "$anchor",
    "$dynamicRef",
    "type",
    "properties",
    "items",
    "required",
    "x-subject",
    "pattern",
    "enum",
    "allOf",
    "not",
    "multipleOf",
    "patternProperties",
    "dependentSchemas",
    "uniqueItems",
    "minimum",
]
TELLING = [
    "#",
    "#/$defs/a",
    "#/type",
    "#a",
    "object",
    "integer",
    "(",
    "a{99999999999}",
    "http://[",
    "batch",
    "file:",
    "\x00",
    "2030-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "0000-00-00",
    "/srv/x",
    "https://h/\n",
    "\ud800",
    "\u212a",
]
NEW_SLUG = "replaced-by-a-new-one"

keys = st.sampled_from(FIELDS + SCHEMA_WORDS) | st.text(max_size=5)
numbers = (
    st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from([0, 1, -1, 1_000, 2**31, 2**63, 1e308])
)
scalars = st.none() | st.booleans() | numbers | st.sampled_from(TELLING) | st.text(max_size=10)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
schemas = st.dictionaries(st.sampled_from(SCHEMA_WORDS), values, max_size=4)
mixed = st.dictionaries(st.sampled_from(FIELDS), values, max_size=4)


def bodies(path: str) -> st.SearchStrategy[Any]:
    """Return bodies near to what the path takes, so that many get past the first check."""
    near: dict[str, Json] = {
        "/jobs": job_body(slug=NEW_SLUG),
        "/apps": {"id": "fuzzed", "name": "x", "repoUrl": "/srv/x"},
    }
    near_schemas = [
        st.fixed_dictionaries({"parametersSchema": schemas, "outputSchema": schemas})
    ] * (path == "/jobs")
    changes = st.one_of(mixed, *near_schemas)
    return changes.map(lambda fields: {**near.get(path, {}), **fields}) | values


requests = st.sampled_from(["/jobs", "/jobs/fuzzed/run", "/apps"]).flatmap(
    lambda path: st.tuples(st.just(path), bodies(path))
)


@pytest.fixture(scope="module")
def fuzzed(shared: SharedApi) -> SharedApi:
    shared.register(slug="fuzzed")
    return shared


@settings(max_examples=150, deadline=None)
@given(request=requests)
@example(request=("/jobs/fuzzed/run", {"parameters": {"a": "\ud800"}}))
def test_no_json_body_is_answered_with_a_server_error(
    fuzzed: SharedApi, request: tuple[str, Any]
) -> None:
    path, body = request
    if isinstance(body, dict) and body.get("slug") == NEW_SLUG:
        body["slug"] = unique("fuzz")
    # As a careless client would write it: with NaN, lone surrogates and numbers of any size.
    answer = fuzzed.client.post(
        path, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code < 500, answer.text
    if path == "/jobs" and answer.status_code == 201:
        launched = fuzzed.client.post(
            f"/jobs/{body['slug']}/run", json={"parameters": {"type": "x", "items": [1]}}
        )
        assert launched.status_code in {202, 400}, launched.text


ODD_TEXTS = (
    "",
    "a\x00b",
    "9" * 5_000,
    "999999999999999999",
    "1e999",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "\u202e\U0001f600%\\'",
    "[" * 2_000,
)
"""What makes numbers, times, texts of the database, patterns and parsers fail."""


PARTS = 3
"""So many tests share the texts: in each, a parameter has a third of them, the next one others."""


def odd_addresses(fuzzed: SharedApi, part: int) -> Iterator[str]:
    """Yield addresses, each with an odd value of one parameter or one part of the path."""
    numbers = count(part)
    run_id = fuzzed.launch("fuzzed")["id"]
    known = {"slug": "fuzzed", "run_id": run_id, "schedule_id": "fuzzed", "app_id": "fuzzed"}
    for path, operations in fuzzed.get("/openapi.json")["paths"].items():
        if "get" not in operations or path == "/events/stream":  # It has no end.
            continue
        parameters = operations["get"].get("parameters", [])
        in_path = [one["name"] for one in parameters if one["in"] == "path"]
        in_query = {one["name"]: one["required"] for one in parameters if one["in"] == "query"}
        parts = {name: known.get(name, str(uuid4())) for name in in_path}
        for name in in_path:
            for text in ODD_TEXTS[next(numbers) % PARTS :: PARTS]:
                yield path.format_map({**parts, name: quote_plus(text)})
        for name in in_query:
            others = [one for one, required in in_query.items() if required and one != name]
            for text in ODD_TEXTS[next(numbers) % PARTS :: PARTS]:
                query = [f"{quote_plus(name)}={quote_plus(text)}", *(f"{one}=x" for one in others)]
                yield f"{path.format_map(parts)}?{'&'.join(query)}"


@pytest.mark.parametrize("part", [0, *map(slow, range(1, PARTS))])
def test_no_address_is_answered_with_a_server_error(fuzzed: SharedApi, part: int) -> None:
    addresses = [*odd_addresses(fuzzed, part)]
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(fuzzed.client.get, addresses)
        failed = [
            (address[:200], answer.text)
            for address, answer in zip(addresses, answers, strict=True)
            if answer.is_server_error
        ]
    assert failed == []
