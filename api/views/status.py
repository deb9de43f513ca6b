"""The answers of `GET /metrics` and `GET /ready`.

First the metrics, of this process and from the database (`Scrapes`), then whether the process can
serve, and if not, why (`Readiness`).
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

SCRAPE_TIMEOUT_S = 5.0
"""Half of Prometheus' default timeout."""


@dataclass(frozen=True)
class _DatabaseStatus:
    """Metrics that come from the database.

    Attributes:
        unread: how many positions this process's reader is behind the log's head.
        oldest_s: for how many seconds the longest waiting run has been due.
        due: due runs by entry point, the most first.
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
    """Answers Prometheus' scrapes.

    Attributes:
        metrics: counters of this process.
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
        """Return all metrics; those from the database are missing while it cannot be reached."""
        try:
            async with asyncio.timeout(SCRAPE_TIMEOUT_S):
                # One scrape at a time: those that wait for another's count hold no connection.
                async with self._turn, borrowed(self.pool) as connection:
                    status = await self._read_status(connection)
        except (LogUnavailableError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            logger.warning("metrics that need the database are missing: %s", reason)
            return self.metrics.exposition()
        # A thousand lines take some ten milliseconds: too long for the event loop.
        from_database = await asyncio.to_thread(generate_latest, _StatusCollector(status))
        return self.metrics.exposition() + from_database

    async def _read_status(self, connection: Connection) -> _DatabaseStatus:
        runs = await self.counts.count(connection)
        # Before the head: else events that are appended in between would count as unread or not.
        read = self.read()
        head = await read_value(connection, int, sql.HEAD)
        oldest_s = await waiting_s(connection, self.quarantine)
        workers = await count_by_state(connection)
        unoffered = await unoffered_runs(connection)
        return _DatabaseStatus(
            runs=runs,
            workers=workers,
            head=head,
            unread=max(0, head - read),
            oldest_s=oldest_s,
            quarantined=len(self.quarantine.ids),
            unoffered=len({waiting["entry_point"] for waiting in unoffered}),
            due=await due_runs(connection),
        )


MAX_ENTRY_POINTS = 100
"""Entry points with a label of their own: those with the most due runs."""


class _StatusCollector(Collector):
    def __init__(self, status: _DatabaseStatus) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        status = self._status
        runs = GaugeMetricFamily(
            "apphub_runs", "Runs by job and state.", labels=["definition", "state"]
        )
        for slug, of_job in status.runs.items():
            for state, number in of_job.items():
                runs.add_metric([slug, state], number)
        yield runs
        workers = GaugeMetricFamily(
            "apphub_workers", "Workers by state; those that were lost, for a day.", labels=["state"]
        )
        for standing, number in status.workers.items():
            workers.add_metric([standing], number)
        yield workers
        yield GaugeMetricFamily(
            "apphub_unoffered_entry_points",
            "Entry points of waiting runs that no living worker offers.",
            value=status.unoffered,
        )
        due = GaugeMetricFamily(
            "apphub_runs_due",
            "Pending runs whose time has come, by entry point.",
            labels=["entry_point"],
        )
        for waiting in status.due[:MAX_ENTRY_POINTS]:
            due.add_metric([waiting["entry_point"]], waiting["runs"])
        due.add_metric([OTHERS], sum(waiting["runs"] for waiting in status.due[MAX_ENTRY_POINTS:]))
        yield due
        yield GaugeMetricFamily(
            "apphub_oldest_pending_seconds",
            "For how long the run that has waited longest has been due.",
            value=status.oldest_s,
        )
        yield GaugeMetricFamily(
            "apphub_log_head", "Position of the log's last event.", value=status.head
        )
        yield GaugeMetricFamily(
            "apphub_reader_lag_events",
            "Positions of the log that this process has not read yet.",
            value=status.unread,
        )
        yield GaugeMetricFamily(
            "apphub_quarantined",
            "Runs and other things that this process cannot read.",
            value=status.quarantined,
        )


READY_TIMEOUT_S = 2.0
"""The database has to answer within this time."""

LATE_S = 5.0
"""A reader or a sealer that is further behind than this counts as stuck."""


@dataclass(frozen=True)
class Readiness:
    """Checks whether this process can serve.

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
        """Return what keeps this process from serving, in sentences; empty if it can serve."""
        task_reasons = reasons_of_tasks(self.tasks())
        try:
            async with asyncio.timeout(READY_TIMEOUT_S), borrowed(self.pool) as connection:
                state = await progress(connection, self.read())
        except LogUnavailableError as error:
            return [f"database: {error}", *task_reasons]
        except TimeoutError:
            late = f"database: it did not answer within {READY_TIMEOUT_S:g} s"
            return [late, *task_reasons]
        return [*reasons_of_progress(state, self.seal_every_s), *task_reasons]


def reasons_of_progress(state: Progress, seal_every_s: float | None) -> list[str]:
    """Return what is wrong with the schema, the reader and the sealer, in sentences."""
    reasons: list[str] = []
    schema = state["schema"]
    # A newer schema is no reason: this version continues to serve during a rolling upgrade.
    if schema is None or schema < HEAD:
        reasons.append(
            f"migrations: the schema is {schema}, this version needs {HEAD};"
            " run: apphub-jobs migrate"
        )
    unread_s = state["unread_s"]
    if unread_s is not None and unread_s > LATE_S:
        reasons.append(f"reader: an event has waited for {unread_s:.0f} s to be read")
    unsealed_s = state["unsealed_s"]
    if seal_every_s is None or unsealed_s is None:
        return reasons
    if unsealed_s > LATE_S + seal_every_s:
        reasons.append(f"sealer: an event has waited for {unsealed_s:.0f} s to be sealed")
    return reasons


def reasons_of_tasks(tasks: Sequence[TaskState]) -> list[str]:
    """Return which background tasks do not run, and their last errors, in sentences."""
    return [
        f"task {task.name}: {task.status}, died {task.deaths} times: {task.last_error}"
        for task in tasks
        if task.status != "running"
    ]
