"""How this process is: the answers of `GET /metrics` and `GET /ready`.

First what it counts and what the database says meanwhile (`Scrapes`), then whether it can serve,
and if not, why (`Readiness`).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg_pool import AsyncConnectionPool

from domain.errors import LogUnavailableError
from domain.ports import Standing
from domain.quarantine import Quarantine
from eventlog.claims import DueRuns, due_runs, unoffered_runs
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.database.progress import Progress, progress
from eventlog.history.run_changes import OTHERS, Counts, RunCounts
from eventlog.pending_work import waiting_s
from eventlog.workers import count_by_state
from migrations.runner import HEAD
from projections.rows import Connection, read_value
from runtime.metrics import Metrics
from runtime.tasks import TaskState

logger = logging.getLogger(__name__)

SCRAPE_PATIENCE_S = 5.0
"""Half of what Prometheus waits for an answer unless it is told otherwise."""


@dataclass(frozen=True)
class _Found:
    """What the database says.

    Attributes:
        unread: how many places of the log this process's reader is behind its end.
        oldest_s: for how long the run that has waited longest is due.
        due: the most first.
    """

    runs: Counts
    workers: Mapping[Standing, int]
    head: int
    unread: int
    oldest_s: float
    quarantined: int
    unoffered: int
    due: Sequence[DueRuns]


@dataclass(frozen=True)
class Scrapes:
    """Answers scrapes.

    Attributes:
        metrics: what this process counts.
        counts: counts the runs.
        read: returns the position up to which this process has read the log.
    """

    pool: AsyncConnectionPool[Connection]
    metrics: Metrics
    counts: RunCounts
    quarantine: Quarantine
    read: Callable[[], int]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def exposition(self) -> bytes:
        """Return all metrics; while the database is away, those that need it are missing."""
        try:
            async with asyncio.timeout(SCRAPE_PATIENCE_S):
                found = await self._found()
        except (LogUnavailableError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            logger.warning("metrics that need the database are missing: %s", reason)
            return self.metrics.exposition()
        # A thousand lines take some ten milliseconds, in which the loop has better to do.
        looked = await asyncio.to_thread(generate_latest, _Looked(found))
        return self.metrics.exposition() + looked

    async def _found(self) -> _Found:
        # One scrape at a time: those that wait for another's count hold no connection.
        async with self._turn, borrowed(self.pool) as connection:
            return await self._look(connection)

    async def _look(self, connection: Connection) -> _Found:
        runs = await self.counts.count(connection)
        # First how far this process is: what is appended meanwhile may be read, or not.
        read = self.read()
        head = await read_value(connection, int, sql.HEAD)
        oldest_s = await waiting_s(connection, self.quarantine)
        workers = await count_by_state(connection)
        unoffered = await unoffered_runs(connection)
        return _Found(
            runs=runs,
            workers=workers,
            head=head,
            unread=max(0, head - read),
            oldest_s=oldest_s,
            quarantined=len(self.quarantine.ids),
            unoffered=len({waiting["entry_point"] for waiting in unoffered}),
            due=await due_runs(connection),
        )


MOST_ENTRY_POINTS = 100
"""Entry points that are told apart: those of which the most runs are due."""


class _Looked(Collector):
    def __init__(self, found: _Found) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        found = self._found
        runs = GaugeMetricFamily(
            "apphub_runs", "Runs by job and state.", labels=["definition", "state"]
        )
        for slug, of_job in found.runs.items():
            for state, number in of_job.items():
                runs.add_metric([slug, state], number)
        yield runs
        workers = GaugeMetricFamily(
            "apphub_workers", "Workers by state; those that were lost, for a day.", labels=["state"]
        )
        for standing, number in found.workers.items():
            workers.add_metric([standing], number)
        yield workers
        yield GaugeMetricFamily(
            "apphub_unoffered_entry_points",
            "Entry points of waiting runs that no living worker offers.",
            value=found.unoffered,
        )
        due = GaugeMetricFamily(
            "apphub_runs_due",
            "Pending runs whose time has come, by entry point.",
            labels=["entry_point"],
        )
        for waiting in found.due[:MOST_ENTRY_POINTS]:
            due.add_metric([waiting["entry_point"]], waiting["runs"])
        due.add_metric([OTHERS], sum(waiting["runs"] for waiting in found.due[MOST_ENTRY_POINTS:]))
        yield due
        yield GaugeMetricFamily(
            "apphub_oldest_pending_seconds",
            "For how long the run that has waited longest has been due.",
            value=found.oldest_s,
        )
        yield GaugeMetricFamily(
            "apphub_log_head", "Position of the log's last event.", value=found.head
        )
        yield GaugeMetricFamily(
            "apphub_reader_lag_events",
            "Positions of the log that this process has not read yet.",
            value=found.unread,
        )
        yield GaugeMetricFamily(
            "apphub_quarantined",
            "Runs and other things that this process cannot read.",
            value=found.quarantined,
        )


READY_PATIENCE_S = 2.0
"""Within so long the database has to answer."""

LATE_S = 5.0
"""A reader or a sealer that is further behind than this does not follow any more."""


@dataclass(frozen=True)
class Readiness:
    """Whoever knows whether this process can serve.

    Attributes:
        read: returns the position up to which this process has read the log.
        tasks: returns the states of its background tasks.
        seal_every_s: how often it seals the log; None where it does not.
    """

    pool: AsyncConnectionPool[Connection]
    read: Callable[[], int]
    tasks: Callable[[], Sequence[TaskState]]
    seal_every_s: float | None

    async def reasons_against(self) -> list[str]:
        """Ask the database, and return what keeps this process from serving; mostly nothing."""
        about_tasks = reasons_of_tasks(self.tasks())
        try:
            async with asyncio.timeout(READY_PATIENCE_S), borrowed(self.pool) as connection:
                found = await progress(connection, self.read())
        except LogUnavailableError as error:
            return [f"database: {error}", *about_tasks]
        except TimeoutError:
            late = f"database: it did not answer within {READY_PATIENCE_S:g} s"
            return [late, *about_tasks]
        return [*reasons_of_progress(found, self.seal_every_s), *about_tasks]


def reasons_of_progress(found: Progress, seal_every_s: float | None) -> list[str]:
    """Return what the database shows to be wrong."""
    reasons: list[str] = []
    schema = found["schema"]
    # Beside a newer version, which has migrated, this one goes on serving.
    if schema is None or schema < HEAD:
        differs = f"the schema is {schema}, this version needs {HEAD}"
        reasons.append(f"migrations: {differs}; run: apphub-jobs migrate")
    unread_s = found["unread_s"]
    if unread_s is not None and unread_s > LATE_S:
        told = f"reader: an event has waited for {unread_s:.0f} s to be read"
        reasons.append(told)
    unsealed_s = found["unsealed_s"]
    if seal_every_s is None or unsealed_s is None:
        return reasons
    if unsealed_s > LATE_S + seal_every_s:
        reasons.append(f"sealer: an event has waited for {unsealed_s:.0f} s to be sealed")
    return reasons


def reasons_of_tasks(tasks: Sequence[TaskState]) -> list[str]:
    """Return which background tasks do not run, and what they died of."""
    return [
        f"task {task.name}: {task.status}, died {task.deaths} times: {task.last_error}"
        for task in tasks
        if task.status != "running"
    ]
