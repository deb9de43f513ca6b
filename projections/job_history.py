"""A job's recorded past: its runs, each with its turns, and its limits. Pure.

First a value over time (`Timeline`), then the past (`History`); then how a run's row or its events
become a `RecordedRun`. `simulation.py` simulates it. Times are milliseconds since 1970.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, ms_between
from domain.jobs.policies import RateLimit
from domain.json_values import Json
from domain.state import Id, Integer, Text, Time
from projections.envelope import Envelope

T = TypeVar("T")


class Timeline(Generic[T]):
    """A value over time, None before the first change.

    Attributes:
        moments: the times of its changes, in order.
    """

    def __init__(self, changes: Iterable[tuple[int, T | None]] = ()) -> None:
        self.moments: list[int] = []
        self._values: list[T | None] = [None]
        for at, value in changes:
            self.change(at, value)

    def change(self, at: int, value: T | None) -> None:
        """Change the value from a time on, which is not before the last change."""
        if self.moments and self.moments[-1] == at:
            self.moments.pop()
            self._values.pop()
        if value != self._values[-1]:
            self.moments.append(at)
            self._values.append(value)

    def at(self, moment: int) -> T | None:
        """Return the value at a time."""
        return self._values[bisect_right(self.moments, moment)]

    def within(self, since: int, until: int) -> Sequence[tuple[int, T | None]]:
        """Return the value at the first time, and each change before the second."""
        changes = zip(self.moments, self._values[1:], strict=True)
        return [(since, self.at(since)), *(one for one in changes if since < one[0] < until)]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A period in which a run waits, and may then be executed.

    Attributes:
        due_at: when it is due.
        started_at: when it started, None if it did not.
        ended_at: when it ended, None if it did not.
        waits_until: until when it waits at most; None for ever.
        was_handed_back: whether a stopping worker handed the run back, so that it keeps its queue
            position.
    """

    due_at: int
    started_at: int | None = None
    ended_at: int | None = None
    waits_until: int | None = None
    was_handed_back: bool = False


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run, with its turns in order.

    Attributes:
        key: its value of the job's concurrency key.
        rate_value: by which its starts are counted; None if they are not.
        fair_value: its value of the job's fairness key; None if it is in no fairness group.
    """

    id: str
    priority: int
    key: str | None
    turns: Sequence[Turn]
    entry_point: str = ""
    rate_value: str | None = None
    fair_value: str | None = None


@dataclass(frozen=True)
class History:
    """A range of a job's past.

    Attributes:
        since: its beginning.
        until: its end; nothing is known of later times.
        runs: all runs that waited or were under way in it.
        limits: the limit of runs under way.
        key_limits: the limit of runs under way with the same key; None stands for one.
        rates: the rate limit.
        fairness_keys: the parameter whose values are served round-robin.
    """

    since: int
    until: int
    runs: Sequence[RecordedRun]
    limits: Timeline[int]
    key_limits: Timeline[int] = field(default_factory=Timeline)
    rates: Timeline[RateLimit] = field(default_factory=Timeline)
    fairness_keys: Timeline[str] = field(default_factory=Timeline)

    def changes(self) -> set[int]:
        """Return the times at which a limit changed."""
        return {
            *self.limits.moments,
            *self.key_limits.moments,
            *self.rates.moments,
            *self.fairness_keys.moments,
        }


class RecordedRow(TypedDict):
    """The columns of a run's row that describe its turns."""

    id: ReadOnly[Id]
    priority: ReadOnly[Integer]
    concurrency_value: ReadOnly[Text | None]
    entry_point: ReadOnly[Text]
    rate_value: ReadOnly[Text | None]
    fair_value: ReadOnly[Text | None]
    status: ReadOnly[Text]
    execution: ReadOnly[Integer]
    scheduled_at: ReadOnly[Time]
    start_deadline_at: ReadOnly[Time | None]
    started_at: ReadOnly[Time | None]
    completed_at: ReadOnly[Time | None]


def ms_of(text: str) -> int:
    """Return a time in ISO 8601 as milliseconds since 1970."""
    return ms_between(_EPOCH, from_iso(text))


def describes_all_turns(row: RecordedRow) -> bool:
    """Return whether the row describes all turns, as there is at most one."""
    if row["execution"] == 0:
        return True
    return row["execution"] == 1 and row["started_at"] is not None


def run_of_row(row: RecordedRow) -> RecordedRun:
    """Return the run of a row that `describes_all_turns`."""
    started_at = _ms_or_none(row["started_at"])
    ended_at = _ms_or_none(row["completed_at"])
    waits_until = _ms_or_none(row["start_deadline_at"])
    if started_at is None:
        waits_until = _earlier(waits_until, ended_at)
        ended_at = None
    turn = Turn(
        due_at=ms_of(row["scheduled_at"]),
        started_at=started_at,
        ended_at=ended_at,
        waits_until=waits_until,
    )
    return _run(row, [turn])


def run_of_history(row: RecordedRow, history: Iterable[Envelope]) -> RecordedRun:
    """Return the run of a row, with the turns that its events describe."""
    turns: list[Turn] = []
    for event in history:
        if event.unreadable is None:
            _take_event(turns, event)
    return _run(row, turns)


def _run(row: RecordedRow, turns: Sequence[Turn]) -> RecordedRun:
    return RecordedRun(
        row["id"],
        row["priority"],
        row["concurrency_value"],
        turns,
        row["entry_point"],
        row["rate_value"],
        row["fair_value"],
    )


def _take_event(turns: list[Turn], event: Envelope) -> None:
    """Change the last turn by an event of the run, or begin the next turn."""
    data = event.data
    at = ms_of(event.at)
    match event.topic:
        case "job_run.requested":
            due_at = _ms_or_none(data["scheduled_at"]) or at
            turns.append(Turn(due_at=due_at, waits_until=_ms_or_none(data["start_deadline_at"])))
        case "job_run.started":
            turns[-1] = replace(turns[-1], started_at=at)
        case "job_run.handed_back":
            turns[-1] = replace(turns[-1], ended_at=at)
            turns.append(Turn(due_at=at, was_handed_back=True))
        case "job_run.attempt_failed" | "job_run.attempt_timed_out" | "job_run.attempt_lost":
            turns[-1] = replace(turns[-1], ended_at=at)
            retry_at = _ms_or_none(data["retry_at"])
            if retry_at is not None:
                turns.append(Turn(due_at=retry_at))
        case "job_run.succeeded" | "job_run.canceled" | "job_run.start_deadline_passed":
            last = turns[-1]
            if last.started_at is None:
                turns[-1] = replace(last, waits_until=_earlier(last.waits_until, at))
            else:
                turns[-1] = replace(last, ended_at=at)


def _ms_or_none(text: Json) -> int | None:
    return ms_of(text) if isinstance(text, str) else None


def _earlier(one: int | None, other: int | None) -> int | None:
    """Return the earlier of two moments; None stands for never."""
    return min((moment for moment in (one, other) if moment is not None), default=None)
