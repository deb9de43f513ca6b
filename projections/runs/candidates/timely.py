"""Which runs may start by their times, whoever else waits."""

from collections.abc import Iterator, Sequence
from typing import Literal

from projections.runs.candidates.candidate import Candidate

Untimely = Literal["not_due", "start_deadline"]
"""What of its times keeps a run from starting: it is due later, or it is too late for it."""


def untimely(run: Candidate, now: str) -> Untimely | None:
    """Return why the run may not start at this time, whoever else waits; None where it may."""
    start_by = run["start_by"]
    if start_by is not None and start_by <= now:
        return "start_deadline"
    if run["scheduled_at"] > now:
        return "not_due"
    return None


class DueRuns:
    """Runs in the queue's order that may start by their times. Each look goes as far as needed."""

    def __init__(self, runs: Sequence[Candidate], now: str) -> None:
        """Take runs in the queue's order, due or not."""
        self._runs = runs
        self._now = now

    def __iter__(self) -> Iterator[Candidate]:
        """Yield them, the most urgent first."""
        for run in self._runs:
            if untimely(run, self._now) is None:
                yield run

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return any(True for _ in self)
