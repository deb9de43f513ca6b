"""Pending runs in the queue's order: a claim looks at the first of them, however many there are."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from projections.runs.candidates.candidate import LAST_ID, Candidate, Place, order


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
        run_id = run["id"]
        place = order(run)
        known = self._by_id.get(run_id)
        if known is not None and order(known) == place:
            index = bisect_left(self._places, place)
            self._in_order[index] = run
        else:
            self.drop(run_id)
            index = bisect_left(self._places, place)
            self._places.insert(index, place)
            self._in_order.insert(index, run)
        self._by_id[run_id] = run

    def drop(self, run_id: str) -> None:
        """Forget a run, if it is among them."""
        run = self._by_id.pop(run_id, None)
        if run is not None:
            index = bisect_left(self._places, order(run))
            del self._places[index]
            del self._in_order[index]

    def scheduled(self, now: str, until: Place | None) -> list[Candidate]:
        """Return those that are scheduled for now or before, up to a place if there is one."""
        end = len(self._places)
        if until is not None:
            end = bisect_right(self._places, until)
        found: list[Candidate] = []
        begin = 0
        while begin < end:
            # The first ones of each priority are due, and all the others are not.
            highest_first, _, _ = self._places[begin]
            due = bisect_right(self._places, (highest_first, now, LAST_ID))
            found += self._in_order[begin : min(due, end)]
            begin = bisect_left(self._places, (highest_first + 1, "", ""))
        return found

    def drop_beyond(self, number: int) -> list[Candidate]:
        """Forget all but the first; return those that are forgotten."""
        beyond = self._in_order[number:]
        for run in beyond:
            del self._by_id[run["id"]]
        del self._places[number:]
        del self._in_order[number:]
        return beyond
