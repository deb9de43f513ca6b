"""Keeps what this process knows of the queue up with the log, and picks by it.

Without the lock, all is read in one snapshot; under it, nothing changes meanwhile. Either way what
is known is what the log said at one of its positions, never what this process is about to append: a
claimed run is pending until its event is met in the log. So no failed commit has to be undone.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from time import monotonic
from uuid import UUID

from domain.clock import to_iso
from domain.ports import Claimant, Offer
from domain.quarantine import Passing
from eventlog import claims as statements
from eventlog.claims import (
    NOTHING_ASKED,
    Front,
    Known,
    News,
    Prospect,
    TouchedRow,
    as_json,
    ask_ahead,
    ask_front,
    ask_touched,
    changes_in,
    executed_by,
    picked,
    picked_for_sure,
    prospect,
    read_all,
    still_given_up,
)
from eventlog.database.connection import snapshot
from eventlog.database.pipeline import RoundTrip
from projections.flow import candidates, claims
from projections.flow.candidates import FRONT, Candidate, ForeignJobs, order
from projections.flow.pending_queue import FirstOfPriority, Frontier
from projections.rows import Connection, as_rows, read_texts

Load = Callable[[Connection], Awaitable[Frontier]]

STALE_S = 1.0
"""After so long there may be much to be read before a claim, so it is not read under the lock."""


class Queue:
    """What this process knows of the queue."""

    def __init__(self) -> None:
        self._frontier: Frontier | None = None
        self._offer: Offer | None = None
        self._foreign = ForeignJobs()
        self._mended = 0
        self._followed_at = 0.0
        # Of when the last look was: what was due then is due.
        self._now = ""
        self._bypassed: set[str] = set()
        # By jobs, which the frontier does not help with.
        self._passing = Passing[Candidate](lambda run: run["id"] in self._bypassed)
        self._bypasses_more = False
        self._last: frozenset[UUID] = frozenset()

    def clear(self) -> None:
        """Forget all: the log may be another one."""
        self._frontier = None
        self._bypassed = set()
        self._passing.begin_anew()
        self._last = frozenset()

    def is_stale(self, offer: Offer | None) -> bool:
        """Return whether there may be so much to be read that `follow` is called for."""
        is_old = monotonic() - self._followed_at > STALE_S
        return self._frontier is None or is_old or offer != self._offer

    async def follow(self, connection: Connection, offer: Offer | None) -> None:
        """Read without the lock what has come since the last time, for who executes this."""
        self._serve(offer)
        await self._read_on(connection, load=self._load_snapshot)

    async def look(
        self, connection: Connection, bypassed: Collection[UUID], offer: Offer | None = None
    ) -> Prospect:
        """Look without the lock whether a run may start: mostly by one statement.

        Args:
            connection: any.
            bypassed: runs that do not count.
            offer: what the worker executes; other runs do not count either.
        """
        self._serve(offer)
        self._pass_over(bypassed)
        frontier = await self._read_on(connection, load=self._load_snapshot)
        known_to_start = picked(frontier, self._now, frontier.due(self._now), 1)
        if not known_to_start and not frontier.is_complete(self._now):
            await self._look_around(connection, frontier, bypassed)
        return prospect(frontier, self._now)

    def ask(self, trip: RoundTrip, claimant: Claimant) -> News | None:
        """Ask, after `candidates.PRESENT`, what has come; None where all must be read anew.

        Args:
            trip: takes the questions.
            claimant: who wants runs, how many, and which.
        """
        slots = claimant.slots
        self._serve(claimant.offer)
        if claimant.bypassed:
            trip.ask(candidates.BYPASS, (list(claimant.bypassed),))
        self._pass_over(claimant.bypassed)
        self._bypasses_more = claimant.bypasses_more
        frontier = self._frontier
        if frontier is None:
            return None
        asked = ask_touched(trip, frontier)
        front: Front | None = None
        # What was picked last waits still, as far as the log has been followed.
        due = frontier.due(self._now)
        at_hand = picked(frontier, self._now, due, slots + len(self._last))
        if len(set(at_hand) - self._last) < slots:
            front = ask_front(trip, frontier, slots)
        known = Known(frontier, self._now, slots, in_order=self._bypasses_more)
        ahead = ask_ahead(trip, frontier, due, slots, known)
        return News(frontier.position, asked, front, ahead)

    async def pick(
        self, connection: Connection, news: News | None, now: datetime, slots: int
    ) -> list[UUID]:
        """Return the due runs to start now, the most urgent first. Call it under the lock.

        Args:
            connection: which has the lock.
            news: the answers to `ask`.
            now: the database's present.
            slots: how many runs are wanted.
        """
        present = to_iso(now)
        is_current = news is not None and self._take(news)
        if is_current and news is not None and news.front is not None:
            self._take_front(news.front, present)
        frontier = self._frontier
        if frontier is None or not is_current:
            frontier = await self._read_on(connection, load=self._load)
        ahead = NOTHING_ASKED if news is None else news.ahead
        known = Known(frontier, present, slots, in_order=self._bypasses_more, ahead=ahead)
        found = await picked_for_sure(connection, frontier, None, slots, known)
        is_short = len(found) < slots and not frontier.is_complete(present)
        if is_short and not known.circles.has_any:
            await self._look_further(connection, frontier, slots, present)
            found = await picked_for_sure(connection, frontier, None, slots, known)
        if len(found) < slots and not frontier.is_complete(present):
            found = await self._pick_by_job(connection, frontier, slots, known)
        self._last = frozenset(found)
        return await still_given_up(connection, frontier, found)

    async def foreign(self, connection: Connection) -> frozenset[str]:
        """Return the entry points of runs that may wait, and that the worker does not execute."""
        frontier = self._frontier
        if frontier is None or frontier.offer is None:
            return frozenset()
        offer = frontier.offer
        if not frontier.knows_foreign:
            # What began to wait since then has been noted: an event has touched it.
            values = {"offered": [*offer.entry_points, *offer.given_up]}
            waiting = await read_texts(connection, statements.FOREIGN, values)
            frontier.foreign.update(waiting)
            frontier.knows_foreign = True
        return offer.given_up.union(frontier.foreign)

    def _serve(self, offer: Offer | None) -> None:
        """Begin anew where what the worker executes has changed."""
        if offer != self._offer:
            self._offer = offer
            self._frontier = None
            self._passing.begin_anew()

    async def _pick_by_job(
        self, connection: Connection, frontier: Frontier, slots: int, known: Known
    ) -> list[UUID]:
        behind: Candidate | None = None
        if self._bypasses_more:
            behind = self._passing.after(monotonic()) or FRONT
        else:
            self._passing.begin_anew()
        rooms = known.rooms
        limits = frontier.limits(rooms.known)
        runs = await claims.first_by_job(
            connection, rooms, slots, limits, behind, executed_by(self._offer)
        )
        free = [run for run in runs if not limits.is_held(run)]
        self._passing.looked_at(free[:slots])
        if behind is not None:
            # Some of what came in before that place is known to the frontier.
            known_before = frontier.due(rooms.now)
            by_id = {run["id"]: run for run in [*known_before, *runs]}
            runs = sorted(by_id.values(), key=order)
        return await picked_for_sure(connection, frontier, runs, slots, known)

    def _pass_over(self, run_ids: Collection[UUID]) -> None:
        """Leave these out. What was left out before stays so, also where it is not among them.

        Nobody can remember any number of runs that cannot be read; the frontier moves on past them.
        """
        self._bypassed = {str(run_id) for run_id in run_ids}
        if self._frontier is not None:
            self._frontier.pass_over(self._bypassed)

    async def _look_around(
        self, connection: Connection, frontier: Frontier, bypassed: Collection[UUID]
    ) -> None:
        """Read the front, and what is planned beyond it, as of one moment."""
        places = frontier.unfinished_places
        trip = RoundTrip(connection)
        async with snapshot(connection):
            present = trip.ask(candidates.PRESENT)
            if bypassed:
                trip.ask(candidates.BYPASS, (list(bypassed),))
            asked = ask_touched(trip, frontier)
            front = ask_front(trip, frontier, 1)
            planned = trip.ask(statements.FIRST_PLANNED, (as_json(places),))
            await trip.go()
        if front is None or not self._take(News(frontier.position, asked, front)):
            return
        self._now = present.rows[0]["now"]
        self._take_front(front, self._now)
        frontier.foresee(places, as_rows(FirstOfPriority, planned.rows), self._now)

    async def _read_on(self, connection: Connection, load: Load) -> Frontier:
        """Read what has come since the last time, in steps, or all anew where that is too late."""
        while True:
            frontier = self._frontier
            if frontier is None:
                return await load(connection)
            trip = RoundTrip(connection)
            asked = ask_touched(trip, frontier)
            await trip.go()
            if self._take(News(frontier.position, asked, None)):
                return frontier

    async def _look_further(
        self, connection: Connection, frontier: Frontier, slots: int, now: str
    ) -> None:
        trip = RoundTrip(connection)
        front = ask_front(trip, frontier, slots)
        await trip.go()
        if front is not None:
            self._take_front(front, now)

    def _take(self, news: News) -> bool:
        """Take in what has come; return whether that was all."""
        frontier = self._frontier
        rows = as_rows(TouchedRow, news.touched.rows)
        state = rows[0]
        if frontier is None or not news.after <= frontier.position <= state["position"]:
            # Forgotten, or followed further, since it was asked.
            return False
        if state["mended"] != self._mended or state["archived_to"] > news.after:
            self.clear()
            return False
        changes = changes_in(rows)
        if self._foreign.learn(changes.demands):
            self.clear()
            return False
        frontier.follow(state["position"], changes.runs, changes.limits)
        self._now = state["now"]
        self._followed_at = monotonic()
        return not state["is_cut"]

    def _take_front(self, front: Front, now: str) -> None:
        if self._frontier is not None:
            found = as_rows(Candidate, front.answer.rows)
            self._frontier.extend(front.places, found, front.limit, now)

    async def _load_snapshot(self, connection: Connection) -> Frontier:
        async with snapshot(connection):
            return await self._load(connection)

    async def _load(self, connection: Connection) -> Frontier:
        """Read all anew. What was consumed is walked over, once."""
        state, frontier = await read_all(connection, self._offer)
        self._foreign = frontier.foreign_jobs
        frontier.pass_over(self._bypassed)
        self._frontier = frontier
        self._now = state["now"]
        self._mended = state["mended"]
        self._followed_at = monotonic()
        return frontier
