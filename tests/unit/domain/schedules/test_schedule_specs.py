"""What is wrong with a schedule: the field, the rule, the remedy."""

from typing import Any

import pytest

from domain.schedules.calendar import MAX_EXCLUDE
from tests.unit.domain.schedules.given import a_spec

CRON: dict[str, Any] = {"every_ms": None, "cron": "0 3 * * *"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        CRON,
        {**CRON, "time_zone": "America/St_Johns", "exclude": ["* * 25 12 *"]},
        {"overlap": "cancel_other", "catch_up_ms": 0, "jitter_ms": 86_400_000},
        {"start_at": "2026-01-01T00:00:00.000Z", "end_at": "2026-01-01T00:00:00.000Z"},
    ],
)
def test_these_are_right(changes: dict[str, Any]) -> None:
    assert a_spec(**changes).issues() == []


@pytest.mark.parametrize(
    ("changes", "path", "keyword"),
    [
        ({"every_ms": None}, "/cron", "required"),
        ({"cron": "0 3 * * *"}, "/everyMs", "oneOf"),
        ({"every_ms": 999}, "/everyMs", "range"),
        ({"every_ms": 366 * 86_400_000 + 1}, "/everyMs", "range"),
        ({**CRON, "cron": "61 * * * *"}, "/cron", "format"),
        ({"time_zone": "Mars/Olympus"}, "/timeZone", "format"),
        ({"overlap": "queue"}, "/overlap", "enum"),
        ({"catch_up_ms": -1}, "/catchUpMs", "range"),
        ({"jitter_ms": -1}, "/jitterMs", "range"),
        ({"jitter_ms": 86_400_001}, "/jitterMs", "range"),
        ({"exclude": ["* * * * *", "* *"]}, "/exclude/1", "format"),
        # To find out takes long, so nothing after it is looked at.
        ({"exclude": ["0 0 */27 * 1#5", "* *"]}, "/exclude/0", "format"),
        ({"exclude": ["* * * * *"] * (MAX_EXCLUDE + 1)}, "/exclude", "maxItems"),
        ({"start_at": "1969-12-31T00:00:00.000Z"}, "/startAt", "range"),
        ({"end_at": "2200-01-01T00:00:00.000Z"}, "/endAt", "range"),
        (
            {"start_at": "2026-01-01T00:00:00.001Z", "end_at": "2026-01-01T00:00:00.000Z"},
            "/endAt",
            "minimum",
        ),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], path: str, keyword: str) -> None:
    issues = a_spec(**changes).issues()
    assert [(issue.path, issue.keyword) for issue in issues] == [(path, keyword)]


def test_all_that_is_wrong_is_said_at_once() -> None:
    spec = a_spec(time_zone="x", overlap="y", jitter_ms=-1, catch_up_ms=-1)
    assert len(spec.issues()) == 4
