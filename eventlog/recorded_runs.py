"""What the log says of a job's past runs: when each was due, started and ended."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from domain.clock import from_iso, to_iso
from domain.errors import InvalidInputError, Issue
from eventlog.archive.reading import HistoryRow, resolved
from eventlog.database import sql
from eventlog.database.connection import snapshot
from eventlog.history import statements
from eventlog.keys import LogFiles
from eventlog.personal import envelopes
from projections import job_definitions
from projections.envelope import Envelope
from projections.job_definitions import JobDefinitionRow
from projections.rows import Connection, read_rows, read_value
from projections.simulation import (
    History,
    RecordedRow,
    RecordedRun,
    Steps,
    ms_of,
    run_of_history,
    run_of_row,
    tells_all,
)

MOST_RUNS = 500_000
"""Runs that are looked at: some hundred megabytes of memory."""

READ_AT_ONCE = 100
"""Histories that are in memory together."""

IN_RANGE = f"""
    SELECT {", ".join(RecordedRow.__annotations__)} FROM job_runs
    WHERE job_definition_id = %(job_id)s
      AND (completed_at IS NULL OR completed_at >= %(since)s::timestamptz)
    ORDER BY created_position DESC LIMIT {MOST_RUNS + 1}
"""


async def recorded(
    connection: Connection, files: LogFiles, slug: str, back: timedelta
) -> History | None:
    """Return the past of a job up to the present, None where there is no such job.

    Args:
        connection: outside of any transaction.
        files: of the log.
        slug: which job, in any case.
        back: how far it goes back.

    Raises:
        InvalidInputError: there are too many runs.
    """
    async with snapshot(connection):
        job = await job_definitions.by_slug(connection, slug)
        if job is None:
            return None
        job_id = UUID(job["id"])
        now = await read_value(connection, str, sql.NOW)
        since = to_iso(from_iso(now) - back)
        rows = await _rows_since(connection, job_id, since)
        if len(rows) > MOST_RUNS:
            message = f"more than {MOST_RUNS} runs of {slug} are in that range; ask of less"
            raise InvalidInputError([Issue("/since", message, "maximum")])
        runs = await _runs(connection, files, rows)
        limits, key_limits = await _limits(connection, files, job_id)
    return History(ms_of(since), ms_of(now), runs, limits, key_limits)


async def _rows_since(connection: Connection, job_id: UUID, since: str) -> list[RecordedRow]:
    """Return the runs that had not ended before; one more than the most, where there are more."""
    return await read_rows(connection, RecordedRow, IN_RANGE, {"job_id": job_id, "since": since})


async def _runs(
    connection: Connection, files: LogFiles, rows: Sequence[RecordedRow]
) -> list[RecordedRun]:
    """Return the runs; the events of those of several turns are read, for their rows forget."""
    found: list[RecordedRun] = []
    others: dict[UUID, RecordedRow] = {}
    for row in rows:
        if tells_all(row):
            run = run_of_row(row)
            found.append(run)
        else:
            run_id = UUID(row["id"])
            others[run_id] = row
    ids = list(others)
    for start in range(0, len(ids), READ_AT_ONCE):
        events = await _histories(connection, files, ids[start : start + READ_AT_ONCE])
        for run_id, history in groupby(events, key=_aggregate_of):
            run = run_of_history(others[run_id], history)
            found.append(run)
    return found


async def _limits(connection: Connection, files: LogFiles, job_id: UUID) -> tuple[Steps, Steps]:
    """Return the limits of a job and of its key, as they changed."""
    limits = Steps()
    key_limits = Steps()
    job: JobDefinitionRow | None = None
    for event in await _histories(connection, files, [job_id]):
        if event.unreadable is not None:
            continue
        since = ms_of(event.at)
        if job is None:
            # Before there was the job, nothing had another limit.
            since = 0
        job = job_definitions.TABLE.fold(job, event)
        limits.change(since, job["max_concurrent_runs"])
        key_limits.change(since, job["concurrency_limit"])
    return limits, key_limits


async def _histories(
    connection: Connection, files: LogFiles, ids: Sequence[UUID]
) -> list[Envelope]:
    """Return every event of these aggregates, one after the other, each in order."""
    rows = await read_rows(connection, HistoryRow, statements.READ_SUBJECTS, {"ids": list(ids)})
    events = await resolved(connection, files.archive, rows)
    return await envelopes(connection, files.master_keys, events)


def _aggregate_of(event: Envelope) -> UUID:
    return event.aggregate_id
