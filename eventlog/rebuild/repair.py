"""Repairs rows that are not the fold of their events, a few at a time, under the append lock.

The expected rows are folded and staged before; under the lock they are only copied. A row that has
had an event since then is skipped, folded again (`fold_to_present`) and tried again. All statements
of a batch are sent at once, with its commit: so the lock is released even if this process is frozen
or killed. Readers see the wrong rows until their batch is committed, and the right ones from then
on.

A row with personal data also changes when one of its subjects is erased, without an event of its
own. Then the row is skipped and folded again, so that a staged row cannot bring back erased values.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import cast
from uuid import UUID

import psycopg
from psycopg import errors
from typing_extensions import ReadOnly, TypedDict

from eventlog.archive.reading import first_at
from eventlog.database import sql
from eventlog.keys import LogFiles
from eventlog.personal import CiphertextError, event_of, first_plain_states, plain_states
from eventlog.rebuild import staging
from eventlog.rebuild.fold_versions import RECORD_REPAIR
from eventlog.rebuild.log_by_aggregate import FOLD_COLUMNS
from eventlog.rehydration import BYTES_A_PART
from projections.rows import Connection, as_row, read_ids, read_rows, read_value
from projections.table import ProjectedRow, Table
from projections.tables import FoldError, folded_on, topic_prefix

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


# Folding rows up to now, from an earlier row or from the first event.

_LATER_EVENTS = f"""
    SELECT {FOLD_COLUMNS}, NULL::bigint AS archive, NULL::bigint[] AS positions, folded.version
    FROM {sql.EVENTS_TABLE}
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS folded (id, version)
      ON originator_id = folded.id AND originator_version > folded.version
    WHERE topic ^@ %(prefix)s
    UNION ALL
    SELECT id, head_version, NULL, NULL, NULL, archive, positions, folded.version
    FROM archived_runs
    JOIN unnest(%(ids)s::uuid[], %(versions)s::bigint[]) AS folded (id, version) USING (id)
    ORDER BY originator_id, originator_version
"""


class _EventRow(TypedDict):
    """The columns of the log that a fold needs."""

    originator_id: ReadOnly[str]
    originator_version: ReadOnly[int]
    notification_id: ReadOnly[int]
    topic: ReadOnly[str]
    state: ReadOnly[bytes]


class _HistoryRow(_EventRow):
    """An event, or the mark of an archived history; events up to `version` are folded already."""

    archive: ReadOnly[int | None]
    positions: ReadOnly[list[int]]
    version: ReadOnly[int]


async def fold_to_present(
    connection: Connection,
    files: LogFiles,
    table: Table,
    ids: Iterable[UUID],
    rows: Mapping[UUID, ProjectedRow],
) -> dict[UUID, ProjectedRow]:
    """Return the expected rows of aggregates as of now; aggregates without events have none.

    Args:
        connection: to the database.
        files: the log's files.
        table: the table of the rows.
        ids: the aggregates.
        rows: earlier rows of some of them, onto which only later events are folded.

    Raises:
        FoldError: as `Folder.add`.
    """
    master_keys = files.master_keys
    folded_rows = dict(rows)
    versions = dict.fromkeys(ids, 0)
    for aggregate_id, row_before in rows.items():
        versions[aggregate_id] = row_before["aggregate_version"]
    new = [aggregate_id for aggregate_id in versions if aggregate_id not in folded_rows]
    plain = await _decrypted(first_plain_states(connection, master_keys, new))
    values = {
        "ids": list(versions),
        "versions": list(versions.values()),
        "prefix": topic_prefix(table),
    }
    marks: list[tuple[int, _HistoryRow]] = []
    async with connection.cursor() as cursor:
        # Streamed: a run may have reported its progress a hundred thousand times.
        async for record in cursor.stream(_LATER_EVENTS, values):
            row = as_row(_HistoryRow, record)
            archive = row["archive"]
            if archive is None:
                _fold_row(table, folded_rows, row, plain)
            else:
                marks.append((archive, row))
    for archive, mark in marks:
        positions = mark["positions"][mark["version"] :]
        while positions:  # In parts: an archived history may be as long.
            archived = await first_at(connection, files.archive, {archive: positions}, BYTES_A_PART)
            plain = await _decrypted(plain_states(connection, master_keys, map(event_of, archived)))
            for event in archived:
                _fold_row(table, folded_rows, event, plain)
            positions = positions[len(archived) :]
    return folded_rows


async def _decrypted(states: Awaitable[dict[UUID, bytes]]) -> dict[UUID, bytes]:
    try:
        return await states
    except CiphertextError as error:
        raise FoldError(None, f"the log cannot be folded: {error}") from None


def _fold_row(
    table: Table, folded_rows: dict[UUID, ProjectedRow], row: _EventRow, plain: Mapping[UUID, bytes]
) -> None:
    aggregate_id = UUID(row["originator_id"])
    version = row["originator_version"]
    state = row["state"]
    if version == 1:
        state = plain.get(aggregate_id, state)
    event = (aggregate_id, version, row["notification_id"], row["topic"], state)
    before = cast("dict[str, object] | None", folded_rows.get(aggregate_id))
    folded_rows[aggregate_id] = table.own(folded_on(table, before, event))
