"""Times as people type them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cli.times import moment_of, with_moments

BERLIN = ZoneInfo("Europe/Berlin")

NOW = datetime(2026, 3, 30, 0, 30, tzinfo=BERLIN)
"""Half an hour after midnight there, on the day after clocks were put forward."""


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2026-03-29T22:30:00Z"),
        ("today", "2026-03-29T22:00:00Z"),
        ("yesterday", "2026-03-28T23:00:00Z"),
        ("2026-03-28", "2026-03-27T23:00:00Z"),
        ("2h", "2026-03-29T20:30:00Z"),
        ("1h30m", "2026-03-29T21:00:00Z"),
        ("3d", "2026-03-26T22:30:00Z"),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:00:00+01:00", "2026-03-01T11:00:00Z"),
    ],
)
def test_a_time_is_what_people_mean(text: str, meant: str) -> None:
    assert moment_of(text, NOW, BERLIN).astimezone(UTC) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "tomorrow",
        "2026-02-30",
        "2026-03-01T12:00:00",
        "-2h",
        "2",
        "9" * 30 + "d",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_time_is_refused_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="yesterday"):
        moment_of(text, NOW, BERLIN)


def test_of_a_filter_times_alone_are_read() -> None:
    times = ["createdAfter=2h", "endedAfter!=2h"]
    conditions = ["status!=failed", *times, "parameters.since=2h", "createdBefore"]
    assert with_moments(conditions, NOW) == [
        "status!=failed",
        "createdAfter=2026-03-29T20:30:00.000Z",
        "endedAfter!=2026-03-29T20:30:00.000Z",
        "parameters.since=2h",
        "createdBefore",
    ]
