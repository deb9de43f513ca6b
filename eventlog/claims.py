"""What a claim reads: candidates and limits, in pipelined statements.

First how a process follows the pending queue: its changes since a position (`request_touched`), the
whole queue where it begins (`read_queue`), and its front (`request_front`). Then the limits of
candidates (`LimitReader`, `select_runs`): what the decision has not read yet is read, until it is
final. Last the reads of a claim as a whole (`ClaimReads`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, islice
from types import MappingProxyType
from typing import cast
from uuid import UUID

import orjson
from typing_extensions import ReadOnly, TypedDict

from domain.jobs.policies import RateLimit
from domain.jobs.run_events import RUN_TOPIC, Progressed, Succeeded
from domain.json_values import JsonObject
from domain.ports import Offer
from domain.workers import Isolation
from eventlog.database import sql
from eventlog.database.pipeline import Answer, RoundTrip
from eventlog.entry_points import unoffered
from eventlog.rebuild.fold_versions import COUNT_REPAIRS
from projections.flow import claims
from projections.flow.candidates import (
    ANY_PLAN,
    CANDIDATE_COLUMNS,
    JOB_LIMIT,
    LIMIT_COLUMNS,
    Candidate,
    Contender,
    JobLimits,
    Key,
    QueuePosition,
    Requirements,
    UnservedJobs,
)
from projections.flow.fairness import (
    GROUP_RUNS_AT_PRESENT,
    NEXT_VALUES,
    ONE_PLAN,
    FairnessGroupReader,
    ForeseenTurns,
    GroupQuery,
)
from projections.flow.pending_queue import FirstOfPriority, LowWaterMark, PendingQueue, TouchedRun
from projections.flow.rates import STARTED, RateWindowReader, StartedRow, rate_limits, window_query
from projections.flow.selection import (
    GroupKey,
    LimitState,
    Selection,
    group_of,
    grown,
    select_candidates,
)
from projections.job_definitions import TABLE as DEFINITIONS
from projections.job_runs import IS_PENDING, IS_RUNNING
from projections.rows import Connection, as_rows

# What has changed in the queue since a position of the log.

EVENTS_AT_A_TIME = 2_000
"""Events that one statement reads."""

_STATE = f"""
    coalesce({sql.ARCHIVED_TO}, 0) AS archived_to, coalesce(({COUNT_REPAIRS}), 0) AS repairs,
    clock_timestamp() AS now
"""

TOUCHED = f"""
    WITH new AS (
        SELECT notification_id, originator_id, topic FROM {sql.EVENTS_TABLE}
        WHERE notification_id > (SELECT %(after)s::bigint)
        ORDER BY notification_id LIMIT {EVENTS_AT_A_TIME}
    ), touched AS (
        SELECT originator_id AS id, topic ^@ '{DEFINITIONS.subject}.' AS is_job,
            bool_or(topic = '{Succeeded.TOPIC}') AS has_succeeded
        FROM new
        WHERE topic ^@ '{RUN_TOPIC}.' AND topic <> '{Progressed.TOPIC}'
           OR topic ^@ '{DEFINITIONS.subject}.'
        GROUP BY 1, 2
    ), log AS (
        SELECT coalesce(max(notification_id), (SELECT %(after)s::bigint)) AS position,
            count(*) = {EVENTS_AT_A_TIME} AS is_cut, {_STATE}
        FROM new
    ), changed AS (
        SELECT run.*, {LIMIT_COLUMNS}, NULL::jsonb AS worker_labels,
            NULL::text AS isolation FROM touched CROSS JOIN LATERAL (
            SELECT {CANDIDATE_COLUMNS}, status FROM job_runs WHERE id = touched.id LIMIT 1
        ) AS run WHERE NOT (touched.is_job OR touched.has_succeeded)
        UNION ALL
        SELECT id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'succeeded', NULL, NULL, NULL,
            NULL, NULL, NULL
        FROM touched WHERE has_succeeded
        UNION ALL
        SELECT job.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            job.max_concurrent_runs, job.concurrency_limit, job.rate_limit, job.fairness_key,
            job.worker_labels, job.isolation
        FROM touched CROSS JOIN LATERAL (
            SELECT id, {JOB_LIMIT}, concurrency_limit, rate_limit, fairness_key, worker_labels,
                isolation
            FROM job_definitions AS job WHERE id = touched.id LIMIT 1
        ) AS job WHERE touched.is_job
    )
    SELECT log.*, changed.* FROM log FULL JOIN changed ON false ORDER BY position
"""
"""One row that says how far the log goes; then, without a position, the runs that events after a
position have touched, and the jobs, which have no status, as they are now. What has succeeded is
not looked up: nothing follows that."""


class State(TypedDict):
    """How far the log goes, and whether its changes can be followed from an earlier position."""

    position: ReadOnly[int]
    is_cut: ReadOnly[bool]
    archived_to: ReadOnly[int]
    repairs: ReadOnly[int]
    now: ReadOnly[str]


class TouchedRow(State):
    """A run or, without a status, a job that an event has touched; the first row is neither."""

    id: ReadOnly[str | None]
    status: ReadOnly[str | None]
    max_concurrent_runs: ReadOnly[int | None]
    concurrency_limit: ReadOnly[int | None]
    rate_limit: ReadOnly[JsonObject | None]
    fairness_key: ReadOnly[str | None]
    worker_labels: ReadOnly[dict[str, str] | None]
    isolation: ReadOnly[Isolation | None]


def request_touched(trip: RoundTrip, queue: PendingQueue) -> Answer:
    """Request what has changed since the queue's position."""
    return trip.add(TOUCHED, {"after": queue.position})


@dataclass(frozen=True)
class Changes:
    """What events have touched: runs, and the limits and requirements of jobs, by job id."""

    runs: list[TouchedRun] = field(default_factory=list)
    limits: dict[str, JobLimits] = field(default_factory=dict)
    requirements: dict[str, Requirements] = field(default_factory=dict)


def changes_in(rows: Iterable[TouchedRow]) -> Changes:
    """Return the changes in the answer to `TOUCHED`."""
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
        changes.requirements[row["id"]] = Requirements(
            row["worker_labels"] or {}, row["isolation"] or "process"
        )
    return changes


# The whole pending queue, where a process begins.

PRESENT_STATE = f"SELECT ({sql.HEAD}) AS position, false AS is_cut, {_STATE}"

UNDER_WAY = f"""
    SELECT id, job_definition_id, concurrency_value FROM job_runs WHERE {IS_RUNNING}
"""

JOBS_WITH_REQUIREMENTS = """
    SELECT id, worker_labels, isolation FROM job_definitions WHERE worker_labels <> '{}'
    UNION
    SELECT id, worker_labels, isolation FROM job_definitions WHERE isolation = 'shared'
"""
"""The jobs that require labels of workers, or share processes: two indexes hold nothing else."""

FIRST_OF_PRIORITIES = f"""
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
"""The first pending run of each priority; a few of two hundred priorities are in use."""


class JobWithRequirements(TypedDict):
    """A job that requires something of workers."""

    id: ReadOnly[str]
    worker_labels: ReadOnly[dict[str, str]]
    isolation: ReadOnly[Isolation]


def requirements_by_job(jobs: Iterable[JobWithRequirements]) -> dict[str, Requirements]:
    """Return the requirements in the answer to `JOBS_WITH_REQUIREMENTS`, by job id."""
    return {job["id"]: Requirements(job["worker_labels"], job["isolation"]) for job in jobs}


async def read_queue(connection: Connection, offer: Offer | None) -> tuple[State, PendingQueue]:
    """Read the pending queue anew, for a worker with this offer.

    This scans consumed rows once.
    """
    trip = RoundTrip(connection)
    present = trip.add(PRESENT_STATE)
    running = trip.add(UNDER_WAY)
    firsts = trip.add(FIRST_OF_PRIORITIES)
    jobs = trip.add(JOBS_WITH_REQUIREMENTS)
    await trip.send()
    [state] = as_rows(State, present.rows)
    requirements = requirements_by_job(as_rows(JobWithRequirements, jobs.rows))
    queue = PendingQueue(
        state["position"],
        as_rows(Contender, running.rows),
        as_rows(FirstOfPriority, firsts.rows),
        offer,
        UnservedJobs(offer, requirements),
    )
    return state, queue


# The front of the queue: the first due runs from low-water marks on.


@dataclass(frozen=True)
class FrontRead:
    """A read of the first due runs from low-water marks on."""

    answer: Answer
    marks: Mapping[int, LowWaterMark]
    limit: int


def request_front(trip: RoundTrip, queue: PendingQueue, slots: int) -> FrontRead | None:
    """Request the first due runs that are not in memory; None where all are."""
    marks = queue.unread_marks
    if not marks:
        return None
    limit = claims.front_size(slots)
    values = {"marks": as_json(marks), "offered": array_of_claimed(queue.offer)}
    scope, jobs = queue.unserved_jobs.job_scope()
    if scope != "all_jobs":
        values["jobs"] = as_ids(jobs)
    return FrontRead(trip.add(claims.front_of_queue(limit, scope), values), marks, limit)


def as_ids(jobs: Iterable[str]) -> str:
    """Return ids as the text of an array."""
    return "{" + ",".join(sorted(jobs)) + "}"


def as_json(marks: Mapping[int, LowWaterMark]) -> str:
    """Return low-water marks as a parameter."""
    listed: list[JsonObject] = [
        {"priority": priority, "scheduled_at": scheduled_at, "id": run_id}
        for priority, (scheduled_at, run_id) in marks.items()
    ]
    return orjson.dumps(listed).decode()


def array_of_claimed(offer: Offer | None) -> str:
    """Return all entry points whose runs a worker claims, as an array's text; empty for all."""
    if offer is None:
        return ""
    return _cached_array(offer.entry_points | offer.abandoned)


def array_of_executed(offer: Offer | None) -> str:
    """Return the entry points that a worker executes, as an array's text; empty for all."""
    if offer is None:
        return ""
    return _cached_array(offer.entry_points)


@lru_cache(maxsize=16)
def _cached_array(names: frozenset[str]) -> str:
    return as_array(names)


def as_array(names: frozenset[str]) -> str:
    """Return texts as PostgreSQL writes an array of them."""
    return "{" + ",".join(map(_quoted, sorted(names))) + "}"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# The limits of candidates: what the decision needs is read, until it is final.

LOOK_AHEAD = 64
"""Candidates whose rate windows are read together with one that is needed."""


@dataclass(frozen=True)
class LimitReads:
    """Reads of limits that travel with a round trip; the answers are there once it is over.

    Attributes:
        rate_limits: the limits of the rate windows that are read, by rate key.
        windows: the answer for all of them.
        groups: the answer for each fairness group.
        turns: what groups are expected to start, each with its answer.
    """

    rate_limits: Mapping[Key, RateLimit] = field(default_factory=dict)
    windows: Answer = field(default_factory=Answer)
    groups: Mapping[GroupQuery, Answer] = field(default_factory=dict)
    turns: Sequence[tuple[ForeseenTurns, Answer]] = ()


NO_LIMIT_READS = LimitReads()


class LimitReader:
    """Reads the limits of one claim, as of the moment of its lock."""

    def __init__(
        self,
        queue: PendingQueue,
        now: str,
        slots: int,
        *,
        in_order: bool,
        pipelined: LimitReads = NO_LIMIT_READS,
    ) -> None:
        """Begin a claim.

        Args:
            queue: the pending queue in memory.
            now: the moment.
            slots: the number of runs needed.
            in_order: whether each run keeps its own queue position, in a fairness group or not. A
                process that cannot remember all runs that it cannot read has to advance in the
                queue.
            pipelined: what has been read together with the lock.
        """
        executed = None if queue.offer is None else queue.offer.entry_points
        self.windows = RateWindowReader(now, queue.full_windows)
        self.groups = FairnessGroupReader(slots, frozenset() if in_order else executed)
        self._queue = queue
        self._slots = slots
        self._most_first = LOOK_AHEAD + slots
        self._pipelined = pipelined

    def limits(self, known_until: QueuePosition | None) -> LimitState:
        """Return the limits as far as they have been read; see `LimitState`."""
        return self._queue.limits(self.windows.windows, self.groups.groups, known_until)

    def foresee(
        self,
        selection: Selection,
        limits: LimitState,
        due: Iterable[Candidate],
        last_values: Mapping[GroupKey, str | None],
    ) -> Selection:
        """Select anew, as if the unread groups had no other runs than those in memory.

        Args:
            selection: of these runs; the groups stay unread.
            limits: by which it was made.
            due: runs in memory.
            last_values: the values that were started last of groups, as far as they are known.
        """
        first = self._first(due)
        groups = self.groups.foresee(selection.unread_groups, first, last_values)
        foreseen = select_candidates(first, replace(limits, groups=groups), self._slots)
        unread = {**selection.unread_groups, **foreseen.unread_groups}
        return replace(foreseen, unread_groups=unread)

    def request(
        self,
        trip: RoundTrip,
        selection: Selection,
        limits: LimitState,
        candidates: Iterable[Candidate],
        recent: Mapping[Key, RateLimit] = MappingProxyType({}),
    ) -> LimitReads:
        """Request the limits that a selection has found unread, unless they were pipelined.

        Args:
            trip: takes the statements.
            selection: of these candidates.
            limits: by which it was made.
            candidates: in the queue's order; the windows of the first ones are read as well if
                any are.
            recent: rate limits whose windows are read as well if any are.
        """
        if selection.is_final:
            return NO_LIMIT_READS
        queries = self.groups.queries(selection.unread_groups, limits, selection)
        groups = self._request_groups(trip, queries.values())
        # The runs of a group are not there yet, but their starts count if those of one run do.
        needed = rate_limits(chain(selection.unread_windows, selection.unread_groups.values()))
        if not needed:
            return LimitReads(groups=groups)
        more = {**recent, **rate_limits(islice(candidates, LOOK_AHEAD)), **needed}
        self._take_pipelined_windows(more)
        if not self.windows.unread(needed):
            return LimitReads(groups=groups)
        missing = {**self._windows_behind_full_ones(candidates), **self.windows.unread(more)}
        return LimitReads(missing, trip.add(STARTED, window_query(missing)), groups)

    def _windows_behind_full_ones(self, candidates: Iterable[Candidate]) -> dict[Key, RateLimit]:
        """Return the first unread windows, more of them the more windows turned out to be full."""
        full = self.windows.count_full()
        if not full:
            return {}
        runs = chain(candidates, self.groups.runs())
        unread = self.windows.unread(rate_limits(runs))
        return dict(islice(unread.items(), grown(full)))

    def request_confirmation(
        self, trip: RoundTrip, foreseen: Selection, last_values: Mapping[GroupKey, str | None]
    ) -> LimitReads:
        """Request no more than shows whether the foreseen runs start.

        Args:
            trip: takes the statements.
            foreseen: see `foresee`.
            last_values: by which it was made.
        """
        if foreseen.is_final:
            return NO_LIMIT_READS
        needed = self.windows.unread(rate_limits(foreseen.unread_windows))
        windows = trip.add(STARTED, window_query(needed)) if needed else Answer()
        turns: list[tuple[ForeseenTurns, Answer]] = []
        for group in filter(self.groups.is_served_by_value, foreseen.unread_groups):
            values = [run["fair_value"] for run in foreseen.runs if group_of(run) == group]
            expected = ForeseenTurns(group, last_values.get(group), values)
            turns.append((expected, trip.add(NEXT_VALUES, expected.parameters)))
        return LimitReads(needed, windows, turns=turns)

    def confirm(
        self,
        expected: Sequence[Candidate],
        due: Iterable[Candidate],
        known_until: QueuePosition | None,
    ) -> list[Candidate] | None:
        """Return the runs that start, if they are certainly the expected ones, else None.

        They are selected as if groups had no other runs than the first due ones, which are in
        memory. This selects what a claim does that has read the groups. For suppose that these
        differ first where a group's next run is one that is not in memory. That run is behind all
        that are: it would come after the selected runs of others, and before those of its own
        group only if its value were next. But then runs wait with this value, and between those
        that were selected no value comes with which any run waits (`ForeseenTurns.are_next`).

        Args:
            expected: runs, by turns that were pipelined.
            due: the due runs in memory, in the queue's order.
            known_until: the queue position behind which due runs may not be in memory.
        """
        turns = self._pipelined.turns
        if not turns or not all(one.are_next(answer.rows) for one, answer in turns):
            return None
        first = self._first(due)
        if self._pipelined.rate_limits:
            self._take_pipelined_windows(rate_limits(first))
        limits = self.limits(known_until)
        last_values = {one.group: one.last_value for one, _ in turns}
        groups = self.groups.foresee(last_values, first, last_values)
        selection = select_candidates(first, replace(limits, groups=groups), self._slots)
        has_all_due = known_until is None and len(first) < self._most_first
        is_full = len(selection.runs) == self._slots or has_all_due
        is_expected = [run["id"] for run in selection.runs] == [run["id"] for run in expected]
        return selection.runs if is_full and is_expected and selection.is_final else None

    def _first(self, due: Iterable[Candidate]) -> list[Candidate]:
        """Return the due runs by which a selection is foreseen."""
        return [*islice(due, self._most_first)]

    def _request_groups(
        self, trip: RoundTrip, queries: Collection[GroupQuery]
    ) -> dict[GroupQuery, Answer]:
        pipelined = self._pipelined.groups
        answers = {query: pipelined[query] for query in queries if query in pipelined}
        missing = [query for query in queries if query not in answers]
        if missing:
            trip.add(ONE_PLAN)
            for query in missing:
                arrays = {
                    "saturated_keys": as_array(query.saturated_keys),
                    "full_values": as_array(query.full_values),
                    "heads": as_array(query.heads),
                }
                answers[query] = trip.add(GROUP_RUNS_AT_PRESENT, {**query.parameters, **arrays})
            trip.add(ANY_PLAN)
        return answers

    def take_pipelined(self, expected: Iterable[Candidate]) -> None:
        """Take what was pipelined for these runs, where they still wait and would need the same."""
        if self._pipelined is NO_LIMIT_READS:
            return
        runs = self._queue.still_pending(expected)
        if self._pipelined.groups:
            # One run of each group stands for it.
            groups = {group: run for run in runs if (group := group_of(run)) is not None}
            for query in self.groups.queries(groups, self.limits(None)).values():
                answer = self._pipelined.groups.get(query)
                if answer is not None:
                    self.groups.take(query, answer.rows)
        self._take_pipelined_windows(rate_limits(runs))
        self._queue.full_windows.remember(self.windows.windows)

    def _take_pipelined_windows(self, needed: Mapping[Key, RateLimit]) -> None:
        """Take the windows that were pipelined with the limits that hold now."""
        same = dict(needed.items() & self._pipelined.rate_limits.items())
        self.windows.take(same, as_rows(StartedRow, self._pipelined.windows.rows))

    def take(self, reads: LimitReads) -> None:
        """Take in what was requested."""
        self.windows.take(reads.rate_limits, as_rows(StartedRow, reads.windows.rows))
        for query, answer in reads.groups.items():
            self.groups.take(query, answer.rows)


async def select_runs(  # noqa: PLR0913 - all that it depends on
    connection: Connection,
    queue: PendingQueue,
    candidates: Iterable[Candidate],
    slots: int,
    reader: LimitReader,
    known_until: QueuePosition | None = None,
) -> list[Candidate]:
    """Return the runs that start, once every limit that counts has been read.

    Args:
        connection: which has the lock.
        queue: the pending queue in memory.
        candidates: in the queue's order; they can be iterated over again.
        slots: the number of runs at most.
        reader: reads the limits.
        known_until: the queue position behind which due runs may be missing among the candidates.
    """
    while True:
        limits = reader.limits(known_until)
        selection = select_candidates(candidates, limits, slots)
        if selection.is_final:
            return selection.runs
        trip = RoundTrip(connection)
        reads = reader.request(trip, selection, limits, candidates)
        await trip.send()
        reader.take(reads)
        queue.full_windows.remember(reader.windows.windows)


# The reads of a claim as a whole.


@dataclass(frozen=True)
class ClaimReads:
    """The reads of a claim that travel with the lock.

    Attributes:
        after: the position of the log after which events are read.
        touched: the answer to `TOUCHED`.
        front: where the runs in memory will not fill the slots.
        limits: those that the claim will probably need.
        expected: the runs that it will probably get, if these are all in memory.
    """

    after: int
    touched: Answer
    front: FrontRead | None
    limits: LimitReads = NO_LIMIT_READS
    expected: Sequence[Candidate] = ()

    @property
    def expected_ids(self) -> list[UUID]:
        """The ids of the expected runs."""
        return [UUID(run["id"]) for run in self.expected]


async def without_offered_again(
    connection: Connection, offer: Offer | None, runs: Sequence[Candidate]
) -> list[Candidate]:
    """Leave out runs of abandoned entry points that a worker offers by now."""
    if offer is None or not offer.abandoned:
        return list(runs)
    abandoned = {run["entry_point"] for run in runs if run["entry_point"] in offer.abandoned}
    unserved = await unoffered(connection, abandoned)
    return [
        run for run in runs if run["entry_point"] not in abandoned or run["entry_point"] in unserved
    ]
