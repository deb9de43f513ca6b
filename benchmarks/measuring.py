"""What a measurement is: figures of rounds in turns, medians of ratios, and whether a goal is met."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.support import databases


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        rounds: how often each side is measured, in turns.
        seconds: how long one measurement of a rate lasts.
        warm_up_s: how long the same goes on before, uncounted.
        samples: single happenings to time, in all rounds.
        runs: what a log holds that is rebuilt, three events a run.
        clients: that must lose nothing.
    """

    rounds: int = 3
    seconds: float = 4.0
    warm_up_s: float = 1.0
    samples: int = 300
    runs: int = 333_333
    clients: int = 1_000


QUICK = Effort(rounds=1, seconds=1.5, warm_up_s=0.5, samples=60, runs=33_333, clients=200)

TINY = Effort(rounds=1, seconds=0.3, warm_up_s=0.0, samples=6, runs=200, clients=12)
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

    @property
    def value(self) -> float:
        """Return our figure."""
        return median(self.rounds)


def ratio(row: Row, reference: Reference) -> float:
    """Return the median of the rounds' ratios: what changes between rounds cancels out within each."""
    return median(ours / theirs for ours, theirs in zip(row.rounds, reference.rounds, strict=True))


def is_met(row: Row, reference: Reference | None) -> bool | None:
    """Return whether the goal is met against this reference, or our own limit; None where there is none."""
    if reference is None:
        return None if row.limit is None else row.value <= row.limit
    if reference.goal is None:
        return None
    reached = ratio(row, reference)
    return reached <= reference.goal if row.lower_is_better else reached >= reference.goal


def in_turns(bench: Bench, measures: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure everything once a round, every other round backwards, so that what drifts favours nobody."""
    figures: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(bench.effort.rounds):
        names = list(measures)[:: 1 if number % 2 == 0 else -1]
        for name in names:
            figures[name].append(measures[name]())
            bench.say(f"round {number + 1} of {bench.effort.rounds}, {name}: {figures[name][-1]:,.6g}")
    return figures


def to_json(rows: Sequence[Row]) -> str:
    """Return rows as JSON."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def from_json(text: str) -> list[Row]:
    """Return rows from JSON."""
    return [_row(row) for row in json.loads(text)]


def _row(row: dict[str, Any]) -> Row:
    return Row(**{**row, "references": [Reference(**reference) for reference in row["references"]]})


@contextmanager
def own_directory() -> Any:
    """Give a directory that a private server's user may pass."""
    with tempfile.TemporaryDirectory(prefix="apphub-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


def run_alone(measure: Callable[[Bench], Sequence[Row]], description: str | None) -> None:
    """Run one measurement from the command line: print its rows, or write them as JSON."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, help="how often each side is measured")
    parser.add_argument("--seconds", type=float, help="how long each measurement of a rate lasts")
    parser.add_argument("--json", type=Path, help="write the rows to this file instead")
    given = parser.parse_args()
    effort = effort_of(quick=given.quick, rounds=given.rounds, seconds=given.seconds)
    with own_directory() as directory, databases.server(directory / "postgres") as server:
        rows = measure(Bench(server, directory, effort))
    if given.json:
        given.json.write_text(to_json(rows))
        return
    from benchmarks.table import as_text  # noqa: PLC0415 - the table knows rows, not the other way round

    print(as_text(rows))


def effort_of(*, quick: bool, rounds: int | None = None, seconds: float | None = None) -> Effort:
    """Return the effort that the command line asks for."""
    base = QUICK if quick else Effort()
    given = {name: value for name, value in (("rounds", rounds), ("seconds", seconds)) if value is not None}
    return Effort(**{**asdict(base), **given})
