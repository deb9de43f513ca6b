"""Which runs a bulk operation is about: those that conditions choose as of a position."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from uuid import UUID

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict, override

from domain.commands.bulk.selection import Chosen, Counted, Selection
from domain.filters.conditions import Conditions
from domain.json_values import JsonObject
from domain.personal.marks import MARK, marks
from eventlog.database.connection import borrowed
from eventlog.database.costly_reads import COUNT_LIMIT_S, CostlyReads
from eventlog.history.as_of import Past, opened
from eventlog.keys.log_files import LogFiles
from projections.failures import asked
from projections.rows import Connection, read_rows
from projections.runs.filter import run_filter
from projections.runs.past import Place


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
        chosen = [_chosen(place) for place in newest[:limit]]
        return Counted(
            position,
            total,
            chosen,
            personal,
        )

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
            return await asked.repeated_among(connection, run_ids)


async def _places(
    connection: Connection,
    past: Past,
    conditions: Conditions,
    before: int | None,
    limit: int,
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
