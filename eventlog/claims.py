"""What a claim reads: capabilities, limits and candidates, in pipelined queries.

First the SQL by which a process follows the pending queue; then what living workers offer to
execute, and which runs a worker takes by that; then what a claim knows of starts within periods and
of the fairness groups, and how it reads the rest; then the selection (`picked`, `picked_for_sure`),
which repeats until no limit is unknown; last what has changed since a position, and what a worker
with free slots can expect (`prospect`).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from time import monotonic
from typing import cast
from uuid import UUID

import orjson
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.jobs.definition import RateLimit
from domain.jobs.run_events import RUN_TOPIC
from domain.json_values import JsonObject
from domain.ports import Offer
from domain.workers import Isolation, Labels
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.rebuild.staging import COUNT_REPAIRS
from projections.flow import claims
from projections.flow.candidates import (
    CANDIDATE,
    LIMIT,
    LIMIT_OF_JOB,
    Candidate,
    Contender,
    Demand,
    ForeignJobs,
    JobLimits,
    Key,
    Place,
)
from projections.flow.fairness import ANY_PLAN, LINES_AT_PRESENT, ONE_PLAN, KnownCircles, Question
from projections.flow.limits import Limits, Turns
from projections.flow.pending_queue import (
    MOST_FOREIGN,
    FirstOfPriority,
    Frontier,
    QueuePosition,
    TouchedRun,
)
from projections.flow.rates import STARTED, KnownRooms, StartedRow, limits_of_starts, question
from projections.job_definitions import TABLE as DEFINITIONS
from projections.job_runs import IS_PENDING, IS_RUNNING
from projections.rows import Connection, as_rows, read_one, read_rows, read_texts, read_value

# The SQL by which a process follows the pending queue.

EVENTS_AT_A_TIME = 2_000
"""Events that one statement follows."""

_STATE = f"""
    coalesce({sql.ARCHIVED_TO}, 0) AS archived_to, coalesce(({COUNT_REPAIRS}), 0) AS mended,
    clock_timestamp() AS now
"""

TOUCHED = f"""
    WITH new AS (
        SELECT notification_id, originator_id, topic FROM {sql.EVENTS_TABLE}
        WHERE notification_id > (SELECT %(after)s::bigint)
        ORDER BY notification_id LIMIT {EVENTS_AT_A_TIME}
    ), touched AS (
        SELECT DISTINCT originator_id AS id, topic ^@ '{DEFINITIONS.subject}.' AS is_job FROM new
        WHERE topic ^@ '{RUN_TOPIC}.' AND topic <> '{RUN_TOPIC}.progressed'
           OR topic ^@ '{DEFINITIONS.subject}.'
    ), told AS (
        SELECT coalesce(max(notification_id), (SELECT %(after)s::bigint)) AS position,
            count(*) = {EVENTS_AT_A_TIME} AS is_cut, {_STATE}
        FROM new
    ), changed AS (
        SELECT run.*, {LIMIT}, NULL::jsonb AS worker_labels,
            NULL::text AS isolation FROM touched CROSS JOIN LATERAL (
            SELECT {CANDIDATE}, status FROM job_runs WHERE id = touched.id LIMIT 1
        ) AS run WHERE NOT touched.is_job
        UNION ALL
        SELECT job.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            job.max_concurrent_runs, job.concurrency_limit, job.rate_limit, job.fairness_key,
            job.worker_labels, job.isolation
        FROM touched CROSS JOIN LATERAL (
            SELECT id, {LIMIT_OF_JOB}, concurrency_limit, rate_limit, fairness_key, worker_labels,
                isolation
            FROM job_definitions AS job WHERE id = touched.id LIMIT 1
        ) AS job WHERE touched.is_job
    )
    SELECT told.*, changed.* FROM told LEFT JOIN changed ON true
"""
"""What events after a position have touched, as it is now: runs, and jobs, which have no status.
Without any, one row without an id tells how far the log goes."""

PRESENT_STATE = f"SELECT ({sql.HEAD}) AS position, false AS is_cut, {_STATE}"

UNDER_WAY = f"""
    SELECT id, job_definition_id, concurrency_value FROM job_runs WHERE {IS_RUNNING}
"""

DEMANDING = """
    SELECT id, worker_labels, isolation FROM job_definitions WHERE worker_labels <> '{}'
    UNION
    SELECT id, worker_labels, isolation FROM job_definitions WHERE isolation = 'shared'
"""
"""The jobs that ask for workers' labels, or to share a process: indexes of their own hold them."""

ANY_SHARED = """
    SELECT EXISTS (
        SELECT FROM job_definitions WHERE isolation = 'shared' AND deleted_at IS NULL)
"""

FIRST_WAITING = f"""
    WITH RECURSIVE first AS (
        (SELECT priority, scheduled_at, id FROM job_runs WHERE {IS_PENDING}
         ORDER BY priority DESC, scheduled_at, id LIMIT 1)
        UNION ALL
        SELECT next.* FROM first CROSS JOIN LATERAL (
            SELECT priority, scheduled_at, id FROM job_runs
            WHERE {IS_PENDING} AND priority < first.priority
            ORDER BY priority DESC, scheduled_at, id LIMIT 1
        ) AS next
    )
    SELECT priority, scheduled_at, id FROM first
"""
"""The first pending run of each priority; there are a few of two hundred."""

FOREIGN = f"""
    SELECT DISTINCT entry_point FROM job_runs
    WHERE {IS_PENDING} AND NOT entry_point = ANY(%(offered)s) LIMIT {MOST_FOREIGN}
"""
"""The entry points that pending runs need and that the worker does not offer. All that wait are
walked over, once for each beginning, and never under the lock."""

FIRST_PLANNED = f"""
    SELECT first.* FROM json_to_recordset((SELECT %s::json)) AS place (priority integer)
    CROSS JOIN LATERAL (
        SELECT priority, scheduled_at, id FROM job_runs
        WHERE {IS_PENDING} AND priority = place.priority
          AND scheduled_at > (SELECT current_setting('apphub.now')::timestamptz)
        ORDER BY scheduled_at, id LIMIT 1
    ) AS first
"""
"""The first pending runs of some priorities that are not due yet."""


# What living workers offer to execute.

FRESH_S = 0.25
"""For how long an entry point that was offered counts as offered without another look."""

MOST_JOBS, MOST_RUNS = 1_000, 100
"""Jobs whose waiting runs are looked at, and runs of each: the first ones of its queue."""

UNOFFERED = """
    SELECT name FROM unnest(%(names)s::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM workers WHERE dead_at IS NULL AND coalesce(name = ANY(entry_points), true)
    )
"""
"""A worker that does not say what it offers may offer anything."""


HAS_LABELS = """
    SELECT EXISTS (
        SELECT FROM workers
        WHERE dead_at IS NULL AND draining_at IS NULL AND labels @> %(labels)s
    )
"""


async def any_with(connection: Connection, labels: Labels) -> bool:
    """Return whether a living worker, not told to end, has all of these labels."""
    return await read_value(connection, bool, HAS_LABELS, {"labels": Jsonb({**labels})})


async def unoffered(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Return those of these entry points that no living worker offers."""
    wanted = sorted(set(names))
    if not wanted:
        return frozenset()
    found = await read_texts(connection, UNOFFERED, {"names": wanted})
    return frozenset(found)


class OfferedEntryPoints:
    """Which entry points workers offer that live and claim, for whoever asks at every launch."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool
        self._names: frozenset[str] = frozenset()
        self._is_anything = False
        self._read_at = -FRESH_S
        self._reading = asyncio.Lock()

    async def has(self, entry_point: str) -> bool:
        """Return whether one offers it; that none does is never said without a look."""
        asked_at = monotonic()
        if self._offers(entry_point) and asked_at - self._read_at < FRESH_S:
            return True
        async with self._reading:
            # Whoever waited here for another's look that began later need not look again.
            if self._read_at < asked_at:
                await self._read()
        return self._offers(entry_point)

    def _offers(self, entry_point: str) -> bool:
        return self._is_anything or entry_point in self._names

    async def _read(self) -> None:
        read_at = monotonic()
        async with borrowed(self._pool) as connection:
            offered = await read_one(connection, _Offered, _OFFERED)
        self._names = frozenset(offered["names"])
        self._is_anything = offered["is_anything"]
        self._read_at = read_at


class _Offered(TypedDict):
    names: ReadOnly[list[str]]
    is_anything: ReadOnly[bool]


_CLAIMS = "dead_at IS NULL AND draining_at IS NULL"

_OFFERED = f"""
    SELECT
        ARRAY(SELECT DISTINCT unnest(entry_points) FROM workers WHERE {_CLAIMS}) AS names,
        EXISTS (SELECT FROM workers WHERE {_CLAIMS} AND entry_points IS NULL) AS is_anything
"""


_QUEUE_OF_JOB = "(concurrency_value IS NOT NULL)::int, priority DESC, scheduled_at, id"
"""The order of `job_runs_waiting`, which no other index has: so the first few are all that is
read, and that among the runs that wait, not among all of a job."""

_WAITING_JOBS = f"""
    WITH RECURSIVE waiting AS (
        (SELECT job_definition_id AS id, 1 AS number FROM job_runs
         WHERE {IS_PENDING} ORDER BY job_definition_id, {_QUEUE_OF_JOB} LIMIT 1)
        UNION ALL
        SELECT next.id, waiting.number + 1 FROM waiting CROSS JOIN LATERAL (
            SELECT job_definition_id AS id FROM job_runs
            WHERE {IS_PENDING} AND job_definition_id > waiting.id
            ORDER BY job_definition_id, {_QUEUE_OF_JOB} LIMIT 1
        ) AS next WHERE waiting.number < {MOST_JOBS}
    )
"""

_FIRST_OF_JOB = f"""
    SELECT entry_point, scheduled_at FROM job_runs
    WHERE {IS_PENDING} AND job_definition_id = waiting.id ORDER BY {_QUEUE_OF_JOB}
"""


class UnofferedRuns(TypedDict):
    """Runs of a job that wait for a worker which offers their entry point.

    `runs` counts those among the first of the job's queue.
    """

    slug: ReadOnly[str]
    entry_point: ReadOnly[str]
    runs: ReadOnly[int]


UNOFFERED_RUNS = f"""
    {_WAITING_JOBS}, needed AS (
        SELECT waiting.id, first.entry_point, count(*) AS runs FROM waiting CROSS JOIN LATERAL (
            {_FIRST_OF_JOB} LIMIT {MOST_RUNS}
        ) AS first GROUP BY waiting.id, first.entry_point
    )
    SELECT job.slug, needed.entry_point, needed.runs
    FROM needed JOIN job_definitions AS job ON job.id = needed.id
    WHERE NOT EXISTS (
        SELECT FROM workers
        WHERE {_CLAIMS} AND coalesce(needed.entry_point = ANY(entry_points), true)
    ) ORDER BY job.slug, needed.entry_point
"""


async def unoffered_runs(connection: Connection) -> list[UnofferedRuns]:
    """Return the runs that wait although no limit keeps them, as no worker offers what they need.

    Of each job only the first that wait are looked at: no queue is read whole.
    """
    return await read_rows(connection, UnofferedRuns, UNOFFERED_RUNS)


MOST_DUE = 10_000
"""Waiting runs that are looked at for a count of those that are due: of each job the same share."""


class DueRuns(TypedDict):
    """How many runs of an entry point are due, among the first of each job's queue."""

    entry_point: ReadOnly[str]
    runs: ReadOnly[int]


DUE_RUNS = f"""
    {_WAITING_JOBS}, share AS (
        SELECT greatest(1, {MOST_DUE} / greatest(1, count(*))) AS runs FROM waiting
    ), due AS (
        SELECT first.entry_point, count(*) AS runs FROM waiting CROSS JOIN LATERAL (
            {_FIRST_OF_JOB} LIMIT (SELECT runs FROM share)
        ) AS first WHERE first.scheduled_at <= clock_timestamp() GROUP BY first.entry_point
    ), offered AS (
        SELECT DISTINCT unnest(entry_points) AS entry_point FROM workers WHERE dead_at IS NULL
    )
    SELECT entry_point, coalesce(due.runs, 0) AS runs
    FROM due FULL JOIN offered USING (entry_point) ORDER BY runs DESC, entry_point
"""


async def due_runs(connection: Connection) -> list[DueRuns]:
    """Return how many runs wait and are due by entry point, the most first.

    What living workers offer is there with 0, too.
    """
    return await read_rows(connection, DueRuns, DUE_RUNS)


# Which runs a worker takes by what it offers.


def offered_by(offer: Offer | None) -> str:
    """Return all entry points whose runs a worker takes, as an array's text; empty for all."""
    if offer is None:
        return ""
    taken = offer.entry_points | offer.given_up
    return _kept_array(taken)


@lru_cache(maxsize=16)
def _kept_array(names: frozenset[str]) -> str:
    return as_array(names)


def as_array(names: frozenset[str]) -> str:
    """Return texts as PostgreSQL writes an array of them."""
    quoted = map(_quoted, sorted(names))
    return "{" + ",".join(quoted) + "}"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def executed_by(offer: Offer | None) -> str:
    """Return the entry points that a worker executes, as an array's text; empty for all."""
    if offer is None:
        return ""
    return _kept_array(offer.entry_points)


async def still_given_up(
    connection: Connection, frontier: Frontier, found: list[UUID]
) -> list[UUID]:
    """Leave out the runs that were given up, but that a living worker offers by now."""
    given_up = frontier.given_up(found)
    if not given_up:
        return found
    hopeless = await unoffered(connection, given_up.values())
    return [run_id for run_id in found if run_id not in given_up or given_up[run_id] in hopeless]


# What a claim knows of starts within periods and of fairness groups, and how it reads the rest.

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

    def ask(self, trip: RoundTrip, limits: Limits, turns: Turns, due: Iterable[Candidate]) -> Asked:
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


# Selects the runs that a claim starts: it repeats until no limit that counts is unknown.


def picked(frontier: Frontier, now: str, due: Iterable[Candidate], slots: int) -> list[UUID]:
    """Return which of the runs that are known to be due start first."""
    rooms = frontier.shut.rooms(now)
    return frontier.limits(rooms).pick(due, slots)


def ask_ahead(
    trip: RoundTrip, frontier: Frontier, due: Iterable[Candidate], slots: int, known: Known
) -> Asked:
    """Ask, together with the lock, what a claim would ask for by what is known before it.

    Args:
        trip: which asks for `candidates.PRESENT`, too.
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
    places: Mapping[int, QueuePosition]
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
    return trip.ask(TOUCHED, {"after": frontier.position})


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


async def read_all(connection: Connection, offer: Offer | None) -> tuple[State, Frontier]:
    """Read all anew, for who executes this. What was consumed is walked over, once."""
    trip = RoundTrip(connection)
    asked = trip.ask(PRESENT_STATE)
    running = trip.ask(UNDER_WAY)
    waiting = trip.ask(FIRST_WAITING)
    demanding = trip.ask(DEMANDING)
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


def as_json(places: Mapping[int, QueuePosition]) -> str:
    """Return places as a parameter."""
    listed: list[JsonObject] = []
    for priority, (scheduled_at, run_id) in places.items():
        place: JsonObject = {"priority": priority, "scheduled_at": scheduled_at, "id": run_id}
        listed.append(place)
    return orjson.dumps(listed).decode()
