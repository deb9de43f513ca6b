"""Pending runs in the queue's order: a claim looks at the first of them, however many there are."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from projections.runs.candidates.candidate import Candidate, order

Place = tuple[int, str, str]
"""What `order` returns."""


class WaitingRuns:
    """Runs by their places in the queue and by their ids, each once."""

    def __init__(self) -> None:
        self._by_id: dict[str, Candidate] = {}
        self._places: list[Place] = []
        self._in_order: list[Candidate] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._in_order)

    def __iter__(self) -> Iterator[Candidate]:
        """Return those of now, the most urgent first."""
        return iter([*self._in_order])

    def get(self, run_id: str) -> Candidate | None:
        """Return a run; None where it is not among them."""
        return self._by_id.get(run_id)

    def put(self, run: Candidate) -> None:
        """Take a run in, instead of what is known of it."""
        self.drop(run["id"])
        place = order(run)
        index = bisect_left(self._places, place)
        self._places.insert(index, place)
        self._in_order.insert(index, run)
        self._by_id[run["id"]] = run

    def drop(self, run_id: str) -> None:
        """Forget a run, if it is among them."""
        run = self._by_id.pop(run_id, None)
        if run is not None:
            index = bisect_left(self._places, order(run))
            del self._places[index]
            del self._in_order[index]

    def up_to(self, place: Place | None) -> list[Candidate]:
        """Return those up to a place; all where there is none."""
        if place is None:
            return [*self._in_order]
        end = bisect_right(self._places, place)
        return self._in_order[:end]

    def drop_beyond(self, number: int) -> list[Candidate]:
        """Forget all but the first; return those that are forgotten."""
        beyond = self._in_order[number:]
        for run in beyond:
            del self._by_id[run["id"]]
        del self._places[number:]
        del self._in_order[number:]
        return beyond
