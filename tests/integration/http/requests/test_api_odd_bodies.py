"""Bodies that JSON or the store cannot hold are refused; odd ones that they can come back.

Contract, section 1.
"""

from typing import Any

import orjson
import pytest

from tests.integration.shared_api import AS_JSON, SharedApi, issues_of, job_body

BAD_JSON: dict[str, bytes] = {
    "not JSON": b"{'parameters': 1}",
    "two texts": b"{} {}",
    "cut off": b'{"parameters": {',
    "not UTF-8": b'{"context": {"a": "\xff"}}',
    "UTF-16": '{"context": {}}'.encode("utf-16"),
    "array": b"[]",
    "string": b'"parameters"',
    "number": b"1",
    "boolean": b"true",
    "NaN": b'{"context": {"a": NaN}}',
    "Infinity": b'{"context": {"a": -Infinity}}',
    "1e400": b'{"context": {"a": 1e400}}',
    "a long integer": b'{"context": {"a": 123456789012345678901234567890}}',
    "a very long integer": b'{"context": {"a": ' + b"9" * 10_000 + b"}}",
    "NUL in a value": rb'{"context": {"a": "x\u0000"}}',
    "NUL in a key": rb'{"context": {"x\u0000": 1}}',
    "NUL in a field's name": rb'{"\u0000": 1}',
    "a lone surrogate": rb'{"context": {"a": "\ud800"}}',
    "a lone surrogate as a key": rb'{"context": {"\udfff": 1}}',
    "a raw control character": b'{"context": {"a": "\x01"}}',
    "a key twice": b'{"context": {"a": 1, "a": 1}}',
    "a field twice": b'{"context": {}, "context": {}}',
    "nested 100 deep": b'{"context": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}",
    "nested 100 000 deep": b'{"context": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "objects nested 50 000 deep": b'{"context":' * 50_000 + b"1" + b"}" * 50_000,
    "opened a million times": b"[" * 1_000_000,
}


@pytest.mark.parametrize("kind", BAD_JSON)
def test_a_body_that_json_or_the_store_cannot_hold_is_refused(
    shared: SharedApi, slug: str, kind: str
) -> None:
    raw = BAD_JSON[kind]
    with shared.nothing_written():
        for method, path in (
            ("POST", f"/jobs/{slug}/run"),
            ("PATCH", f"/jobs/{slug}"),
            ("POST", "/apps"),
        ):
            issues_of(shared.client.request(method, path, content=raw, headers=AS_JSON))


@pytest.mark.parametrize(
    "field", ["parametersSchema", "outputSchema", "defaultParameters", "metadata"]
)
def test_no_part_of_a_job_may_hold_what_the_store_cannot(shared: SharedApi, field: str) -> None:
    with shared.nothing_written():
        for value in (
            r'"\u0000"',
            r'{"\u0000": 1}',
            r'{"a": ["\ud800"]}',
            '{"a": 1e999}',
            '{"a": NaN}',
            '{"a": 1, "a": 2}',
        ):
            whole = orjson.dumps(job_body(**{field: "HERE"})).replace(b'"HERE"', value.encode())
            issues_of(shared.client.post("/jobs", content=whole, headers=AS_JSON))


def test_a_large_body_with_a_key_twice_holds_up_nobody(shared: SharedApi, slug: str) -> None:
    keys = b",".join(b'"%x":0' % number for number in range(50_000))
    raw = b'{"context":{' + keys + b',"%x":0}}' % 49_999
    answer = shared.client.post(f"/jobs/{slug}/run", content=raw, headers=AS_JSON, timeout=90)
    assert "c34f" in issues_of(answer)[0]["message"]


def test_what_the_store_can_hold_comes_back_as_it_was_sent(shared: SharedApi) -> None:
    slug = shared.register()["slug"]
    odd: dict[str, Any] = {
        "": {"": [None, {}, [], ""]},
        "𝄞 ☃ \u007f \u2028": '\t\n\\"/',
        "numbers": [2**64 - 1, -(2**63), 1e300, 5e-324, 0.1, 1.5],
        "a'; DROP TABLE job_runs; --": "%s {} $1 \\u0000",
        "deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],
    }
    raw = orjson.dumps({"context": odd, "parameters": odd})
    run = shared.client.post(f"/jobs/{slug}/run", content=raw, headers=AS_JSON).json()["data"]
    assert run["context"] == run["parameters"] == odd
    assert shared.get(f"/job-runs/{run['id']}")["data"]["run"] == run
    assert shared.get(f"/job-runs/{run['id']}/events")["data"][0]["data"]["parameters"] == odd
