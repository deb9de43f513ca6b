"""The service's inner parts for tests of the log: a writer that may go through a proxy, jobs, a reader."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from domain.application import Jobs
from domain.erasure import Subjects
from domain.execution import Executions
from domain.job_definition import Spec
from domain.ports import Origin
from eventlog.clock import DatabaseClock
from eventlog.connection import Database
from eventlog.heartbeats import Heartbeats
from eventlog.log import PostgresLog
from eventlog.master_keys import MasterKeyFile
from eventlog.reader import Reader
from eventlog.recorder import LogFactory
from eventlog.writer import Patience, Writer
from projections.table import Connection

TESTER = Origin(actor="tester")


@dataclass(frozen=True)
class Parts:
    """What a test needs."""

    jobs: Jobs
    executions: Executions
    writer: Writer
    reader: Reader
    pool: AsyncConnectionPool[Connection]
    heartbeats: Heartbeats
    subjects: Subjects

    async def worker(self, worker_id: str, lease_ms: int = 60_000) -> str:
        """Register a worker and return its id."""
        await self.heartbeats.register(worker_id, "host", 1, 4, lease_ms)
        return worker_id


@asynccontextmanager
async def parts(
    url: str, *, writer_url: str | None = None, patience: Patience | None = None, subject_key: Path | None = None
) -> AsyncIterator[Parts]:
    """Run the parts on a database; the writer may have a way of its own to it."""
    master_keys = None if subject_key is None else MasterKeyFile(subject_key)
    pool = Database(url, master_keys).pool(8)
    await pool.open()
    clock, writer = DatabaseClock(pool), Writer(Database(writer_url or url, master_keys), patience)
    await clock.sync()
    await writer.start()
    jobs = Jobs(LogFactory(url, writer), PostgresLog(writer, pool), clock, random.SystemRandom())
    try:
        yield Parts(jobs, Executions(jobs), writer, Reader(pool), pool, Heartbeats(pool), Subjects(jobs))
    finally:
        await writer.stop()
        jobs.close()
        await pool.close()


async def registered(jobs: Jobs, slug: str = "job", **spec: Any) -> str:
    """Register a job and return its slug."""
    await jobs.register_job(slug, Spec(name=slug, type="batch", entry_point="test.noop", **spec), 1, TESTER)
    return slug


def query(url: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return a query's rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql, parameters).fetchall()


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)
