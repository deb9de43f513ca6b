"""What is asked of the queue in a round trip, and what comes of the answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.json_values import JsonObject
from domain.ports import Offer
from domain.workers.isolation import Isolation
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.queue import statements
from eventlog.queue.offered import offered_by
from eventlog.queue.picking.known import NOTHING_ASKED, Asked
from eventlog.queue.picking.surely import picked
from projections.rows import Connection, as_rows
from projections.runs import claims
from projections.runs.candidates.candidate import Contender, JobLimits
from projections.runs.candidates.foreign import Demand, ForeignJobs
from projections.runs.frontier import FirstOfPriority, Frontier, Place, TouchedRun


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
    """What has come since a position, and the front where needed; the answers are on their way.

    Attributes:
        ahead: what a claim would ask next, by what is known before it.
    """

    after: int
    touched: Answer
    front: Front | None
    ahead: Asked = NOTHING_ASKED


@dataclass(frozen=True)
class Prospect:
    """What a worker with free slots has to expect.

    Attributes:
        in_s: when a run may start, in seconds; 0 for now, None where none is planned.
        is_crowded: whether due runs wait for others to end.
    """

    in_s: float | None
    is_crowded: bool


def _may_start(frontier: Frontier, now: str) -> bool:
    """Return whether a known run may start, or an unknown one might."""
    due = frontier.due(now)
    return bool(picked(frontier, now, due, 1)) or not frontier.is_complete(now)


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


async def read_all(
    connection: Connection, offer: Offer | None
) -> tuple[State, Frontier]:
    """Read all anew, for who executes this. What was consumed is walked over, once."""
    trip = RoundTrip(connection)
    asked = trip.ask(statements.PRESENT_STATE)
    running = trip.ask(statements.UNDER_WAY)
    waiting = trip.ask(statements.FIRST_WAITING)
    demanding = trip.ask(statements.DEMANDING)
    await trip.go()
    [state] = as_rows(State, asked.rows)
    jobs = as_rows(DemandingJob, demanding.rows)
    foreign = ForeignJobs(offer, demands_by_job(jobs))
    under_way = as_rows(Contender, running.rows)
    firsts = as_rows(FirstOfPriority, waiting.rows)
    frontier = Frontier(state["position"], under_way, firsts, offer, foreign)
    return state, frontier


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
