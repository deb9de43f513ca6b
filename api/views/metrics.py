"""What `GET /metrics` tells: what this process counts, and what the database says meanwhile."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg_pool import AsyncConnectionPool

from domain.errors import LogUnavailableError
from domain.ports import Standing
from domain.quarantine import Quarantine
from eventlog.database import sql
from eventlog.database.connection import borrowed
from eventlog.history.run_counts import Counts, RunCounts
from eventlog.queue.pending_work import waiting_s
from eventlog.workers.listing import count_by_state
from eventlog.workers.offers import unoffered_runs
from projections.rows import Connection, read_value
from runtime.metrics import Metrics

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""Half of what Prometheus waits for an answer unless it is told otherwise."""


@dataclass(frozen=True)
class _Found:
    """What the database says.

    Attributes:
        unread: how many places of the log this process's reader is behind its end.
        oldest_s: for how long the run that has waited longest is due.
    """

    runs: Counts
    workers: Mapping[Standing, int]
    head: int
    unread: int
    oldest_s: float
    quarantined: int
    unoffered: int


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
            async with asyncio.timeout(PATIENCE_S):
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
        )


class _Looked(Collector):
    def __init__(self, found: _Found) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        found = self._found
        runs = GaugeMetricFamily(
            "apphub_runs",
            "Runs by job and state.",
            labels=["definition", "state"],
        )
        for slug, of_job in found.runs.items():
            for state, number in of_job.items():
                runs.add_metric([slug, state], number)
        yield runs
        workers = GaugeMetricFamily(
            "apphub_workers",
            "Workers by state; those that were lost, for a day.",
            labels=["state"],
        )
        for standing, number in found.workers.items():
            workers.add_metric([standing], number)
        yield workers
        yield GaugeMetricFamily(
            "apphub_unoffered_entry_points",
            "Entry points of waiting runs that no living worker offers.",
            value=found.unoffered,
        )
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
