"""Values are equal, and items unique, as JSON Schema says."""

from itertools import combinations

from domain.json_values import Json
from domain.schema.validation import violations

EQUAL: list[list[Json]] = [
    [1, 1.0],
    [{"a": 1, "b": [2.0]}, {"b": [2], "a": 1.0}],
    [True],
    [False],
    [0, -0.0],
    ["1"],
]

EQUAL += [
    [None],
    [[]],
    [{}],
    [[1, 2]],
    [[2, 1]],
    [{"a": None}],
    ["é"],
    [1e300],
    [0.1],
    [2**63],
    ["true"],
    [""],
]


def test_values_are_equal_as_json_schema_says() -> None:
    for alike in EQUAL:
        for value in alike:
            assert violations({"const": alike[0]}, value, "") == []
            assert violations({"enum": ["other", alike[-1]]}, value, "") == []
            assert [
                issue.keyword for issue in violations({"uniqueItems": True}, [value, *alike], "")
            ] == ["uniqueItems"]
    for one, other in combinations([value for alike in EQUAL for value in alike[:1]], 2):
        assert violations({"uniqueItems": True}, [one, other], "") == []
        assert violations({"const": one}, other, "")
        assert violations({"enum": [one]}, other, "")


def test_items_may_repeat_unless_they_must_be_unique() -> None:
    assert violations({"uniqueItems": False}, [1, 1], "") == []
