"""The composition root: everything a process needs, put together in one place and handed down."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg_pool import AsyncConnectionPool

from api.auth import Tokens
from api.build_logs import BuildLogs
from api.catalog_views import CatalogViews
from api.log_stores import run_logs
from domain.application import Jobs
from domain.catalog_commands import Catalog
from domain.erasure import Subjects
from domain.execution import Executions
from eventlog.audit import Audit
from eventlog.clock import DatabaseClock
from eventlog.connection import Database
from eventlog.heartbeats import Heartbeats
from eventlog.listener import Listener
from eventlog.log import PostgresLog
from eventlog.master_keys import MasterKeyFile
from eventlog.reader import Reader
from eventlog.rebuild import catch_up
from eventlog.recorder import LogFactory
from eventlog.seal_tip import Sealing
from eventlog.writer import Writer
from projections.table import Connection
from worker.run_logs import RunLogs

POOL_SIZE = 16
"""Query connections of a process; a query takes well under a millisecond, so this serves thousands a second."""


SUBJECT_KEY_NAME = "subjects.key"
"""The master key of personal data, in the data directory unless the operator says otherwise."""


@dataclass(frozen=True)
class Settings:
    """What an operator decides. The command line reads it, this module passes it on, nobody else looks it up.

    Attributes:
        database_url: any libpq connection string.
        data_dir: where logs of runs lie, or wait for their store, and the embedded server if there is one.
        logs_store: URL of the object store of logs; None keeps them in the data directory.
        tokens: who may do what; None leaves the API open (for a machine of one's own).
        sealing: how this process seals the log; None leaves that to others.
        subject_key: file of the master key of personal data; None means `subjects.key` in the data directory.
        local_repositories: whether apps may name repositories on the workers' own file system.
    """

    database_url: str
    data_dir: Path
    tokens: Tokens | None = None
    local_repositories: bool = True
    logs_store: str | None = None
    sealing: Sealing | None = None
    subject_key: Path | None = None

    @property
    def database(self) -> Database:
        """The database, with what opens the personal data in it."""
        return Database(self.database_url, MasterKeyFile(self.subject_key or self.data_dir / SUBJECT_KEY_NAME))


@dataclass(frozen=True)
class Service:
    """A process's running parts."""

    settings: Settings
    pool: AsyncConnectionPool[Connection]
    jobs: Jobs
    catalog: Catalog
    subjects: Subjects
    executions: Executions
    reader: Reader
    listener: Listener
    heartbeats: Heartbeats
    run_logs: RunLogs
    build_logs: BuildLogs
    views: CatalogViews
    audit: Audit


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """Start the parts in order, and stop them in the opposite one."""
    database = settings.database
    await catch_up(database)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(database.pool(POOL_SIZE))
        clock, writer, listener = DatabaseClock(pool), Writer(database), Listener(database)
        for part in (clock, writer, listener):
            await part.start()
            stack.push_async_callback(part.stop)
        jobs = Jobs(LogFactory(database.conninfo, writer), PostgresLog(writer, pool), clock, random.SystemRandom())
        stack.callback(jobs.close)
        await jobs.seed()
        logs = run_logs(settings.logs_store, settings.data_dir)
        build_logs = BuildLogs(logs)
        yield Service(
            settings=settings,
            pool=pool,
            jobs=jobs,
            catalog=Catalog(jobs),
            subjects=Subjects(jobs),
            executions=Executions(jobs),
            reader=Reader(pool),
            listener=listener,
            heartbeats=Heartbeats(pool),
            run_logs=logs,
            build_logs=build_logs,
            views=CatalogViews(pool, build_logs),
            audit=Audit(pool),
        )
