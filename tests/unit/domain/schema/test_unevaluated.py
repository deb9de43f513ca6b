"""Unevaluated properties and items are those that no part of a schema looked at."""

from typing import Any

import pytest

from domain.json_values import Json
from domain.schema.validation import violations

DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"


@pytest.mark.parametrize("dialect", [DRAFT_2019, "https://json-schema.org/draft/2020-12/schema"])
@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        ({"properties": {"a": True}}, {"a": 1, "b": 2}, "'b'"),
        ({"patternProperties": {"^a": True}}, {"ab": 1, "b": 2}, "'b'"),
        ({"allOf": [{"properties": {"a": True}}]}, {"a": 1, "b": 2}, "'b'"),
        (
            {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["b"]}]},
            {"a": 1, "b": 2},
            "'a', 'b'",
        ),
        (
            {"$ref": "#/$defs/x", "$defs": {"x": {"properties": {"a": True}}}},
            {"a": 1, "b": 2},
            "'b'",
        ),
        (
            {"if": {"properties": {"a": {"const": 1}}}, "then": {"properties": {"b": True}}},
            {"a": 1, "b": 2, "c": 3},
            "'c'",
        ),
        ({"if": {"required": ["z"]}, "else": {"properties": {"b": True}}}, {"b": 2, "c": 3}, "'c'"),
        ({"dependentSchemas": {"a": {"properties": {"a": True}}}}, {"a": 1, "b": 2}, "'b'"),
        ({"allOf": [{"additionalProperties": {"type": "integer"}}]}, {"a": 1}, None),
        ({"properties": {"a": True}}, {"a": 1}, None),
    ],
)
def test_unevaluated_properties_are_those_that_nothing_looked_at(
    dialect: str, schema: dict[str, Any], value: Json, wrong: str | None
) -> None:
    found_issues = violations(
        {"$schema": dialect, "unevaluatedProperties": False, **schema}, value, ""
    )
    assert [(issue.keyword, f"({wrong} " in issue.message) for issue in found_issues] == (
        [("unevaluatedProperties", True)] if wrong else []
    )


_TREE: dict[str, Any] = {
    "$schema": DRAFT_2019,
    "$recursiveAnchor": True,
    "items": [{"$recursiveRef": "#", "unevaluatedItems": False}],
}


@pytest.mark.parametrize(
    ("schema", "value", "right"),
    [
        ({"prefixItems": [True]}, [1], True),
        ({"prefixItems": [True]}, [1, 2], False),
        ({"$schema": DRAFT_2019, "items": [True]}, [1], True),
        ({"$schema": DRAFT_2019, "items": [True]}, [1, 2], False),
        ({"$schema": DRAFT_2019, "items": [True], "additionalItems": True}, [1, 2], True),
        ({"items": True}, [1, 2], True),
        ({"contains": {"type": "string"}}, ["a"], True),
        ({"contains": {"type": "string"}}, ["a", 1], False),
        (
            {"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"prefixItems": [True, True]}}},
            [1, 2],
            True,
        ),
        (_TREE, [[[]]], True),
        (_TREE, [[[], 5]], False),
        (
            {"$dynamicRef": "#x", "$defs": {"x": {"$dynamicAnchor": "x", "prefixItems": [True]}}},
            [1],
            True,
        ),
        ({"prefixItems": [True], "unevaluatedItems": {"type": "string"}}, [1, "a"], True),
        ({"prefixItems": [True], "unevaluatedItems": {"type": "string"}}, [1, 2], False),
    ],
)
def test_unevaluated_items_are_those_that_nothing_looked_at(
    schema: dict[str, Any], value: Json, right: object
) -> None:
    found_issues = violations({"unevaluatedItems": False, **schema}, value, "")
    assert [issue.keyword for issue in found_issues] == ([] if right else ["unevaluatedItems"])
