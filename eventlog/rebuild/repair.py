"""Repairs rows that are not the fold of their events, a few at a time, under the append lock.

The expected rows are folded and staged before; under the lock they are only copied. A row that has
had an event since then is skipped, folded again (`refold.py`) and tried again. All statements
of a batch are sent at once, with its commit: so the lock is released even if this process is frozen
or killed. Readers see the wrong rows until their batch is committed, and the right ones from then
on.

A row with personal data also changes when one of its subjects is erased, without an event of its
own. Then the row is skipped and folded again, so that a staged row cannot bring back erased values.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

import psycopg
from psycopg import errors
from typing_extensions import ReadOnly, TypedDict

from eventlog.database import sql
from eventlog.keys import LogFiles
from eventlog.rebuild import staging
from eventlog.rebuild.fold_versions import RECORD_REPAIR
from eventlog.rebuild.refold import fold_to_present
from projections.rows import Connection, read_ids, read_rows, read_value
from projections.table import ProjectedRow, Table
from projections.tables import topic_prefix

TARGET_HOLD_S = 0.010
"""How long a batch may hold the append lock; the size of batches adapts to it."""

INITIAL_BATCH, MAX_BATCH = 16, 1_000

MAX_COLLISIONS = 10
"""After the second collision, only rows that change at this moment can collide again."""


class Repairer:
    """Repairs one table by the rows in `staging.differing_table`.

    Attributes:
        longest_hold_s: the longest time in seconds for which a batch held the append lock, its
            commit included, by the server's clock.
    """

    def __init__(
        self, connection: Connection, files: LogFiles, table: Table, position: int
    ) -> None:
        self._connection = connection
        self._files = files
        self._table = table
        self._position = self._unerased_at = position
        self._staged = staging.differing_table(table)
        self._size = INITIAL_BATCH
        self._pause_s = 0.0
        self.longest_hold_s = 0.0

    async def repair(self, progress: Callable[[int], None]) -> None:
        """Repair every row; report the number of repaired rows.

        Raises:
            FoldError: the log cannot be folded.
        """
        done = 0
        last: UUID | None = None
        while keys := await self._keys_after(last):
            await self._batch(keys)
            done += len(keys)
            last = keys[-1]
            progress(done)

    async def _keys_after(self, last: UUID | None) -> list[UUID]:
        key = self._table.key
        query = f"SELECT {key} FROM {self._staged} WHERE {key} > %(last)s OR %(last)s IS NULL"
        page = f"{query} ORDER BY {key} LIMIT %(limit)s"
        return await read_ids(self._connection, page, {"last": last, "limit": self._size})

    async def _batch(self, keys: Sequence[UUID]) -> None:
        """Repair these rows; try again while they change or block each other."""
        collisions = 0
        self._unerased_at = self._position
        while keys:
            # Leave the lock to others for as long as the last batch held it.
            await asyncio.sleep(self._pause_s)
            try:
                written = await self._write(keys, delete_first=collisions > 0)
            except errors.LockNotAvailable:  # Another session held the lock for long.
                continue
            except errors.UniqueViolation:
                # A wrong row has the unique value of another row. From now on all of them are
                # deleted before the expected rows are inserted.
                collisions += 1
                if collisions > MAX_COLLISIONS:
                    raise
                blocking_keys = await self._blocking_keys(keys)
                keys = list(dict.fromkeys([*keys, *blocking_keys]))
                await self._fold_to_present(keys)
            else:
                keys = await self._fold_to_present([key for key in keys if key not in written])

    async def _write(self, keys: Sequence[UUID], *, delete_first: bool) -> Collection[UUID]:
        """Write the expected rows; return the keys of those that had no event meanwhile."""
        table = self._table
        connection = self._connection
        values = {"keys": keys, "erased_after": self._unerased_at}
        try:
            async with connection.pipeline():
                await connection.execute(sql.BEGIN)
                await connection.execute(sql.LOCK)
                locked_at = await connection.execute(sql.MOMENT)
                await connection.execute(RECORD_REPAIR)
                await connection.execute(_delete_sql(table, all_rows=delete_first), values)
                written = await connection.execute(_upsert_sql(table), values)
                await connection.execute("COMMIT")
                committed_at = await connection.execute(sql.MOMENT)
        except psycopg.Error:
            await connection.execute("ROLLBACK")
            raise
        [locked] = await locked_at.fetchall()
        [committed] = await committed_at.fetchall()
        self._adapt_size(committed["s"] - locked["s"])
        return {UUID(row["key"]) for row in await written.fetchall()}

    def _adapt_size(self, hold_s: float) -> None:
        """Adapt the next batch's size to `TARGET_HOLD_S`."""
        self._pause_s = hold_s
        self.longest_hold_s = max(self.longest_hold_s, hold_s)
        factor = TARGET_HOLD_S / max(hold_s, 1e-6)
        grown = round(self._size * min(factor, 2))
        self._size = min(max(grown, 1), MAX_BATCH)

    async def _fold_to_present(self, keys: Sequence[UUID]) -> list[UUID]:
        """Fold and stage these rows again; return the keys of the rows that must exist."""
        if not keys:
            return []
        table = self._table
        connection = self._connection
        # Read before the subjects' keys, so that `_write` notices each later erasure.
        self._unerased_at = await read_value(connection, int, sql.HEAD)
        query = f"""
            SELECT * FROM {self._staged}
            WHERE {table.key} = ANY(%(keys)s) AND aggregate_version > 0
        """
        staged = await read_rows(connection, ProjectedRow, query, {"keys": keys})
        # Rows with personal data are folded from their first event: the staged ones may hold values
        # that were erased meanwhile.
        unchanged: dict[UUID, ProjectedRow] = {}
        for row in staged:
            if row.get("personal") is None:
                unchanged[table.id_of(row)] = row
        rows = await fold_to_present(connection, self._files, table, keys, unchanged)
        delete_staged = f"DELETE FROM {self._staged} WHERE {table.key} = ANY(%s)"
        await connection.execute(delete_staged, (keys,))
        write_line = staging.line_writer(table)
        copy_staged = staging.copy_sql(table, self._staged)
        async with connection.cursor().copy(copy_staged) as copy:
            await copy.write("".join(map(write_line, rows.values())))
        mark_extra = f"""
            INSERT INTO {self._staged} ({table.key}, aggregate_version) SELECT unnest(%s::uuid[]), 0
        """
        await connection.execute(mark_extra, ([key for key in keys if key not in rows],))
        return list(rows)

    async def _blocking_keys(self, keys: Sequence[UUID]) -> list[UUID]:
        """Return the keys of rows that hold unique values of these rows."""
        table = self._table
        keys_in_table: dict[UUID, None] = {}
        uniques = await read_rows(self._connection, _Unique, _UNIQUE, {"table": table.name})
        for index in uniques:
            columns = index["columns"]
            staged = f"SELECT {columns} FROM {self._staged} WHERE {table.key} = ANY(%(keys)s)"
            query = f"SELECT {table.key} FROM {table.name} WHERE ({columns}) IN ({staged})"
            keys_in_table |= dict.fromkeys(await read_ids(self._connection, query, {"keys": keys}))
        return list(keys_in_table)


class _Unique(TypedDict):
    columns: ReadOnly[str]


_UNIQUE = """
    SELECT string_agg(pg_get_indexdef(indexrelid, number, true), ', ' ORDER BY number) AS columns
    FROM pg_index, generate_series(1, indnkeyatts) AS number
    WHERE indrelid = %(table)s::regclass AND indisunique AND NOT indisprimary
    GROUP BY indexrelid
"""


def _delete_sql(table: Table, *, all_rows: bool) -> str:
    """Return the statement that deletes extra rows; or all of these rows, to insert them again."""
    is_extra = "true" if all_rows else "expected.aggregate_version = 0"
    condition = f"expected.{table.key} = ANY(%(keys)s) AND {is_extra}"
    return f"""
        DELETE FROM {table.name} AS actual USING {staging.differing_table(table)} AS expected
        WHERE actual.{table.key} = expected.{table.key} AND {condition} AND {_unchanged(table)}
    """


def _upsert_sql(table: Table) -> str:
    names = ", ".join(table.columns)
    settings = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name != table.key)
    return f"""
        INSERT INTO {table.name} ({names})
        SELECT {names} FROM {staging.differing_table(table)} AS expected
        WHERE {table.key} = ANY(%(keys)s) AND aggregate_version > 0 AND {_unchanged(table)}
        ON CONFLICT ({table.key}) DO UPDATE SET {settings}
        RETURNING {table.key} AS key
    """


def _unchanged(table: Table) -> str:
    not_erased = ""
    if "personal" in table.columns:
        not_erased = _NOT_ERASED_SINCE
    return f"""NOT EXISTS (
        SELECT 1 FROM {sql.EVENTS_TABLE}
        WHERE originator_id = expected.{table.key}
            AND originator_version > expected.aggregate_version
            AND topic ^@ '{topic_prefix(table)}'
    ) AND NOT EXISTS (
        SELECT 1 FROM archived_runs AS run
        WHERE run.id = expected.{table.key} AND head_version > expected.aggregate_version
    ) {not_erased}"""


_NOT_ERASED_SINCE = f"""AND NOT EXISTS (
    SELECT 1 FROM {sql.EVENTS_TABLE} JOIN jsonb_object_keys(expected.personal) AS key_id
        ON originator_id = key_id::uuid
    WHERE notification_id > %(erased_after)s
)"""
