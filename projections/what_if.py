"""The answer to "what if": how long runs waited, and would have waited with another limit. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from domain.clock import to_iso
from domain.json_values import Json, JsonObject
from projections.job_history import History, Timeline
from projections.simulation import Start, TurnKey, capacity_of, most_at_a_time, simulate

MAX_AT_A_TIME = 1_000_000
"""The highest limit that can be tried."""

MAX_LOOK_BACK = timedelta(days=3_650)


@dataclass(frozen=True)
class Waits:
    """How long executions waited from the moment at which they were due, in milliseconds.

    Attributes:
        starts: how many there were; without any, the others are 0.
    """

    starts: int
    median_ms: int
    p95_ms: int
    worst_ms: int
    mean_ms: int

    def present(self) -> JsonObject:
        """Return them as programs see them."""
        return {
            "starts": self.starts,
            "medianMs": self.median_ms,
            "p95Ms": self.p95_ms,
            "worstMs": self.worst_ms,
            "meanMs": self.mean_ms,
        }


@dataclass(frozen=True)
class Comparison:
    """Waits as they were, and as they would have been, of the same executions.

    Attributes:
        runs: how many runs these executions belong to.
        recorded: as they were.
        simulated: as simulated with nothing changed.
        supposed: as simulated with the other limit. Executions that would have been given up, by
            their start deadlines or because they were canceled, are left out.
        given_up: how many these are.
        deviation: the sum of all differences between `simulated` and `recorded`, as a share of all
            recorded waits; None if nothing waited.
        limits: the job's limits, each with the time from which on it held.
        most_at_a_time: how many runs were under way at a time, at most.
    """

    runs: int
    recorded: Waits
    simulated: Waits
    supposed: Waits
    given_up: int
    deviation: float | None
    limits: Sequence[tuple[int, int | None]]
    most_at_a_time: int

    def present(self) -> JsonObject:
        """Return it as programs see it."""
        limits: list[Json] = [
            {"since": _iso_of(at), "maxConcurrentRuns": most} for at, most in self.limits
        ]
        return {
            "runs": self.runs,
            "limits": limits,
            "mostAtATime": self.most_at_a_time,
            "recorded": self.recorded.present(),
            "simulated": self.simulated.present(),
            "deviation": self.deviation,
            "supposed": self.supposed.present(),
            "givenUp": self.given_up,
        }


def present(slug: str, limit: int | None, history: History) -> JsonObject:
    """Return what a job's past would have been with another limit, as programs see it."""
    return {
        "job": slug,
        "since": _iso_of(history.since),
        "until": _iso_of(history.until),
        "maxConcurrentRuns": limit,
        **compare(history, limit).present(),
    }


def _iso_of(at: int) -> str:
    return to_iso(datetime.fromtimestamp(at / 1_000, UTC))


def compare(history: History, limit: int | None) -> Comparison:
    """Compare a history with what it would have been with another limit all the time.

    Args:
        history: what really happened.
        limit: how many runs of the job might have been under way at a time; None for any number.
    """
    capacity = capacity_of(history)
    unchanged = simulate(history, history.limits, capacity)
    supposed = simulate(history, Timeline([(0, limit)]), capacity)
    recorded = _recorded_starts(history)
    return Comparison(
        runs=len({run_id for run_id, _ in recorded}),
        recorded=_waits_of(recorded, recorded),
        simulated=_waits_of(unchanged, recorded),
        supposed=_waits_of(supposed, recorded),
        given_up=len(recorded.keys() - supposed.keys()),
        deviation=_deviation(recorded, unchanged),
        limits=history.limits.within(history.since, history.until),
        most_at_a_time=most_at_a_time(history),
    )


def _recorded_starts(history: History) -> dict[TurnKey, Start]:
    """Return the starts that are compared: those of turns that became due in the range."""
    return {
        (run.id, index): Start(turn.due_at, turn.started_at)
        for run in history.runs
        for index, turn in enumerate(run.turns)
        if turn.started_at is not None and turn.due_at >= history.since
    }


def _waits_of(starts: Mapping[TurnKey, Start], measured: Mapping[TurnKey, Start]) -> Waits:
    waits = sorted(starts[turn].wait_ms for turn in measured if turn in starts)
    if not waits:
        return Waits(0, 0, 0, 0, 0)
    return Waits(
        starts=len(waits),
        median_ms=_rank(waits, 50),
        p95_ms=_rank(waits, 95),
        worst_ms=waits[-1],
        mean_ms=round(sum(waits) / len(waits)),
    )


def _rank(waits: Sequence[int], percent: int) -> int:
    """Return the smallest wait that this share of the waits does not exceed."""
    return waits[max(ceil(len(waits) * percent / 100), 1) - 1]


def _deviation(
    recorded: Mapping[TurnKey, Start], unchanged: Mapping[TurnKey, Start]
) -> float | None:
    waited_ms = sum(start.wait_ms for start in recorded.values())
    if waited_ms <= 0:
        return None
    differs_ms = 0
    for turn, start in recorded.items():
        # A turn that does not start in the simulation counts as if it had not waited.
        wait_ms = unchanged[turn].wait_ms if turn in unchanged else 0
        differs_ms += abs(wait_ms - start.wait_ms)
    return differs_ms / waited_ms
