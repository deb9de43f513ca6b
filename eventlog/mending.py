"""Mends rows that are not what their events say, a few at a time, under the append lock.

Each row is folded from its own events up to the present, without the lock; what was appended meanwhile is folded on
with the lock held, and the row is written in that same transaction. So no append is overtaken, and a reader sees each
row as it was or as it must be.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import cast
from uuid import UUID

import orjson
import psycopg
from psycopg import errors

from domain.ports import Row
from eventlog import schema, staging
from eventlog.batch import insert_sql, recordset
from eventlog.fold import fold_on
from projections.table import Connection, Table, fetch_rows

TARGET_HOLD_S = 0.010
"""How long a batch may hold the append lock; the batches' size follows what they took."""

FIRST_BATCH, LARGEST_BATCH = 8, 500


class Mender:
    """Mends one table.

    Attributes:
        longest_hold_s: the longest time that a batch held the append lock, its commit included.
    """

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._size = FIRST_BATCH
        self._holding_s = 0.0
        self.longest_hold_s = 0.0

    async def mend(self, progress: Callable[[int], None]) -> None:
        """Mend every row that `staging.differing` names; tell how many are done.

        Raises:
            FoldError: the log cannot be folded.
        """
        done, last = 0, None
        while keys := await self._keys_after(last):
            holding_s = self._holding_s
            await self._batch(keys)
            done, last = done + len(keys), keys[-1]
            progress(done)
            await asyncio.sleep(self._holding_s - holding_s)  # As long for the others as for us.

    async def _keys_after(self, last: UUID | None) -> list[UUID]:
        keys = staging.differing(self._table)
        query = f"SELECT key FROM {keys} WHERE key > %(last)s OR %(last)s IS NULL ORDER BY key LIMIT %(limit)s"
        rows = await fetch_rows(self._connection, query, {"last": last, "limit": self._size})
        return [UUID(str(row["key"])) for row in rows]

    async def _batch(self, keys: Sequence[UUID]) -> None:
        delete_first: Sequence[UUID] = ()
        while True:
            try:
                await self._write(keys, delete_first)
            except errors.LockNotAvailable:  # Somebody held the lock for long. Our turn will come.
                continue
            except errors.UniqueViolation:
                # A wrong row sits on what belongs to another one: all of them leave, then all come back as they must.
                wider = list(dict.fromkeys([*keys, *await self._rivals(keys)]))
                if delete_first and len(wider) == len(keys):
                    raise
                keys = delete_first = wider
            else:
                return

    async def _write(self, keys: Sequence[UUID], delete_first: Sequence[UUID]) -> None:
        """Make these rows what their events say, in one transaction."""
        table = self._table
        base = await fold_on(self._connection, table, keys, {})
        held_since = None
        try:
            await self._connection.execute(schema.BEGIN_LOCKED)
            held_since = monotonic()
            rows = await fold_on(self._connection, table, keys, base)
            leaving = [*delete_first, *(key for key in keys if key not in rows)]
            if leaving:
                await self._connection.execute(f"DELETE FROM {table.name} WHERE {table.key} = ANY(%s)", (leaving,))
            if rows:
                await self._connection.execute(_upsert_sql(table), (_json(rows.values()),))
            await self._connection.execute("COMMIT")
        except psycopg.Error:
            await self._connection.execute("ROLLBACK")
            raise
        finally:
            if held_since is not None:
                self._note_hold(monotonic() - held_since)

    def _note_hold(self, hold_s: float) -> None:
        self._holding_s += hold_s
        self.longest_hold_s = max(self.longest_hold_s, hold_s)
        grown = self._size * min(TARGET_HOLD_S / max(hold_s, 1e-6), 2)
        self._size = min(max(round(grown), 1), LARGEST_BATCH)

    async def _rivals(self, keys: Sequence[UUID]) -> list[UUID]:
        """Return the rows that hold what a unique index reserves for these rows."""
        table = self._table
        rows = await fold_on(self._connection, table, keys, {})
        found: list[UUID] = []
        for index in await fetch_rows(self._connection, _UNIQUE, {"table": table.name}):
            query = f"""
                SELECT {table.key} AS key FROM {table.name}
                WHERE ({index["columns"]}) IN (SELECT {index["columns"]} FROM {recordset(table, table.columns)})
            """
            cursor = await self._connection.execute(query, (_json(rows.values()),))
            found += [UUID(str(row["key"])) for row in await cursor.fetchall()]
        return found


_UNIQUE = """
    SELECT string_agg(pg_get_indexdef(indexrelid, place, true), ', ' ORDER BY place) AS columns
    FROM pg_index, generate_series(1, indnkeyatts) AS place
    WHERE indrelid = %(table)s::regclass AND indisunique AND NOT indisprimary
    GROUP BY indexrelid
"""


def _upsert_sql(table: Table) -> str:
    settings = ", ".join(f"{name} = excluded.{name}" for name in table.columns if name != table.key)
    return f"{insert_sql(table)} ON CONFLICT ({table.key}) DO UPDATE SET {settings}"


def _json(rows: object) -> str:
    return orjson.dumps(list(cast("list[Row]", rows))).decode()
