"""What the checker keeps: of a run as long as it has not ended, and of each job for good."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from domain.json_values import JsonObject
from projections.histories.turns.waiting import Group, Waiting

FEWEST_SWEPT = 1_000


@dataclass(slots=True)
class Rate:
    """How many runs that count together may start within a period."""

    limit: int
    period: timedelta


def _rate(said: JsonObject | None) -> Rate | None:
    if said is None:
        return None
    period_ms = cast("int", said["periodMs"])
    return Rate(cast("int", said["limit"]), timedelta(milliseconds=period_ms))


class Starts:
    """When runs of a job were started, by the value that they count by.

    It goes back as far as the job's period, and does not grow with the log.
    """

    def __init__(self) -> None:
        self._times: dict[str, list[datetime]] = {}
        self._swept_at = FEWEST_SWEPT

    def count_after(self, value: str, moment: datetime) -> int:
        """Return how many starts by a value were after a moment; what was before is forgotten."""
        times = [time for time in self._times.get(value, []) if time > moment]
        self._times[value] = times
        return len(times)

    def add(self, value: str, at: datetime, period: timedelta) -> None:
        """Count a start in; now and then, forget the values of which none counts any more."""
        self._times.setdefault(value, []).append(at)
        if len(self._times) < self._swept_at:
            return
        oldest = at - period
        self._times = {
            value: times
            for value, times in self._times.items()
            if times[-1:] > [oldest]
        }
        self._swept_at = max(FEWEST_SWEPT, 2 * len(self._times))


@dataclass(slots=True)
class Job:
    """A definition, and what of it is running.

    Attributes:
        version: the one in force; 0 where the log has told nothing of this job.
        max_concurrent_runs: that version's limit; None is no limit.
        concurrency_limit: how many of its runs may hold one key.
        rate: how many may start within a period.
        is_paused: whether nothing of it may start.
        is_deleted: whether nothing of it may be requested.
        unfinished: how many runs of it have not ended.
        running: how many runs of it are running, of whichever version.
        running_by_key: the same for each `concurrency_value`.
        starts: when runs were started that count together, by their value.
        fairness_key: the parameter whose values take turns.
        waiting: its pending runs that take turns where it has such a key.
        taken: the values that a run has to itself, where runs are unique.
    """

    version: int = 0
    max_concurrent_runs: int | None = None
    concurrency_limit: int = 1
    rate: Rate | None = None
    is_paused: bool = False
    is_deleted: bool = False
    unfinished: int = 0
    running: int = 0
    running_by_key: Counter[str] = field(default_factory=Counter)
    starts: Starts = field(default_factory=Starts)
    fairness_key: str | None = None
    waiting: Waiting = field(default_factory=Waiting)
    taken: Counter[str] = field(default_factory=Counter)

    def define(self, version: int, said: JsonObject) -> None:
        """Take in what a version of the definition says, or which of it is new."""
        self.version = version
        if "max_concurrent_runs" in said:
            self.max_concurrent_runs = cast("int | None", said["max_concurrent_runs"])
        if "concurrency_limit" in said:
            self.concurrency_limit = cast("int", said["concurrency_limit"])
        if "rate_limit" in said:
            self.rate = _rate(cast("JsonObject | None", said["rate_limit"]))
        if "fairness_key" in said:
            self.fairness_key = cast("str | None", said["fairness_key"])


@dataclass(slots=True)
class LivingRun:
    """A run that has not ended, as its events so far left it.

    Attributes:
        definition_version: the version of its job that it was requested by.
        key: its `concurrency_value`: few running runs of a job share one.
        due_at: no start before: `scheduled_at` or, later, `retry_at`.
        at: the time of its last event.
        execution: how often it was started.
        worker_id: who holds it; None while it is pending.
        rate_value: with which others its starts count, None with none.
        group: with which others it takes turns, if it takes any.
        fair_value: its value that takes turns.
        overtaken: another value whose turn it was when the run was started last.
        own_value: what it has to itself at present.
        is_unique_until_end: whether that is so until its end, or only until its first start.
    """

    job: Job
    definition_version: int
    key: str | None
    max_attempts: int
    due_at: str
    start_deadline_at: str | None
    at: str
    attempt: int = 1
    execution: int = 0
    worker_id: str | None = None
    cancel_requested: bool = False
    rate_value: str | None = None
    group: Group = ("", 0)
    fair_value: str | None = None
    overtaken: str | None = None
    own_value: str | None = None
    is_unique_until_end: bool = False

    @property
    def state(self) -> str:
        """Return the state, in the words of `docs/state-machine.md`."""
        if self.worker_id is None:
            if self.execution:
                return "pending again"
            return "pending"
        if self.cancel_requested:
            return "cancel requested"
        return "running"

    @property
    def has_attempts_left(self) -> bool:
        """Return whether another attempt may follow this one."""
        return self.attempt < self.max_attempts

    @property
    def holder(self) -> str:
        """Return who may speak for the run."""
        if self.worker_id is None:
            return "nobody"
        return f"execution {self.execution} of worker {self.worker_id}"
