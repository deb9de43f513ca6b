"""Cron expressions told a second time, by looking at a clock each minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from domain.clock import from_iso

MINUTE = timedelta(minutes=1)

TRANSITIONS = [
    (zone, from_iso(f"{at}Z"))
    for zone, at in [
        ("Europe/Berlin", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T01:00"),
        ("America/New_York", "2026-03-08T07:00"),
        ("America/New_York", "2026-11-01T06:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00"),
        ("Australia/Lord_Howe", "2026-10-03T15:30"),
        ("America/Santiago", "2026-09-06T04:00"),
        ("America/Havana", "2026-11-01T05:00"),
        ("Antarctica/Troll", "2026-03-29T01:00"),
        ("Antarctica/Troll", "2026-10-25T01:00"),
        ("Pacific/Apia", "2011-12-30T10:00"),
        ("Asia/Kathmandu", "2026-03-29T01:00"),
    ]
]
"""Zones, each with a moment at which its clocks are set; the last never are."""


@dataclass(frozen=True)
class Field:
    """One field of an expression, and the numbers that it lets pass."""

    text: str
    numbers: frozenset[int]


def fields(first: int, last: int) -> st.SearchStrategy[Field]:
    """Return fields over these numbers."""
    everything = range(first, last + 1)
    return st.one_of(
        st.just(Field("*", frozenset(everything))),
        st.integers(1, 20).map(lambda n: Field(f"*/{n}", frozenset(everything[::n]))),
        named(first, last),
    )


def named(first: int, last: int) -> st.SearchStrategy[Field]:
    """Return fields that name some of these numbers."""
    numbers = st.integers(first, last)
    return st.one_of(
        numbers.map(lambda one: Field(str(one), frozenset([one]))),
        st.tuples(numbers, numbers).map(_listed),
        st.tuples(numbers, numbers).map(_ranged),
    )


def _listed(two: tuple[int, int]) -> Field:
    return Field(f"{two[0]},{two[1]}", frozenset(two))


def _ranged(two: tuple[int, int]) -> Field:
    low, high = sorted(two)
    return Field(f"{low}-{high}", frozenset(range(low, high + 1)))


@dataclass(frozen=True)
class Expression:
    """A minute, an hour and a weekday, in any month; Monday is 1."""

    minute: Field
    hour: Field
    weekday: Field

    @property
    def text(self) -> str:
        """Return it as cron writes it."""
        return f"{self.minute.text} {self.hour.text} * * {self.weekday.text}"

    @property
    def is_fixed(self) -> bool:
        """Return whether it names times of their own."""
        return "*" not in self.minute.text + self.hour.text

    def names(self, wall: datetime) -> bool:
        """Return whether it names the minute that a clock shows."""
        return (
            wall.minute in self.minute.numbers
            and wall.hour in self.hour.numbers
            and wall.isoweekday() % 7 in self.weekday.numbers
        )


_EVERY_DAY = Field("*", frozenset(range(7)))

EXPRESSIONS = st.builds(
    Expression, fields(0, 59), fields(0, 23) | named(0, 4), st.just(_EVERY_DAY) | fields(0, 6)
)


def due_within(
    expression: Expression, zone: ZoneInfo, start: datetime, end: datetime
) -> Sequence[datetime]:
    """Return when an expression is due after the start, and not after the end."""
    # Two days more, for clocks show what was before, and after.
    moment = start - timedelta(days=2)
    readings: list[tuple[datetime, datetime]] = []
    while moment <= end + timedelta(days=2):
        readings.append((moment, moment.astimezone(zone).replace(tzinfo=None)))
        moment += MINUTE
    if expression.is_fixed:
        named = _each_once(expression, readings)
    else:
        named = [moment for moment, wall in readings if expression.names(wall)]
    return [moment for moment in named if start < moment <= end]


def _each_once(
    expression: Expression, readings: Sequence[tuple[datetime, datetime]]
) -> Sequence[datetime]:
    """Return when each named minute is first shown, or passed over."""
    due = []
    latest = readings[0][1]
    for moment, wall in readings[1:]:
        passed = []
        while latest < wall:
            latest += MINUTE
            passed.append(latest)
        if any(map(expression.names, passed)):
            due.append(moment)
    return due
