"""Simulations against a slow and obvious model: the same past, and other limits."""

from copy import deepcopy
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from domain.jobs.policies import RateLimit
from projections.job_history import History, RecordedRun, Timeline, Turn
from projections.simulation import TurnKey, capacity_of, simulate
from projections.what_if import compare
from tests.unit.projections.simulation.reality import Life, happened, some_lives

ROUNDS = 40

LIMITS = [None, 1, 2, 3, 7]


def _starts(history: History) -> dict[TurnKey, int]:
    return {
        (run.id, index): turn.started_at
        for run in history.runs
        for index, turn in enumerate(run.turns)
        if turn.started_at is not None
    }


def _simulated(
    history: History, limit: int | None, capacity: Timeline[int] | None = None
) -> dict[TurnKey, int]:
    simulated = simulate(history, Timeline([(0, limit)]), capacity or Timeline())
    return {turn: start.started_at for turn, start in simulated.items()}


@pytest.mark.parametrize("limit", LIMITS)
def test_unchanged_it_is_what_was_whatever_capacity_workers_had(limit: int | None) -> None:
    for seed in range(ROUNDS):
        random = Random(seed)
        slots = random.choice([1, 2, 4, 50])
        claims = {tick for tick in range(2_000) if random.random() < 0.6}
        lives = some_lives(random)
        history = happened(
            lives,
            limit,
            slots=slots,
            of_key=random.choice([1, 2]),
            may_claim=claims.__contains__,
            rate=random.choice([None, (1, 9), (3, 40)]),
            is_fair=random.random() < 0.5,
        )
        assert _simulated(history, limit, capacity_of(history)) == _starts(history)
        result = compare(history, limit)
        assert result.deviation in {None, 0.0}
        assert (result.recorded, result.given_up) == (result.simulated, 0)
        assert result.supposed == result.simulated


@pytest.mark.parametrize("is_fair", [False, True])
@pytest.mark.parametrize("rate", [None, (1, 7), (2, 30)])
@pytest.mark.parametrize("limit", LIMITS)
def test_with_another_limit_it_is_what_would_have_been(
    limit: int | None, rate: tuple[int, int] | None, *, is_fair: bool
) -> None:
    met_retries = 0
    for seed in range(ROUNDS // 4):
        lives = [life for life in some_lives(Random(seed)) if life.deadline is None]
        other = deepcopy(lives)
        rules: dict[str, Any] = {"of_key": 1 + seed % 2, "rate": rate, "is_fair": is_fair}
        history = happened(lives, None, **rules)
        met_retries += sum(len(run.turns) > 1 for run in history.runs)
        assert _simulated(history, limit) == _starts(happened(other, limit, **rules))
    assert met_retries


def test_what_waits_beyond_its_deadline_does_not_start() -> None:
    met = 0
    for seed in range(ROUNDS):
        lives = some_lives(Random(seed))
        for life in lives:
            del life.works[1:]
        other = deepcopy(lives)
        history = happened(lives, None)
        would = happened(other, 1)
        without_all = {run.id for run in history.runs if run.turns[0].started_at is None}
        if without_all:
            # How long these would have taken is not known.
            continue
        assert _simulated(history, 1) == _starts(would)
        met += len(_starts(would)) < len(_starts(history))
    assert met


def test_a_higher_limit_lets_nothing_start_later() -> None:
    for seed in range(ROUNDS):
        history = happened(some_lives(Random(seed), plain=True), 1)
        before = _starts(history)
        for limit in (2, 3, None):
            now = _simulated(history, limit)
            assert all(now[index] <= before[index] for index in before)
            before = now


def test_what_is_under_way_or_waits_at_the_beginning_counts() -> None:
    lives = [
        Life("a", due_at=10, works=[30], pauses=[], key="k"),
        Life("b", due_at=15, works=[10], pauses=[]),
        Life("c", due_at=25, works=[10], pauses=[], key="k"),
    ]
    whole = happened(lives, 1)
    late = History(20, whole.until, whole.runs, whole.limits)
    assert _simulated(late, 1) == {("a", 0): 10, ("b", 0): 40, ("c", 0): 50}
    # What was under way stays so, and holds its key; what waited starts at the beginning.
    assert _simulated(late, 2) == {("a", 0): 10, ("b", 0): 20, ("c", 0): 40}
    result = compare(late, 2)
    assert (result.runs, result.recorded.worst_ms, result.supposed.worst_ms) == (1, 25, 15)


def test_what_was_given_up_before_the_beginning_does_not_wait() -> None:
    given_up = RecordedRun("a", 0, None, [Turn(due_at=5, waits_until=15)])
    for since in (15, 20):
        assert _simulated(History(since, 100, [given_up], Timeline()), None) == {}


def test_a_shorter_period_lets_what_waits_start() -> None:
    turns = [Turn(due_at=1, started_at=1, ended_at=2), Turn(due_at=3, started_at=20, ended_at=21)]
    runs = [
        RecordedRun(str(number), 0, None, [turn], rate_value="")
        for number, turn in enumerate(turns)
    ]
    periods = [(0, timedelta(milliseconds=100)), (20, timedelta(milliseconds=10))]
    rates = Timeline([(at, RateLimit(1, period, None)) for at, period in periods])
    history = History(0, 100, runs, Timeline(), rates=rates)
    assert _simulated(history, None) == _starts(history)


def test_waits_are_summed_up_by_nearest_rank() -> None:
    lives = [Life(f"{n:03}", due_at=1, works=[1], pauses=[]) for n in range(100)]
    result = compare(happened(lives, 1), None)
    recorded = result.recorded
    assert (recorded.starts, recorded.median_ms, recorded.p95_ms) == (100, 49, 94)
    assert (recorded.worst_ms, recorded.mean_ms) == (99, 50)
    assert (result.supposed.worst_ms, result.most_at_a_time) == (0, 1)
