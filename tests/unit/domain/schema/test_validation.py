"""Parameters against JSON Schemas: a schema is checked once, before any launch.

Nothing is fetched.
"""

import socket
import warnings
from typing import Any

import pytest

from domain.json_values import Json
from domain.schema.dialects import MAX_ISSUES
from domain.schema.validation import merged, schema_issues, violations

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
DRAFT_04 = "http://json-schema.org/draft-04/schema#"
PATH = "/parametersSchema"


def keywords(schema: dict[str, Any]) -> list[str]:
    return [issue.keyword for issue in schema_issues(schema, PATH)]


def pointers(schema: dict[str, Any], value: Json) -> list[tuple[str, str]]:
    assert schema_issues(schema, PATH) == []
    return sorted((issue.path, issue.keyword) for issue in violations(schema, value, "/parameters"))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "strnig"}, "/type"),
        ({"type": 5}, "/type"),
        ({"required": "a"}, "/required"),
        ({"properties": {"a": 7}}, "/properties/a"),
        ({"properties": {"a/b": {"minimum": "1"}}}, "/properties/a~1b/minimum"),
        ({"minLength": -1}, "/minLength"),
    ],
)
def test_what_is_no_schema_is_refused_where_it_is_wrong(schema: dict[str, Any], path: str) -> None:
    assert [issue.path for issue in schema_issues(schema, PATH)] == [PATH + path]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "("}}},
        {"patternProperties": {"[": {}}},
        {"pattern": "a{99999999999999999999}"},
        {"$schema": DRAFT_04, "patternProperties": {"(": {}}},
        {
            "$schema": DRAFT_07,
            "properties": {"a": {"$ref": "#/$defs/x"}},
            "$defs": {"x": {"pattern": "("}},
        },
    ],
)
def test_a_broken_regular_expression_is_refused_at_registration(schema: dict[str, Any]) -> None:
    assert schema_issues(schema, PATH)


@pytest.mark.parametrize(
    "dialect",
    [
        "https://example.org/dialect",
        "",
        "http://[",
        7,
        None,
        "http://json-schema.org/draft-03/schema#",
    ],
)
def test_an_unknown_dialect_is_refused(dialect: Json) -> None:
    (issue,) = schema_issues({"$schema": dialect}, PATH)
    assert (issue.path, issue.keyword) == (f"{PATH}/$schema", "$schema")


@pytest.mark.parametrize("dialect", ["urn:nothing", "http://["])
def test_an_unknown_dialect_within_is_refused(dialect: str) -> None:
    assert keywords({"properties": {"a": {"$schema": dialect}}}) == ["$schema"]


@pytest.mark.parametrize(
    "reference",
    [
        "#/$defs/nothing",
        "#nothing",
        "#/allOf/9",
        "#/allOf/x",
        "#/title",
        "#/title/x",
        "other.json",
        "http://127.0.0.1:9/schema",
        "https://json-schema.org/draft/2020-12/schema",
        "file:///etc/passwd",
        "http://[",
    ],
)
def test_a_reference_that_leads_to_no_schema_inside_is_refused(reference: str) -> None:
    schema: dict[str, Any] = {"title": "x", "allOf": [{}], "properties": {"a": {"$ref": reference}}}
    (issue,) = schema_issues(schema, PATH)
    assert issue.keyword == "$ref"
    assert repr(reference) in issue.message


@pytest.mark.parametrize(
    "target", [{"$ref": "http://127.0.0.1:9/x"}, {"type": "strnig"}, 5, "text", {"$ref": "#/no"}]
)
def test_what_a_reference_leads_to_is_checked_too(target: Json) -> None:
    assert schema_issues({"properties": {"a": {"$ref": "#/odd"}}, "odd": target}, PATH)


def test_a_remote_reference_is_never_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        with warnings.catch_warnings():
            # jsonschema's own, where it does fetch
            warnings.simplefilter("ignore", DeprecationWarning)
            assert keywords({"$ref": url}) == ["$ref"]
            assert violations({"$ref": url}, {}, "/parameters")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_references_to_definitions_ids_and_anchors_are_followed() -> None:
    schema: dict[str, Any] = {
        "$id": "https://example.org/root",
        "properties": {
            "a": {"$ref": "#/$defs/text"},
            "b": {"$ref": "#whole"},
            "c": {"$ref": "item"},
        },
        "$defs": {
            "text": {"type": "string"},
            "number": {"$anchor": "whole", "type": "integer"},
            "thing": {
                "$id": "item",
                "$ref": "#/$defs/flag",
                "$defs": {"flag": {"type": "boolean"}},
            },
        },
    }
    assert pointers(schema, {"a": "x", "b": 1, "c": True}) == []
    assert [path for path, _ in pointers(schema, {"a": 1, "b": "x", "c": 2})] == [
        *("/parameters/a", "/parameters/b", "/parameters/c")
    ]


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveRef": "#"},
    ],
)
def test_a_schema_that_refers_to_itself_without_end_is_a_violation_not_a_crash(
    schema: dict[str, Any],
) -> None:
    assert pointers(schema, {}) == [("/parameters", "$ref")]


def test_a_recursive_schema_goes_as_deep_as_the_value() -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}},
    }
    schema["$defs"]["node"]["type"] = "object"  # type: ignore[index]
    value: Json = 5
    for _ in range(60):
        value = {"next": value}
    assert pointers(schema, value) == [("/parameters" + "/next" * 60, "type")]


def test_every_violation_is_listed_with_its_place() -> None:
    schema = {
        "properties": {
            "a": {"type": "string"},
            "b": {"items": {"maximum": 3}},
            "c/d": {"enum": [1]},
        },
        "required": ["x", "y/z"],
        "additionalProperties": False,
    }
    assert pointers(schema, {"a": 1, "b": [1, 5, 9], "c/d": 2, "e": 0}) == [
        ("/parameters", "additionalProperties"),
        ("/parameters/a", "type"),
        ("/parameters/b/1", "maximum"),
        ("/parameters/b/2", "maximum"),
        ("/parameters/c~1d", "enum"),
        ("/parameters/x", "required"),
        ("/parameters/y~1z", "required"),
    ]


def test_a_missing_property_within_is_pointed_at() -> None:
    schema = {"properties": {"a": {"items": {"required": ["b"]}}}}
    assert pointers(schema, {"a": [{"b": 1}, {}]}) == [("/parameters/a/1/b", "required")]


@pytest.mark.parametrize(
    ("divisor", "value", "keywords"),
    [
        (0.1, 0.3, []),
        (0.01, 19.99, []),
        (0.01, 19.995, ["multipleOf"]),
        (1e-300, 1e308, []),
        (3, 1e308, ["multipleOf"]),
        (3, 9, []),
        (2, True, []),
        (2, "x", []),
    ],
)
def test_a_multiple_is_one_as_the_numbers_are_written(
    divisor: float, value: Json, keywords: list[str]
) -> None:
    schema: dict[str, Any] = {"properties": {"a": {"multipleOf": divisor}}}
    assert [keyword for _, keyword in pointers(schema, {"a": value})] == keywords


NO_ALTERNATIVE = "is not valid under any of the given schemas"
FORBIDDEN = "False schema does not allow"


@pytest.mark.parametrize(
    ("schema", "value", "path", "message"),
    [
        (False, "x", "/a", "'a' is not allowed; leave it out"),
        ({"const": None}, 0, "/a", "null was expected"),
        ({"enum": [True, "x", None]}, False, "/a", "false is not one of true, 'x', null"),
        ({"type": ["integer", "null"]}, True, "/a", "true is not of type 'integer', 'null'"),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "x",
            "/a",
            f"'x' {NO_ALTERNATIVE}: 'x' is not of type 'integer'; or 'x' is not of type 'null'",
        ),
        (
            {"anyOf": [{"type": "null"}, {"items": {"type": "null"}}, False]},
            ["x"],
            "/a",
            f"['x'] {NO_ALTERNATIVE}: 0: 'x' is not of type 'null'; or {FORBIDDEN} ['x']",
        ),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]},
            1,
            "/a",
            f"1 {NO_ALTERNATIVE}: 1 is less than the minimum of 3",
        ),
    ],
)
def test_a_message_says_which_member_and_what_would_be_right(
    schema: Json, value: Json, path: str, message: str
) -> None:
    whole: dict[str, Any] = {"properties": {"a": schema}}
    assert schema_issues(whole, PATH) == []
    (issue,) = violations(whole, {"a": value}, "")
    assert (issue.path, issue.message) == (path, message)
    assert issue.keyword not in {"", "None"}


def test_more_violations_than_help_anybody_are_cut() -> None:
    assert len(violations({"items": {"type": "string"}}, [0] * 5_000, "/parameters")) == MAX_ISSUES


def test_a_long_value_does_not_fill_the_message() -> None:
    (issue,) = violations({"type": "integer"}, "x" * 1_000_000, "/parameters")
    assert len(issue.message) < 600


def test_draft_07_is_honoured() -> None:
    schema = {
        "$schema": DRAFT_07,
        "properties": {"a": {"items": [{"type": "string"}], "additionalItems": False}},
    }
    assert pointers(schema, {"a": ["x", 1]}) == [("/parameters/a", "additionalItems")]
    assert pointers({"properties": {"a": {"prefixItems": [{"type": "string"}]}}}, {"a": [1]}) == [
        ("/parameters/a/0", "type")
    ]


def test_draft_07_dependencies_may_mix_names_and_schemas() -> None:
    schema = {"$schema": DRAFT_07, "dependencies": {"a": {"required": ["c"]}, "b": ["d"]}}
    assert pointers(schema, {"a": 1, "b": 1}) == [
        ("/parameters", "dependencies"),
        ("/parameters/c", "required"),
    ]


def test_draft_04_exclusive_minimum_is_honoured() -> None:
    schema = {"$schema": DRAFT_04, "properties": {"a": {"minimum": 1, "exclusiveMinimum": True}}}
    assert pointers(schema, {"a": 1}) == [("/parameters/a", "minimum")]


def test_a_schema_over_which_the_library_stumbles_is_a_violation_not_a_crash() -> None:
    schema = {"$schema": DRAFT_07, "properties": {"a": {"items": False, "additionalItems": False}}}
    assert pointers(schema, {"a": [1]})


def test_no_schema_allows_everything() -> None:
    assert pointers({}, {"a": [None, 1.5, "x"]}) == []


def test_given_parameters_replace_defaults_key_by_key_at_the_top() -> None:
    assert merged({"a": {"x": 1}, "b": 2, "c": 3}, {"a": {"y": 1}, "c": None}) == {
        "a": {"y": 1},
        "b": 2,
        "c": None,
    }
