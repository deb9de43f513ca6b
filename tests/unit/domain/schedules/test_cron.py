"""When a cron expression is due, above all where clocks are set."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import from_iso, to_iso
from domain.schedules.cron import MAX_CHARACTERS, Cron, cron_fault, zone_fault
from tests.unit.domain.schedules.brute_force import EXPRESSIONS, TRANSITIONS, Expression, due_within

MINUTE = timedelta(minutes=1)


def due(text: str, zone: str, after: str, count: int) -> list[str]:
    cron = Cron(text, ZoneInfo(zone))
    moment = from_iso(f"{after}Z")
    moments = []
    for _ in range(count):
        instant = cron.next_after(moment)
        assert instant is not None
        moment = instant
        moments.append(to_iso(instant).removesuffix(":00.000Z"))
    return moments


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T02:00",
            ["2026-03-29T01:00", "2026-03-30T00:30"],
            id="a fixed time that is left out is made up for at once",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T02:00",
            ["2026-03-30T00:00", "2026-03-30T00:30"],
            id="a frequent time that is left out is not",
        ),
        pytest.param(
            "0 2-3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            ["2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T01:00"],
            id="what is made up for at the time of another is due once with it",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            ["2026-10-25T00:30", "2026-10-26T01:30"],
            id="a fixed time that comes twice is taken the first time",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T01:10",
            ["2026-10-26T01:30"],
            id="and not the second time, whoever begins to look in between",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:59",
            [
                "2026-10-25T00:00",
                "2026-10-25T00:30",
                "2026-10-25T01:00",
                "2026-10-25T01:30",
                "2026-10-25T02:00",
            ],
            id="a frequent time that comes twice is taken twice",
        ),
        pytest.param(
            "30 * * * *",
            "America/New_York",
            "2026-11-01T05:00",
            ["2026-11-01T05:30", "2026-11-01T06:30", "2026-11-01T07:30"],
            id="hourly means each hour that passes",
        ),
        pytest.param(
            "0 0 * * *",
            "America/Santiago",
            "2026-09-05T03:59",
            ["2026-09-05T04:00", "2026-09-06T04:00", "2026-09-07T03:00"],
            id="a midnight that there is not",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00",
            ["2026-10-03T15:30", "2026-10-04T15:15"],
            id="clocks set by half an hour, forward",
        ),
        pytest.param(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00",
            ["2026-04-04T14:45", "2026-04-05T15:15"],
            id="clocks set by half an hour, back",
        ),
        pytest.param(
            "*/10 5 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T15:15",
            ["2026-04-04T18:30", "2026-04-04T18:40"],
            id="the hour after that begins at its beginning",
        ),
        pytest.param(
            "30 1 * * *",
            "Antarctica/Troll",
            "2026-03-28T12:00",
            ["2026-03-29T01:00", "2026-03-29T23:30"],
            id="clocks set by two hours",
        ),
        pytest.param(
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00",
            ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"],
            id="a day that there was not",
        ),
        pytest.param(
            "0 6 * * *",
            "Asia/Kathmandu",
            "2026-01-01T00:15",
            ["2026-01-02T00:15"],
            id="an offset of quarters, and nothing ever set",
        ),
        pytest.param(
            "0 12 29 2 *",
            "UTC",
            "2026-01-01T00:00",
            ["2028-02-29T12:00", "2032-02-29T12:00"],
            id="leap days",
        ),
        pytest.param(
            "0 9 LW * *",
            "UTC",
            "2026-01-01T00:00",
            ["2026-01-30T09:00", "2026-02-27T09:00"],
            id="the last working day of a month",
        ),
    ],
)
def test_an_expression_is_due_at_these_times(
    text: str, zone: str, after: str, expected: list[str]
) -> None:
    assert due(text, zone, after, len(expected)) == expected


def test_a_moment_at_which_it_is_due_is_not_after_itself() -> None:
    cron = Cron("0 * * * *", ZoneInfo("UTC"))
    noon = from_iso("2026-01-01T12:00Z")
    assert cron.next_after(noon) == from_iso("2026-01-01T13:00Z")
    assert cron.next_after(noon - timedelta(milliseconds=1)) == noon


@settings(max_examples=40)
@given(
    expression=EXPRESSIONS,
    transition=st.sampled_from(TRANSITIONS),
    minutes_before=st.integers(0, 240),
)
def test_it_is_due_when_clocks_read_so_minute_for_minute(
    expression: Expression, transition: tuple[str, datetime], minutes_before: int
) -> None:
    zone, at = transition
    start = at - minutes_before * MINUTE
    end = at + 240 * MINUTE
    expected = due_within(expression, ZoneInfo(zone), start, end)
    cron = Cron(expression.text, ZoneInfo(zone))
    moments = []
    moment = cron.next_after(start)
    while moment is not None and moment <= end:
        moments.append(moment)
        moment = cron.next_after(moment)
    assert moments == expected


@given(expression=EXPRESSIONS, transition=st.sampled_from(TRANSITIONS))
def test_it_has_a_minute_if_clocks_read_so(
    expression: Expression, transition: tuple[str, datetime]
) -> None:
    zone, at = transition
    cron = Cron(expression.text, ZoneInfo(zone))
    for minutes in range(-90, 90, 7):
        moment = at + minutes * MINUTE
        wall = moment.astimezone(ZoneInfo(zone))
        assert cron.has(moment) == expression.names(wall)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * * *", "has five fields"),
        ("0 * * * * *", "has five fields"),
        ("@daily", "has five fields"),
        ("", "has five fields"),
        ("60 * * * *", "see its minute"),
        ("* 24 * * *", "see its hour"),
        ("* * 0 * *", "see its day-of-month"),
        ("* * * 13 *", "see its month"),
        ("* * * * 8", "see its day-of-week"),
        ("*/0 * * * *", "see its minute"),
        ("5-1 * * * *", "see its minute"),
        ("a * * * *", "see its minute"),
        ("0 0 30 2 *", "see its day-of-month"),
        ("0 0 */20 * 1L", "never comes"),
        ("*/61 * * * *", "the step 61 in its minute, of which there are 60"),
        ("0 5,1-23/25 * * *", "the step 25 in its hour, of which there are 24"),
        ("0 0 * * */8", "at most 7, or everyMs"),
        ("0 " * 150, f"at most {MAX_CHARACTERS} characters"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_rule(text: str, message: str) -> None:
    fault = cron_fault(text)
    assert fault is not None
    assert message in fault


@pytest.mark.parametrize("text", ["*/60 * * * *", "0 */24 * * *", "0 0 1/31 */12 */7"])
def test_a_step_may_be_as_long_as_its_field(text: str) -> None:
    assert cron_fault(text) is None


@given(
    st.text("0123456789*/,-#LWMONJAN ?\u00b2\u0663", max_size=30)
    | st.lists(st.text("0179*/,-#LW", max_size=4), min_size=5, max_size=5).map(" ".join)
)
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    fault = cron_fault(text)
    if fault is None:
        assert Cron(text, ZoneInfo("UTC")).next_after(TRANSITIONS[0][1]) is not None


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"])
def test_zones_of_the_iana_are_taken(name: str) -> None:
    assert zone_fault(name) is None


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "America", "../UTC", "/etc/passwd", "localtime", "right/UTC", "a\x00b"],
)
def test_other_names_of_zones_are_refused(name: str) -> None:
    assert zone_fault(name) is not None


def test_the_library_alone_would_miss_the_beginning_of_an_hour() -> None:
    """It is why only its clocks that are never set are used; if this fails, look again."""
    start = from_iso("2026-04-04T15:15Z").astimezone(ZoneInfo("Australia/Lord_Howe"))
    [first] = islice(CronSim("*/10 5 * * *", start), 1)
    assert first.astimezone(UTC) != from_iso("2026-04-04T18:30Z")
    with pytest.raises(CronSimError):
        CronSim("60 * * * *", start)
