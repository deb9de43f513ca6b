"""When the ticks of a schedule are due and fire."""

from datetime import datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import cut_to_ms, from_iso, to_iso
from domain.identifiers import schedule_id
from domain.schedules.calendar import Calendar, Tick
from domain.schedules.cron import TickRange
from tests.unit.domain.schedules.brute_force import EXPRESSIONS, TRANSITIONS, Expression
from tests.unit.domain.schedules.given import a_spec

ONE = schedule_id("one")
OTHER = schedule_id("other")
MIDNIGHT = from_iso("2026-03-01T00:00Z")


def due(count: int, after: datetime = MIDNIGHT, **spec: Any) -> list[str]:
    calendar = Calendar(ONE, a_spec(**{"every_ms": None, **spec}))
    ticks = islice(calendar.ticks_after(after), count)
    return [to_iso(tick.due_at)[:-5] for tick in ticks]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"every_ms": 90_000}, ["2026-03-01T00:01:30", "2026-03-01T00:03:00"]),
        (
            {"every_ms": 90_000, "start_at": "2026-02-28T23:59:50.000Z"},
            ["2026-03-01T00:01:20", "2026-03-01T00:02:50"],
        ),
        (
            {"every_ms": 90_000, "start_at": "2026-03-01T10:00:07.000Z"},
            ["2026-03-01T10:00:07", "2026-03-01T10:01:37"],
        ),
        (
            {"cron": "0 12 * * *", "start_at": "2026-03-02T12:00:00.000Z"},
            ["2026-03-02T12:00:00", "2026-03-03T12:00:00"],
        ),
        (
            {"cron": "0 12 * * *", "end_at": "2026-03-02T12:00:00.000Z"},
            ["2026-03-01T12:00:00", "2026-03-02T12:00:00"],
        ),
        ({"cron": "0 12 * * *", "end_at": "2026-02-28T12:00:00.000Z"}, []),
        (
            {"cron": "0 12 * * *", "time_zone": "Asia/Tokyo"},
            ["2026-03-01T03:00:00", "2026-03-02T03:00:00", "2026-03-03T03:00:00"],
        ),
    ],
)
def test_ticks_are_due_between_their_bounds(spec: dict[str, Any], expected: list[str]) -> None:
    assert due(3, **spec)[: len(expected)] == expected
    if "end_at" in spec:
        assert len(due(3, **spec)) == len(expected)


def test_an_interval_is_elapsed_time_whatever_clocks_show() -> None:
    before = from_iso("2026-03-28T23:00Z")
    spec: dict[str, Any] = {"every_ms": 3_600_000, "time_zone": "Europe/Berlin"}
    assert due(4, before, **spec) == [
        "2026-03-29T00:00:00",
        "2026-03-29T01:00:00",
        "2026-03-29T02:00:00",
        "2026-03-29T03:00:00",
    ]


def test_ticks_in_excluded_minutes_are_marked_on_the_clocks_of_the_zone() -> None:
    spec = a_spec(
        cron="0 */6 * * *",
        every_ms=None,
        time_zone="Asia/Tokyo",
        exclude=["* * 2 3 *", "* 6 * * *"],
    )
    after = from_iso("2026-03-01T11:00Z")  # 20:00 in Tokyo
    ticks = islice(Calendar(ONE, spec).ticks_after(after), 8)
    assert [tick.is_excluded for tick in ticks] == [
        True,
        True,
        True,
        True,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.timeout(150)
def test_long_exclusions_are_not_read_anew_for_each_tick() -> None:
    # Two hundred thousand times: that would take a minute.
    hours = ",".join(["0-23"] * 38)
    spec = a_spec(cron="0 * * * *", every_ms=None, exclude=[f"1 {hours} * * *"] * 100)
    ticks = islice(Calendar(ONE, spec).ticks_after(MIDNIGHT), 2_000)
    assert not any(tick.is_excluded for tick in ticks)


def test_an_exclusion_names_minutes_for_ticks_of_seconds_too() -> None:
    spec = a_spec(every_ms=20_000, exclude=["1 * * * *"])
    ticks = islice(Calendar(ONE, spec).ticks_after(MIDNIGHT), 6)
    excluded = [tick.due_at for tick in ticks if tick.is_excluded]
    assert excluded == [MIDNIGHT + timedelta(seconds=s) for s in (60, 80, 100)]


@given(
    every_ms=st.integers(1_000, 100_000),
    jitter_ms=st.integers(0, 200_000),
    own_id=st.sampled_from([ONE, OTHER]),
)
def test_jitter_delays_within_its_bound_and_never_into_the_next_tick(
    every_ms: int, jitter_ms: int, own_id: UUID
) -> None:
    calendar = Calendar(own_id, a_spec(every_ms=every_ms, jitter_ms=jitter_ms))
    ticks = list(islice(calendar.ticks_after(MIDNIGHT), 20))
    bound = timedelta(milliseconds=jitter_ms)
    for tick in ticks:
        assert tick.due_at <= tick.fires_at <= tick.due_at + bound
    for tick, following in pairwise(ticks):
        assert tick.fires_at < following.due_at
    assert ticks[5:] == list(islice(calendar.ticks_after(ticks[4].due_at), 15))


def test_jitter_differs_by_schedule_and_tick_and_reaches_its_whole_range() -> None:
    spec = a_spec(jitter_ms=1_000)
    delays = {}
    for own_id in (ONE, OTHER):
        ticks = islice(Calendar(own_id, spec).ticks_after(MIDNIGHT), 400)
        delays[own_id] = [tick.fires_at - tick.due_at for tick in ticks]
    assert delays[ONE] != delays[OTHER]
    milliseconds = [delay / timedelta(milliseconds=1) for delay in delays[ONE]]
    assert min(milliseconds) < 50
    assert max(milliseconds) > 950


def test_the_last_tick_may_be_as_late_as_its_jitter_says() -> None:
    spec = a_spec(
        cron="0 12 1 3 *", every_ms=None, end_at="2026-03-01T12:00:00.000Z", jitter_ms=86_400_000
    )
    calendar = Calendar(ONE, spec)
    [tick] = calendar.ticks_after(MIDNIGHT)
    assert tick.fires_at > tick.due_at == from_iso("2026-03-01T12:00Z")


SPAN = st.timedeltas(timedelta(days=-4), timedelta(days=4))

REGULAR = {"cron": None, "every_ms": 1_234_567, "start_at": "2026-03-28T00:00:07.000Z"}


@given(
    transition=st.sampled_from([*TRANSITIONS, ("America/St_Johns", from_iso("2010-11-07T02:31Z"))]),
    expression=EXPRESSIONS,
    span=st.tuples(SPAN, SPAN),
)
def test_reckoned_ticks_are_those_that_are_gone_through(
    transition: tuple[str, datetime], expression: Expression, span: tuple[timedelta, timedelta]
) -> None:
    zone, set_at = transition
    after, until = sorted(set_at + one for one in span)
    calendar = Calendar(ONE, a_spec(every_ms=None, cron=expression.text, time_zone=zone))
    assert_reckoned(calendar, cut_to_ms(after), cut_to_ms(until))


@given(span=st.tuples(SPAN, SPAN), jitter_ms=st.integers(0, 2_000_000))
def test_reckoned_intervals_are_those_that_are_gone_through(
    span: tuple[timedelta, timedelta], jitter_ms: int
) -> None:
    after, until = sorted(from_iso("2026-03-29T00:00Z") + one for one in span)
    end_at = "2026-04-01T00:00:00.000Z"
    spec = a_spec(**REGULAR, end_at=end_at, jitter_ms=jitter_ms)
    assert_reckoned(Calendar(ONE, spec), cut_to_ms(after), cut_to_ms(until))


def assert_reckoned(calendar: Calendar, after: datetime, until: datetime) -> None:
    ticks = list(takewhile(lambda one: one.due_at <= until, calendar.ticks_after(after)))
    assert calendar.due_between(after, until) == range_of(ticks)
    fired = [tick for tick in ticks if tick.fires_at < until]
    assert calendar.firing_between(after, until) == range_of(fired)
    late = [tick for tick in ticks if tick.fires_at > until]
    assert calendar.delayed_tick(after, until) == (late[0] if late else None)


def range_of(ticks: list[Tick]) -> TickRange | None:
    if not ticks:
        return None
    return TickRange(ticks[0].due_at, ticks[-1].due_at, len(ticks))
