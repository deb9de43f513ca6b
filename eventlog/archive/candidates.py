"""The runs that may be archived: they ended long enough ago, according to their events.

The table `job_runs` only proposes candidates, since a row may be wrong; their events decide.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import tuple_row
from typing_extensions import ReadOnly, TypedDict

from domain.clock import from_iso
from domain.jobs.run_events import FINAL
from eventlog.database.sql import EVENTS_TABLE
from projections import job_runs
from projections.job_runs import RunRow
from projections.rows import Connection, read_rows, read_value
from projections.table import ProjectedRow
from projections.tables import Folder, FoldError

logger = logging.getLogger(__name__)

RUNS_A_QUERY = 500


@dataclass
class History:
    """The positions of a run's events, in order.

    Attributes:
        first_correlation_id: the request that its first event goes back to.
        head_correlation_id: the request that its last event goes back to.
        first_causation_id: the request or event that caused its first event.
    """

    positions: list[int] = field(default_factory=list)
    first_correlation_id: UUID | None = None
    head_correlation_id: UUID | None = None
    first_causation_id: UUID | None = None


@dataclass
class Batch:
    """Runs that go into one file.

    Attributes:
        after: position of the last launch that was considered; the next batch continues there.
        runs: the histories of the runs, by id.
        events: number of all their events.
        skipped: candidates that stay in the log: their events cannot be read, or contradict the
            table.
    """

    after: int
    runs: dict[UUID, History] = field(default_factory=dict)
    events: int = 0
    skipped: set[UUID] = field(default_factory=set)


class Candidate(TypedDict):
    """A run that the table proposes."""

    id: ReadOnly[str]
    created_position: ReadOnly[int]


@dataclass(frozen=True)
class Limits:
    """Limits of archiving.

    Attributes:
        ended_before: the time before which a run must have ended.
        last_position: no later event may be archived, since the sealer reads unsealed events from
            the log.
    """

    ended_before: datetime
    last_position: int

    def bound_of(self, run: RunRow) -> datetime | None:  # noqa: ARG002 - the same for all runs
        """Return the time before which this run must have ended; None keeps it in any case."""
        return self.ended_before

    def allow(self, run: RunRow) -> bool:
        """Return whether the run ended long enough ago."""
        if run["status"] not in FINAL or run["completed_at"] is None:
            return False
        bound = self.bound_of(run)
        if bound is None or run["position"] > self.last_position:
            return False
        return from_iso(run["completed_at"]) < bound


_MAY_BE_ARCHIVED = """
    FROM job_runs AS run
    WHERE created_position > %(after)s AND status = ANY(%(final)s) AND completed_at < %(before)s
        AND position <= %(last)s
        AND NOT EXISTS (SELECT FROM archived_runs WHERE archived_runs.id = run.id)
"""

_CANDIDATES = (
    f"SELECT id, created_position {_MAY_BE_ARCHIVED} ORDER BY created_position LIMIT {RUNS_A_QUERY}"
)

_COUNT = f"SELECT count(*) {_MAY_BE_ARCHIVED}"

_HISTORIES = f"""
    SELECT originator_id, originator_version, notification_id, topic, state, correlation_id,
        causation_id
    FROM {EVENTS_TABLE} WHERE originator_id = ANY(%(ids)s)
    ORDER BY originator_id, originator_version
"""


async def count_candidates(connection: Connection, limits: Limits) -> int:
    """Return the approximate number of runs that may be archived."""
    return await read_value(connection, int, _COUNT, _values(limits, 0))


async def next_batch(connection: Connection, limits: Limits, after: int, max_events: int) -> Batch:
    """Return the next runs for a file, oldest first, with at most `max_events` events together.

    If any run remains, the batch has at least one, however many events it has.
    """
    batch = Batch(after)
    while candidates := await read_rows(
        connection, Candidate, _CANDIDATES, _values(limits, batch.after)
    ):
        if not await _fill(connection, batch, candidates, limits, max_events):
            break
    return batch


async def batch_of(
    connection: Connection, candidates: Sequence[Candidate], limits: Limits, max_events: int
) -> Batch:
    """Return those of the candidates that may be archived, as many as fit into a file."""
    batch = Batch(0)
    for begin in range(0, len(candidates), RUNS_A_QUERY):
        part = candidates[begin : begin + RUNS_A_QUERY]
        if not await _fill(connection, batch, part, limits, max_events):
            break
    return batch


async def _fill(
    connection: Connection,
    batch: Batch,
    candidates: Sequence[Candidate],
    limits: Limits,
    max_events: int,
) -> bool:
    """Add those of the candidates that may be archived; return False once the batch is full."""
    ids = [UUID(row["id"]) for row in candidates]
    histories = await _ended_histories(connection, ids, limits)
    for run_id, row in zip(ids, candidates, strict=True):
        history = histories.get(run_id)
        if history is None:
            batch.skipped.add(run_id)
        else:
            events = batch.events + len(history.positions)
            if batch.runs and events > max_events:
                return False
            batch.runs[run_id] = history
            batch.events = events
        batch.after = row["created_position"]
    return True


def _values(limits: Limits, after: int) -> dict[str, object]:
    return {
        "after": after,
        "final": list(FINAL),
        "before": limits.ended_before,
        "last": limits.last_position,
    }


async def _ended_histories(
    connection: Connection, ids: Sequence[UUID], limits: Limits
) -> dict[UUID, History]:
    """Return the histories of the runs that ended by their events; unreadable runs are skipped."""
    histories: dict[UUID, History] = {}
    ended_ids: set[UUID] = set()
    folder = Folder(job_runs.TABLE, _log_unreadable)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        async for event in cursor.stream(_HISTORIES, {"ids": list(ids)}, binary=True):
            run_id, version, position, topic, state, correlation_id, cause = event
            _add_if_ended(ended_ids, folder.add((run_id, version, position, topic, state)), limits)
            history = histories.setdefault(run_id, History())
            history.positions.append(position)
            history.head_correlation_id = correlation_id
            if version == 1:
                history.first_correlation_id = correlation_id
                history.first_causation_id = cause
    _add_if_ended(ended_ids, folder.end(), limits)
    return {run_id: histories[run_id] for run_id in ended_ids}


def _log_unreadable(error: FoldError) -> None:
    logger.warning("%s is not archived: %s", error.aggregate_id, error)


def _add_if_ended(ended_ids: set[UUID], row: ProjectedRow | None, limits: Limits) -> None:
    if row is None:
        return
    run = job_runs.TABLE.own(row)
    if limits.allow(run):
        ended_ids.add(UUID(run["id"]))
