"""What is asked of the queue in a round trip, and what comes of the answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.json_values import JsonObject
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.queue import statements
from eventlog.queue.offered import offered_by
from projections.runs import claims
from projections.runs.frontier import Frontier, Place


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


def picked(frontier: Frontier, slots: int, now: str) -> list[UUID]:
    """Return the first known runs that may start, and before which no unknown one may."""
    due = frontier.due(now)
    return frontier.limits().pick(due, slots)


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
    answer = trip.ask(claims.front_of_queue(limit), values)
    return Front(answer, places, limit)


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
