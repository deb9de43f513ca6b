"""The answer to "what if": waits as they really were, and as they would have been."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from domain.json_values import JsonObject
from projections.simulation.playing import Played, played
from projections.simulation.queue import Place
from projections.simulation.recorded import History
from projections.simulation.room import most_at_a_time, room_of
from projections.simulation.steps import Steps


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
class Answer:
    """What would have been, beside what was. All waits are those of the same executions.

    Attributes:
        runs: how many runs these are of.
        really: their waits as recorded.
        again: the same simulated, with nothing changed.
        supposed: the same simulated with the other limit; those that would have been given up, by
            their start deadlines or because they were canceled, are left out.
        given_up: how many these are.
        deviation: by how much `again` differs from `really`, as a part of all waits together; None
            where nothing waited. Differences do not make up for each other.
        limits: how many runs might really be under way at a time: since when, and how many.
        most_at_a_time: how many were, at most.
    """

    runs: int
    really: Waits
    again: Waits
    supposed: Waits
    given_up: int
    deviation: float | None
    limits: Sequence[tuple[int, int | None]]
    most_at_a_time: int


def answer(history: History, limit: int | None) -> Answer:
    """Return what a history would have been with another limit all the time.

    Args:
        history: what happened.
        limit: how many runs of the job might have been under way at a time; None for any number.
    """
    room = room_of(history)
    again = played(history, history.limits, room)
    always = Steps([(0, limit)])
    supposed = played(history, always, room)
    really = _recorded(history)
    run_ids = {run_id for run_id, _ in really}
    given_up = really.keys() - supposed.keys()
    return Answer(
        runs=len(run_ids),
        really=_waits_of(really, really),
        again=_waits_of(again, really),
        supposed=_waits_of(supposed, really),
        given_up=len(given_up),
        deviation=_deviation(really, again),
        limits=history.limits.within(history.since, history.until),
        most_at_a_time=most_at_a_time(history),
    )


def _recorded(history: History) -> dict[Place, Played]:
    """Return the starts that are compared: of what became due in the range."""
    found: dict[Place, Played] = {}
    for run in history.runs:
        for index, turn in enumerate(run.turns):
            if turn.started_at is None or turn.due_at < history.since:
                continue
            place = (run.id, index)
            found[place] = Played(turn.due_at, turn.started_at)
    return found


def _waits_of(
    starts: Mapping[Place, Played], measured: Mapping[Place, Played]
) -> Waits:
    waits = [starts[place].wait_ms for place in measured if place in starts]
    waits.sort()
    if not waits:
        return Waits(0, 0, 0, 0, 0)
    count = len(waits)
    return Waits(
        starts=count,
        median_ms=_rank(waits, 50),
        p95_ms=_rank(waits, 95),
        worst_ms=waits[-1],
        mean_ms=round(sum(waits) / count),
    )


def _rank(waits: Sequence[int], percent: int) -> int:
    """Return the least wait that so many percent of them do not exceed."""
    count = len(waits)
    share = count * percent / 100
    place = ceil(share)
    return waits[max(place, 1) - 1]


def _deviation(
    really: Mapping[Place, Played], again: Mapping[Place, Played]
) -> float | None:
    waited_ms = sum(start.wait_ms for start in really.values())
    if waited_ms <= 0:
        return None
    differs_ms = 0
    for place, start in really.items():
        simulated = again.get(place)
        # What is not simulated to start at all has waited for nothing.
        wait_ms = 0
        if simulated is not None:
            wait_ms = simulated.wait_ms
        differs_ms += abs(wait_ms - start.wait_ms)
    return differs_ms / waited_ms
