"""No schema stalls whoever checks against it: too much effort is a violation."""

import tracemalloc
from typing import Any

import pytest

from domain.json_values import Json, JsonObject
from domain.schema.validation import schema_issues, violations

pytestmark = pytest.mark.timeout(150)

DRAFT_04 = "http://json-schema.org/draft-04/schema#"

DRAFT_07 = "http://json-schema.org/draft-07/schema#"

ENDLESS = "^(a|a)*$"
"""Tries 2^n ways to read n letters a that something else follows."""

TEXT = "a" * 60 + "!"


def doubling(keyword: str, last: Json) -> dict[str, Any]:
    """Return a schema of thirty definitions, each of which leads twice to the next: 2^30 looks."""
    chain = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    return {"$ref": "#/$defs/d0", "$defs": {**chain, "d30": last}}


def by_dependencies(count: int) -> dict[str, Any]:
    """Return definitions that double without looking at a value."""
    chain = {
        f"d{n}": {"dependentSchemas": {name: {"$ref": f"#/$defs/d{n + 1}"} for name in "ab"}}
        for n in range(count)
    }
    return {
        "unevaluatedProperties": False,
        "$ref": "#/$defs/d0",
        "$defs": {**chain, f"d{count}": {}},
    }


@pytest.mark.parametrize(
    ("schema", "value", "pointer"),
    [
        ({"properties": {"b": {"pattern": ENDLESS}}}, {"a": 1, "b": TEXT}, "/b"),
        ({"properties": {"b": {"items": {"pattern": ENDLESS}}}}, {"b": ["", TEXT]}, "/b/1"),
        ({"patternProperties": {ENDLESS: {}}}, {"a": {}, TEXT: {}}, f"/{TEXT}"),
        ({"propertyNames": {"pattern": ENDLESS}}, {TEXT: {}}, f"/{TEXT}"),
        (
            {"patternProperties": {ENDLESS: {}}, "additionalProperties": False},
            {TEXT: {}},
            f"/{TEXT}",
        ),
        (
            {"not": {"patternProperties": {ENDLESS: {}}}, "unevaluatedProperties": False},
            {TEXT: {}},
            f"/{TEXT}",
        ),
        ({"anyOf": [{"properties": {"b": {"pattern": ENDLESS}}}, {}]}, {"b": TEXT}, "/b"),
        ({"properties": {"b": {"$schema": DRAFT_07, "pattern": ENDLESS}}}, {"b": TEXT}, "/b"),
        ({"$schema": DRAFT_04, "properties": {"b": {"pattern": ENDLESS}}}, {"b": TEXT}, "/b"),
    ],
)
def test_a_pattern_that_takes_too_long_is_a_violation_at_its_place(
    schema: dict[str, Any], value: Json, pointer: str
) -> None:
    assert schema_issues(schema, "/parametersSchema") == []
    (issue,) = violations(schema, value, "/parameters")
    assert (issue.path, issue.keyword) == (f"/parameters{pointer}", "pattern")
    assert "takes too long" in issue.message


def test_many_patterns_that_take_long_together_are_a_violation() -> None:
    (issue,) = violations(
        {"items": {"pattern": ENDLESS}}, ["a" * 15 + "!" for _ in range(10_000)], "/parameters"
    )
    assert issue.keyword == "pattern"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling("allOf", {}), {}),
        (doubling("anyOf", False), {}),
        (doubling("oneOf", {"type": "string"}), {}),
        (
            {**doubling("allOf", {"properties": {"a": {}}}), "unevaluatedProperties": False},
            {"a": 1},
        ),
        (by_dependencies(30), {"a": 1, "b": 1}),
        (
            {"allOf": [{"$ref": "#/$defs/c"}] * 500, "$defs": {"c": {"const": [0] * 50_000}}},
            [0] * 50_000,
        ),
        ({"items": {f"unknown{n}": 0 for n in range(10_000)}}, [0] * 10_000),
        ({"anyOf": [{"allOf": [{"type": "string"}] * 500}]}, [0] * 50_000),
        ({"anyOf": [{"allOf": [False] * 500}]}, [0] * 50_000),
        ({"$id": "http://a/", "items": {"$id": "x" * 100_000, "minimum": 0}}, [0] * 10_000),
        (
            {"items": {"$ref": "#/$defs/" + "x" * 100_000}, "$defs": {"x" * 100_000: True}},
            [0] * 10_000,
        ),
    ],
    ids=[
        "doubling allOf",
        "doubling anyOf",
        "doubling oneOf",
        "doubling allOf, unevaluated",
        "doubling dependencies, unevaluated",
        "a long constant, often",
        "keywords without meaning, often",
        "violations that quote a long value",
        "violations of false that quote a long value",
        "a long identifier, often",
        "a long reference, often",
    ],
)
def test_a_schema_that_takes_too_many_steps_is_a_violation(
    schema: dict[str, Any], value: Json
) -> None:
    assert schema_issues(schema, "/parametersSchema") == []
    (issue,) = violations(schema, value, "/parameters")
    assert (issue.path, issue.keyword) == ("/parameters", "maxSteps")
    assert "make the schema simpler" in issue.message
    assert violations({"type": "object"}, {}, "/parameters") == [], "the next check starts anew"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"uniqueItems": True}, [{"a": n} for n in range(20_000)]),
        ({"uniqueItems": True}, [n if n % 2 else str(n) for n in range(20_000)]),
        ({"items": {"enum": [f"x{n}" for n in range(10_000)]}}, ["x9999"] * 20_000),
        ({"prefixItems": [True] * 2_000, "items": True, "unevaluatedItems": False}, [0] * 20_000),
        ({"items": {"type": "number"}}, list(range(80_000))),
        (
            {
                "items": {"$ref": "#a"},
                "$defs": {f"d{n}": {"$anchor": f"a{n or ''}"} for n in range(800)},
            },
            [0] * 5_000,
        ),
        ({"required": [f"p{n}" for n in range(20_000)]}, {f"p{n}": 0 for n in range(20_000)}),
    ],
    ids=[
        "unique objects",
        "unique of all kinds",
        "enum",
        "unevaluated items",
        "numbers",
        "anchors",
        "required",
    ],
)
def test_large_values_are_checked_within_the_budget(schema: dict[str, Any], value: Json) -> None:
    assert schema_issues(schema, "/parametersSchema") == []
    assert violations(schema, value, "/parameters") == []


def test_a_schema_too_large_to_be_checked_is_refused() -> None:
    schema: JsonObject = {
        "properties": {f"p{n}": {"type": "string", "minLength": 1} for n in range(10_000)}
    }
    (issue,) = schema_issues(schema, "/parametersSchema")
    assert (issue.path, issue.keyword) == ("/parametersSchema", "maxSteps")


def test_a_draft_04_enumeration_of_many_objects_is_checked_within_the_budget() -> None:
    assert (
        schema_issues(
            {"$schema": DRAFT_04, "enum": [{"a": n} for n in range(10_000)]}, "/parametersSchema"
        )
        == []
    )


def test_to_say_where_a_pattern_takes_too_long_takes_little_memory() -> None:
    # Half a gigabyte, were the place of each part put together on the way to the text.
    value: JsonObject = {"k" * 100_000: [1] * 5_000, "b": [TEXT]}
    schema: JsonObject = {"properties": {"b": {"items": {"pattern": ENDLESS}}}}
    tracemalloc.start()
    try:
        (issue,) = violations(schema, value, "/parameters")
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert issue.path == "/parameters/b/0"
    assert most_bytes < 50_000_000


def test_long_identifiers_of_many_parts_are_too_much() -> None:
    # Each part's is put together with the one around it, segment by segment.
    parts: JsonObject = {f"p{n}": {"$id": f"../p{n}"} for n in range(2_000)}
    schema: JsonObject = {"$id": "http://x/" + "a/" * 200_000, "properties": parts}
    (issue,) = schema_issues(schema, "/parametersSchema")
    assert (issue.path, issue.keyword) == ("/parametersSchema", "maxSteps")


@pytest.mark.parametrize("closing", [{}, {"unevaluatedProperties": False}])
def test_a_reference_costs_what_the_identifier_around_it_does(closing: dict[str, Any]) -> None:
    each = {"$ref": "other", **closing}
    schema: JsonObject = {
        "$id": "http://x/" + "a/" * 100_000,
        "items": each,
        "$defs": {"other": {"$id": "other", "properties": {"a": {}}}},
    }
    assert schema_issues(schema, "/parametersSchema") == []
    assert violations(schema, [{"a": 1}], "/parameters") == []
    (issue,) = violations(schema, [{"a": 1}] * 20_000, "/parameters")
    assert (issue.path, issue.keyword) == ("/parameters", "maxSteps")


def test_a_bundle_of_hundreds_of_identifiers_is_fine() -> None:
    bundle: JsonObject = {
        f"d{n}": {"$id": f"https://schemas.example.com/orders/v2/part-{n}.json"} for n in range(300)
    }
    parts: JsonObject = {f"p{n}": {"$ref": f"part-{n}.json"} for n in range(300)}
    schema: JsonObject = {
        "$id": "https://schemas.example.com/orders/v2/order.json",
        "properties": parts,
        "$defs": bundle,
    }
    assert schema_issues(schema, "/parametersSchema") == []
    assert violations(schema, {"p7": 1}, "/parameters") == []
