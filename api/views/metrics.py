"""The response of `GET /metrics`: this process's own counters, and metrics read from the database.

First how they are read (`Scrapes`), then how they are written. `docs/reference/metrics.md` explains
each metric.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from psycopg_pool import AsyncConnectionPool

from domain.errors import LogUnavailableError
from domain.ports import WorkerState
from domain.quarantine import Quarantine
from eventlog import measures
from eventlog.database.connection import borrowed
from eventlog.entry_points import DueRuns, due_runs, unoffered_runs
from eventlog.history.run_changes import OTHERS, Counts, RunCounts
from eventlog.measures import JobTotals, RunningRuns, WorkerSlots
from eventlog.workers import count_by_state
from projections.rows import Connection
from projections.run_statistics import ENDED
from runtime.metrics import Metrics, Sample, format_labels, format_metric

logger = logging.getLogger(__name__)

SCRAPE_TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
"""How long Prometheus waits."""

SCRAPE_TIMEOUT_S = 5.0
"""Half of Prometheus' default timeout."""

MAX_ENTRY_POINTS = 100
"""Entry points with a label of their own: those with the most runs."""

LE_MS = (
    *(10, 50, 100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000),
    *(900_000, 3_600_000, 14_400_000, 86_400_000),
)
"""Bounds of the histograms of runs; each is a bound of `run_statistics`."""


@dataclass(frozen=True)
class Positions:
    """How far the followers of the log in this process have come.

    Attributes:
        stream: returns the position up to which the streams have read the log.
        grouper: returns the position up to which failures are grouped.
        archiver: returns how many runs should be archived, and for how many seconds the first.
        seals: whether this process seals the log.
    """

    stream: Callable[[], int]
    grouper: Callable[[], int]
    archiver: Callable[[], tuple[int, float]]
    seals: bool


@dataclass(frozen=True)
class _Lag:
    """How far a follower is behind.

    Attributes:
        follower: its name.
        events: number of events, or of ticks or runs, that it has yet to handle.
        seconds: for how long the first of them has waited.
    """

    follower: str
    events: int
    seconds: float


@dataclass(frozen=True)
class _DatabaseStatus:
    """Metrics that come from the database.

    Attributes:
        oldest_s: by job, for how many seconds the longest waiting run has been due.
        due: due runs by entry point, the largest number first; `running` likewise.
    """

    runs: Counts
    totals: Sequence[JobTotals]
    oldest_s: Mapping[str, float]
    due: Sequence[DueRuns]
    running: Sequence[RunningRuns]
    unoffered: int
    workers: Mapping[WorkerState, int]
    slots: WorkerSlots
    head: int
    lags: Sequence[_Lag]
    schedule_delay_s: float
    quarantined: int


@dataclass(frozen=True)
class Scrapes:
    """Answers Prometheus' scrapes.

    Attributes:
        metrics: counters of this process.
        counts: counts the runs.
        positions: how far this process's followers have come.
    """

    pool: AsyncConnectionPool[Connection]
    metrics: Metrics
    counts: RunCounts
    quarantine: Quarantine
    positions: Positions
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def exposition(self, scrape_timeout: str | None = None) -> bytes:
        """Return all metrics; those from the database are missing while it cannot be reached.

        Args:
            scrape_timeout: for how many seconds the client waits, if it says so. The database gets
                half of them, so that the other metrics still arrive.
        """
        try:
            async with asyncio.timeout(_half_of(scrape_timeout)):
                # One scrape at a time, so that those that wait hold no connection.
                async with self._turn, borrowed(self.pool) as connection:
                    status = await self._read_status(connection)
        except (LogUnavailableError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            logger.warning("metrics that need the database are missing: %s", reason)
            return self.metrics.exposition()
        # Thousands of lines take some milliseconds: too long for the event loop.
        from_database = await asyncio.to_thread(_database_exposition, status)
        return self.metrics.exposition() + from_database

    async def _read_status(self, connection: Connection) -> _DatabaseStatus:
        runs = await self.counts.count(connection)
        slugs = self.counts.slugs
        bypassed = self.quarantine.ids
        oldest_s = dict.fromkeys(runs, 0.0)
        for oldest in await measures.oldest_pending(connection, slugs, bypassed):
            oldest_s[oldest["job"]] = oldest["seconds"]
        unoffered = await unoffered_runs(connection)
        ticks = await measures.due_ticks(connection, bypassed)
        lags = await self._lags(connection)
        return _DatabaseStatus(
            runs=runs,
            totals=await measures.job_totals(connection, slugs),
            oldest_s=oldest_s,
            due=await due_runs(connection),
            running=await measures.running_runs(connection),
            unoffered=len({runs["entry_point"] for runs in unoffered}),
            workers=await count_by_state(connection),
            slots=await measures.worker_slots(connection),
            head=lags.head,
            lags=[*lags.of_log, _Lag("ticker", ticks["schedules"], ticks["seconds"])],
            schedule_delay_s=ticks["seconds"],
            quarantined=len(bypassed),
        )

    async def _lags(self, connection: Connection) -> "_Lags":
        # Before the head is read: a follower's position must not lie beyond it.
        stream = self.positions.stream()
        grouper = self.positions.grouper()
        in_log = await measures.read_positions(connection)
        head = in_log["head"]
        sealed = in_log["sealed"]
        if sealed is None:  # There is no seal yet; in a service that does not seal, none is late.
            sealed = 0 if self.positions.seals else head
        positions = {
            "stream": stream,
            "grouper": grouper,
            "statistics": in_log["counted"],
            "sealer": sealed,
        }
        waited_s = await measures.waited_after(connection, list(positions.values()))
        lags = [
            _Lag(follower, max(0, head - position), waited_s[position])
            for follower, position in positions.items()
        ]
        return _Lags(head, [*lags, _Lag("archiver", *self.positions.archiver())])


@dataclass(frozen=True)
class _Lags:
    head: int
    of_log: Sequence[_Lag]


def _half_of(scrape_timeout: str | None) -> float:
    if scrape_timeout is None or not _SECONDS.fullmatch(scrape_timeout):
        return SCRAPE_TIMEOUT_S
    return min(float(scrape_timeout) / 2, SCRAPE_TIMEOUT_S)


_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

# How the metrics are written.
#
# A job has two labels with the same value. Prometheus uses `job` for the name of the scrape, and
# renames ours to `exported_job` unless the scrape sets `honor_labels`; it keeps `definition`.


def _database_exposition(status: _DatabaseStatus) -> bytes:
    jobs = {slug: format_labels(job=slug, definition=slug) for slug in (*status.runs, OTHERS)}
    [stream] = [lag for lag in status.lags if lag.follower == "stream"]
    return b"".join(
        [
            *_run_metrics(status, jobs),
            *_total_metrics(status.totals, jobs),
            format_metric(
                "apphub_runs_due",
                "gauge",
                "Pending runs whose time has come, by entry point.",
                _by_entry_point(status.due),
            ),
            format_metric(
                "apphub_runs_running",
                "gauge",
                "Running runs by entry point.",
                _by_entry_point(status.running),
            ),
            format_metric(
                "apphub_unoffered_entry_points",
                "gauge",
                "Entry points of waiting runs that no living worker offers.",
                [("", status.unoffered)],
            ),
            format_metric(
                "apphub_workers",
                "gauge",
                "Workers by state; those that were lost, for a day.",
                [(format_labels(state=state), number) for state, number in status.workers.items()],
            ),
            format_metric(
                "apphub_worker_slots",
                "gauge",
                "Slots of living workers, by whether they are busy.",
                [
                    (format_labels(state="busy"), status.slots["busy"]),
                    (format_labels(state="free"), status.slots["free"]),
                ],
            ),
            format_metric(
                "apphub_log_head", "gauge", "Position of the log's last event.", [("", status.head)]
            ),
            format_metric(
                "apphub_follower_lag_events",
                "gauge",
                "What a follower of the log has yet to handle.",
                [(format_labels(follower=lag.follower), lag.events) for lag in status.lags],
            ),
            format_metric(
                "apphub_follower_lag_seconds",
                "gauge",
                "For how long the first of what a follower has yet to handle has waited.",
                [(format_labels(follower=lag.follower), lag.seconds) for lag in status.lags],
            ),
            format_metric(
                "apphub_reader_lag_events",
                "gauge",
                "Positions of the log that this process has not read yet.",
                [("", stream.events)],
            ),
            format_metric(
                "apphub_schedule_delay_seconds",
                "gauge",
                "For how long the first due tick of a schedule has not been decided.",
                [("", status.schedule_delay_s)],
            ),
            format_metric(
                "apphub_quarantined",
                "gauge",
                "Runs and other things that this process cannot read.",
                [("", status.quarantined)],
            ),
        ]
    )


def _run_metrics(status: _DatabaseStatus, jobs: Mapping[str, str]) -> Iterator[bytes]:
    counts = [
        (f'{jobs[slug]},state="{state}"', number)
        for slug, of_job in status.runs.items()
        for state, number in of_job.items()
    ]
    yield format_metric("apphub_runs", "gauge", "Runs by job and state.", counts)
    yield format_metric(
        "apphub_oldest_pending_seconds",
        "gauge",
        "For how long the run of a job that has waited longest has been due.",
        [(jobs[slug], seconds) for slug, seconds in status.oldest_s.items()],
    )


_NO_RUNS: JobTotals = {
    "job": OTHERS,
    "created": 0,
    "succeeded": 0,
    "failed": 0,
    "canceled": 0,
    "expired": 0,
    "queue_ms_sum": 0,
    "duration_ms_sum": 0,
    "queue_ms": {},
    "duration_ms": {},
}


def _total_metrics(rows: Sequence[JobTotals], jobs: Mapping[str, str]) -> Iterator[bytes]:
    totals = dict.fromkeys(jobs, _NO_RUNS) | {row["job"]: row for row in rows}
    yield format_metric(
        "apphub_runs_created_total",
        "counter",
        "Runs that were launched.",
        [(jobs[slug], of_job["created"]) for slug, of_job in totals.items()],
    )
    ended = [
        (f'{jobs[slug]},state="{state}"', _ended_by_status(of_job)[state])
        for slug, of_job in totals.items()
        for state in ENDED
    ]
    yield format_metric("apphub_runs_finished_total", "counter", "Runs that have ended.", ended)
    queues = [
        _histogram(
            "apphub_run_queue_seconds", jobs[slug], of_job["queue_ms"], of_job["queue_ms_sum"]
        )
        for slug, of_job in totals.items()
    ]
    about = "Of ended runs: from when their last attempt was due to its start."
    yield format_metric("apphub_run_queue_seconds", "histogram", about, (), "".join(queues))
    durations = [
        _histogram(
            "apphub_run_duration_seconds",
            jobs[slug],
            of_job["duration_ms"],
            of_job["duration_ms_sum"],
        )
        for slug, of_job in totals.items()
    ]
    about = "Of ended runs: how long their last attempt took."
    yield format_metric("apphub_run_duration_seconds", "histogram", about, (), "".join(durations))


def _ended_by_status(totals: JobTotals) -> Mapping[str, int]:
    return {
        "succeeded": totals["succeeded"],
        "failed": totals["failed"],
        "canceled": totals["canceled"],
        "expired": totals["expired"],
    }


def _histogram(name: str, labels: str, classes: Mapping[str, int], sum_ms: int) -> str:
    """Return the samples of a histogram: each bucket counts all times up to its bound."""
    runs = sorted((int(bound), number) for bound, number in classes.items())
    lines: list[str] = []
    count = 0
    next_class = 0
    for le_ms in LE_MS:
        while next_class < len(runs) and runs[next_class][0] <= le_ms:
            count += runs[next_class][1]
            next_class += 1
        lines.append(f'{name}_bucket{{{labels},le="{le_ms / 1000}"}} {count}\n')
    count += sum(number for _, number in runs[next_class:])
    lines.append(f'{name}_bucket{{{labels},le="+Inf"}} {count}\n')
    lines.append(f"{name}_count{{{labels}}} {count}\n")
    lines.append(f"{name}_sum{{{labels}}} {sum_ms / 1000}\n")
    return "".join(lines)


def _by_entry_point(rows: Sequence[DueRuns] | Sequence[RunningRuns]) -> Iterable[Sample]:
    for row in rows[:MAX_ENTRY_POINTS]:
        yield format_labels(entry_point=row["entry_point"]), row["runs"]
    yield format_labels(entry_point=OTHERS), sum([row["runs"] for row in rows[MAX_ENTRY_POINTS:]])
