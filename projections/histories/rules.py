"""The state of the checker, and the promises about the log itself.

First events and findings; then the causes of events (`Causes`); then the promises about positions,
times and versions; last the state of jobs, which is kept for good, and of runs, which is kept until
they end.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import cast
from uuid import UUID

from domain.clock import from_iso
from domain.json_values import JsonObject
from projections.flow.limits import MAX_DEPTH, MAX_VALUES


@dataclass(frozen=True)
class Finding:
    """A promise that an event breaks.

    Attributes:
        position: of the event; None for an id that is not in the log.
        topic: of the event; empty for an id that is not in the log.
        aggregate_id: the event's aggregate, mostly a run.
        rule: the promise's name, as in `docs/state-machine.md`.
        expected: what would have been right, and what there is instead.
        is_note: whether it may occur without an error, and is only information.
    """

    position: int | None
    topic: str
    aggregate_id: UUID
    rule: str
    expected: str
    is_note: bool = False

    def present(self) -> JsonObject:
        """Return the finding as plain JSON."""
        return {
            "position": self.position,
            "type": self.topic or None,
            "id": str(self.aggregate_id),
            "rule": self.rule,
            "expected": self.expected,
        }


@dataclass(slots=True)
class LoggedEvent:
    """One event of the log. Not frozen, as one is made for every event, and that would be slower.

    Attributes:
        position: its number in the log.
        aggregate_id: the aggregate's id, sixteen bytes.
        version: its number in the history of that aggregate (1, 2, …).
        topic: for example `job_run.started`.
        recorded_us: when the database wrote it, in microseconds since 2000.
        causation_id: id of its cause, sixteen bytes.
        data: its own fields, upcast, and `timestamp`; times are text of 24 characters, so they sort
            by time. Empty for aggregates without rules.
    """

    position: int
    aggregate_id: bytes
    version: int
    topic: str
    recorded_us: int
    causation_id: bytes | None
    data: JsonObject

    @property
    def at(self) -> str:
        """Return when it happened."""
        return cast("str", self.data["timestamp"])

    @property
    def is_held(self) -> bool:
        """Return whether its time is ahead of its recording, as the clock was set back.

        The times of an aggregate never decrease, so they stay the same meanwhile.
        """
        at_us = (from_iso(self.at) - EPOCH) // timedelta(microseconds=1)
        return at_us - self.recorded_us > MAX_AHEAD_US

    def breaks(self, rule: str, expected: str) -> Finding:
        """Return the finding that the event breaks this rule."""
        return Finding(self.position, self.topic, UUID(bytes=self.aggregate_id), rule, expected)


CLOCK_STEP_US = 1_000_000
"""A server's clock may be corrected by this, or differ by it from that of its successor."""

MAX_AHEAD_US = 10_000
"""An event happens before it is recorded, by one clock, which processes know to a fraction of a
millisecond."""

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Times of recording are counted from here."""

Report = Callable[[Finding], None]
"""Takes each finding as soon as there is one."""


# Whether the causes of events exist. Mostly the cause is the aggregate's previous event.
#
# Other causes are searched for among the last events: a new aggregate of a unit is caused by the
# unit's first event. Older ones, such as the end of a run that is retried a year later, are
# collected and searched for together in the whole log, so that memory is bounded.

CAUSE_EXISTS = "cause_exists"

RECENT = 32
"""The last events that are kept: a unit rarely has more."""

MAX_OPEN = 100_000
"""Open causes that are collected before they are searched for in the whole log."""

_KEPT_BITS = ~(0xF << 76 | 0b11 << 62)
_VERSION_5 = 0x5 << 76 | 0b10 << 62


def event_number(aggregate_id: bytes, version: int) -> int:
    """Return an event's id as a number: a UUIDv5 of its version in the aggregate's name space."""
    digest = sha1(aggregate_id + str(version).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:16], "big") & _KEPT_BITS | _VERSION_5


def names_an_event(causation_id: bytes) -> bool:
    """Return whether the cause is an event; otherwise it is a request, which is not in the log."""
    uuid_version = causation_id[6] >> 4
    return uuid_version == 5  # noqa: PLR2004 - ids of events are made in this way


class Causes:
    """Checks the causes of events in order; open causes can be searched for by `find`."""

    def __init__(self) -> None:
        self._recent: deque[tuple[bytes, int]] = deque(maxlen=RECENT)
        # By the cause's number, the finding if the log does not have it.
        self._open: dict[int, Finding] = {}

    def __len__(self) -> int:
        """Return the number of open causes."""
        return len(self._open)

    def check(self, event: LoggedEvent) -> None:
        """Search for the event's cause among the last events."""
        cause = event.causation_id
        if cause is not None and names_an_event(cause):
            number = int.from_bytes(cause, "big")
            if not self._is_recent(number, event):
                self._keep_open(number, event)
        self._recent.append((event.aggregate_id, event.version))

    def find(self, position: int, aggregate_id: bytes, version: int) -> None:
        """Compare an event of the log with the open causes."""
        number = event_number(aggregate_id, version)
        open_cause = self._open.get(number)
        if open_cause is None:
            return
        if position < cast("int", open_cause.position):
            del self._open[number]

    def missing(self) -> list[Finding]:
        """Drop the open causes; return their findings, in order."""
        findings = list(self._open.values())
        self._open.clear()
        return findings

    def _is_recent(self, cause: int, event: LoggedEvent) -> bool:
        last_version = event.version - 1
        if last_version and event_number(event.aggregate_id, last_version) == cause:
            return True
        for aggregate_id, version in reversed(self._recent):
            if event_number(aggregate_id, version) == cause:
                return True
        return False

    def _keep_open(self, cause: int, event: LoggedEvent) -> None:
        # Only the first event with this cause counts: a cause before it is before the others.
        if cause in self._open:
            return
        cause_id = UUID(int=cause)
        expected = f"an earlier event with the id {cause_id}, which it names as its cause"
        self._open[cause] = event.breaks(CAUSE_EXISTS, expected)


# The promises about the log itself: positions, times and versions.


@dataclass(slots=True)
class LogState:
    """The state of the log before an event.

    Attributes:
        position: of the last event; 0 at first.
        recorded_us: the latest time of recording since the clock was last set back.
        versions: of each aggregate that may have more events.
    """

    position: int = 0
    recorded_us: int = -(2**63)
    versions: dict[bytes, int] = field(default_factory=dict)

    def apply(self, event: LoggedEvent) -> None:
        """Apply the event."""
        self.position = event.position
        if self.stepped_back_us(event):
            self.recorded_us = event.recorded_us
        else:
            self.recorded_us = max(self.recorded_us, event.recorded_us)
        self.versions[event.aggregate_id] = event.version

    def stepped_back_us(self, event: LoggedEvent) -> int:
        """Return how far the server's clock was set back before the event; 0 if it was not."""
        behind_us = self.recorded_us - event.recorded_us
        return behind_us if behind_us > CLOCK_STEP_US else 0

    def forget(self, event: LoggedEvent) -> None:
        """Drop the state of the event's aggregate: it has ended."""
        del self.versions[event.aggregate_id]


LogRule = Callable[[LogState, LoggedEvent], str | None]


def positions_rise(log: LogState, event: LoggedEvent) -> str | None:
    """Positions begin above 0, and no two events share one. Rollbacks leave gaps."""
    if event.position > log.position:
        return None
    return f"a position above {log.position}"


def recorded_in_order(log: LogState, event: LoggedEvent) -> str | None:
    """Events are recorded in the order of their positions, unless the server's clock is set back.

    That is told once, where it was.
    """
    behind_us = log.stepped_back_us(event)
    if not behind_us:
        return None
    return (
        f"to be recorded after the events before it, not {behind_us / 1e6:.1f} s earlier:"
        " the server's clock was set back, or somebody changed the time (seals tell)"
    )


def versions_without_gaps(log: LogState, event: LoggedEvent) -> str | None:
    """An aggregate's events are numbered 1, 2, … without a gap."""
    version = event.version
    due = log.versions.get(event.aggregate_id, 0) + 1
    if version == due:
        return None
    if due > 1:
        return f"version {due} of this aggregate, not {version}"
    if event.topic.startswith("job_run."):
        return None  # The rule of states covers unknown and ended runs.
    return f"version 1 of a new aggregate, not {version}"


LOG_RULES: tuple[LogRule, ...] = (positions_rise, recorded_in_order, versions_without_gaps)
"""The promises that every event of the log must keep."""


# The fairness groups of a job: the values of its waiting runs, and the value that was started last.

Group = tuple[str, int]
"""An entry point and a priority: a job's runs with the same ones take turns."""


class _WaitingValues:
    """The values with pending runs of one fairness group."""

    def __init__(self) -> None:
        # By value, the runs that wait only for their turn, each with the time since which it is
        # due.
        self._queues: dict[str, OrderedDict[bytes, str]] = {}
        self._in_order: list[str] = []
        self._limited: dict[str, set[bytes]] = {}
        self._last: str | None = None
        self._claimed_at = ""
        self._number_of_values = 0

    def add(self, value: str, run: bytes, due_since: str | None) -> None:
        if due_since is None:
            self._limited.setdefault(value, set()).add(run)
            return
        if value not in self._queues:
            self._queues[value] = OrderedDict()
            insort(self._in_order, value)
        self._queues[value][run] = due_since

    def remove(self, value: str, run: bytes) -> None:
        others = self._limited.get(value)
        if others is not None:
            others.discard(run)
            if not others:
                del self._limited[value]
        queue = self._queues.get(value)
        if queue is not None:
            queue.pop(run, None)
            if not queue:
                del self._queues[value]
                index = bisect_left(self._in_order, value)
                del self._in_order[index]

    def start(self, value: str, at: str) -> str | None:
        """Record a start; return a value that it skipped."""
        last = self._last
        self._last = value
        if last is None or self._is_incomplete(at):
            return None
        for other in self._between(last, value):
            if self._must_be_seen(other, at):
                return other
        return None

    def _between(self, last: str, value: str) -> Iterator[str]:
        """Yield the values between one and another, in round-robin order."""
        behind = bisect_right(self._in_order, last)
        before = bisect_left(self._in_order, value)
        if last < value:
            yield from self._in_order[behind:before]
        else:
            yield from self._in_order[behind:]
            yield from self._in_order[:before]

    def _must_be_seen(self, value: str, at: str) -> bool:
        """Return whether a claim must have seen that a run of the value could start."""
        in_order = iter(self._queues[value].values())
        due_since = next(in_order)
        kept = self._limited.get(value, ())
        return due_since < at and len(kept) < MAX_DEPTH

    def _is_incomplete(self, at: str) -> bool:
        """Return whether a claim at this time may not have read all values."""
        if at != self._claimed_at:
            self._claimed_at = at
            values = self._queues.keys() | self._limited.keys()
            self._number_of_values = len(values)
        return self._number_of_values > MAX_VALUES


class FairnessGroups:
    """All fairness groups of a job. It holds pending runs only, and does not grow with the log."""

    def __init__(self) -> None:
        self._groups: dict[Group, _WaitingValues] = {}

    def add(self, group: Group, value: str, run: bytes, due_since: str | None) -> None:
        """Add a pending run.

        Args:
            group: its fairness group.
            value: its value.
            run: its id.
            due_since: when it became due, if it waits only for its turn from now on; None if
                something else may delay it.
        """
        self._group(group).add(value, run, due_since)

    def remove(self, group: Group, value: str, run: bytes) -> None:
        """Remove a run, if it is pending."""
        self._group(group).remove(value, run)

    def start(self, group: Group, value: str, at: str) -> str | None:
        """Record a start at a time.

        Returns:
            A value that it skipped although the claim must have seen a waiting run of it. None if
            there is none, or the log cannot tell.
        """
        return self._group(group).start(value, at)

    def _group(self, group: Group) -> _WaitingValues:
        return self._groups.setdefault(group, _WaitingValues())


MIN_SWEPT = 1_000


@dataclass(slots=True)
class Rate:
    """The number of runs that may start within a period."""

    limit: int
    period: timedelta


def _rate(fields: JsonObject | None) -> Rate | None:
    if fields is None:
        return None
    return Rate(
        cast("int", fields["limit"]), timedelta(milliseconds=cast("int", fields["periodMs"]))
    )


class StartTimes:
    """The times at which a job's runs were started, by the value that they count by.

    It goes back as far as the job's period, and does not grow with the log.
    """

    def __init__(self) -> None:
        self._times: dict[str, list[datetime]] = {}
        self._swept_at = MIN_SWEPT

    def count_after(self, value: str, moment: datetime) -> int:
        """Return the number of a value's starts after a time; drop earlier ones."""
        times = [time for time in self._times.get(value, []) if time > moment]
        self._times[value] = times
        return len(times)

    def count_around(self, value: str, moment: datetime, period: timedelta) -> int:
        """Return the number of starts within a period before or after a time."""
        if not self.count_after(value, moment - period):
            return 0
        until = moment + period
        return sum(time <= until for time in self._times[value])

    def add(self, value: str, at: datetime, period: timedelta) -> None:
        """Add a start; from time to time, drop the values without recent starts."""
        self._times.setdefault(value, []).append(at)
        if len(self._times) < self._swept_at:
            return
        oldest = at - period
        self._times = {
            value: times for value, times in self._times.items() if times[-1:] > [oldest]
        }
        self._swept_at = max(MIN_SWEPT, 2 * len(self._times))


@dataclass(slots=True)
class Job:
    """A job's definition and the state of its runs.

    Attributes:
        version: the present version; 0 if the log has no event of this job.
        max_concurrent_runs: that version's limit; None is no limit.
        concurrency_limit: number of its runs that may run with one key.
        rate: number of its runs that may start within a period.
        is_paused: whether none of its runs may start.
        is_deleted: whether no run of it may be requested.
        unfinished: number of its runs that have not ended.
        running: number of its running runs, of all versions.
        running_by_key: the same for each `concurrency_value`.
        starts: times of starts, by the value that they count by.
        fairness_key: the parameter whose values take turns.
        waiting: its pending runs that take turns.
        taken: the values that unique runs hold.
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
    starts: StartTimes = field(default_factory=StartTimes)
    fairness_key: str | None = None
    waiting: FairnessGroups = field(default_factory=FairnessGroups)
    taken: Counter[str] = field(default_factory=Counter)

    def define(self, version: int, fields: JsonObject) -> None:
        """Apply a version of the definition, or its changes."""
        self.version = version
        if "max_concurrent_runs" in fields:
            self.max_concurrent_runs = cast("int | None", fields["max_concurrent_runs"])
        if "concurrency_limit" in fields:
            self.concurrency_limit = cast("int", fields["concurrency_limit"])
        if "rate_limit" in fields:
            self.rate = _rate(cast("JsonObject | None", fields["rate_limit"]))
        if "fairness_key" in fields:
            self.fairness_key = cast("str | None", fields["fairness_key"])


@dataclass(slots=True)
class LivingRun:
    """The state of a run that has not ended.

    Attributes:
        definition_version: the version of its job at its request.
        key: its `concurrency_value`.
        due_at: earliest start: `scheduled_at` or, later, `retry_at`.
        at: the time of its last event.
        execution: number of its starts.
        worker_id: the worker that runs it; None while it is pending.
        rate_value: the value by which its starts count for the rate; None if they do not.
        group: its fairness group, if it has one.
        fair_value: its value in that group.
        overtaken: another value whose turn it was at the last start.
        own_value: the unique value that it holds at present.
        is_unique_until_end: whether it holds the value until its end, or until its first start.
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
        """Return the execution that may report for the run."""
        if self.worker_id is None:
            return "nobody"
        return f"execution {self.execution} of worker {self.worker_id}"
