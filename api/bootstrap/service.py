"""The composition root: everything a process needs, put together in one place and handed down."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from psycopg_pool import AsyncConnectionPool

from api.bootstrap.log_places import logs_place
from api.bootstrap.log_stores import run_logs
from api.bootstrap.settings import Settings
from domain.commands.bulk import BulkOperations, BulkSteps
from domain.commands.executions import Executions, Sweeps
from domain.commands.failures import Failures
from domain.commands.jobs import Jobs
from domain.commands.schedules import Schedules
from domain.commands.subjects import Subjects
from domain.run_followers import RunFollower
from domain.workers import Isolation
from eventlog.append.log import LogFactory, PostgresLog
from eventlog.append.writer import Writer
from eventlog.archive.retention import Retainer
from eventlog.claims import OfferedEntryPoints
from eventlog.database.clock import DatabaseClock, ShiftedClock
from eventlog.database.connection import Database, Patience
from eventlog.database.continuity import Continuity
from eventlog.database.costly_reads import MAX_CONCURRENT, CostlyReads
from eventlog.database.listener import Listener
from eventlog.failures import FailureSearch
from eventlog.history.as_of import Selected
from eventlog.history.audit import Audit
from eventlog.history.reader import Reader
from eventlog.keys import LogFiles
from eventlog.pending_queue import Queue
from eventlog.pending_work import OpenOperations, Ticks, Work
from eventlog.rebuild.rebuild import catch_up
from eventlog.workers import Heartbeats
from projections.rows import Connection
from runtime.metrics import Metrics
from runtime.tasks import Supervision, Turns
from worker.followers import BulkWorker, Noter, Ticker
from worker.logs.run_logs import RunLogs

POOL_SIZE = 16
"""Query connections of a process. A query takes well under a millisecond, so these serve thousands
a second."""

_EXPIRED = "Leases of workers that are over without having been given up, as far as seen here."
_BREAKS = "How often the log turned out to be another one, or to have gone back."

TURNS, MOST_WAITING = 2, 64
"""Parts of lists that are read at a time, and lists that wait for it: what is read takes up to
twenty times its size in memory."""


@dataclass(frozen=True)
class Service:
    """A process's running parts.

    Attributes:
        supervision: tells how the process's background tasks are.
        metrics: what the process counts of itself.
        queue: what the process knows of the runs that wait.
        costly: connections for questions that may take long.
        turns: of those who read what may be large.
        logs_at: what tells the place of run logs from others; None where nothing does.
    """

    settings: Settings
    clock: DatabaseClock
    supervision: Supervision
    metrics: Metrics
    pool: AsyncConnectionPool[Connection]
    costly: CostlyReads
    files: LogFiles
    jobs: Jobs
    subjects: Subjects
    executions: Executions
    sweeps: Sweeps
    schedules: Schedules
    failures: Failures
    bulk: BulkOperations
    reader: Reader
    continuity: Continuity
    queues: Mapping[Isolation, Queue]
    listener: Listener
    heartbeats: Heartbeats
    offered: OfferedEntryPoints
    retainer: Retainer
    run_logs: RunLogs
    logs_at: str | None
    audit: Audit
    turns: Turns

    def work(self, isolation: Isolation = "process") -> Work:
        """Return what a worker, or whoever watches over runs, asks of the tables.

        Args:
            isolation: of the attempts that it has room for.
        """
        return Work(
            self.pool,
            self.files,
            self.listener,
            self.jobs.quarantine,
            self.queues[isolation],
            self.retainer,
        )


@asynccontextmanager
async def running(
    settings: Settings, followers: Sequence[RunFollower] = ()
) -> AsyncIterator[Service]:
    """Start the parts in order, and stop them in the opposite one.

    Args:
        settings: what the operator decided.
        followers: whose aggregates follow runs.
    """
    database = settings.database
    continuity = database.continuity
    files = database.files
    supervision = Supervision()
    metrics = Metrics()
    patience = Patience(settings.wait_for_database_s)
    await patience.wait_async(lambda: catch_up(database))
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(database.pool(POOL_SIZE))
        costly_pool = database.costly_pool(MAX_CONCURRENT)
        costly = CostlyReads(await stack.enter_async_context(costly_pool))
        clock = _clock(settings, pool)
        # A test service's clock is moved, and not measured.
        followed = clock if settings.clock_shift is None else None
        writer = Writer(database, metrics=metrics, clock=followed)
        listener = Listener(database)
        for part in (clock, writer, listener):
            await patience.wait_async(partial(part.start, supervision))
            stack.push_async_callback(part.stop)
        jobs = _jobs(database, writer, pool, clock, followers)
        stack.callback(jobs.close)
        await patience.wait_async(jobs.seed)
        sweeps = Sweeps(jobs)
        selection = Selected(pool, files, costly)
        schedules = Schedules(jobs)
        for follower in _followers(jobs, schedules, pool, files, continuity):
            follower.start(supervision)
            stack.push_async_callback(follower.stop)
        logs_at = logs_place(settings.logs_store, settings.data_dir)
        heartbeats = Heartbeats(pool, jobs.quarantine, logs_at)
        retainer = Retainer(database, pool, clock, settings.archiving)
        continuity.on_doubt(jobs.forget)
        continuity.on_doubt(retainer.forget)
        _show(metrics, supervision, continuity, sweeps, heartbeats)
        logs = run_logs(settings.logs_store, settings.data_dir)
        yield Service(
            settings=settings,
            clock=clock,
            supervision=supervision,
            metrics=metrics,
            pool=pool,
            costly=costly,
            files=files,
            jobs=jobs,
            subjects=Subjects(jobs),
            executions=Executions(jobs),
            sweeps=sweeps,
            schedules=schedules,
            failures=Failures(jobs),
            bulk=BulkOperations(jobs, selection),
            reader=Reader(pool, files, continuity),
            continuity=continuity,
            queues=writer.cache.queues,
            listener=listener,
            heartbeats=heartbeats,
            offered=OfferedEntryPoints(pool),
            retainer=retainer,
            run_logs=logs,
            logs_at=logs_at,
            audit=Audit(pool, files),
            turns=Turns(TURNS, MOST_WAITING),
        )


def _jobs(
    database: Database,
    writer: Writer,
    pool: AsyncConnectionPool[Connection],
    clock: DatabaseClock,
    followers: Sequence[RunFollower],
) -> Jobs:
    factory = LogFactory(database.conninfo, writer)
    log = PostgresLog(writer, pool, database.files)
    return Jobs(factory, log, clock, random.SystemRandom(), followers)


def _followers(
    jobs: Jobs,
    schedules: Schedules,
    pool: AsyncConnectionPool[Connection],
    files: LogFiles,
    continuity: Continuity,
) -> tuple[Ticker, Noter, BulkWorker]:
    """Return those who work off the log in the background, not yet started."""
    ticks = Ticks(pool, jobs.quarantine)
    ticker = Ticker(schedules, ticks, jobs.clock, jobs.random)
    continuity.on_doubt(ticker.forget)
    noter = Noter(Failures(jobs), FailureSearch(pool, files))
    continuity.on_doubt(noter.forget)
    steps = BulkSteps(jobs, Selected(pool, files))
    bulk_worker = BulkWorker(steps, OpenOperations(pool, jobs.quarantine))
    return ticker, noter, bulk_worker


def _show(
    metrics: Metrics,
    supervision: Supervision,
    continuity: Continuity,
    sweeps: Sweeps,
    heartbeats: Heartbeats,
) -> None:
    """Let metrics tell how tasks, the log and leases are."""
    metrics.show_tasks(supervision.states)
    metrics.count("apphub_log_breaks", _BREAKS, lambda: continuity.breaks)
    metrics.count("apphub_lease_expired", _EXPIRED, lambda: sweeps.buried + heartbeats.expired)


def _clock(settings: Settings, pool: AsyncConnectionPool[Connection]) -> DatabaseClock:
    if settings.clock_shift is not None:
        return ShiftedClock(pool, settings.clock_shift)
    return DatabaseClock(pool)
