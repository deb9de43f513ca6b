"""Keeps what this process knows of the queue up with the log, and picks by it.

Without the lock, all is read in one snapshot; under it, nothing changes meanwhile. Either way what
is known is what the log said at one of its positions, never what this process is about to append: a
claimed run is taken for pending until its event is met in the log. So nothing has to be undone when
a commit fails.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import cast
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.clock import to_iso
from domain.json_values import JsonObject
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.queue import statements
from projections.rows import Connection, as_rows
from projections.runs import claims
from projections.runs.frontier import FirstOfPriority, Frontier, Place, TouchedRun
from projections.runs.limits import Candidate, Contender

Load = Callable[[Connection], Awaitable[Frontier]]

STALE_S = 1.0
"""After so long there may be much to be read before a claim, so it is not read under the lock."""


class _State(TypedDict):
    """How far the log goes, and whether its changes can be followed from an earlier position."""

    position: ReadOnly[int]
    is_cut: ReadOnly[bool]
    archived_to: ReadOnly[int]
    mended: ReadOnly[int]


class _TouchedRow(_State):
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


class Queue:
    """What this process knows of the queue."""

    def __init__(self) -> None:
        self._frontier: Frontier | None = None
        self._mended = 0
        self._followed_at = 0.0
        # Of when the last look was: what was due then is due.
        self._now = ""
        self._bypassed: set[str] = set()

    def clear(self) -> None:
        """Forget all: the log may be another one."""
        self._frontier = None

    @property
    def is_stale(self) -> bool:
        """Whether so much may have come since the last look that `follow` is called for."""
        is_old = monotonic() - self._followed_at > STALE_S
        return self._frontier is None or is_old

    async def follow(self, connection: Connection) -> None:
        """Read without the lock what has come since the last time."""
        await self._read_on(connection, load=self._load_snapshot)

    def ask(
        self, trip: RoundTrip, slots: int, bypassed: Collection[UUID]
    ) -> News | None:
        """Ask, after `claims.PRESENT`, what has come; None where all must be read anew.

        Args:
            trip: takes the questions.
            slots: how many runs are wanted.
            bypassed: runs that must not be among them.
        """
        if bypassed:
            trip.ask(claims.BYPASS, (list(bypassed),))
        self._bypassed = {str(run_id) for run_id in bypassed}
        frontier = self._frontier
        if frontier is None:
            return None
        if not frontier.passed_over <= self._bypassed:
            # What was left out is wanted again.
            self.clear()
            return None
        frontier.pass_over(self._bypassed)
        touched = _ask_touched(trip, frontier)
        front: Front | None = None
        if len(self._picked(frontier, slots)) < slots:
            front = _ask_front(trip, frontier, slots)
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
        self._now = to_iso(now)
        is_current = news is not None and self._take(news)
        if is_current and news is not None and news.front is not None:
            self._take_front(news.front)
        frontier = self._frontier
        if frontier is None or not is_current:
            frontier = await self._read_on(connection, load=self._load)
        picked = self._picked(frontier, slots)
        if len(picked) == slots or frontier.is_complete(self._now):
            return picked
        await self._look_further(connection, frontier, slots)
        picked = self._picked(frontier, slots)
        if len(picked) == slots or frontier.is_complete(self._now):
            return picked
        limits = frontier.limits()
        return await claims.claim_by_job(connection, now, slots, limits)

    def _picked(self, frontier: Frontier, slots: int) -> list[UUID]:
        due = frontier.due(self._now)
        return frontier.limits().pick(due, slots)

    async def _read_on(self, connection: Connection, load: Load) -> Frontier:
        """Read what has come since the last time, in steps, or all anew where that is too late."""
        while True:
            frontier = self._frontier
            if frontier is None:
                return await load(connection)
            trip = RoundTrip(connection)
            touched = _ask_touched(trip, frontier)
            await trip.go()
            if self._take(News(frontier.position, touched, None)):
                return frontier

    async def _look_further(
        self, connection: Connection, frontier: Frontier, slots: int
    ) -> None:
        trip = RoundTrip(connection)
        front = _ask_front(trip, frontier, slots)
        await trip.go()
        if front is not None:
            self._take_front(front)

    def _take(self, news: News) -> bool:
        """Take in what has come; return whether that was all."""
        frontier = self._frontier
        rows = as_rows(_TouchedRow, news.touched.rows)
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
        self._followed_at = monotonic()
        return not state["is_cut"]

    def _take_front(self, front: Front) -> None:
        if self._frontier is None:
            return
        found = as_rows(Candidate, front.answer.rows)
        self._frontier.extend(front.places, found, front.limit, self._now)

    async def _load_snapshot(self, connection: Connection) -> Frontier:
        async with connection.transaction():
            await connection.execute(statements.ONE_SNAPSHOT)
            return await self._load(connection)

    async def _load(self, connection: Connection) -> Frontier:
        """Read all anew. What was consumed is walked over, once."""
        trip = RoundTrip(connection)
        asked = trip.ask(statements.PRESENT_STATE)
        running = trip.ask(statements.UNDER_WAY)
        waiting = trip.ask(statements.FIRST_WAITING)
        await trip.go()
        [state] = as_rows(_State, asked.rows)
        frontier = Frontier(
            state["position"],
            as_rows(Contender, running.rows),
            as_rows(FirstOfPriority, waiting.rows),
        )
        frontier.pass_over(self._bypassed)
        self._frontier = frontier
        self._mended = state["mended"]
        self._followed_at = monotonic()
        return frontier


async def pick_anew(connection: Connection, now: datetime, slots: int) -> list[UUID]:
    """Return the due runs to start now, as whoever has never looked before."""
    async with connection.transaction():
        await connection.execute(claims.AS_OF, {"now": now})
        return await Queue().pick(connection, None, now, slots)


def _ask_touched(trip: RoundTrip, frontier: Frontier) -> Answer:
    return trip.ask(statements.TOUCHED, {"after": frontier.position})


def _ask_front(trip: RoundTrip, frontier: Frontier, slots: int) -> Front | None:
    """Ask for the first due runs that are not known; None where all are."""
    places = frontier.unfinished_places
    if not places:
        return None
    limit = claims.in_front(slots)
    answer = trip.ask(claims.front_of_queue(limit), (_as_json(places),))
    return Front(answer, places, limit)


def _as_json(places: Mapping[int, Place]) -> str:
    listed: list[JsonObject] = []
    for priority, (scheduled_at, run_id) in places.items():
        place: JsonObject = {
            "priority": priority,
            "scheduled_at": scheduled_at,
            "id": run_id,
        }
        listed.append(place)
    return orjson.dumps(listed).decode()
