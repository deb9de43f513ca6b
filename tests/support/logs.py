"""The service's inner parts for tests of the log; their writer may go through a proxy."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from cli.composition import FOLLOWERS
from domain.commands.executions import Executions
from domain.commands.jobs import Jobs
from domain.commands.subjects import Subjects
from domain.commands.sweeps import Sweeps
from domain.jobs.definition import JobSpec
from domain.ports import Origin
from domain.run_followers import RunFollower
from domain.workers import Registration
from eventlog.append.log import LogFactory, PostgresLog
from eventlog.append.writer import Writer, WriteTimeouts
from eventlog.database.clock import DatabaseClock
from eventlog.database.connection import Database
from eventlog.history.reader import Reader
from eventlog.keys import LogFiles, MasterKeyFile
from eventlog.pending_queue import FollowedQueue
from eventlog.workers import Heartbeats
from projections.rows import Connection
from runtime.tasks import Supervision

TESTER = Origin(actor="tester")


@dataclass(frozen=True)
class Parts:
    """What a test needs."""

    url: str
    jobs: Jobs
    executions: Executions
    sweeps: Sweeps
    writer: Writer
    reader: Reader
    pool: AsyncConnectionPool[Connection]
    files: LogFiles
    heartbeats: Heartbeats
    subjects: Subjects

    async def worker(
        self,
        worker_id: str,
        lease_ms: int = 60_000,
        entry_points: Sequence[str] | None = None,
        labels: Mapping[str, str] = MappingProxyType({}),
        shared_slots: int = 0,
    ) -> str:
        """Register a worker and return its id."""
        registration = Registration(
            host="host",
            pid=1,
            slots=4,
            lease_ms=lease_ms,
            entry_points=entry_points,
            labels=labels,
            shared_slots=shared_slots,
        )
        await self.heartbeats.register(worker_id, registration)
        return worker_id


@asynccontextmanager
async def parts(
    url: str,
    *,
    writer_url: str | None = None,
    timeouts: WriteTimeouts | None = None,
    subject_key: Path | None = None,
    archive: Path | None = None,
    followers: Sequence[RunFollower] = FOLLOWERS,
    follows_clock: bool = False,
) -> AsyncIterator[Parts]:
    """Run the parts on a database; the writer may have a way of its own to it.

    With `follows_clock` the writer refuses what was decided by a present still to come, as it does
    in a service.
    """
    master_keys = None if subject_key is None else MasterKeyFile(subject_key)
    files = LogFiles(archive, master_keys)
    database = Database(url, files)
    pool = database.pool(8)
    await pool.open()
    clock = DatabaseClock(pool)
    # Elsewhere tests move the clock by which commands decide, and nothing but that.
    followed = clock if follows_clock else None
    writer = Writer(replace(database, url=writer_url or url), timeouts, clock=followed)
    await clock.sync()
    await writer.start(Supervision())
    jobs = Jobs(
        LogFactory(url, writer),
        PostgresLog(writer, pool, files),
        clock,
        random.SystemRandom(),
        followers,
    )
    executions = Executions(jobs)
    database.continuity.on_invalidation(jobs.forget)
    try:
        yield Parts(
            url,
            jobs,
            executions,
            Sweeps(jobs),
            writer,
            Reader(pool, files, database.continuity),
            pool,
            files,
            Heartbeats(pool, jobs.quarantine, logs_at=None),
            Subjects(jobs),
        )
    finally:
        await writer.stop()
        jobs.close()
        await pool.close()


async def registered(
    jobs: Jobs, slug: str = "job", entry_point: str = "test.noop", **spec: Any
) -> str:
    """Register a job and return its slug."""
    await jobs.register_job(
        slug, JobSpec(name=slug, type="batch", entry_point=entry_point, **spec), 1, TESTER
    )
    return slug


async def select_anew(connection: Connection, now: datetime, slots: int) -> list[UUID]:
    """Return the due runs to start at this moment, as whoever has never looked before."""
    async with connection.transaction():
        as_of = "SELECT set_config('apphub.now', %s::timestamptz::text, true)"
        await connection.execute(as_of, [now])
        return await FollowedQueue().select(connection, None, now, slots)


def query(url: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return a query's rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql, parameters).fetchall()


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)
