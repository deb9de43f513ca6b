"""The quick yes: where it is certain, the thorough validator finds nothing wrong either."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json_values import Json, normalise
from domain.schema.budget import MAX_STEPS, budget, limited
from domain.schema.fast_path import PlainSchema, compile_plain
from domain.schema.validation import (
    DEFAULT_DIALECT,
    compiled_checks,
    schema_issues,
    thorough_violations,
)

DIALECTS = (
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    DEFAULT_DIALECT,
)

NAMES = st.sampled_from(["a", "b", "c", "$ref", ""])
TEXTS = st.sampled_from(["", "a", "ab", "ä", "1", "\U0001f600\U0001f600"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), max_size=3
)
NUMBERS = (
    st.sampled_from(
        [0, 1, -1, 2, 1.5, -0.0, 1.0, 2**53 + 1, float(2**53), 2**64 - 1, -(2**63), 1e300, 0.1]
    )
    | st.integers(-3, 3)
    | st.floats(-3, 3)
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(["object", "array", "string", "boolean", "null", "integer", "number"])
COUNTS = st.integers(0, 3)


def schemas() -> st.SearchStrategy[Any]:
    """Return schemas of all plain keywords, with a few that are not plain among them."""
    return st.recursive(st.just({}), _schema, max_leaves=6)


def _schema(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    part = inner | st.booleans()
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=4),
        "const": VALUES,
        "required": st.lists(NAMES, min_size=1, max_size=2, unique=True),
        **dict.fromkeys(("minimum", "maximum"), NUMBERS),
        **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), NUMBERS | st.booleans()),
        **dict.fromkeys(
            ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
            COUNTS,
        ),
        "properties": st.dictionaries(NAMES, part, max_size=3),
        "additionalProperties": part,
        "items": part | st.lists(part, min_size=1, max_size=2),
        "$defs": st.dictionaries(NAMES, part, max_size=1),
        "default": VALUES,
        "format": st.just("date"),
        "uniqueItems": st.booleans(),
        "anyOf": st.lists(part, min_size=1, max_size=2),
        "pattern": st.just("a"),
    }
    return st.sets(st.sampled_from(sorted(keywords)), max_size=4).flatmap(
        lambda names: st.fixed_dictionaries({name: keywords[name] for name in sorted(names)})
    )


def check(schema: dict[str, Any], value: Json) -> bool:
    """Check both against each other; return whether the quick one is certain."""
    plain, validator = compiled_checks(schema)
    violations = thorough_violations(validator, value, "")
    certain = plain is not None and plain.certainly_allows(value)
    assert not (certain and violations)
    if certain and plain is not None:
        assert spent(schema, value) <= bound(plain, value)
    return certain


def spent(schema: dict[str, Any], value: Json) -> int:
    validator = compiled_checks(schema)[1]
    with limited():
        assert list(validator.iter_errors(value)) == []
        return MAX_STEPS - budget().steps


def bound(plain: PlainSchema, value: Json) -> int:
    size = len(orjson.dumps(value))
    return (size // 2 + 1) * (plain.most_steps + size // 4)


@given(st.sampled_from(DIALECTS), schemas(), VALUES)
def test_what_the_quick_check_is_certain_of_is_valid_in_every_dialect(
    dialect: str, schema: Any, value: Any
) -> None:
    schema = normalise({**schema, "$schema": dialect})
    if not schema_issues(schema, ""):
        check(schema, normalise(value))


@given(schemas(), VALUES, st.integers(1, 400))
def test_the_budget_would_have_lasted_for_large_values(schema: Any, value: Any, times: int) -> None:
    schema = normalise(schema)
    if not schema_issues(schema, ""):
        check(schema, normalise([value] * times))
        check(schema, normalise({str(number): value for number in range(times)}))
        check({"items": schema, "additionalProperties": schema}, normalise([value] * times))


SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "A report",
    "properties": {
        "day": {"type": "string", "minLength": 1, "maxLength": 10, "format": "date"},
        "depth": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 10},
        "kind": {"enum": ["full", "brief", 1, None]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["day"],
    "additionalProperties": {"type": "boolean"},
}


@pytest.mark.parametrize(
    "value",
    [
        {"day": "monday"},
        {"day": "monday", "depth": 9, "kind": "full", "tags": ["a", "b"], "extra": True},
        {"day": "ä", "depth": None, "kind": None},
        {"day": "x", "kind": 1, "tags": []},
    ],
)
def test_it_is_certain_of_ordinary_values(value: Json) -> None:
    assert check(SCHEMA, value)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"day": ""},
        {"day": "12345678901"},
        {"day": "x", "depth": 10},
        {"day": "x", "depth": -1},
        {"day": "x", "depth": True},
        {"day": "x", "depth": 1.5},
        {"day": "x", "kind": True},
        {"day": "x", "kind": "other"},
        {"day": "x", "tags": ["a", 1]},
        {"day": "x", "tags": ["a", "b", "c", "d"]},
        {"day": "x", "extra": 1},
    ],
)
def test_it_leaves_what_is_wrong_to_the_thorough_validator(value: Json) -> None:
    plain, validator = compiled_checks(SCHEMA)
    assert plain is not None
    assert not plain.certainly_allows(value)
    assert thorough_violations(validator, value, "")


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "a"},
        {"$ref": "#"},
        {"$id": "urn:x"},
        {"anyOf": [{}]},
        {"unheardOf": 1},
        {"properties": {"a": {"$schema": DIALECTS[0]}}},
        {"properties": {"a": {"not": {}}}},
        {"items": [{"type": "string"}]},
        {"minimum": 1, "exclusiveMinimum": True},
        {"type": "any"},
    ],
)
def test_it_says_nothing_of_schemas_that_are_not_plain(schema: dict[str, Any]) -> None:
    assert compile_plain(schema) is None


def test_it_is_not_certain_of_what_might_cost_too_much() -> None:
    plain = compile_plain({"items": {"enum": ["a", "b"]}})
    assert plain is not None
    assert plain.certainly_allows(["a"] * 100)
    assert not plain.certainly_allows(["a"] * 100_000)


@pytest.mark.parametrize("value", [2**65, {1: 2}, {"a": object()}])
def test_it_is_not_certain_of_what_is_no_json(value: Any) -> None:
    plain = compile_plain({})
    assert plain is not None
    assert not plain.certainly_allows(value)
