"""What is known of a job's past: its runs, each with its turns, and its limits.

Times are whole milliseconds since 1970.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso, ms_between
from domain.json_values import Json
from projections.envelope import Envelope
from projections.rows import Id, Integer, Text, Time
from projections.simulation.steps import Steps

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One time that a run waits and, if it comes to that, is executed.

    Attributes:
        due_at: from when on it may start.
        started_at: when it started, None if it did not.
        ended_at: when it was over, None if it was not.
        given_up_at: when it waits no longer where it has not started by then; None for never.
        was_handed_back: whether a stopping worker gave the run back: it keeps its place then.
    """

    due_at: int
    started_at: int | None = None
    ended_at: int | None = None
    given_up_at: int | None = None
    was_handed_back: bool = False


@dataclass(frozen=True)
class RecordedRun:
    """A run, in the order of its turns; few runs with the same key are under way at a time."""

    id: str
    priority: int
    key: str | None
    turns: Sequence[Turn]


@dataclass(frozen=True)
class History:
    """A range of a job's past.

    Attributes:
        since: where it begins.
        until: where it ends; nothing is known beyond.
        runs: all that waited or were under way in it.
        limits: how many of them might be under way at a time.
        key_limits: how many of those with the same key; where none is told, one.
    """

    since: int
    until: int
    runs: Sequence[RecordedRun]
    limits: Steps
    key_limits: Steps = field(default_factory=Steps)

    def key_limit_at(self, moment: int) -> int:
        """Return how many runs with the same key might be under way at a time."""
        return self.key_limits.at(moment) or 1


class RecordedRow(TypedDict):
    """A run's row, as far as it tells of its turns."""

    id: ReadOnly[Id]
    priority: ReadOnly[Integer]
    concurrency_value: ReadOnly[Text | None]
    status: ReadOnly[Text]
    execution: ReadOnly[Integer]
    scheduled_at: ReadOnly[Time]
    start_deadline_at: ReadOnly[Time | None]
    started_at: ReadOnly[Time | None]
    completed_at: ReadOnly[Time | None]


def ms_of(text: str) -> int:
    """Return a time in ISO 8601 as milliseconds since 1970."""
    return ms_between(_EPOCH, from_iso(text))


def tells_all(row: RecordedRow) -> bool:
    """Return whether the row tells of all turns: of one, at most."""
    if row["execution"] == 0:
        return True
    return row["execution"] == 1 and row["started_at"] is not None


def run_of_row(row: RecordedRow) -> RecordedRun:
    """Return the run whose row tells all."""
    started_at = _ms_or_none(row["started_at"])
    ended_at = _ms_or_none(row["completed_at"])
    given_up_at = _ms_or_none(row["start_deadline_at"])
    if started_at is None:
        given_up_at = least_known(given_up_at, ended_at)
        ended_at = None
    turn = Turn(
        due_at=ms_of(row["scheduled_at"]),
        started_at=started_at,
        ended_at=ended_at,
        given_up_at=given_up_at,
    )
    return _run(row, [turn])


def run_of_history(row: RecordedRow, history: Iterable[Envelope]) -> RecordedRun:
    """Return the run whose events tell of its turns."""
    turns: list[Turn] = []
    for event in history:
        if event.unreadable is None:
            _take(turns, event)
    return _run(row, turns)


def _run(row: RecordedRow, turns: Sequence[Turn]) -> RecordedRun:
    return RecordedRun(row["id"], row["priority"], row["concurrency_value"], turns)


def _take(turns: list[Turn], event: Envelope) -> None:
    """Change the last turn by an event of the run, or begin the next one."""
    data = event.data
    at = ms_of(event.at)
    match event.topic:
        case "job_run.requested":
            due_at = _ms_of_json(data["scheduled_at"])
            deadline = _ms_of_json(data["start_deadline_at"])
            turn = Turn(due_at=due_at or at, given_up_at=deadline)
            turns.append(turn)
        case "job_run.started":
            turns[-1] = replace(turns[-1], started_at=at)
        case "job_run.handed_back":
            turns[-1] = replace(turns[-1], ended_at=at)
            turns.append(Turn(due_at=at, was_handed_back=True))
        case (
            "job_run.attempt_failed"
            | "job_run.attempt_timed_out"
            | "job_run.attempt_lost"
        ):
            turns[-1] = replace(turns[-1], ended_at=at)
            retry_at = _ms_of_json(data["retry_at"])
            if retry_at is not None:
                turns.append(Turn(due_at=retry_at))
        case "job_run.succeeded" | "job_run.canceled" | "job_run.start_deadline_passed":
            turns[-1] = _over(turns[-1], at)


def _over(turn: Turn, at: int) -> Turn:
    if turn.started_at is not None:
        return replace(turn, ended_at=at)
    given_up_at = least_known(turn.given_up_at, at)
    return replace(turn, given_up_at=given_up_at)


def _ms_of_json(value: Json) -> int | None:
    if isinstance(value, str):
        return ms_of(value)
    return None


def _ms_or_none(text: str | None) -> int | None:
    if text is None:
        return None
    return ms_of(text)


def least_known(one: int | None, other: int | None) -> int | None:
    """Return the lesser of two numbers, as far as they are known."""
    if one is None:
        return other
    if other is None:
        return one
    return min(one, other)
