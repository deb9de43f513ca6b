"""What events did to runs between two positions of the log."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from domain.ports import Row
from eventlog.archive.reading import resolved
from eventlog.database import sql
from eventlog.encoding.columns import LogRow
from eventlog.history import statements
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import envelopes
from projections import job_runs
from projections.rows import Connection, fetch_rows
from projections.runs.past import Moved
from projections.table import Table

FOLDED_AT_ONCE = 200
"""Aggregates whose events are in memory together."""

_MOVED = rf"""
    WITH touched AS (
        SELECT originator_id, max(originator_version) AS version FROM {sql.EVENTS_TABLE}
        WHERE notification_id > %(after)s AND notification_id <= %(position)s AND topic LIKE 'job\_run.%%'
        GROUP BY originator_id
        UNION ALL
        SELECT run.id, event.version FROM archived_runs AS run CROSS JOIN LATERAL (
            SELECT max(version) AS version FROM unnest(run.positions) WITH ORDINALITY AS one (position, version)
            WHERE one.position > %(after)s AND one.position <= %(position)s
        ) AS event
        WHERE int8range(run.first_position, run.last_position, '[]') && int8range(%(after)s, %(position)s, '(]')
            AND event.version IS NOT NULL
    ), known AS (
        SELECT run.id, run.job_definition_id, run.created_position,
            CASE
                WHEN run.position <= %(position)s THEN run.status
                WHEN touched.version = 1 THEN %(first_status)s
            END AS past_status
        FROM touched CROSS JOIN LATERAL (
            -- A look-up for each, and nothing that the planner could take for cheaper.
            SELECT id, job_definition_id, status, created_position, position FROM job_runs
            WHERE id = touched.originator_id LIMIT 1
        ) AS run
        WHERE %(job_ids)s::uuid[] IS NULL OR run.job_definition_id = ANY(%(job_ids)s::uuid[])
    )
    SELECT job_definition_id, past_status, array_agg(created_position ORDER BY created_position) AS created,
        array_agg(id ORDER BY created_position) FILTER (WHERE past_status IS NULL) AS ids
    FROM known GROUP BY job_definition_id, past_status
"""


async def moved_since(
    connection: Connection,
    files: LogFiles,
    after: int,
    position: int,
    job_ids: Sequence[UUID] | None = None,
) -> list[Moved]:
    """Return all runs, or those of these jobs, that have events in (after, position], by their status at its end.

    Most statuses are known without a fold: of a run that has not changed since the position, and of
    one whose first event is its only one. The others are folded.
    """
    values = {
        "after": after,
        "position": position,
        "first_status": job_runs.FIRST_STATUS,
        "job_ids": None if job_ids is None else list(job_ids),
    }
    groups = await fetch_rows(connection, _MOVED, values)
    known = [group for group in groups if group["past_status"] is not None]
    unknown = [group for group in groups if group["past_status"] is None]
    ids = [run_id for group in unknown for run_id in _ids(group)]
    rows = await folded_columns(connection, files, job_runs.TABLE, ids, position, ["status"])
    one_by_one = [
        Moved(str(group["job_definition_id"]), str(rows[run_id]["status"]), [created])
        for group in unknown
        for run_id, created in zip(_ids(group), _created(group), strict=True)
    ]
    return [
        *(
            Moved(str(group["job_definition_id"]), str(group["past_status"]), _created(group))
            for group in known
        ),
        *one_by_one,
    ]


async def folded(
    connection: Connection, files: LogFiles, table: Table, ids: Sequence[UUID], position: int
) -> dict[UUID, Row]:
    """Return the rows of these aggregates as of a position, by the table's fold; those not there yet are left out."""
    rows: dict[UUID, Row] = {}
    if ids:
        values = {"ids": list(ids), "position": position}

        def until_then(mark: LogRow) -> Sequence[int]:
            return [one for one in mark["positions"] if one <= position]

        found = await fetch_rows(connection, statements.HISTORIES_UP_TO, values)
        events = await resolved(connection, files.archive, found, until_then)
        for event in await envelopes(connection, files.master_keys, events):
            rows[event.aggregate_id] = table.fold(rows.get(event.aggregate_id), event)
    return rows


async def folded_columns(  # noqa: PLR0913 - `folded`, and which columns
    connection: Connection,
    files: LogFiles,
    table: Table,
    ids: Sequence[UUID],
    position: int,
    columns: Sequence[str],
) -> dict[UUID, Row]:
    """Return the same rows cut down to some columns; so there may be many, of which few are in memory as a whole."""
    cut: dict[UUID, Row] = {}
    for start in range(0, len(ids), FOLDED_AT_ONCE):
        rows = await folded(connection, files, table, ids[start : start + FOLDED_AT_ONCE], position)
        cut.update({key: {column: row[column] for column in columns} for key, row in rows.items()})
    return cut


def _ids(group: Row) -> list[UUID]:
    return [UUID(text) for text in cast("list[str]", group["ids"])]


def _created(group: Row) -> list[int]:
    return cast("list[int]", group["created"])
