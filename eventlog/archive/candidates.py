"""Which runs may be archived: those that ended long enough ago, as their events say, not as a table says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import tuple_row

from domain.clock import from_iso
from domain.jobs.run_values import FINAL
from domain.ports import Row
from eventlog.database.sql import EVENTS_TABLE
from projections import job_runs
from projections.folder import Folder
from projections.rows import Connection, fetch_rows

RUNS_A_LOOK = 500


@dataclass
class History:
    """Where the events of a run stand, the first one first, and which requests its first and last go back to."""

    positions: list[int] = field(default_factory=list)
    first_correlation_id: UUID | None = None
    head_correlation_id: UUID | None = None


@dataclass
class Batch:
    """Runs that go into one file, by their ids.

    Attributes:
        events: how many they have together.
        after: where to look for the next ones.
    """

    after: int
    runs: dict[UUID, History] = field(default_factory=dict)
    events: int = 0


@dataclass(frozen=True)
class Limits:
    """What may be archived.

    Attributes:
        ended_before: the moment before which a run must have ended.
        last_position: no later event may be in an archive: what is not sealed yet stays where a
            sealer finds it.
    """

    ended_before: datetime
    last_position: int


_WHICH = """
    FROM job_runs AS run
    WHERE created_position > %(after)s AND status = ANY(%(final)s) AND completed_at < %(before)s
        AND position <= %(last)s AND NOT EXISTS (SELECT FROM archived_runs WHERE archived_runs.id = run.id)
"""

_CANDIDATES = f"SELECT id, created_position {_WHICH} ORDER BY created_position LIMIT {RUNS_A_LOOK}"

_COUNT = f"SELECT count(*) AS runs {_WHICH}"

_HISTORIES = f"""
    SELECT originator_id, originator_version, notification_id, topic, state, correlation_id
    FROM {EVENTS_TABLE} WHERE originator_id = ANY(%(ids)s) ORDER BY originator_id, originator_version
"""


async def count_candidates(connection: Connection, limits: Limits) -> int:
    """Return about how many runs may be archived."""
    return int(str((await fetch_rows(connection, _COUNT, _values(limits, 0)))[0]["runs"]))


async def next_batch(connection: Connection, limits: Limits, after: int, max_events: int) -> Batch:
    """Return the next runs for a file, oldest first: as many as have so many events, but at least one if there is any.

    Raises:
        FoldError: a run's events cannot be folded.
    """
    batch = Batch(after)
    while candidates := await fetch_rows(connection, _CANDIDATES, _values(limits, batch.after)):
        histories = await _ended_histories(
            connection, [UUID(str(row["id"])) for row in candidates], limits
        )
        for row in candidates:
            history = histories.get(UUID(str(row["id"])))
            count = len(history.positions) if history else 0
            if batch.runs and batch.events + count > max_events:
                return batch
            if history:
                batch.runs[UUID(str(row["id"]))] = history
                batch.events += count
            batch.after = int(str(row["created_position"]))
    return batch


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
    """Return the histories of those of the runs that really have ended."""
    histories: dict[UUID, History] = {}
    rows: list[Row | None] = []
    folder = Folder(job_runs.TABLE)
    async with connection.cursor(row_factory=tuple_row) as cursor:
        async for event in cursor.stream(_HISTORIES, {"ids": list(ids)}, binary=True):
            run_id, version, position, topic, state, correlation_id = event
            rows.append(folder.add((run_id, version, position, topic, state)))
            history = histories.setdefault(run_id, History())
            history.positions.append(position)
            history.first_correlation_id = (
                history.first_correlation_id if version > 1 else correlation_id
            )
            history.head_correlation_id = correlation_id
    ended = {
        UUID(str(row["id"]))
        for row in (*rows, folder.end())
        if row is not None and _has_ended(row, limits)
    }
    return {run_id: history for run_id, history in histories.items() if run_id in ended}


def _has_ended(row: Row, limits: Limits) -> bool:
    return (
        row["status"] in FINAL
        and from_iso(str(row["completed_at"])) < limits.ended_before
        and int(str(row["position"])) <= limits.last_position
    )
