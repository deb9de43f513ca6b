"""Mends rows that are not what their events say, a few at a time, under the append lock.

What a row must be has been folded before and lies beside the table, so with the lock held nothing
is left to do but to copy it, provided that no event came after it: a row that moved on meanwhile is
left alone, folded on to its present and tried again. All statements of a batch are sent at once,
the commit among them, so the lock never waits for this process, be it slow, frozen or killed. A
reader sees each row as it was or as it must be.

A row with personal data moves on, too, when a subject of it is erased; no event of its own says so.
Such a row is left alone and folded anew, so that what was staged before cannot bring back what is
erased.
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
from eventlog.rebuild.staging import RECORD_REPAIR, fold_on
from projections.rows import Connection, read_ids, read_rows, read_value
from projections.table import ProjectedRow, Table
from projections.tables import topic_prefix

TARGET_HOLD_S = 0.010
"""How long a batch may hold the append lock; the batches' size follows what they took."""

FIRST_BATCH, LARGEST_BATCH = 16, 1_000

MAX_COLLISIONS = 10
"""After the second only rows that move on at this very moment are still in the way."""


class Mender:
    """Mends one table, whose wrong rows `staging.differing` has as they must be.

    Attributes:
        longest_hold_s: the longest time that a batch held the append lock, its commit included, by
            the server's clock.
    """

    def __init__(
        self, connection: Connection, files: LogFiles, table: Table, position: int
    ) -> None:
        self._connection = connection
        self._files = files
        self._table = table
        self._position = self._seen = position
        self._staged = staging.differing(table)
        self._size = FIRST_BATCH
        self._pause_s = 0.0
        self.longest_hold_s = 0.0

    async def mend(self, progress: Callable[[int], None]) -> None:
        """Mend every row; tell how many are done.

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
        """Mend these rows, however often they move on or are in each other's way."""
        collisions = 0
        self._seen = self._position
        while keys:
            await asyncio.sleep(self._pause_s)  # As long for the others as for us.
            try:
                written = await self._write(keys, leave_first=collisions > 0)
            except errors.LockNotAvailable:
                # Somebody held the lock for long. Our turn will come.
                continue
            except errors.UniqueViolation:
                # A wrong row sits on what belongs to another one: all of them leave, then all come
                # back as they must.
                collisions += 1
                if collisions > MAX_COLLISIONS:
                    raise
                rivals = await self._rivals(keys)
                keys = list(dict.fromkeys([*keys, *rivals]))
                await self._fold_on(keys)
            else:
                keys = await self._fold_on([key for key in keys if key not in written])

    async def _write(self, keys: Sequence[UUID], *, leave_first: bool) -> Collection[UUID]:
        """Make these rows what they must be; return those that had not moved on."""
        table = self._table
        connection = self._connection
        values = {"keys": keys, "seen": self._seen}
        try:
            async with connection.pipeline():
                await connection.execute(sql.BEGIN)
                await connection.execute(sql.LOCK)
                begun = await connection.execute(sql.MOMENT)
                await connection.execute(RECORD_REPAIR)
                await connection.execute(_delete_sql(table, all_rows=leave_first), values)
                written = await connection.execute(_upsert_sql(table), values)
                await connection.execute("COMMIT")
                ended = await connection.execute(sql.MOMENT)
        except psycopg.Error:
            await connection.execute("ROLLBACK")
            raise
        [first] = await begun.fetchall()
        [last] = await ended.fetchall()
        held_s = last["s"] - first["s"]
        self._note_hold(held_s)
        rows = await written.fetchall()
        return {UUID(row["key"]) for row in rows}

    def _note_hold(self, hold_s: float) -> None:
        """Let the next batch be as large as one that holds the lock as long as it may."""
        self._pause_s = hold_s
        self.longest_hold_s = max(self.longest_hold_s, hold_s)
        factor = TARGET_HOLD_S / max(hold_s, 1e-6)
        grown = round(self._size * min(factor, 2))
        self._size = min(max(grown, 1), LARGEST_BATCH)

    async def _fold_on(self, keys: Sequence[UUID]) -> list[UUID]:
        """Stage these rows as they must be now; return those that must be."""
        if not keys:
            return []
        table = self._table
        connection = self._connection
        # Before any key is read: later erasures are in the rows or are noticed.
        self._seen = await read_value(connection, int, sql.HEAD)
        query = f"""
            SELECT * FROM {self._staged}
            WHERE {table.key} = ANY(%(keys)s) AND aggregate_version > 0
        """
        staged = await read_rows(connection, ProjectedRow, query, {"keys": keys})
        # What has personal data is folded from its beginning: the row beside may hold what is
        # erased meanwhile.
        kept: dict[UUID, ProjectedRow] = {}
        for row in staged:
            if row.get("personal") is None:
                kept[table.id_of(row)] = row
        rows = await fold_on(connection, self._files, table, keys, kept)
        outdated = f"DELETE FROM {self._staged} WHERE {table.key} = ANY(%s)"
        await connection.execute(outdated, (keys,))
        line = staging.copy_line(table)
        copying = staging.copy_sql(table, self._staged)
        async with connection.cursor().copy(copying) as copy:
            await copy.write("".join(map(line, rows.values())))
        leaving = f"""
            INSERT INTO {self._staged} ({table.key}, aggregate_version) SELECT unnest(%s::uuid[]), 0
        """
        await connection.execute(leaving, ([key for key in keys if key not in rows],))
        return list(rows)

    async def _rivals(self, keys: Sequence[UUID]) -> list[UUID]:
        """Return the rows that hold what a unique index reserves for these rows."""
        table = self._table
        found: dict[UUID, None] = {}
        uniques = await read_rows(self._connection, _Unique, _UNIQUE, {"table": table.name})
        for index in uniques:
            columns = index["columns"]
            wanted = f"SELECT {columns} FROM {self._staged} WHERE {table.key} = ANY(%(keys)s)"
            query = f"SELECT {table.key} FROM {table.name} WHERE ({columns}) IN ({wanted})"
            found |= dict.fromkeys(await read_ids(self._connection, query, {"keys": keys}))
        return list(found)


class _Unique(TypedDict):
    columns: ReadOnly[str]


_UNIQUE = """
    SELECT string_agg(pg_get_indexdef(indexrelid, place, true), ', ' ORDER BY place) AS columns
    FROM pg_index, generate_series(1, indnkeyatts) AS place
    WHERE indrelid = %(table)s::regclass AND indisunique AND NOT indisprimary
    GROUP BY indexrelid
"""


def _delete_sql(table: Table, *, all_rows: bool) -> str:
    """Return the statement that removes the rows that must not be.

    Or it removes all of these rows, so that they can come back.
    """
    which = "true" if all_rows else "wanted.aggregate_version = 0"
    chosen = f"wanted.{table.key} = ANY(%(keys)s) AND {which}"
    return f"""
        DELETE FROM {table.name} AS held USING {staging.differing(table)} AS wanted
        WHERE held.{table.key} = wanted.{table.key} AND {chosen} AND {_unmoved(table)}
    """


def _upsert_sql(table: Table) -> str:
    names = ", ".join(table.columns)
    settings = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name != table.key)
    return f"""
        INSERT INTO {table.name} ({names})
        SELECT {names} FROM {staging.differing(table)} AS wanted
        WHERE {table.key} = ANY(%(keys)s) AND aggregate_version > 0 AND {_unmoved(table)}
        ON CONFLICT ({table.key}) DO UPDATE SET {settings}
        RETURNING {table.key} AS key
    """


def _unmoved(table: Table) -> str:
    unerased = ""
    if "personal" in table.columns:
        unerased = _UNERASED
    return f"""NOT EXISTS (
        SELECT 1 FROM {sql.EVENTS_TABLE}
        WHERE originator_id = wanted.{table.key} AND originator_version > wanted.aggregate_version
            AND topic ^@ '{topic_prefix(table)}'
    ) AND NOT EXISTS (
        SELECT 1 FROM archived_runs AS run
        WHERE run.id = wanted.{table.key} AND head_version > wanted.aggregate_version
    ) {unerased}"""


_UNERASED = f"""AND NOT EXISTS (
    SELECT 1 FROM {sql.EVENTS_TABLE} JOIN jsonb_object_keys(wanted.personal) AS key_id
        ON originator_id = key_id::uuid
    WHERE notification_id > %(seen)s
)"""
