"""Picks the runs that a claim starts: what counts is asked for until all of it is known."""

from collections.abc import Iterable
from uuid import UUID

from eventlog.database.pipeline import RoundTrip
from eventlog.queue.picking.known import Asked, Known
from projections.rows import Connection
from projections.runs.candidates.candidate import Candidate, Place
from projections.runs.frontier import Frontier


def picked(
    frontier: Frontier, now: str, due: Iterable[Candidate], slots: int
) -> list[UUID]:
    """Return which of the runs that are known to be due start first."""
    rooms = frontier.shut.rooms(now)
    return frontier.limits(rooms).pick(due, slots)


def ask_ahead(
    trip: RoundTrip,
    frontier: Frontier,
    due: Iterable[Candidate],
    slots: int,
    known: Known,
) -> Asked:
    """Ask, together with the lock, what a claim would ask for by what is known before it.

    Args:
        trip: which asks for `conditions.PRESENT`, too.
        frontier: what is known.
        due: what is due by it.
        slots: how many runs are wanted.
        known: of a claim that were made now.
    """
    limits = frontier.limits(known.rooms.known)
    turns = known.circles.turns(frontier.boundary(known.rooms.now))
    limits.pick(due, slots, turns)
    return known.ask(trip, limits, turns, due)


async def picked_for_sure(
    connection: Connection,
    frontier: Frontier,
    due: Iterable[Candidate] | None,
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
    until: Place | None = None
    if due is None:
        due = frontier.due(rooms.now)
        until = frontier.boundary(rooms.now)
    while True:
        limits = frontier.limits(rooms.known)
        turns = circles.turns(until)
        found = limits.pick(due, slots, turns)
        if not limits.unknown and not turns.wanted:
            return found
        trip = RoundTrip(connection)
        asked = known.ask(trip, limits, turns, due)
        await trip.go()
        known.take(asked)
        frontier.shut.note(rooms.known)
