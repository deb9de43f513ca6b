"""Keeps what this process knows of the queue up with the log, and picks by it.

Without the lock, all is read in one snapshot; under it, nothing changes meanwhile. Either way what
is known is what the log said at one of its positions, never what this process is about to append: a
claimed run is taken for pending until its event is met in the log. So nothing has to be undone when
a commit fails.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from time import monotonic
from typing import cast
from uuid import UUID

from domain.clock import to_iso
from domain.passing import Passing
from domain.ports import Claimant, Offer
from eventlog.database.connection import snapshot
from eventlog.database.pipeline import RoundTrip
from eventlog.queue import statements
from eventlog.queue.offered import executed_by, still_given_up
from eventlog.queue.questions import (
    Front,
    News,
    Prospect,
    State,
    TouchedRow,
    as_json,
    ask_front,
    ask_touched,
    picked,
    prospect,
)
from projections.rows import Connection, as_rows, read_texts
from projections.runs import claims
from projections.runs.frontier import FirstOfPriority, Frontier, TouchedRun
from projections.runs.limits import FRONT, Candidate, Contender, order

Load = Callable[[Connection], Awaitable[Frontier]]

STALE_S = 1.0
"""After so long there may be much to be read before a claim, so it is not read under the lock."""


class Queue:
    """What this process knows of the queue."""

    def __init__(self) -> None:
        self._frontier: Frontier | None = None
        self._offer: Offer | None = None
        self._mended = 0
        self._followed_at = 0.0
        # Of when the last look was: what was due then is due.
        self._now = ""
        self._bypassed: set[str] = set()
        # By jobs, which the frontier does not help with.
        self._passing = Passing[Candidate](lambda run: run["id"] in self._bypassed)
        self._bypasses_more = False

    def clear(self) -> None:
        """Forget all: the log may be another one."""
        self._frontier = None
        self._bypassed = set()
        self._passing.begin_anew()

    def is_stale(self, offer: Offer | None) -> bool:
        """Return whether there may be so much to be read that `follow` is called for."""
        is_old = monotonic() - self._followed_at > STALE_S
        return self._frontier is None or is_old or offer != self._offer

    async def follow(self, connection: Connection, offer: Offer | None) -> None:
        """Read without the lock what has come since the last time, for who executes this."""
        self._serve(offer)
        await self._read_on(connection, load=self._load_snapshot)

    async def look(
        self,
        connection: Connection,
        bypassed: Collection[UUID],
        offer: Offer | None = None,
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
        if not picked(frontier, 1, self._now) and not frontier.is_complete(self._now):
            await self._look_around(connection, frontier, bypassed)
        return prospect(frontier, self._now)

    def ask(self, trip: RoundTrip, claimant: Claimant) -> News | None:
        """Ask, after `claims.PRESENT`, what has come; None where all must be read anew.

        Args:
            trip: takes the questions.
            claimant: who wants runs, how many, and which.
        """
        slots = claimant.slots
        self._serve(claimant.offer)
        if claimant.bypassed:
            trip.ask(claims.BYPASS, (list(claimant.bypassed),))
        self._pass_over(claimant.bypassed)
        self._bypasses_more = claimant.bypasses_more
        frontier = self._frontier
        if frontier is None:
            return None
        touched = ask_touched(trip, frontier)
        front: Front | None = None
        if len(picked(frontier, slots, self._now)) < slots:
            front = ask_front(trip, frontier, slots)
        return News(frontier.position, touched, front)

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
        found = picked(frontier, slots, present)
        if len(found) < slots and not frontier.is_complete(present):
            await self._look_further(connection, frontier, slots, present)
            found = picked(frontier, slots, present)
        if len(found) < slots and not frontier.is_complete(present):
            found = await self._pick_by_job(connection, frontier, slots, now)
        return await still_given_up(connection, frontier, found)

    async def foreign(self, connection: Connection) -> frozenset[str]:
        """Return the entry points of runs that may wait, and that the worker does not execute."""
        frontier = self._frontier
        if frontier is None or frontier.offer is None:
            return frozenset()
        offer = frontier.offer
        if not frontier.knows_foreign:
            # What began to wait since then has been noted: an event has touched it.
            taken = [*offer.entry_points, *offer.given_up]
            values = {"offered": taken}
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
        self, connection: Connection, frontier: Frontier, slots: int, now: datetime
    ) -> list[UUID]:
        behind: Candidate | None = None
        if self._bypasses_more:
            behind = self._passing.after(monotonic()) or FRONT
        else:
            self._passing.begin_anew()
        limits = frontier.limits()
        offered = executed_by(self._offer)
        runs = await claims.first_by_job(
            connection, now, slots, limits, behind, offered
        )
        free = [run for run in runs if not limits.is_held(run)]
        self._passing.looked_at(free[:slots])
        if behind is not None:
            # Some of what came in before that place is known to the frontier.
            by_id = {run["id"]: run for run in [*frontier.due(to_iso(now)), *runs]}
            runs = sorted(by_id.values(), key=order)
        return limits.pick(runs, slots)

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
            present = trip.ask(claims.PRESENT)
            if bypassed:
                trip.ask(claims.BYPASS, (list(bypassed),))
            touched = ask_touched(trip, frontier)
            front = ask_front(trip, frontier, 1)
            planned = trip.ask(statements.FIRST_PLANNED, (as_json(places),))
            await trip.go()
        if front is None or not self._take(News(frontier.position, touched, front)):
            return
        [row] = present.rows
        self._now = row["now"]
        self._take_front(front, self._now)
        frontier.foresee(places, as_rows(FirstOfPriority, planned.rows), self._now)

    async def _read_on(self, connection: Connection, load: Load) -> Frontier:
        """Read what has come since the last time, in steps, or all anew where that is too late."""
        while True:
            frontier = self._frontier
            if frontier is None:
                return await load(connection)
            trip = RoundTrip(connection)
            touched = ask_touched(trip, frontier)
            await trip.go()
            if self._take(News(frontier.position, touched, None)):
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
        runs: list[TouchedRun] = []
        limits: dict[str, int | None] = {}
        for row in rows:
            if row["id"] is None:
                continue
            if row["status"] is None:
                limits[row["id"]] = row["max_concurrent_runs"]
            else:
                runs.append(cast("TouchedRun", row))
        frontier.follow(state["position"], runs, limits)
        self._now = state["now"]
        self._followed_at = monotonic()
        return not state["is_cut"]

    def _take_front(self, front: Front, now: str) -> None:
        if self._frontier is None:
            return
        found = as_rows(Candidate, front.answer.rows)
        self._frontier.extend(front.places, found, front.limit, now)

    async def _load_snapshot(self, connection: Connection) -> Frontier:
        async with snapshot(connection):
            return await self._load(connection)

    async def _load(self, connection: Connection) -> Frontier:
        """Read all anew. What was consumed is walked over, once."""
        trip = RoundTrip(connection)
        asked = trip.ask(statements.PRESENT_STATE)
        running = trip.ask(statements.UNDER_WAY)
        waiting = trip.ask(statements.FIRST_WAITING)
        await trip.go()
        [state] = as_rows(State, asked.rows)
        frontier = Frontier(
            state["position"],
            as_rows(Contender, running.rows),
            as_rows(FirstOfPriority, waiting.rows),
            self._offer,
        )
        frontier.pass_over(self._bypassed)
        self._frontier = frontier
        self._now = state["now"]
        self._mended = state["mended"]
        self._followed_at = monotonic()
        return frontier
