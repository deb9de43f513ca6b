"""What events did to runs between two positions of the log."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from eventlog.keys.log_files import LogFiles
from eventlog.personal.reading import envelopes
from eventlog.recall.pages import END, read_parts
from projections import job_runs
from projections.envelope import UNFOLDABLE
from projections.job_runs import RunRow
from projections.rows import Connection, read_rows
from projections.runs.past import Moved
from projections.table import P, TableOf

T = TypeVar("T")

FOLDED_AT_ONCE = 200
"""Aggregates whose events are in memory together."""

_MOVED = rf"""
    WITH touched AS (
        SELECT originator_id, max(originator_version) AS version FROM {sql.EVENTS_TABLE}
        WHERE notification_id > %(after)s AND notification_id <= %(position)s
            AND topic LIKE 'job\_run.%%'
        GROUP BY originator_id
        UNION ALL
        SELECT run.id, event.version FROM archived_runs AS run CROSS JOIN LATERAL (
            SELECT max(version) AS version
            FROM unnest(run.positions) WITH ORDINALITY AS one (position, version)
            WHERE one.position > %(after)s AND one.position <= %(position)s
        ) AS event
        WHERE int8range(run.first_position, run.last_position, '[]')
                && int8range(%(after)s, %(position)s, '(]')
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
    SELECT job_definition_id, past_status,
        array_agg(created_position ORDER BY created_position) AS created,
        array_agg(id ORDER BY created_position) FILTER (WHERE past_status IS NULL) AS ids
    FROM known GROUP BY job_definition_id, past_status
"""


class _Group(TypedDict):
    """Runs of one job in one status; where it is None, that is not known, and `ids` are given."""

    job_definition_id: ReadOnly[str]
    past_status: ReadOnly[str | None]
    created: ReadOnly[list[int]]
    ids: ReadOnly[list[str] | None]


async def moved_since(
    connection: Connection,
    files: LogFiles,
    after: int,
    position: int,
    job_ids: list[UUID] | None = None,
) -> list[Moved]:
    """Return all runs, or those of these jobs, that have events in (after, position].

    They come by the status that they had at its end. Most statuses are known without a fold: of a
    run that has not changed since the position, and of one whose first event is its only one. The
    others are folded.
    """
    values = {
        "after": after,
        "position": position,
        "first_status": job_runs.FIRST_STATUS,
        "job_ids": job_ids,
    }
    moved: list[Moved] = []
    unknown: dict[UUID, tuple[str, int]] = {}
    for group in await read_rows(connection, _Group, _MOVED, values):
        job_id = group["job_definition_id"]
        status = group["past_status"]
        created = group["created"]
        if status is not None:
            of_status = Moved(job_id, status, created)
            moved.append(of_status)
            continue
        ids = group["ids"] or []
        for run_id, created_position in zip(ids, created, strict=True):
            unknown[UUID(run_id)] = (job_id, created_position)
    statuses = await folded_parts(
        connection,
        files,
        job_runs.TABLE,
        list(unknown),
        position,
        _status,
    )
    for folded_id, (job_id, created_position) in unknown.items():
        status = statuses.get(folded_id)
        if status is not None:
            of_one = Moved(job_id, status, [created_position])
            moved.append(of_one)
    return moved


def _status(run: RunRow) -> str:
    return run["status"]


async def folded(
    connection: Connection,
    files: LogFiles,
    table: TableOf[P],
    ids: Sequence[UUID],
    position: int,
) -> dict[UUID, P]:
    """Return the rows of these aggregates as of a position, by the table's fold.

    Those that were not there yet are left out. Where an event cannot be read, the row is as the
    events before it left it.
    """
    rows: dict[UUID, P] = {}
    unreadable: set[UUID] = set()
    wanted = dict.fromkeys(ids, (0, END))
    while wanted:  # In parts: one history may be longer than memory.
        part = await read_parts(connection, files, wanted, position)
        for event in await envelopes(connection, files.master_keys, part.rows):
            aggregate_id = event.aggregate_id
            wanted[aggregate_id] = (event.version, END)
            if event.unreadable is not None:
                unreadable.add(aggregate_id)
            if aggregate_id in unreadable:
                continue
            before = rows.get(aggregate_id)
            try:
                rows[aggregate_id] = table.fold(before, event)
            except UNFOLDABLE:
                unreadable.add(aggregate_id)
        for aggregate_id in unreadable.union(part.ended):
            wanted.pop(aggregate_id, None)
    return rows


async def folded_parts(  # noqa: PLR0913 - `folded`, and which part
    connection: Connection,
    files: LogFiles,
    table: TableOf[P],
    ids: Sequence[UUID],
    position: int,
    part: Callable[[P], T],
) -> dict[UUID, T]:
    """Return a part of each of the same rows.

    So there may be many of them: few are in memory as a whole.
    """
    parts: dict[UUID, T] = {}
    for start in range(0, len(ids), FOLDED_AT_ONCE):
        end = start + FOLDED_AT_ONCE
        chunk = ids[start:end]
        rows = await folded(
            connection,
            files,
            table,
            chunk,
            position,
        )
        for aggregate_id, row in rows.items():
            parts[aggregate_id] = part(row)
    return parts
