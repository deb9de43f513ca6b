"""Fed with the log, event by event in order of position, it reports every broken promise.

First whether all acknowledged ids are in the log (`Acknowledged`), then the `Checker`.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import cast
from uuid import UUID

from projections.histories import bulk_rules, job_rules, schedule_rules
from projections.histories import failure_rules as noting
from projections.histories.bulk_rules import LivingBulk
from projections.histories.failure_rules import Noting
from projections.histories.rules import (
    LOG_RULES,
    Causes,
    Finding,
    Job,
    LivingRun,
    LivingSchedule,
    LoggedEvent,
    LogSoFar,
    Report,
    event_number,
    move,
    names_an_event,
    recorded_in_order,
    registered,
)
from projections.histories.run_rules import RULES, STATES, STEPS, requested

# Are all acknowledged ids of runs and events in the log?


class Acknowledged:
    """The ids that have not been seen yet."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self._ids: set[bytes] = set()
        # Runs with an idempotency key have such ids, too: only the log can tell.
        self._may_be_events: set[int] = set()
        for one in ids:
            self._ids.add(one.bytes)
            if names_an_event(one.bytes):
                self._may_be_events.add(one.int)

    def take(self, event: LoggedEvent) -> None:
        """Note that this event is in the log, and so its aggregate."""
        aggregate_id = event.aggregate_id
        if aggregate_id in self._ids:
            self._seen(aggregate_id)
        if self._may_be_events:
            number = event_number(aggregate_id, event.version)
            if number in self._may_be_events:
                self._seen(number.to_bytes(16, "big"))

    def __bool__(self) -> bool:
        """Return whether anything is missing so far."""
        return bool(self._ids)

    def missing(self) -> list[UUID]:
        """Return the ids of which the log knows nothing."""
        return [UUID(bytes=one) for one in sorted(self._ids)]

    def _seen(self, one: bytes) -> None:
        self._ids.discard(one)
        self._may_be_events.discard(int.from_bytes(one, "big"))


LEGAL_TRANSITION = "legal_transition"
ONE_EXECUTION = "one_execution_at_a_time"
KNOWN_TOPIC = "known_topic"
READABLE = "readable"
NOT_OVER = "bulk_ends_once"
ACKNOWLEDGED = "acknowledged_is_there"

SUBJECTS = (
    "job_run.",
    "job_definition.",
    "schedule.",
    "bulk_operation.",
    "failure_group.",
    "failure_watch.",
)
"""What the topics begin with whose events' data matter here."""

_REQUESTED = "job_run.requested"
_STARTED = "job_run.started"

_LAST = frozenset(
    {"build.succeeded", "build.failed", "build.canceled", "subject.erased", "log_archive.archived"}
)
"""Topics of other aggregates after which none of the same follows: nothing is kept of them."""


class Checker:
    """Keeps what has not ended, and counters for each job and key: it does not grow with the log.

    Attributes:
        causes: what remains open there is to be sought in the whole log.
        events: how many it was fed with.
        runs: how many of these began a run.
    """

    def __init__(self, report: Report, acknowledged: Iterable[UUID] = ()) -> None:
        self.causes = Causes()
        self.events = 0
        self.runs = 0
        self._report = report
        self._acknowledged = Acknowledged(acknowledged)
        self._log = LogSoFar()
        self._living: dict[bytes, LivingRun] = {}
        self._jobs: dict[str, Job] = {}
        self._schedules: dict[bytes, LivingSchedule] = {}
        self._bulks: dict[bytes, LivingBulk] = {}
        self._noting = Noting()

    def feed(self, event: LoggedEvent) -> None:
        """Check the event, and move on to it."""
        self.events += 1
        for rule in LOG_RULES:
            expected = rule(self._log, event)
            if expected is not None:
                finding = event.breaks(rule.__name__, expected)
                is_note = rule is recorded_in_order
                self._report(replace(finding, is_note=is_note))
        self._log.take(event)
        self.causes.take(event)
        if self._acknowledged:
            self._acknowledged.take(event)
        try:
            self._take(event)
        except (KeyError, TypeError, ValueError) as error:
            expected = f"all that its topic says, but reading it fails: {error!r}"
            self._found(event, READABLE, expected)

    def end(self) -> None:
        """Report what is missing, now that the log has been fed."""
        self.report_missing_causes()
        for one in self._acknowledged.missing():
            expected = f"a run or an event with this id up to position {self._log.position}"
            self._report(Finding(None, "", one, ACKNOWLEDGED, expected))

    def report_missing_causes(self) -> None:
        """Report the causes that are still sought: the whole log was searched for them."""
        for finding in self.causes.missing():
            self._report(finding)

    def _take(self, event: LoggedEvent) -> None:
        topic = event.topic
        if topic == _REQUESTED:
            self._begin(event)
        elif topic.startswith("job_run."):
            self._go_on(event)
        elif topic in job_rules.RULES:
            self._change(event)
        elif topic.startswith("schedule."):
            self._schedule(event)
        elif topic.startswith("bulk_operation."):
            self._bulk(event)
        elif topic in noting.RULES:
            self._note(event)
        elif topic in _LAST:
            self._log.forget(event)

    def _change(self, event: LoggedEvent) -> None:
        job = self._job(str(UUID(bytes=event.aggregate_id)))
        for rule in job_rules.RULES[event.topic]:
            expected = rule(job, event)
            if expected is not None:
                self._found(event, rule.__name__, expected)
        job_rules.move(job, event)

    def _schedule(self, event: LoggedEvent) -> None:
        if event.topic == "schedule.registered":
            self._schedules[event.aggregate_id] = registered(event)
            return
        schedule = self._schedules[event.aggregate_id]
        for rule in schedule_rules.RULES.get(event.topic, ()):
            expected = rule(schedule, event)
            if expected is not None:
                self._found(event, rule.__name__, expected)
        move(schedule, event)

    def _bulk(self, event: LoggedEvent) -> None:
        if event.topic == bulk_rules.FIRST:
            self._bulks[event.aggregate_id] = bulk_rules.requested(event.data)
            return
        bulk = self._bulks.get(event.aggregate_id)
        if bulk is None:
            self._found(event, NOT_OVER, "an operation that is not over")
            self._log.forget(event)
            return
        for rule in bulk_rules.RULES.get(event.topic, ()):
            expected = rule(bulk, event.data)
            if expected is not None:
                self._found(event, rule.__name__, expected)
        bulk_rules.move(bulk, event.topic, event.data)
        if event.topic in bulk_rules.LAST:
            del self._bulks[event.aggregate_id]
            self._log.forget(event)

    def _note(self, event: LoggedEvent) -> None:
        for rule in noting.RULES[event.topic]:
            expected = rule(self._noting, event.position, event.data)
            if expected is not None:
                self._found(event, rule.__name__, expected)
        noting.move(self._noting, event.topic, event.data)

    def _begin(self, event: LoggedEvent) -> None:
        if event.aggregate_id in self._living:
            self._found(event, LEGAL_TRANSITION, "no second request: the run has not ended")
            return
        job = self._job(cast("str", event.data["definition_id"]))
        run = requested(job, event)
        self._judge(run, event)
        self._living[event.aggregate_id] = run
        job.unfinished += 1
        self.runs += 1

    def _go_on(self, event: LoggedEvent) -> None:
        run = self._living.get(event.aggregate_id)
        if run is None:
            expected = "a run that was requested and has not ended; there is none with this id"
            self._found(event, LEGAL_TRANSITION, expected)
            self._log.forget(event)
            return
        step = STEPS.get(event.topic)
        if step is None:
            known = ", ".join(RULES)
            self._found(event, KNOWN_TOPIC, f"one of {known}")
            return
        if self._is_legal(run, event):
            self._judge(run, event)
        run.at = event.at
        if not step(run, event):
            del self._living[event.aggregate_id]
            run.job.unfinished -= 1
            self._log.forget(event)

    def _is_legal(self, run: LivingRun, event: LoggedEvent) -> bool:
        """Return whether the event may happen in the run's state; otherwise the rest is moot."""
        states = STATES[event.topic]
        if run.state in states:
            return True
        rule = LEGAL_TRANSITION
        if event.topic == _STARTED and run.worker_id is not None:
            rule = ONE_EXECUTION
        named = " or ".join(sorted(states))
        expected = f"a run that is {named}, but it is {run.state}, held by {run.holder}"
        self._found(event, rule, expected)
        return False

    def _judge(self, run: LivingRun, event: LoggedEvent) -> None:
        for rule in RULES[event.topic]:
            expected = rule(run, event)
            if expected is not None:
                self._found(event, rule.__name__, expected)

    def _job(self, definition_id: str) -> Job:
        job = self._jobs.get(definition_id)
        if job is None:
            job = Job()
            self._jobs[definition_id] = job
        return job

    def _found(self, event: LoggedEvent, rule: str, expected: str) -> None:
        self._report(event.breaks(rule, expected))
