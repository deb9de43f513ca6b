"""Time travel: what there was at an earlier position of the log.

Rows whose last event lies at or before the position are shown as they stand; only what has changed
since is folded from its events up to the position. Which runs were alive then comes from the last
checkpoint before and from the events between the two, so the cost grows with these, not with the
log.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from domain.clock import from_iso, to_iso
from domain.errors import InvalidInputError, Issue
from domain.ports import Row
from eventlog.database import sql
from eventlog.history.audit import position_before
from eventlog.history.run_changes import folded, folded_columns, moved_since
from eventlog.keys.log_files import LogFiles
from projections import job_definitions, job_runs
from projections.rows import Connection, fetch_rows
from projections.runs import lists, past
from projections.runs.lists import RunFilter, narrowed
from projections.runs.past import Then
from projections.runs.search import id_range, starts_many
from projections.table import Table, rows_by_id


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
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield Past(connection, files, await _position(connection, files, as_of))


class Past:
    """What there was at a position that the connection sees."""

    def __init__(self, connection: Connection, files: LogFiles, position: int) -> None:
        self._connection = connection
        self._files = files
        self.position = position

    async def run(self, run_id: UUID) -> Row | None:
        """Return the run, or None where it did not exist yet."""
        row = await lists.by_id(self._connection, run_id)
        return (
            None
            if row is None
            else (await self._as_they_were(job_runs.TABLE, {run_id: row})).get(run_id)
        )

    async def job(self, slug: str) -> Row | None:
        """Return the definition with this slug, ignoring case, or None where it did not exist yet."""
        row = await job_definitions.by_slug(self._connection, slug)
        if row is None:
            return None
        job_id = UUID(str(row["id"]))
        return (await self._as_they_were(job_definitions.TABLE, {job_id: row})).get(job_id)

    async def jobs(self, ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Return those of the definitions that existed."""
        rows = await rows_by_id(self._connection, job_definitions.TABLE, list(ids))
        return await self._as_they_were(job_definitions.TABLE, rows)

    async def runs(self, wanted: RunFilter, limit: int, offset: int) -> tuple[list[Row], bool]:
        """Return a page of runs, newest first, and whether more follow."""
        found: list[UUID] | None = None
        one_by_one = False
        if wanted.search is not None:
            named = id_range(wanted.search)
            found = await self._jobs_named_like(wanted.search)
            found = [job_id for job_id in found if wanted.definition_id in {None, job_id}]
            wanted = narrowed(wanted, found, named)
            if wanted.search is not None and not found and named == (None, None):
                return [], False
            one_by_one = wanted.search is not None and await starts_many(self._connection, named)
        then = Then(position=self.position)
        if set(wanted.statuses) & set(past.ALIVE):  # What had ended is found without.
            then = await self.then(past.jobs_to_search(wanted, found))
        values = past.page_values(then, wanted, found, limit, offset)
        page = await fetch_rows(
            self._connection, past.newest_first(wanted, one_by_one=one_by_one), values
        )
        ids = [UUID(str(row["id"])) for row in page[:limit]]
        rows = await rows_by_id(self._connection, job_runs.TABLE, ids)
        were = await self._as_they_were(job_runs.TABLE, rows)
        return [were[run_id] for run_id in ids], len(page) > limit

    async def counts(self, definition_id: UUID | None) -> dict[str, int]:
        """Return how many runs there were in each status, of one job or of all."""
        then = await self.then(None if definition_id is None else [definition_id])
        return await past.counts(self._connection, then)

    async def then(self, job_ids: Sequence[UUID] | None) -> Then:
        """Look what events have touched since the checkpoint before: in all jobs, or in these."""
        checkpoint = await past.checkpoint_before(self._connection, self.position)
        moved = await moved_since(self._connection, self._files, checkpoint, self.position, job_ids)
        return Then(position=self.position, checkpoint=checkpoint, moved=moved, job_ids=job_ids)

    async def _jobs_named_like(self, search: str) -> list[UUID]:
        """Return the jobs whose slug or name held this text, in any case."""
        later = await past.jobs_changed_after(self._connection, self.position)
        columns = ["id", "slug", "name"]
        were = await folded_columns(
            self._connection,
            self._files,
            job_definitions.TABLE,
            later,
            self.position,
            columns,
        )
        return await past.jobs_named_like(
            self._connection, search, self.position, list(were.values())
        )

    async def _as_they_were(self, table: Table, rows: Mapping[UUID, Row]) -> dict[UUID, Row]:
        """Return the rows as they were at the position; those that did not exist yet are left out."""
        later = [key for key, row in rows.items() if int(str(row["position"])) > self.position]
        were = await folded(self._connection, self._files, table, later, self.position)
        return {**{key: row for key, row in rows.items() if key not in set(later)}, **were}


async def _position(connection: Connection, files: LogFiles, as_of: int | datetime | None) -> int:
    if isinstance(as_of, datetime):
        now = from_iso(str((await fetch_rows(connection, sql.NOW, {}))[0]["now"]))
        if as_of > now:
            raise _to_come(f"{to_iso(as_of)} lies in the future: it is {to_iso(now)}")
        return await position_before(connection, files.archive, as_of, inclusive=True)
    head = int(str((await fetch_rows(connection, sql.HEAD, {}))[0]["head"]))
    if as_of is not None and as_of > head:
        raise _to_come(f"the log ends at position {head}")
    return head if as_of is None else as_of


def _to_come(message: str) -> InvalidInputError:
    return InvalidInputError([Issue("/asOf", message, "maximum")])
