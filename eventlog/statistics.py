"""Follows the log, and counts runs into the table `run_statistics`.

Any number of processes may do this (`RunStatistics`). The counts of a part of the log are added in
the transaction that advances the row of `run_statistics_progress`, so each event counts exactly
once, even if processes are killed.

The counts come from the rows of runs: their launch and their end in the row never change, and are
those of the log. Archives and erasures keep these rows. After a repair of `job_runs`, everything is
counted again (`forget_statistics`).
"""

from time import monotonic

from psycopg_pool import AsyncConnectionPool
from typing_extensions import ReadOnly, TypedDict

from domain.clock import Clock
from eventlog.database import sql
from eventlog.database.connection import answer_limit, borrowed
from projections import run_statistics
from projections.rows import Connection, read_first, read_value
from projections.run_statistics import BOUNDS_MS, EPOCH, KEPT, TABLE, VERSION

STEP = 20_000
"""Positions of the log that are counted in one transaction."""

EVERY_S = 2.0
"""How often the rows of busy jobs are written, by one process or another."""

TRIM_EVERY_S = 60.0


class CountState(TypedDict):
    """How far the log is counted, by which version, and the begin of the oldest kept buckets."""

    position: ReadOnly[int | None]
    version: ReadOnly[int]
    minutes_from: ReadOnly[str]
    hours_from: ReadOnly[str]


_IS_DUE = f"""
    SELECT version <= {VERSION} AND (
        position IS NULL OR version < {VERSION} OR head < position OR (
            head > position AND (
                head - position > %(step)s
                OR counted_at NOT BETWEEN
                    clock_timestamp() - make_interval(secs => %(every_s)s) AND clock_timestamp()
            )
        )
    ) AS is_due
    FROM run_statistics_progress, ({sql.HEAD}) AS log
"""
"""If a newer version has counted, this one does not: else each would count everything again in
turn. A time of counting that lies in the future counts as due: the clock was set back."""

READ = "SELECT position, version, minutes_from, hours_from FROM run_statistics_progress"

LOCK = f"{READ} FOR UPDATE"

_TRY_LOCK = f"{LOCK} SKIP LOCKED"

_MOVE = f"""
    UPDATE run_statistics_progress
    SET position = %(until)s, version = {VERSION}, counted_at = clock_timestamp()
"""

_TRIM = f"""
    WITH old AS (
        UPDATE run_statistics_progress
        SET minutes_from = greatest(minutes_from, date_trunc('minute', %(minutes)s, 'UTC')),
            hours_from = greatest(hours_from, date_trunc('hour', %(hours)s, 'UTC'))
        RETURNING minutes_from, hours_from
    )
    DELETE FROM {TABLE} USING old
    WHERE (unit = 'minute' AND at < minutes_from) OR (unit = 'hour' AND at < hours_from)
"""


class RunStatistics:
    """Implements `worker.ports.RunStatistics`."""

    def __init__(self, pool: AsyncConnectionPool[Connection], clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._trim_at_s = 0.0

    async def advance(self) -> bool:
        """Count the next part of the log if it is due; return whether this process did."""
        async with borrowed(self._pool) as connection:
            if monotonic() >= self._trim_at_s:
                await self.trim(connection)
                self._trim_at_s = monotonic() + TRIM_EVERY_S
            due = {"step": STEP, "every_s": EVERY_S}
            if not await read_value(connection, bool, _IS_DUE, due):
                return False
            async with connection.transaction():
                state = await read_first(connection, CountState, _TRY_LOCK)
                if state is None or state["version"] > VERSION:
                    return False
                await _advance(connection, state)
        return True

    async def trim(self, connection: Connection) -> None:
        """Delete buckets that are older than they are kept."""
        now = self._clock()
        async with connection.transaction():
            # Locked before the counts, as by every writer, so that there are no deadlocks.
            if await read_first(connection, CountState, _TRY_LOCK) is None:
                return
            bounds = {"minutes": now - KEPT["minute"], "hours": now - KEPT["hour"]}
            await connection.execute(_TRIM, bounds)


async def _advance(connection: Connection, state: CountState) -> None:
    position = state["position"]
    head = await read_value(connection, int, sql.HEAD)
    # A log ends before the counted position only if its end was removed by hand.
    if position is None or state["version"] < VERSION or head < position:
        await count_all(connection, state, head)
        return
    until = min(head, position + STEP)
    values = values_of(state, position, until)
    await connection.execute(run_statistics.add_sql(run_statistics.CHANGED_RUNS), values)
    await connection.execute(_MOVE, values)


async def count_all(connection: Connection, state: CountState, head: int) -> None:
    """Count all runs again, up to the log's head; readers see the old counts until the commit."""
    await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'")
    values = values_of(state, 0, head)
    with answer_limit(connection, None):
        await connection.execute(f"DELETE FROM {TABLE}")
        await connection.execute(run_statistics.add_sql(run_statistics.ALL_RUNS), values)
    await connection.execute(_MOVE, values)


def values_of(state: CountState, after: int, until: int) -> dict[str, object]:
    """Return the parameters of `run_statistics`' statements for the log in (after, until]."""
    return {
        "after": after,
        "until": until,
        "minutes_from": state["minutes_from"],
        "hours_from": state["hours_from"],
        "bounds": list(BOUNDS_MS),
        "epoch": EPOCH,
    }


async def forget_statistics(connection: Connection) -> None:
    """Have all runs counted again, since their rows were wrong."""
    async with connection.transaction():
        # Waits as long as another process counts.
        await connection.execute("SET LOCAL lock_timeout = 0")
        await connection.execute("UPDATE run_statistics_progress SET position = NULL")
