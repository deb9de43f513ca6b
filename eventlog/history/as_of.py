"""Time travel: what there was at an earlier position of the log.

First the past (`Past`), then the runs that a bulk operation's conditions select as of a position
(`Selected`).

Rows whose last event lies at or before the position are shown as they stand; only what has changed
since is folded from its events up to the position. Which runs were alive then comes from the last
checkpoint before and from the events between the two, so the cost grows with these, not with the
log.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict, override

from domain.clock import from_iso, to_iso
from domain.commands.bulk import Chosen, Counted, Selection
from domain.errors import InvalidInputError, Issue
from domain.filters import Conditions, Label
from domain.json_values import JsonObject, canonical
from domain.personal import MARK, marks
from eventlog.database import sql
from eventlog.database.connection import borrowed, snapshot
from eventlog.database.costly_reads import COUNT_LIMIT_S, CostlyReads
from eventlog.history.audit import position_before
from eventlog.history.reader import with_unreadable_head
from eventlog.history.run_changes import folded, folded_parts, moved_since, rows_are_counted_sooner
from eventlog.keys import LogFiles
from projections import bulk, failure_search, job_definitions, job_runs
from projections import bulk as bulk_lists
from projections.bulk import BulkRow
from projections.failure_groups import TABLE as FAILURES
from projections.failure_groups import FailureGroupRow, oldest, place_of
from projections.job_definitions import JobDefinitionRow
from projections.job_runs import RunRow
from projections.rows import PAGE_BYTES, Connection, read_ids, read_rows, read_value
from projections.runs import lists, past
from projections.runs.lists import RunFilter, Sought, looked_up, run_filter, starts_many
from projections.runs.past import NamedJob, Place, Then
from projections.schedules import TABLE as SCHEDULES
from projections.schedules import ScheduleRow, any_by_id
from projections.table import P, TableOf, rows_by_id

MOST_FOLDED = 20_000
"""Events after which a page of schedules ends: to fold them takes about a second."""

ALL = 2**62
"""Runs of a page that has all."""


@asynccontextmanager
async def opened(
    connection: Connection, files: LogFiles, as_of: int | datetime | None
) -> AsyncIterator["Past"]:
    """Open the past, in a snapshot of its own: checkpoints may be dropped at any time.

    Args:
        connection: outside of any transaction.
        files: of the log.
        as_of: a position; or a moment, which stands for the last position recorded at or before it;
            None: the end.

    Raises:
        InvalidInputError: that is still to come.
    """
    async with snapshot(connection):
        yield Past(connection, files, await _position(connection, files, as_of))


class Past:
    """What there was at a position that the connection sees."""

    def __init__(self, connection: Connection, files: LogFiles, position: int) -> None:
        self._connection = connection
        self._files = files
        self.position = position

    async def run(self, run_id: UUID) -> RunRow | None:
        """Return the run, or None where it did not exist yet."""
        row = await lists.by_id(self._connection, run_id)
        return await self._as_it_was(job_runs.TABLE, row)

    async def with_unreadable_head(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of the runs whose last event cannot be read, the present one."""
        return await with_unreadable_head(self._connection, ids)

    async def job(self, slug: str) -> JobDefinitionRow | None:
        """Return the definition with this slug, ignoring case, or None where there was none."""
        row = await job_definitions.by_slug(self._connection, slug)
        return job_definitions.unless_deleted(await self._as_it_was(job_definitions.TABLE, row))

    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, JobDefinitionRow]:
        """Return those of the definitions that existed."""
        rows = await rows_by_id(self._connection, job_definitions.TABLE, list(ids))
        return await self._as_they_were(job_definitions.TABLE, rows)

    async def runs(
        self, wanted: RunFilter, limit: int, offset: int
    ) -> tuple[list[RunRow], int | None]:
        """Return a page of runs, newest first, and the offset of the next, if there is one."""
        sought = await looked_up(wanted, self.jobs_named_like)
        if sought.finds_nothing:
            return [], None
        ids = await self._page(sought, limit, offset)
        shown = await lists.first_of_page(self._connection, ids[:limit])
        rows = await rows_by_id(self._connection, job_runs.TABLE, shown)
        were = await self._as_they_were(job_runs.TABLE, rows)
        readable = [were[run_id] for run_id in shown if run_id in were]
        count = len(shown)
        if count == len(ids):
            return readable, None
        return readable, offset + count

    async def places(self, wanted: RunFilter, limit: int) -> list[Place]:
        """Return the newest runs, and where they were created; one more where more follow."""
        sought = await looked_up(wanted, self.jobs_named_like)
        if sought.finds_nothing:
            return []
        query, values = await self._asked(sought, limit, 0, "id, created_position")
        return await read_rows(self._connection, Place, query, values)

    async def count(self, wanted: RunFilter) -> int:
        """Return how many runs the filter lets pass."""
        sought = await looked_up(wanted, self.jobs_named_like)
        if sought.finds_nothing:
            return 0
        query, values = await self._asked(sought, ALL, 0)
        counted = f"SELECT count(*) FROM ({query}) AS page"
        return await read_value(self._connection, int, counted, values)

    async def _page(self, sought: Sought, limit: int, offset: int) -> list[UUID]:
        """Return the ids of a page of runs, and one more where more follow."""
        query, values = await self._asked(sought, limit, offset)
        return await read_ids(self._connection, query, values)

    async def _asked(
        self, sought: Sought, limit: int, offset: int, columns: str = "id"
    ) -> tuple[str, dict[str, object]]:
        """Return the query for a page of runs, and its parameters."""
        runs = sought.runs
        one_by_one = False
        if runs.is_sought:
            one_by_one = await starts_many(self._connection, sought.ids)
        then = Then(position=self.position)
        alive = set(past.ALIVE)
        if alive.intersection(runs.statuses):  # What had ended is found without.
            then = await self.then(past.jobs_to_search(sought))
        query = past.newest_first(runs, one_by_one=one_by_one, columns=columns)
        return query, past.values_of(then, sought, limit, offset)

    async def schedules(self, after: str, limit: int) -> tuple[list[ScheduleRow], str | None]:
        """Return schedules that come next after an id, and the id to go on after, if any follow.

        They may be fewer than the limit.
        """
        candidates, following = await any_by_id(self._connection, after, limit)
        found: list[ScheduleRow] = []
        folded_events = folded_bytes = looked_at = 0
        for row in candidates:
            # One after the other: each may have a tick for every minute of years.
            was = await self._as_it_was(SCHEDULES, row)
            looked_at += 1
            if was is None:
                continue
            if was["deleted_at"] is None:
                found.append(was)
            if was is not row:
                folded_events += was["aggregate_version"]
                folded_bytes += len(canonical(was["parameters"]))
            if folded_events >= MOST_FOLDED or folded_bytes >= PAGE_BYTES:
                break
        if looked_at == len(candidates):
            return found, following
        return found, candidates[looked_at - 1]["id"]

    async def failures(
        self, statuses: Collection[str], job: str | None, most: int
    ) -> list[FailureGroupRow]:
        """Return the groups of failures that there were, those first that had failed last.

        Args:
            statuses: that they had then.
            job: whose; None: of all jobs.
            most: groups that are looked at, those that failed first.
        """
        found: list[FailureGroupRow] = []
        for row in await oldest(self._connection, job, most):
            # One after the other: each may have an event for every second of weeks.
            was = await self._as_it_was(FAILURES, row)
            if was is not None and was["status"] in statuses:
                found.append(was)
        return sorted(found, key=place_of, reverse=True)

    async def counts(self, job_ids: list[UUID] | None) -> dict[str, int]:
        """Return how many runs there were in each status, of these jobs or of all."""
        if await rows_are_counted_sooner(self._connection, self.position):
            return await past.present_counts(self._connection, job_ids)
        then = await self.then(job_ids)
        return await past.counts(self._connection, then)

    async def then(self, job_ids: list[UUID] | None) -> Then:
        """Look what events have touched since the checkpoint before: in all jobs, or in these."""
        checkpoint = await past.checkpoint_before(self._connection, self.position)
        moved = await moved_since(self._connection, self._files, checkpoint, self.position, job_ids)
        return Then(position=self.position, checkpoint=checkpoint, moved=moved, job_ids=job_ids)

    async def bulk_operation(self, operation_id: UUID) -> BulkRow | None:
        """Return the bulk operation, or None where it had not been requested yet."""
        row = await bulk_lists.by_id(self._connection, operation_id)
        return await self._as_it_was(bulk.TABLE, row)

    async def bulk_operations(
        self, before: int | None, limit: int
    ) -> tuple[list[BulkRow], int | None]:
        """Return bulk operations, newest first, that were requested before a position.

        They are fewer than the limit where they are large. With them comes the position before
        which others were requested, None where none were.
        """
        end = self.position + 1
        if before is not None:
            end = min(before, end)
        rows, following = await bulk_lists.newest(self._connection, end, limit)
        by_id = {bulk.TABLE.id_of(row): row for row in rows}
        were = await self._as_they_were(bulk.TABLE, by_id)
        return [were[one] for one in by_id if one in were], following

    async def jobs_with(self, slugs: Sequence[str]) -> list[UUID]:
        """Return the jobs with one of these slugs, ignoring case; that never changes."""
        return await job_definitions.ids_of(self._connection, slugs)

    async def jobs_for(self, runtimes: Sequence[str]) -> list[UUID]:
        """Return the jobs that were for one of these runtimes."""
        changed = await self._changed_since()
        return await past.jobs_for(self._connection, runtimes, self.position, changed)

    async def jobs_of_modules(self, modules: Sequence[str]) -> list[UUID]:
        """Return the jobs that belonged to one of these modules."""
        changed = await self._changed_since()
        return await past.jobs_of_modules(self._connection, modules, self.position, changed)

    async def jobs_labelled(self, label: Label) -> list[UUID]:
        """Return the jobs that asked workers for the label."""
        changed = await self._changed_since()
        return await past.jobs_labelled(self._connection, label, self.position, changed)

    async def jobs_named_like(self, search: str) -> list[UUID]:
        """Return the jobs whose slug or name held this text, in any case."""
        changed = await self._changed_since()
        return await past.jobs_named_like(self._connection, search, self.position, changed)

    async def _changed_since(self) -> list[NamedJob]:
        """Return the jobs that have changed since, as they were."""
        later = await past.jobs_changed_after(self._connection, self.position)
        were = await folded_parts(
            self._connection,
            self._files,
            job_definitions.TABLE,
            later,
            self.position,
            past.named_job,
        )
        return list(were.values())

    async def _as_it_was(self, table: TableOf[P], row: P | None) -> P | None:
        """Return a row as it was at the position, None where there was or is none."""
        if row is None:
            return None
        own_id = table.id_of(row)
        were = await self._as_they_were(table, {own_id: row})
        return were.get(own_id)

    async def _as_they_were(self, table: TableOf[P], rows: Mapping[UUID, P]) -> dict[UUID, P]:
        """Return the rows as they were at the position; those not there yet are left out."""
        were: dict[UUID, P] = {}
        later: list[UUID] = []
        for aggregate_id, row in rows.items():
            if row["position"] > self.position:
                later.append(aggregate_id)
            else:
                were[aggregate_id] = row
        were |= await folded(self._connection, self._files, table, later, self.position)
        return were


async def _position(connection: Connection, files: LogFiles, as_of: int | datetime | None) -> int:
    if isinstance(as_of, datetime):
        present = await read_value(connection, str, sql.NOW)
        if as_of > from_iso(present):
            raise _to_come(f"{to_iso(as_of)} lies in the future: it is {present}")
        return await position_before(connection, files.archive, as_of, inclusive=True)
    head = await read_value(connection, int, sql.HEAD)
    if as_of is None:
        return head
    if as_of > head:
        raise _to_come(f"the log ends at position {head}")
    return as_of


def _to_come(message: str) -> InvalidInputError:
    return InvalidInputError([Issue("/asOf", message, "maximum")])


# The runs of a bulk operation: those that its conditions select as of a position.


class _Schema(TypedDict):
    parameters_schema: ReadOnly[JsonObject]


_MARKED = f"""
    SELECT parameters_schema FROM job_definitions
    WHERE strpos(parameters_schema::text, '"{MARK}"') > 0
"""


class Selected(Selection):
    """Reads the tables as they were."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        files: LogFiles,
        costly: CostlyReads | None = None,
    ) -> None:
        """Read by the pool; count, for whoever waits for it, in a turn of the costly reads."""
        self._pool = pool
        self._files = files
        self._costly = costly

    @override
    async def count(
        self, conditions: Conditions, limit: int, parameters: Collection[str]
    ) -> Counted:
        async with self._counting() as connection:
            personal = await _personal(connection, parameters)
            async with opened(connection, self._files, None) as past:
                position = past.position
                wanted = await run_filter(connection, past, conditions)
                if wanted is None:
                    return Counted(position, 0, (), personal)
                total = await past.count(wanted)
                newest = await past.places(wanted, limit)
        return Counted(position, total, [_chosen(place) for place in newest[:limit]], personal)

    def _counting(self) -> AbstractAsyncContextManager[Connection]:
        if self._costly is None:
            return borrowed(self._pool)
        return self._costly.turn(["/filter"], COUNT_LIMIT_S)

    @override
    async def newest(
        self, conditions: Conditions, position: int, before: int | None, limit: int
    ) -> list[Chosen]:
        async with (
            borrowed(self._pool) as connection,
            opened(connection, self._files, position) as past,
        ):
            found = await _places(connection, past, conditions, before, limit)
        return [_chosen(place) for place in found[:limit]]

    @override
    async def repeated_among(self, run_ids: Collection[UUID]) -> set[UUID]:
        async with borrowed(self._pool) as connection:
            return await failure_search.repeated_among(connection, run_ids)


async def _places(
    connection: Connection, past: Past, conditions: Conditions, before: int | None, limit: int
) -> list[Place]:
    wanted = await run_filter(connection, past, conditions)
    if wanted is None:
        return []
    return await past.places(replace(wanted, before_position=before), limit)


def _chosen(place: Place) -> Chosen:
    return Chosen(UUID(place["id"]), place["created_position"])


async def _personal(connection: Connection, names: Collection[str]) -> Collection[str]:
    """Return those of the names under which some job keeps personal data, or whose they are."""
    if not names:
        return ()
    found: set[str] = set()
    for row in await read_rows(connection, _Schema, _MARKED):
        marked: Mapping[str, str] = marks(row["parameters_schema"])
        found.update(marked.keys(), marked.values())
    return found & set(names)
