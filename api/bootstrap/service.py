"""The composition root: creates, connects, starts and stops the parts of a process."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from psycopg_pool import AsyncConnectionPool

from api.bootstrap.log_stores import log_store_id, run_logs
from api.bootstrap.settings import Settings
from apphub_jobs.version import VERSION
from domain.commands.bulk import BulkOperations, BulkSteps
from domain.commands.executions import Executions
from domain.commands.failures import Failures
from domain.commands.jobs import Jobs
from domain.commands.saved_views import SavedViews
from domain.commands.schedules import Schedules
from domain.commands.subjects import Subjects
from domain.commands.sweeps import Sweeps
from domain.run_followers import RunFollower
from domain.workers import Isolation
from eventlog.append.log import LogFactory, PostgresLog
from eventlog.append.writer import Writer
from eventlog.archive.retention import RetentionArchiver
from eventlog.database.clock import DatabaseClock, ShiftedClock
from eventlog.database.continuity import Continuity
from eventlog.database.costly_reads import MAX_CONCURRENT, CostlyReads
from eventlog.database.listener import Listener
from eventlog.database.startup import StartupWait
from eventlog.entry_points import OfferedEntryPoints
from eventlog.failures import FailureSearch
from eventlog.history.as_of import PastRunSelector
from eventlog.history.audit import Audit
from eventlog.history.reader import Reader
from eventlog.keys import LogFiles
from eventlog.pending_queue import FollowedQueue
from eventlog.pending_work import OpenOperations, Ticks, Work
from eventlog.rebuild.rebuild import rebuild_stale_tables
from eventlog.saved_views import StoredViews
from eventlog.statistics import RunStatistics
from eventlog.workers import Heartbeats
from projections.rows import Connection
from runtime.metrics import Metrics
from runtime.tasks import ConcurrencyLimiter, Supervision
from worker.followers import BulkWorker, FailureGrouper, Follower, RunCounter
from worker.logs.run_logs import RunLogs
from worker.ticker import Ticker

if TYPE_CHECKING:
    from runtime.tracing import Tracing

POOL_SIZE = 16
"""Query connections of a process. A query takes well under a millisecond, so these serve thousands
a second."""

_EXPIRED = "Leases that expired without having been released, as far as this process has seen."
_BREAKS = "How often the log was replaced by another one, or lost its last events."

LIST_READERS, MAX_WAITING_LISTS = 2, 64
"""Parts of lists that are read at a time, and lists that may wait for a turn: a part takes up to
twenty times its size in memory."""


@dataclass(frozen=True)
class Service:
    """A process's running parts.

    Attributes:
        supervision: starts the process's background tasks, and knows their states.
        metrics: the process's counters.
        costly: connections for queries that may take long.
        counts: the same for counts over time, which take up to a second: dashboards show them, so
            they have turns of their own and do not wait for costly queries.
        queues: pending runs in memory, by isolation.
        list_limiter: limits the readers of long lists.
        logs_at: the identity of the store of run logs; None if it cannot be read.
        tracing: makes spans; None if no traces are sent.
    """

    settings: Settings
    clock: DatabaseClock
    supervision: Supervision
    metrics: Metrics
    pool: AsyncConnectionPool[Connection]
    costly: CostlyReads
    counts: CostlyReads
    files: LogFiles
    jobs: Jobs
    subjects: Subjects
    executions: Executions
    sweeps: Sweeps
    schedules: Schedules
    failures: Failures
    grouper: FailureGrouper
    bulk: BulkOperations
    views: SavedViews
    reader: Reader
    continuity: Continuity
    queues: Mapping[Isolation, FollowedQueue]
    listener: Listener
    heartbeats: Heartbeats
    offered: OfferedEntryPoints
    retention_archiver: RetentionArchiver
    run_logs: RunLogs
    logs_at: str | None
    audit: Audit
    list_limiter: ConcurrencyLimiter
    tracing: "Tracing | None"

    def work(self, isolation: Isolation = "process") -> Work:
        """Return the queries of a worker or a watcher.

        Args:
            isolation: the isolation of the attempts that it claims.
        """
        return Work(
            self.pool,
            self.files,
            self.listener,
            self.jobs.quarantine,
            self.queues[isolation],
            self.retention_archiver,
        )


@asynccontextmanager
async def running(
    settings: Settings, followers: Sequence[RunFollower] = ()
) -> AsyncIterator[Service]:
    """Start the parts in order, and stop them in the opposite one.

    Args:
        settings: what the operator decided.
        followers: followers of runs, whose aggregates change when a run does.
    """
    database = settings.database
    continuity = database.continuity
    files = database.files
    supervision = Supervision()
    metrics = Metrics()
    startup_wait = StartupWait(settings.wait_for_database_s)
    await startup_wait.wait_async(lambda: rebuild_stale_tables(database))
    async with AsyncExitStack() as stack:
        tracing = await stack.enter_async_context(_tracing(settings))
        pool = await stack.enter_async_context(database.pool(POOL_SIZE))
        costly_pool = database.costly_pool(MAX_CONCURRENT)
        costly = CostlyReads(await stack.enter_async_context(costly_pool))
        if settings.clock_shift is None:
            clock = DatabaseClock(pool)
            writer = Writer(database, metrics=metrics, clock=clock)
        else:  # A test service's clock is moved, and not measured.
            clock = ShiftedClock(pool, settings.clock_shift)
            writer = Writer(database, metrics=metrics)
        listener = Listener(database)
        for part in (clock, writer, listener):
            await startup_wait.wait_async(partial(part.start, supervision))
            stack.push_async_callback(part.stop)
        factory = LogFactory(database.conninfo, writer)
        log = PostgresLog(writer, pool, files)
        jobs = Jobs(factory, log, clock, random.SystemRandom(), followers)
        stack.callback(jobs.close)
        await startup_wait.wait_async(jobs.seed)
        sweeps = Sweeps(jobs)
        selector = PastRunSelector(pool, files, costly)
        schedules = Schedules(jobs)
        failures = Failures(jobs)
        grouper = FailureGrouper(failures, FailureSearch(pool, files))
        continuity.on_invalidation(grouper.forget)
        for follower in (grouper, *_followers(jobs, schedules, pool, files, continuity)):
            follower.start(supervision)
            stack.push_async_callback(follower.stop)
        logs_at = log_store_id(settings.logs_store, settings.data_dir)
        heartbeats = Heartbeats(pool, jobs.quarantine, logs_at)
        retention_archiver = RetentionArchiver(database, pool, clock, settings.archiving)
        continuity.on_invalidation(jobs.forget)
        continuity.on_invalidation(retention_archiver.forget)
        _register_metrics(metrics, supervision, continuity, sweeps, heartbeats)
        logs = run_logs(settings.logs_store, settings.data_dir)
        yield Service(
            settings=settings,
            clock=clock,
            supervision=supervision,
            metrics=metrics,
            pool=pool,
            costly=costly,
            counts=CostlyReads(pool),
            files=files,
            jobs=jobs,
            subjects=Subjects(jobs),
            executions=Executions(jobs),
            sweeps=sweeps,
            schedules=schedules,
            failures=failures,
            grouper=grouper,
            bulk=BulkOperations(jobs, selector),
            views=SavedViews(jobs, StoredViews(pool)),
            reader=Reader(pool, files, continuity),
            continuity=continuity,
            queues=writer.cache.queues,
            listener=listener,
            heartbeats=heartbeats,
            offered=OfferedEntryPoints(pool),
            retention_archiver=retention_archiver,
            run_logs=logs,
            logs_at=logs_at,
            audit=Audit(pool, files),
            list_limiter=ConcurrencyLimiter(LIST_READERS, MAX_WAITING_LISTS),
            tracing=tracing,
        )


@asynccontextmanager
async def _tracing(settings: Settings) -> AsyncIterator["Tracing | None"]:
    """Send traces within the block, if the settings say so."""
    if settings.traced_as is None:
        yield None
        return
    # Imported here: few services send traces, and the SDK is an extra.
    from runtime.tracing import Tracing  # noqa: PLC0415

    tracing = Tracing(settings.traced_as, VERSION)
    try:
        yield tracing
    finally:
        await asyncio.to_thread(tracing.close)


def _followers(
    jobs: Jobs,
    schedules: Schedules,
    pool: AsyncConnectionPool[Connection],
    files: LogFiles,
    continuity: Continuity,
) -> Sequence[Follower]:
    """Return all background followers but the failure grouper, not yet started."""
    ticks = Ticks(pool, jobs.quarantine)
    ticker = Ticker(schedules, ticks, jobs.clock, jobs.random)
    continuity.on_invalidation(ticker.forget)
    steps = BulkSteps(jobs, PastRunSelector(pool, files))
    bulk_worker = BulkWorker(steps, OpenOperations(pool, jobs.quarantine))
    run_counter = RunCounter(RunStatistics(pool, jobs.clock))
    return ticker, bulk_worker, run_counter


def _register_metrics(
    metrics: Metrics,
    supervision: Supervision,
    continuity: Continuity,
    sweeps: Sweeps,
    heartbeats: Heartbeats,
) -> None:
    metrics.add_build_info(VERSION)
    metrics.add_task_restarts(supervision.states)
    metrics.add_counter("apphub_log_breaks", _BREAKS, lambda: continuity.breaks)
    metrics.add_counter(
        "apphub_lease_expired", _EXPIRED, lambda: sweeps.lost_workers + heartbeats.expired
    )
