"""What is asked of the queue in a round trip, and what comes of the answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.json_values import JsonObject
from domain.workers.isolation import Isolation
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.queue import statements
from eventlog.queue.offered import as_array, offered_by
from projections.rows import Connection
from projections.runs import claims
from projections.runs.candidates.candidate import Candidate, JobLimits
from projections.runs.candidates.foreign import Demand
from projections.runs.frontier import Frontier, Place, TouchedRun
from projections.runs.rates.rooms import KnownRooms
from projections.runs.turns.circles import (
    ANY_PLAN,
    LINES,
    ONE_PLAN,
    KnownCircles,
    Question,
)
from projections.runs.turns.turns import Place as PlaceInQueue

LOOK_AHEAD = 64
"""Runs whose rooms are asked for at once, where one is."""


class State(TypedDict):
    """How far the log goes, and whether its changes can be followed from an earlier position."""

    position: ReadOnly[int]
    is_cut: ReadOnly[bool]
    archived_to: ReadOnly[int]
    mended: ReadOnly[int]
    now: ReadOnly[str]


class TouchedRow(State):
    """A run or, without a status, a job that an event has touched; without an id, none."""

    id: ReadOnly[str | None]
    status: ReadOnly[str | None]
    max_concurrent_runs: ReadOnly[int | None]
    concurrency_limit: ReadOnly[int | None]
    rate_limit: ReadOnly[JsonObject | None]
    fairness_key: ReadOnly[str | None]
    worker_labels: ReadOnly[dict[str, str] | None]
    isolation: ReadOnly[Isolation | None]


class DemandingJob(TypedDict):
    """A job that asks something of workers."""

    id: ReadOnly[str]
    worker_labels: ReadOnly[dict[str, str]]
    isolation: ReadOnly[Isolation]


@dataclass(frozen=True)
class Front:
    """The first due runs from some places on; the answer is on its way."""

    answer: Answer
    places: Mapping[int, Place]
    limit: int


@dataclass(frozen=True)
class News:
    """What has come since a position, and the front where needed; the answers are on their way."""

    after: int
    touched: Answer
    front: Front | None


@dataclass(frozen=True)
class Prospect:
    """What a worker with free slots has to expect.

    Attributes:
        in_s: when a run may start, in seconds; 0 for now, None where none is planned.
        is_crowded: whether due runs wait for others to end.
    """

    in_s: float | None
    is_crowded: bool


@dataclass(frozen=True)
class Known:
    """What a claim knows of starts within periods, and of whose turn it is."""

    rooms: KnownRooms
    circles: KnownCircles

    @classmethod
    def nothing(
        cls, frontier: Frontier, now: str, slots: int, *, in_order: bool
    ) -> "Known":
        """Begin a claim.

        Args:
            frontier: what is known of the queue.
            now: the moment.
            slots: how many runs are wanted.
            in_order: whether each run keeps its own place, whoever takes turns: so does who cannot
                remember all that it cannot read, for it has to move on in the queue.
        """
        executed: frozenset[str] | None = None
        if frontier.offer is not None:
            executed = frontier.offer.entry_points
        if in_order:
            executed = frozenset()
        return cls(KnownRooms(now, frontier.shut), KnownCircles(now, slots, executed))


def picked(frontier: Frontier, slots: int, now: str) -> list[UUID]:
    """Return the first known runs that may start, and before which no unknown one may."""
    due = frontier.due(now)
    rooms = frontier.shut.rooms(now)
    return frontier.limits(rooms).pick(due, slots)


async def picked_for_sure(
    connection: Connection,
    frontier: Frontier,
    due: Sequence[Candidate] | None,
    slots: int,
    known: Known,
) -> list[UUID]:
    """Return the runs that start, once all is known that counts.

    Args:
        connection: which has the lock.
        frontier: what is known.
        due: runs in the queue's order; None for those that are due as far as the frontier knows.
        slots: how many runs are wanted.
        known: what is asked for is added.
    """
    rooms, circles = known.rooms, known.circles
    until: PlaceInQueue | None = None
    if due is None:
        due = frontier.due(rooms.now)
        until = frontier.boundary(rooms.now)
    while True:
        limits = frontier.limits(rooms.known)
        turns = circles.turns(until)
        found = limits.pick(due, slots, turns)
        if not limits.unknown and not turns.wanted:
            return found
        if limits.unknown:
            ahead = due[:LOOK_AHEAD]
            await rooms.ask(connection, [*limits.unknown, *ahead])
            frontier.shut.note(rooms.known)
        if turns.wanted:
            by_group = circles.questions(turns.wanted, limits)
            questions = by_group.values()
            await _ask_circles(connection, circles, questions)


async def _ask_circles(
    connection: Connection, circles: KnownCircles, questions: Iterable[Question]
) -> None:
    trip = RoundTrip(connection)
    trip.ask(ONE_PLAN)
    answers: list[tuple[Question, Answer]] = []
    for question in questions:
        taken = as_array(question.taken)
        full = as_array(question.full)
        values = {**question.values, "taken": taken, "full": full}
        answer = trip.ask(LINES, values)
        answers.append((question, answer))
    trip.ask(ANY_PLAN)
    await trip.go()
    for question, answer in answers:
        circles.take(question, answer.rows)


def _may_start(frontier: Frontier, now: str) -> bool:
    """Return whether a known run may start, or an unknown one might."""
    return bool(picked(frontier, 1, now)) or not frontier.is_complete(now)


def prospect(frontier: Frontier, now: str) -> Prospect:
    """Return what a worker has to expect, as far as is known."""
    is_crowded = bool(frontier.due(now))
    if _may_start(frontier, now):
        return Prospect(0.0, is_crowded)
    next_at = frontier.next_after(now)
    if next_at is None:
        return Prospect(None, is_crowded)
    until = from_iso(next_at) - from_iso(now)
    return Prospect(until.total_seconds(), is_crowded)


def ask_touched(trip: RoundTrip, frontier: Frontier) -> Answer:
    """Ask what has come since the frontier's position."""
    return trip.ask(statements.TOUCHED, {"after": frontier.position})


def ask_front(trip: RoundTrip, frontier: Frontier, slots: int) -> Front | None:
    """Ask for the first due runs that are not known; None where all are."""
    places = frontier.unfinished_places
    if not places:
        return None
    limit = claims.in_front(slots)
    values = {"places": as_json(places), "offered": offered_by(frontier.offer)}
    limited, jobs = frontier.foreign_jobs.narrowed()
    if limited != "to_none":
        values["foreign"] = as_ids(jobs)
    query = claims.front_of_queue(limit, limited)
    answer = trip.ask(query, values)
    return Front(answer, places, limit)


@dataclass(frozen=True)
class Changes:
    """What events have touched: runs, and of jobs their limits and what they ask of workers."""

    runs: list[TouchedRun] = field(default_factory=list)
    limits: dict[str, JobLimits] = field(default_factory=dict)
    demands: dict[str, Demand] = field(default_factory=dict)


def changes_in(rows: Iterable[TouchedRow]) -> Changes:
    """Return what the answer to `TOUCHED` tells."""
    changes = Changes()
    for row in rows:
        if row["id"] is None:
            continue
        if row["status"] is not None:
            changes.runs.append(cast("TouchedRun", row))
            continue
        changes.limits[row["id"]] = {
            "max_concurrent_runs": row["max_concurrent_runs"],
            "concurrency_limit": row["concurrency_limit"],
            "rate_limit": row["rate_limit"],
            "fairness_key": row["fairness_key"],
        }
        labels = row["worker_labels"] or {}
        isolation = row["isolation"] or "process"
        changes.demands[row["id"]] = Demand(labels, isolation)
    return changes


def demands_by_job(jobs: Iterable[DemandingJob]) -> dict[str, Demand]:
    """Return what jobs ask for, of the answer to `DEMANDING`."""
    return {job["id"]: Demand(job["worker_labels"], job["isolation"]) for job in jobs}


def as_ids(jobs: Iterable[str]) -> str:
    """Return ids as the text of an array."""
    return "{" + ",".join(sorted(jobs)) + "}"


def as_json(places: Mapping[int, Place]) -> str:
    """Return places as a parameter."""
    listed: list[JsonObject] = []
    for priority, (scheduled_at, run_id) in places.items():
        place: JsonObject = {
            "priority": priority,
            "scheduled_at": scheduled_at,
            "id": run_id,
        }
        listed.append(place)
    return orjson.dumps(listed).decode()
