"""What a claim knows of starts within periods, and of whose turn it is, and how it asks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from domain.jobs.limits.rate_limit import RateLimit
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.queue.offered import as_array
from projections.rows import as_rows
from projections.runs.candidates.candidate import Candidate, Key
from projections.runs.frontier import Frontier
from projections.runs.limits import Limits
from projections.runs.rates.rooms import (
    STARTED,
    KnownRooms,
    StartedRow,
    limits_of_starts,
    question,
)
from projections.runs.turns.circles import (
    ANY_PLAN,
    LINES_AT_PRESENT,
    ONE_PLAN,
    KnownCircles,
    Question,
)
from projections.runs.turns.turns import Turns

LOOK_AHEAD = 64
"""Runs whose rooms are asked for at once, where one is."""


@dataclass(frozen=True)
class Asked:
    """Questions on their way: of rooms, and of circles.

    Attributes:
        starts: the groups of runs that are asked for, with the limits that they are asked with.
        started: the answer of all of them.
        circles: the answer of each question.
    """

    starts: Mapping[Key, RateLimit] = field(default_factory=dict)
    started: Answer = field(default_factory=Answer)
    circles: Mapping[Question, Answer] = field(default_factory=dict)


NOTHING_ASKED = Asked()


class Known:
    """What a claim knows, as of the moment of its lock."""

    def __init__(
        self,
        frontier: Frontier,
        now: str,
        slots: int,
        *,
        in_order: bool,
        ahead: Asked = NOTHING_ASKED,
    ) -> None:
        """Begin a claim.

        Args:
            frontier: what is known of the queue.
            now: the moment.
            slots: how many runs are wanted.
            in_order: whether each run keeps its own place, whoever takes turns: so does who cannot
                remember all that it cannot read, for it has to move on in the queue.
            ahead: what was asked beforehand, under the same lock.
        """
        executed: frozenset[str] | None = None
        if frontier.offer is not None:
            executed = frontier.offer.entry_points
        if in_order:
            executed = frozenset()
        self.rooms = KnownRooms(now, frontier.shut)
        self.circles = KnownCircles(slots, executed)
        self._ahead = ahead

    def ask(
        self,
        trip: RoundTrip,
        limits: Limits,
        turns: Turns,
        due: Iterable[Candidate],
    ) -> Asked:
        """Ask for what was missing in picking, unless it was asked beforehand.

        Args:
            trip: takes the questions.
            limits: which met runs of which the rooms are unknown.
            turns: which want circles.
            due: the runs in the queue's order, some of which will probably be asked for next.
        """
        by_group = self.circles.questions(turns.wanted, limits)
        questions = list(by_group.values())
        circles = self._ask_circles(trip, questions)
        # Of a circle's runs nothing is known yet, but that they count.
        wanted = _with_rates(turns.wanted.values())
        counted = [*limits.unknown, *wanted]
        if not counted:
            return Asked(circles=circles)
        ahead = islice(due, LOOK_AHEAD)
        runs = [*counted, *ahead]
        starts = limits_of_starts(runs)
        self._take_rooms_ahead(starts)
        missing = self.rooms.unknown(starts)
        started = Answer()
        if missing:
            started = trip.ask(STARTED, question(missing))
        return Asked(missing, started, circles)

    def _ask_circles(
        self, trip: RoundTrip, questions: Sequence[Question]
    ) -> dict[Question, Answer]:
        answers: dict[Question, Answer] = {}
        missing: list[Question] = []
        for one in questions:
            answer = self._ahead.circles.get(one)
            if answer is None:
                missing.append(one)
            else:
                answers[one] = answer
        if not missing:
            return answers
        trip.ask(ONE_PLAN)
        for one in missing:
            taken = as_array(one.taken)
            full = as_array(one.full)
            values = {**one.values, "taken": taken, "full": full}
            answers[one] = trip.ask(LINES_AT_PRESENT, values)
        trip.ask(ANY_PLAN)
        return answers

    def _take_rooms_ahead(self, starts: Mapping[Key, RateLimit]) -> None:
        """Take in those rooms that were asked beforehand with the limits that count now."""
        same = starts.items() & self._ahead.starts.items()
        rows = as_rows(StartedRow, self._ahead.started.rows)
        self.rooms.take(dict(same), rows)

    def take(self, asked: Asked) -> None:
        """Take in the answers."""
        rows = as_rows(StartedRow, asked.started.rows)
        self.rooms.take(asked.starts, rows)
        for one, answer in asked.circles.items():
            self.circles.take(one, answer.rows)


def _with_rates(runs: Iterable[Candidate]) -> list[Candidate]:
    return [run for run in runs if run["rate_limit"] is not None]
