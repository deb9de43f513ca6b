"""What a measurement is: figures of rounds in turns, medians of ratios, a goal met or not."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        rounds: how often each side is measured, in turns.
        seconds: how long one measurement of a rate lasts.
        warm_up_s: how long the same goes on before, uncounted.
        start_up_s: how long a worker that has begun to work may still start processes, uncounted.
        samples: single happenings to time, in all rounds.
        runs: what a log holds that is rebuilt, three events a run.
        clients: that must lose nothing.
        idle_workers: beside which a launch is timed to its end.
    """

    rounds: int = 3
    seconds: float = 4.0
    warm_up_s: float = 1.0
    start_up_s: float = 3.0
    samples: int = 300
    runs: int = 333_333
    clients: int = 1_000
    idle_workers: int = 8


QUICK = Effort(
    rounds=1, seconds=1.5, warm_up_s=0.5, start_up_s=0.5, samples=60, runs=33_333, clients=200
)

TINY = Effort(
    rounds=1,
    seconds=0.3,
    warm_up_s=0.0,
    start_up_s=0.0,
    samples=6,
    runs=200,
    clients=12,
    idle_workers=2,
)
"""For a test that everything still runs; its figures say nothing."""


@dataclass(frozen=True)
class Bench:
    """Where to measure.

    Attributes:
        server: URL of the PostgreSQL that everything shares.
        directory: for files of this measurement.
    """

    server: str
    directory: Path
    effort: Effort

    def say(self, text: str) -> None:
        """Show that it goes on."""
        sys.stderr.write(f"  {text}\n")


@dataclass(frozen=True)
class Reference:
    """What our figure is held against.

    Attributes:
        rounds: its figure in each round.
        goal: what ours divided by it must reach (or stay below); None: only for comparison.
    """

    label: str
    rounds: Sequence[float]
    goal: float | None = None


@dataclass(frozen=True)
class Row:
    """One row of the table of goals, measured.

    Attributes:
        name: a word by which the command knows it.
        rounds: our figure in each round.
        lower_is_better: a time, a loss or a size rather than a rate.
        limit: what our own figure must not exceed.
        more: further figures worth keeping, by what they are.
        notes: what a reader must know of how this was measured.
        processor: medians of what a meter read of this path, by system.
    """

    name: str
    title: str
    unit: str
    rounds: Sequence[float]
    references: Sequence[Reference] = ()
    lower_is_better: bool = False
    limit: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    processor: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """Return our figure."""
        return median(self.rounds)


def ratio(row: Row, reference: Reference) -> float:
    """Return the median of the rounds' ratios: what changes between rounds cancels out in each."""
    return median(ours / theirs for ours, theirs in zip(row.rounds, reference.rounds, strict=True))


def is_met(row: Row, reference: Reference | None) -> bool | None:
    """Return whether the goal, or our own limit, is met; None where there is none."""
    if reference is None:
        return None if row.limit is None else row.value <= row.limit
    if reference.goal is None:
        return None
    reached = ratio(row, reference)
    return reached <= reference.goal if row.lower_is_better else reached >= reference.goal


def in_turns(bench: Bench, measures: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure everything once a round, every other round backwards: drift favours nobody."""
    figures: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(bench.effort.rounds):
        names = list(measures)[:: 1 if number % 2 == 0 else -1]
        for name in names:
            figures[name].append(measures[name]())
            bench.say(
                f"round {number + 1} of {bench.effort.rounds}, {name}: {figures[name][-1]:,.6g}"
            )
    return figures


def to_json(rows: Sequence[Row]) -> str:
    """Return rows as JSON."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def from_json(text: str) -> list[Row]:
    """Return rows from JSON."""
    return [_row(row) for row in json.loads(text)]


def _row(row: dict[str, Any]) -> Row:
    return Row(**{**row, "references": [Reference(**reference) for reference in row["references"]]})
