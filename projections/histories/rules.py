"""What the checker keeps while it reads the log, and the promises about the log itself.

First events and findings; then whether the cause exists that an event names (`Causes`); then
schedules as their events left them; then the promises about positions, times and versions; last
jobs, which are kept for good, and runs, which are kept until they end.
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
from projections.flow.selection import DEPTH, MOST_VALUES


@dataclass(frozen=True)
class Finding:
    """A promise that an event breaks.

    Attributes:
        position: of the event; None for what is not in the log at all.
        topic: of the event; empty for what is not in the log.
        aggregate_id: whose event it is: mostly a run's.
        rule: the promise's name, as in `docs/state-machine.md`.
        expected: what would have been right, and what there is.
        is_note: whether an honest log may have it, so that it is worth knowing and no more.
    """

    position: int | None
    topic: str
    aggregate_id: UUID
    rule: str
    expected: str
    is_note: bool = False

    def present(self) -> JsonObject:
        """Return the finding for programs."""
        return {
            "position": self.position,
            "type": self.topic or None,
            "id": str(self.aggregate_id),
            "rule": self.rule,
            "expected": self.expected,
        }


@dataclass(slots=True)
class LoggedEvent:
    """One event of the log. Not frozen, for it is made of every event, and that takes its time.

    Attributes:
        position: its place in the log.
        aggregate_id: whose event it is, as the id's sixteen bytes.
        version: its number in the history of that aggregate (1, 2, …).
        topic: for example `job_run.started`.
        recorded_us: when the database wrote it, in microseconds since 2000.
        causation_id: what led to it, as sixteen bytes.
        data: its own fields in today's shape and `timestamp`; times are text of 24 characters, so
            their order is that of time. Empty for aggregates that have no rules of their own.
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
        """Return whether its time is not the present of then, for the clock had been set back.

        No time of a run lies before the one before, so some stay where they are meanwhile.
        """
        at_us = (from_iso(self.at) - EPOCH) // timedelta(microseconds=1)
        return at_us - self.recorded_us > MOST_AHEAD_US

    def breaks(self, rule: str, expected: str) -> Finding:
        """Return the finding that the event breaks this rule."""
        return Finding(self.position, self.topic, UUID(bytes=self.aggregate_id), rule, expected)


CLOCK_STEP_US = 1_000_000
"""A server's clock may be set right by so much, or its successor's may differ from it."""

MOST_AHEAD_US = 10_000
"""An event happens before it is recorded, by one clock, which processes know to a fraction of a
millisecond."""

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From here times of recording are counted."""

Report = Callable[[Finding], None]
"""Takes each finding as soon as there is one."""


# Does the cause exist that an event names? Mostly it is the event before, of the same aggregate.
#
# Other causes are searched among the last few events: what a unit creates beside its first
# aggregate is caused by that one. Older causes, such as the end of a run that is retried a year
# later, are collected and searched in the whole log now and then, all together, so that memory
# stays bounded.

CAUSE_EXISTS = "cause_exists"

RECENT = 32
"""Events looked back on: a unit that creates something rarely has more."""

MOST_OPEN = 100_000
"""Causes kept until they are sought in the whole log."""

_KEPT_BITS = ~(0xF << 76 | 0b11 << 62)
_VERSION_5 = 0x5 << 76 | 0b10 << 62


def event_number(aggregate_id: bytes, version: int) -> int:
    """Return an event's id as a number: a UUIDv5 of its version in the aggregate's name space."""
    digest = sha1(aggregate_id + str(version).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:16], "big") & _KEPT_BITS | _VERSION_5


def names_an_event(causation_id: bytes) -> bool:
    """Return whether the cause is an event; otherwise it is a request, and in no log."""
    uuid_version = causation_id[6] >> 4
    return uuid_version == 5  # noqa: PLR2004 - ids of events are made in this way


class Causes:
    """Takes every event in order; what remains open can be sought by `seen`."""

    def __init__(self) -> None:
        self._recent: deque[tuple[bytes, int]] = deque(maxlen=RECENT)
        # By the cause's number, what is to be reported if the log does not have it.
        self._open: dict[int, Finding] = {}

    def __len__(self) -> int:
        """Return how many causes are still sought."""
        return len(self._open)

    def take(self, event: LoggedEvent) -> None:
        """Look for the cause of the event among what came before it."""
        cause = event.causation_id
        if cause is not None and names_an_event(cause):
            number = int.from_bytes(cause, "big")
            if not self._is_near(number, event):
                self._seek(number, event)
        self._recent.append((event.aggregate_id, event.version))

    def seen(self, position: int, aggregate_id: bytes, version: int) -> None:
        """Take an event of the log once more: it may be what is sought."""
        number = event_number(aggregate_id, version)
        sought = self._open.get(number)
        if sought is None:
            return
        if position < cast("int", sought.position):
            del self._open[number]

    def missing(self) -> list[Finding]:
        """Give up what is still sought; return what there is to report, in order."""
        findings = list(self._open.values())
        self._open.clear()
        return findings

    def _is_near(self, cause: int, event: LoggedEvent) -> bool:
        last_version = event.version - 1
        if last_version and event_number(event.aggregate_id, last_version) == cause:
            return True
        for aggregate_id, version in reversed(self._recent):
            if event_number(aggregate_id, version) == cause:
                return True
        return False

    def _seek(self, cause: int, event: LoggedEvent) -> None:
        # Of several effects the first counts: whatever is before it is before the others.
        if cause in self._open:
            return
        cause_id = UUID(int=cause)
        expected = f"an earlier event with the id {cause_id}, which it names as its cause"
        self._open[cause] = event.breaks(CAUSE_EXISTS, expected)


# Schedules as their events left them, for rules to judge by, and how events move them.


@dataclass(slots=True)
class LivingSchedule:
    """A schedule.

    Attributes:
        at: the time of its last event.
        decided_until: ticks due until then are decided, and none of them once more unless it comes
            again.
        next_at: when the next tick fires, as the last event says.
        catch_up_ms: for how long nobody may have looked at the clock before a tick is missed.
        buffered: when the ticks were due that wait.
        carried: when ticks of former versions were due that are still to fire.
        open_runs: those of its runs that ticks launched and of which no end was told.
        other_runs: the same of those that people launched, or that are of its former life.
    """

    at: str
    overlap: str
    decided_until: str
    next_at: str | None = None
    catch_up_ms: int = 0
    is_paused: bool = False
    is_deleted: bool = False
    buffered: set[str] = field(default_factory=set)
    carried: set[str] = field(default_factory=set)
    open_runs: set[str] = field(default_factory=set)
    other_runs: set[str] = field(default_factory=set)

    @property
    def comes_again(self) -> bool:
        """Return whether ticks are decided once more, for the clock was set back."""
        return self.next_at is not None and self.next_at <= self.decided_until


def registered(event: LoggedEvent) -> LivingSchedule:
    """Return the schedule that its first event makes."""
    schedule = LivingSchedule(event.at, "", decided_until=event.at)
    _begin_version(schedule, event, "spec")
    return schedule


def move(schedule: LivingSchedule, event: LoggedEvent) -> None:
    """Move a schedule by an event that is not its first."""
    schedule.at = max(schedule.at, event.at)
    if "next_at" in event.data:
        schedule.next_at = cast("str | None", event.data["next_at"])
    match event.topic:
        case "schedule.revised":
            _begin_version(schedule, event, "changes")
            carried = event.data.get("carried_due_at")
            if carried is not None:
                schedule.carried.add(cast("str", carried))
        case "schedule.registered_anew":
            _begin_version(schedule, event, "spec")
            schedule.is_deleted = False
            schedule.is_paused = False
            schedule.other_runs |= schedule.open_runs
            schedule.open_runs.clear()
        case "schedule.paused":
            schedule.is_paused = True
        case "schedule.resumed":
            schedule.is_paused = False
        case "schedule.deleted":
            schedule.is_deleted = True
            schedule.next_at = None
            schedule.buffered.clear()
            schedule.carried.clear()
        case "schedule.triggered":
            schedule.other_runs.add(_run_id(event))
        case "schedule.run_ended":
            schedule.open_runs.discard(_run_id(event))
            schedule.other_runs.discard(_run_id(event))
        case _:
            _tick(schedule, event)


def _begin_version(schedule: LivingSchedule, event: LoggedEvent, says: str) -> None:
    said = cast("JsonObject", event.data[says])
    schedule.overlap = cast("str", said.get("overlap", schedule.overlap))
    schedule.catch_up_ms = cast("int", said.get("catch_up_ms", schedule.catch_up_ms))
    schedule.decided_until = max(schedule.decided_until, event.at)


def _tick(schedule: LivingSchedule, event: LoggedEvent) -> None:
    """Move a schedule by what became of a tick, or of several in a row."""
    if not event.topic.startswith("schedule.tick_"):
        return
    first = cast("str", event.data["due_at"])
    last = cast("str", event.data.get("last_due_at", first))
    schedule.decided_until = max(schedule.decided_until, last)
    schedule.buffered -= {due_at for due_at in schedule.buffered if first <= due_at <= last}
    schedule.carried -= {one for one in schedule.carried if first <= one <= last}
    if event.topic == "schedule.tick_buffered":
        schedule.buffered.add(first)
    elif event.topic == "schedule.tick_launched":
        is_backfill = event.data.get("cause") == "backfill"
        runs = schedule.other_runs if is_backfill else schedule.open_runs
        runs.add(_run_id(event))


def _run_id(event: LoggedEvent) -> str:
    return cast("str", event.data["run_id"])


# The promises about the log itself: positions, times and versions.


@dataclass(slots=True)
class LogSoFar:
    """What rules need of the log before an event.

    Attributes:
        position: the last event's; below every other at first.
        recorded_us: the latest time of recording since the clock was last set back.
        versions: of each aggregate that may have more events.
    """

    position: int = 0
    recorded_us: int = -(2**63)
    versions: dict[bytes, int] = field(default_factory=dict)

    def take(self, event: LoggedEvent) -> None:
        """Move on to the event."""
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
        """Keep nothing of the event's aggregate any more: it has ended."""
        del self.versions[event.aggregate_id]


LogRule = Callable[[LogSoFar, LoggedEvent], str | None]


def positions_rise(log: LogSoFar, event: LoggedEvent) -> str | None:
    """Positions begin above 0, and no two events share one. Rollbacks leave gaps."""
    if event.position > log.position:
        return None
    return f"a position above {log.position}"


def recorded_in_order(log: LogSoFar, event: LoggedEvent) -> str | None:
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


def versions_without_gaps(log: LogSoFar, event: LoggedEvent) -> str | None:
    """An aggregate's events are numbered 1, 2, … without a gap."""
    version = event.version
    due = log.versions.get(event.aggregate_id, 0) + 1
    if version == due:
        return None
    if due > 1:
        return f"version {due} of this aggregate, not {version}"
    if event.topic.startswith("job_run."):
        return None  # What a run that is unknown, or has ended, may not do is said by its states.
    return f"version 1 of what is new here, not {version}"


LOG_RULES: tuple[LogRule, ...] = (positions_rise, recorded_in_order, versions_without_gaps)
"""What each event of the log must be, whatever it tells."""


# Which values of a job's runs wait for their turn, and which value was started last.

Group = tuple[str, int]
"""An entry point and a priority: a job's runs that have them in common take turns."""


class _Values:
    """Of one group, the values of which a run is pending."""

    def __init__(self) -> None:
        # By value, of runs that only turns keep, when each was seen to be due.
        self._lines: dict[str, OrderedDict[bytes, str]] = {}
        self._in_order: list[str] = []
        self._others: dict[str, set[bytes]] = {}
        self._last: str | None = None
        self._claimed_at = ""
        self._most = 0

    def arrive(self, value: str, run: bytes, due_since: str | None) -> None:
        if due_since is None:
            self._others.setdefault(value, set()).add(run)
            return
        if value not in self._lines:
            self._lines[value] = OrderedDict()
            insort(self._in_order, value)
        self._lines[value][run] = due_since

    def leave(self, value: str, run: bytes) -> None:
        others = self._others.get(value)
        if others is not None:
            others.discard(run)
            if not others:
                del self._others[value]
        line = self._lines.get(value)
        if line is not None:
            line.pop(run, None)
            if not line:
                del self._lines[value]
                place = bisect_left(self._in_order, value)
                del self._in_order[place]

    def start(self, value: str, at: str) -> str | None:
        """Take in a turn; return a value that it passed over."""
        last = self._last
        self._last = value
        if last is None or self._is_cut(at):
            return None
        for other in self._between(last, value):
            if self._is_seen(other, at):
                return other
        return None

    def _between(self, last: str, value: str) -> Iterator[str]:
        """Yield the values that come first, on the way round from one to another."""
        behind = bisect_right(self._in_order, last)
        before = bisect_left(self._in_order, value)
        if last < value:
            yield from self._in_order[behind:before]
        else:
            yield from self._in_order[behind:]
            yield from self._in_order[:before]

    def _is_seen(self, value: str, at: str) -> bool:
        """Return whether a claim must have seen that a run of the value may start."""
        in_order = iter(self._lines[value].values())
        due_since = next(in_order)
        kept = self._others.get(value, ())
        return due_since < at and len(kept) < DEPTH

    def _is_cut(self, at: str) -> bool:
        """Return whether a claim of this moment may not have gone round all values."""
        if at != self._claimed_at:
            self._claimed_at = at
            values = self._lines.keys() | self._others.keys()
            self._most = len(values)
        return self._most > MOST_VALUES


class Waiting:
    """All groups of a job. It holds what is pending, and does not grow with the log."""

    def __init__(self) -> None:
        self._groups: dict[Group, _Values] = {}

    def arrive(self, group: Group, value: str, run: bytes, due_since: str | None) -> None:
        """Take in a run that is pending.

        Args:
            group: with which others it takes turns.
            value: its own.
            run: its id.
            due_since: when it was seen to be due, if nothing but turns keeps it from now on; None
                if something else may.
        """
        self._of(group).arrive(value, run, due_since)

    def leave(self, group: Group, value: str, run: bytes) -> None:
        """Forget a run, if it is known to be pending."""
        self._of(group).leave(value, run)

    def start(self, group: Group, value: str, at: str) -> str | None:
        """Take in a turn at a moment.

        Returns:
            A value that it passed over although a run of it waited, and the claim must have seen
            that. None if there is none, or the log cannot tell.
        """
        return self._of(group).start(value, at)

    def _of(self, group: Group) -> _Values:
        return self._groups.setdefault(group, _Values())


FEWEST_SWEPT = 1_000


@dataclass(slots=True)
class Rate:
    """How many runs that count together may start within a period."""

    limit: int
    period: timedelta


def _rate(said: JsonObject | None) -> Rate | None:
    if said is None:
        return None
    return Rate(cast("int", said["limit"]), timedelta(milliseconds=cast("int", said["periodMs"])))


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

    def count_around(self, value: str, moment: datetime, period: timedelta) -> int:
        """Return how many were within the period before a moment, or lie ahead by no more."""
        if not self.count_after(value, moment - period):
            return 0
        until = moment + period
        return sum(time <= until for time in self._times[value])

    def add(self, value: str, at: datetime, period: timedelta) -> None:
        """Count a start in; now and then, forget the values of which none counts any more."""
        self._times.setdefault(value, []).append(at)
        if len(self._times) < self._swept_at:
            return
        oldest = at - period
        self._times = {
            value: times for value, times in self._times.items() if times[-1:] > [oldest]
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
