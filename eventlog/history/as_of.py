"""Time travel: rows as they were at an earlier position of the log.

First the past (`Past`), then the runs that a bulk operation's conditions select as of a position
(`PastRunSelector`).

Rows whose last event is at or before the position are returned as they are; only rows that have
changed since are folded from their events up to the position. The runs that were alive come from
the last checkpoint before the position and the events after it, so the cost grows with these, not
with the log.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from domain.clock import from_iso, to_iso
from domain.commands.bulk import RunSelector, SelectedRun, Selection
from domain.errors import InvalidInputError, Issue
from domain.filters import Conditions, Label
from domain.json_values import canonical
from eventlog.database import sql
from eventlog.database.connection import borrowed, snapshot
from eventlog.database.costly_reads import COUNT_LIMIT_S, CostlyReads
from eventlog.history.audit import position_before
from eventlog.history.reader import with_unreadable_head
from eventlog.history.run_changes import (
    fold_rows,
    fold_values,
    is_count_of_rows_faster,
    runs_changed_since,
)
from eventlog.keys import LogFiles
from projections import bulk, failure_search, job_definitions, job_runs, saved_views
from projections.bulk import BulkRow
from projections.failure_groups import TABLE as FAILURES
from projections.failure_groups import FailureGroupRow, oldest, position_of
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.rows import PAGE_BYTES, Connection, read_ids, read_rows, read_value
from projections.runs import lists, past
from projections.runs.filters import RunFilter, RunSearch, resolve_search, run_filter
from projections.runs.lists import matches_many_ids
from projections.runs.past import PastJob, PastRuns, RunPosition
from projections.saved_views import SavedViewRow
from projections.schedules import TABLE as SCHEDULES
from projections.schedules import ScheduleRow, next_by_id
from projections.table import P, TableOf, rows_by_id

MAX_FOLDED = 20_000
"""Events after which a page of schedules ends: folding them takes about a second."""

ALL = 2**62
"""The limit of a page that holds all runs."""


@asynccontextmanager
async def open_past(
    connection: Connection, files: LogFiles, as_of: int | datetime | None
) -> AsyncIterator["Past"]:
    """Open the past, in a snapshot of its own: checkpoints may be dropped at any time.

    Args:
        connection: outside of any transaction.
        files: the log's files.
        as_of: a position, or a time, which stands for the last position recorded at or before it;
            None stands for the log's end.

    Raises:
        InvalidInputError: `as_of` is in the future.
    """
    async with snapshot(connection):
        yield Past(connection, files, await _position(connection, files, as_of))


class Past:
    """Reads rows as they were at a position.

    Attributes:
        position: the position.
    """

    def __init__(self, connection: Connection, files: LogFiles, position: int) -> None:
        self._connection = connection
        self._files = files
        self.position = position

    async def run(self, run_id: UUID) -> RunRow | None:
        """Return the run; None if it did not exist yet."""
        row = await lists.by_id(self._connection, run_id)
        return await self._past_row(job_runs.TABLE, row)

    async def with_unreadable_head(self, ids: Collection[UUID]) -> set[UUID]:
        """Return the runs whose present last event cannot be read."""
        return await with_unreadable_head(self._connection, ids)

    async def job(self, slug: str) -> JobDefinitionRow | None:
        """Return the definition with this slug, ignoring case; None if there was none."""
        row = await job_definitions.by_slug(self._connection, slug)
        return job_definitions.unless_deleted(await self._past_row(job_definitions.TABLE, row))

    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, JobDefinitionRow]:
        """Return, by id, those of the definitions that existed."""
        rows = await rows_by_id(self._connection, job_definitions.TABLE, list(ids))
        return await self._past_rows(job_definitions.TABLE, rows)

    async def runs(
        self, runs: RunFilter, limit: int, offset: int
    ) -> tuple[list[RunRow], int | None]:
        """Return a page of runs in the filter's order, and the next offset, None at the end."""
        search = await resolve_search(runs, self.jobs_named_like)
        if search.matches_nothing:
            return [], None
        ids = await self._page(search, limit, offset)
        page_ids = await lists.first_of_page(self._connection, ids[:limit])
        rows = await rows_by_id(self._connection, job_runs.TABLE, page_ids)
        past_rows = await self._past_rows(job_runs.TABLE, rows)
        readable = [past_rows[run_id] for run_id in page_ids if run_id in past_rows]
        if len(page_ids) == len(ids):
            return readable, None
        return readable, offset + len(page_ids)

    async def newest_positions(self, runs: RunFilter, limit: int) -> list[RunPosition]:
        """Return the newest runs and their positions; one more than the limit if more follow."""
        search = await resolve_search(runs, self.jobs_named_like)
        if search.matches_nothing:
            return []
        query, values = await self._page_query(search, limit, 0, "id, created_position")
        return await read_rows(self._connection, RunPosition, query, values)

    async def count(self, runs: RunFilter) -> int:
        """Return the number of matching runs."""
        search = await resolve_search(runs, self.jobs_named_like)
        if search.matches_nothing:
            return 0
        query, values = await self._page_query(search, ALL, 0)
        return await read_value(
            self._connection, int, f"SELECT count(*) FROM ({query}) AS page", values
        )

    async def _page(self, search: RunSearch, limit: int, offset: int) -> list[UUID]:
        """Return the ids of a page of runs, and one more if more follow."""
        if search.runs.order != "created":
            return await lists.ids_by_end(self._connection, search, limit, offset, self.position)
        query, values = await self._page_query(search, limit, offset)
        return await read_ids(self._connection, query, values)

    async def _page_query(
        self, search: RunSearch, limit: int, offset: int, columns: str = "id"
    ) -> tuple[str, dict[str, object]]:
        """Return the query for a page of runs, and its parameters."""
        runs = search.runs
        one_by_one = False
        if runs.is_search:
            one_by_one = await matches_many_ids(self._connection, search.ids)
        past_runs = PastRuns(position=self.position)
        # Lists of ended runs need no checkpoint.
        if not set(past.ALIVE).isdisjoint(runs.statuses):
            past_runs = await self.runs_alive(past.jobs_of_search(search))
        query = past.newest_first(runs, one_by_one=one_by_one, columns=columns)
        return query, past.values_of(past_runs, search, limit, offset)

    async def schedules(self, after: str, limit: int) -> tuple[list[ScheduleRow], str | None]:
        """Return the next schedules after an id, and the id to continue after, None at the end.

        They may be fewer than the limit even if more follow.
        """
        candidates, next_after = await next_by_id(self._connection, after, limit, also_deleted=True)
        past_schedules: list[ScheduleRow] = []
        folded_events = folded_bytes = examined = 0
        for row in candidates:
            # One by one: each may have a tick for every minute of several years.
            past_row = await self._past_row(SCHEDULES, row)
            examined += 1
            if past_row is None:
                continue
            if past_row["deleted_at"] is None:
                past_schedules.append(past_row)
            if past_row is not row:
                folded_events += past_row["aggregate_version"]
                folded_bytes += len(canonical(past_row["parameters"]))
            if folded_events >= MAX_FOLDED or folded_bytes >= PAGE_BYTES:
                break
        if examined == len(candidates):
            return past_schedules, next_after
        return past_schedules, candidates[examined - 1]["id"]

    async def failures(
        self, statuses: Collection[str], job: str | None, limit: int
    ) -> list[FailureGroupRow]:
        """Return the failure groups of the position, the last failed first.

        Args:
            statuses: only groups that had one of these statuses.
            job: only groups of the job with this slug; None: of all jobs.
            limit: number of groups to examine, the first failed first.
        """
        groups: list[FailureGroupRow] = []
        for row in await oldest(self._connection, job, limit):
            # One by one: each may have an event for every second of several weeks.
            past_row = await self._past_row(FAILURES, row)
            if past_row is not None and past_row["status"] in statuses:
                groups.append(past_row)
        return sorted(groups, key=position_of, reverse=True)

    async def saved_views(self) -> list[SavedViewRow]:
        """Return the saved views of the position by name."""
        rows = await saved_views.living_at(self._connection, self.position)
        by_id = {saved_views.TABLE.id_of(row): row for row in rows}
        past_rows = await self._past_rows(saved_views.TABLE, by_id)
        return [past_rows[view_id] for view_id in by_id if view_id in past_rows]

    async def counts(self, job_ids: list[UUID] | None) -> dict[str, int]:
        """Return the number of runs by status, of these jobs or of all."""
        if await is_count_of_rows_faster(self._connection, self.position):
            return await past.present_counts(self._connection, job_ids)
        return await past.counts(self._connection, await self.runs_alive(job_ids))

    async def runs_alive(self, job_ids: list[UUID] | None) -> PastRuns:
        """Return what to read alive runs from: a checkpoint, and the runs that changed since.

        Args:
            job_ids: only runs of these jobs; None: of all jobs.
        """
        checkpoint = await past.checkpoint_before(self._connection, self.position)
        changed = await runs_changed_since(
            self._connection, self._files, checkpoint, self.position, job_ids
        )
        return PastRuns(
            position=self.position, checkpoint=checkpoint, moved=changed, job_ids=job_ids
        )

    async def bulk_operation(self, operation_id: UUID) -> BulkRow | None:
        """Return the bulk operation; None if it had not been requested yet."""
        row = await bulk.by_id(self._connection, operation_id)
        return await self._past_row(bulk.TABLE, row)

    async def bulk_operations(
        self, before: int | None, limit: int
    ) -> tuple[list[BulkRow], int | None]:
        """Return a page of bulk operations, newest first.

        Args:
            before: the position before which they were requested; None for the first page.
            limit: number of operations; large operations make the page shorter.

        Returns:
            The operations, and the `before` of the next page, None at the end.
        """
        end = self.position + 1
        if before is not None:
            end = min(before, end)
        rows, next_before = await bulk.newest(self._connection, end, limit)
        by_id = {bulk.TABLE.id_of(row): row for row in rows}
        past_rows = await self._past_rows(bulk.TABLE, by_id)
        operations = [past_rows[row_id] for row_id in by_id if row_id in past_rows]
        return operations, next_before

    async def jobs_with(self, slugs: Sequence[str]) -> list[UUID]:
        """Return the jobs with one of these slugs, ignoring case; slugs never change."""
        return await job_definitions.ids_of(self._connection, slugs)

    async def jobs_for(self, runtimes: Sequence[str]) -> list[UUID]:
        """Return the jobs that had one of these runtimes."""
        changed = await self._changed_since()
        return await past.jobs_for(self._connection, runtimes, self.position, changed)

    async def jobs_of_modules(self, modules: Sequence[str]) -> list[UUID]:
        """Return the jobs that belonged to one of these modules."""
        changed = await self._changed_since()
        return await past.jobs_of_modules(self._connection, modules, self.position, changed)

    async def jobs_labelled(self, label: Label) -> list[UUID]:
        """Return the jobs that required the label of workers."""
        changed = await self._changed_since()
        return await past.jobs_labelled(self._connection, label, self.position, changed)

    async def jobs_named_like(self, search: str) -> list[UUID]:
        """Return the jobs whose slug or name held this text, in any case."""
        changed = await self._changed_since()
        return await past.jobs_named_like(self._connection, search, self.position, changed)

    async def _changed_since(self) -> list[PastJob]:
        """Return the jobs that have changed since the position, as they were then."""
        changed_ids = await past.jobs_changed_after(self._connection, self.position)
        past_rows = await fold_values(
            self._connection,
            self._files,
            job_definitions.TABLE,
            changed_ids,
            self.position,
            past.past_job,
        )
        return list(past_rows.values())

    async def _past_row(self, table: TableOf[P], row: P | None) -> P | None:
        """Return a row as of the position; None if there was none, or is none now."""
        if row is None:
            return None
        own_id = table.id_of(row)
        return (await self._past_rows(table, {own_id: row})).get(own_id)

    async def _past_rows(self, table: TableOf[P], rows: Mapping[UUID, P]) -> dict[UUID, P]:
        """Return the rows as of the position, without those that did not exist yet."""
        past_rows: dict[UUID, P] = {}
        changed_ids: list[UUID] = []
        for aggregate_id, row in rows.items():
            if row["position"] > self.position:
                changed_ids.append(aggregate_id)
            else:
                past_rows[aggregate_id] = row
        past_rows |= await fold_rows(
            self._connection, self._files, table, changed_ids, self.position
        )
        return past_rows


async def _position(connection: Connection, files: LogFiles, as_of: int | datetime | None) -> int:
    if isinstance(as_of, datetime):
        present = await read_value(connection, str, sql.NOW)
        if as_of > from_iso(present):
            raise _future_error(f"{to_iso(as_of)} lies in the future: it is {present}")
        return await position_before(connection, files.archive, as_of, inclusive=True)
    head = await read_value(connection, int, sql.HEAD)
    if as_of is None:
        return head
    if as_of > head:
        raise _future_error(f"the log ends at position {head}")
    return as_of


def _future_error(message: str) -> InvalidInputError:
    return InvalidInputError([Issue("/asOf", message, "maximum")])


# The runs that a bulk operation's conditions select as of a position.


class PastRunSelector(RunSelector):
    """Selects runs by conditions, as of a position."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        files: LogFiles,
        costly: CostlyReads | None = None,
    ) -> None:
        """Read by connections of the pool.

        Args:
            pool: connections.
            files: the log's files.
            costly: lends the connections for counts; None counts by the pool, too.
        """
        self._pool = pool
        self._files = files
        self._costly = costly

    @override
    async def select(
        self, conditions: Conditions, limit: int, parameters: Collection[str]
    ) -> Selection:
        async with self._connection_for_counts() as connection:
            personal = await job_definitions.personal_among(connection, parameters)
            async with open_past(connection, self._files, None) as past:
                position = past.position
                runs = await run_filter(connection, past, conditions)
                if runs is None:
                    return Selection(position, 0, (), personal)
                total = await past.count(runs)
                newest = await past.newest_positions(runs, limit)
        selected = [_selected_run(one) for one in newest[:limit]]
        return Selection(position, total, selected, personal)

    def _connection_for_counts(self) -> AbstractAsyncContextManager[Connection]:
        if self._costly is None:
            return borrowed(self._pool)
        return self._costly.turn(["/filter"], COUNT_LIMIT_S)

    @override
    async def newest(
        self, conditions: Conditions, position: int, before: int | None, limit: int
    ) -> list[SelectedRun]:
        async with (
            borrowed(self._pool) as connection,
            open_past(connection, self._files, position) as past,
        ):
            runs = await run_filter(connection, past, conditions)
            if runs is None:
                return []
            runs = replace(runs, before_position=before)
            positions = await past.newest_positions(runs, limit)
        return [_selected_run(run_position) for run_position in positions[:limit]]

    @override
    async def repeated_among(self, run_ids: Collection[UUID]) -> set[UUID]:
        async with borrowed(self._pool) as connection:
            return await failure_search.repeated_among(connection, run_ids)


def _selected_run(run_position: RunPosition) -> SelectedRun:
    return SelectedRun(UUID(run_position["id"]), run_position["created_position"])
