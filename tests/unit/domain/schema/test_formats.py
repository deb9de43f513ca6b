"""`format` is a remark, except that dates must be those of a calendar."""

import pytest

from domain.json_values import Json, JsonObject
from domain.schema.fast_path import compile_plain
from domain.schema.validation import compiled_checks, thorough_violations, violations

IMPOSSIBLE = [
    ("date", "2026-02-30"),
    ("date", "2026-02-29"),
    ("date", "1900-02-29"),
    ("date", "2026-13-01"),
    ("date", "2026-00-10"),
    ("date", "2026-04-31"),
    ("date-time", "2026-02-30T10:00:00Z"),
    ("date-time", "2026-02-03T25:00:00Z"),
    ("date-time", "2026-02-03T24:30:00Z"),
    ("date-time", "2026-02-03 10:61"),
]

FINE: list[tuple[Json, Json]] = [
    ("date", "2024-02-29"),
    ("date", "2000-02-29"),
    ("date", "0000-02-29"),
    ("date", "24.12.2026"),
    ("date", "tomorrow"),
    ("date", 20260230),
    ("date-time", "2026-06-30T23:59:60Z"),
    ("date-time", "2026-02-03T24:00:00"),
    ("date-time", "1767225600"),
    ("time", "99:99"),
    ("uuid", "none"),
    ("email", "2026-02-30"),
    (7, "2026-02-30"),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_a_date_that_no_calendar_has_is_refused(name: str, value: str) -> None:
    schema: JsonObject = {"properties": {"day": {"type": "string", "format": name}}}
    [issue] = violations(schema, {"day": value}, "/parameters")
    assert (issue.path, issue.keyword) == ("/parameters/day", "format")
    assert value in issue.message


@pytest.mark.parametrize(("name", "value"), FINE)
def test_all_else_is_a_remark(name: Json, value: Json) -> None:
    plain = compile_plain({"format": name})
    assert plain is not None
    assert plain.certainly_allows(value)
    _, validator = compiled_checks({"format": name})
    assert thorough_violations(validator, value, "") == []
