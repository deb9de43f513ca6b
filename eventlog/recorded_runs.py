"""Reads when the past runs of a job were due, started and ended."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import get_type_hints
from uuid import UUID

from typing_extensions import ReadOnly

from domain.clock import from_iso, to_iso
from domain.errors import Issue, TooCostlyError
from domain.jobs.policies import RateLimit
from domain.state import Integer
from eventlog.database import sql
from eventlog.database.connection import snapshot
from eventlog.history.reader import whole_histories
from eventlog.keys import LogFiles
from projections import job_definitions
from projections.job_definitions import JobDefinitionRow
from projections.job_history import (
    History,
    RecordedRow,
    RecordedRun,
    Timeline,
    describes_all_turns,
    ms_of,
    run_of_history,
    run_of_row,
)
from projections.rows import Connection, read_rows, read_value

MAX_RUNS = 500_000
"""Runs that a command in a process of its own reads: they take some hundred megabytes of memory."""

HISTORIES_AT_ONCE = 20
"""Histories that are in memory together."""

ROWS_A_PAGE = 500
"""Rows of runs that are read and converted at a time; between pages, other tasks can run."""


class _PagedRow(RecordedRow):
    """A run's row, and the position at which the next page continues."""

    created_position: ReadOnly[Integer]


IN_RANGE = f"""
    SELECT {", ".join(get_type_hints(_PagedRow))} FROM job_runs
    WHERE job_definition_id = %(job_id)s
      AND (completed_at IS NULL OR completed_at >= %(since)s::timestamptz)
      AND created_position < %(before)s
    ORDER BY created_position DESC LIMIT %(limit)s
"""


async def read_job_history(
    connection: Connection,
    files: LogFiles,
    slug: str,
    look_back: timedelta,
    max_runs: int = MAX_RUNS,
) -> History | None:
    """Return the recent history of a job up to now; None if there is no such job.

    Args:
        connection: outside of any transaction.
        files: the log's files.
        slug: the job's slug, ignoring case.
        look_back: how long ago the history begins.
        max_runs: number of runs that it may have.

    Raises:
        TooCostlyError: it has more runs.
    """
    async with snapshot(connection):
        job = await job_definitions.by_slug(connection, slug)
        if job is None:
            return None
        job_id = UUID(job["id"])
        now = await read_value(connection, str, sql.NOW)
        since = to_iso(from_iso(now) - look_back)
        runs, restarted = await _runs_of_rows(connection, job, since, max_runs)
        runs += await _runs_of_histories(connection, files, restarted)
        limits = await _read_limits(connection, files, job_id)
    return replace(limits, since=ms_of(since), until=ms_of(now), runs=runs)


async def _runs_of_rows(
    connection: Connection, job: JobDefinitionRow, since: str, max_runs: int
) -> tuple[list[RecordedRun], dict[UUID, RecordedRow]]:
    """Return the runs that had not ended before a time.

    Returns:
        The runs whose rows describe all their turns, and by id the rows of all others.
    """
    runs: list[RecordedRun] = []
    restarted: dict[UUID, RecordedRow] = {}
    values: dict[str, object] = {
        "job_id": UUID(job["id"]),
        "since": since,
        "before": 2**63 - 1,
        "limit": ROWS_A_PAGE,
    }
    while rows := await read_rows(connection, _PagedRow, IN_RANGE, values):
        for row in rows:
            if describes_all_turns(row):
                runs.append(run_of_row(row))
            else:
                restarted[UUID(row["id"])] = row
        if len(runs) + len(restarted) > max_runs:
            message = (
                f"more than {max_runs} runs of {job['slug']} are in that range; look back less far"
            )
            raise TooCostlyError([Issue("/lookBackMs", message, "cost")])
        if len(rows) < ROWS_A_PAGE:
            break
        values["before"] = rows[-1]["created_position"]
    return runs, restarted


async def _runs_of_histories(
    connection: Connection, files: LogFiles, rows: Mapping[UUID, RecordedRow]
) -> list[RecordedRun]:
    """Return runs that started several times: only their events hold all starts."""
    runs: list[RecordedRun] = []
    ids = list(rows)
    for start in range(0, len(ids), HISTORIES_AT_ONCE):
        events = await whole_histories(connection, files, ids[start : start + HISTORIES_AT_ONCE])
        for run_id, history in groupby(events, key=attrgetter("aggregate_id")):
            runs.append(run_of_history(rows[run_id], history))
    return runs


async def _read_limits(connection: Connection, files: LogFiles, job_id: UUID) -> History:
    """Return a history without runs that has the limits of a job, as they changed."""
    history = History(0, 0, (), Timeline())
    job: JobDefinitionRow | None = None
    for event in await whole_histories(connection, files, [job_id]):
        if event.unreadable is not None:
            continue
        since = ms_of(event.at)
        if job is None:
            since = 0  # The job's first limits hold from the beginning of time.
        job = job_definitions.TABLE.fold(job, event)
        history.limits.change(since, job["max_concurrent_runs"])
        history.key_limits.change(since, job["concurrency_limit"])
        history.rates.change(since, RateLimit.from_json(job["rate_limit"]))
        history.fairness_keys.change(since, job["fairness_key"])
    return history
