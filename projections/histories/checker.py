"""Checks a log, event by event in the order of positions, and reports every broken promise.

First whether all acknowledged ids are in the log (`Acknowledged`), then the `Checker`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar, cast
from uuid import UUID

from projections.histories import bulk_rules, failure_rules, job_rules, schedule_rules
from projections.histories.bulk_rules import LivingBulk
from projections.histories.failure_rules import FailureSearch
from projections.histories.rules import (
    LOG_RULES,
    Causes,
    Finding,
    Job,
    LivingRun,
    LoggedEvent,
    LogState,
    Report,
    event_number,
    names_an_event,
    recorded_in_order,
)
from projections.histories.run_rules import RULES, STATES, STEPS, requested
from projections.histories.schedule_rules import LivingSchedule

S = TypeVar("S")

# Whether all acknowledged ids of runs and events are in the log.


class Acknowledged:
    """The acknowledged ids that have not been read yet."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self._ids: set[bytes] = set()
        # Runs with an idempotency key have such ids, too: only the log can tell which they are.
        self._may_be_events: set[int] = set()
        for acknowledged_id in ids:
            self._ids.add(acknowledged_id.bytes)
            if names_an_event(acknowledged_id.bytes):
                self._may_be_events.add(acknowledged_id.int)

    def discard(self, event: LoggedEvent) -> None:
        """Discard the ids of this event and its aggregate: they are in the log."""
        aggregate_id = event.aggregate_id
        if aggregate_id in self._ids:
            self._discard(aggregate_id)
        if self._may_be_events:
            number = event_number(aggregate_id, event.version)
            if number in self._may_be_events:
                self._discard(number.to_bytes(16, "big"))

    def __bool__(self) -> bool:
        """Return whether anything is missing so far."""
        return bool(self._ids)

    def missing(self) -> list[UUID]:
        """Return the ids that are not in the log."""
        return [UUID(bytes=id_bytes) for id_bytes in sorted(self._ids)]

    def _discard(self, id_bytes: bytes) -> None:
        self._ids.discard(id_bytes)
        self._may_be_events.discard(int.from_bytes(id_bytes, "big"))


LEGAL_TRANSITION = "legal_transition"
ONE_EXECUTION = "one_execution_at_a_time"
KNOWN_TOPIC = "known_topic"
READABLE = "readable"
BULK_ENDS_ONCE = "bulk_ends_once"
ACKNOWLEDGED = "acknowledged_is_there"

SUBJECTS = (
    "job_run.",
    "job_definition.",
    "schedule.",
    "bulk_operation.",
    "failure_group.",
    "failure_watch.",
)
"""Prefixes of the topics whose data are read by rules."""

_REQUESTED = "job_run.requested"
_STARTED = "job_run.started"

_LAST = frozenset(
    {"build.succeeded", "build.failed", "build.canceled", "subject.erased", "log_archive.archived"}
)
"""The last topics of other aggregates, whose state is dropped then."""


class Checker:
    """Checks events. It keeps unfinished aggregates and counts, and does not grow with the log.

    Attributes:
        causes: those that remain open are to be searched for in the whole log.
        events: number of events fed.
        runs: number of runs among them.
    """

    def __init__(self, report: Report, acknowledged: Iterable[UUID] = ()) -> None:
        self.causes = Causes()
        self.events = 0
        self.runs = 0
        self._report = report
        self._acknowledged = Acknowledged(acknowledged)
        self._log = LogState()
        self._living: dict[bytes, LivingRun] = {}
        self._jobs: dict[str, Job] = {}
        self._schedules: dict[bytes, LivingSchedule] = {}
        self._bulks: dict[bytes, LivingBulk] = {}
        self._failure_search = FailureSearch()

    def feed(self, event: LoggedEvent) -> None:
        """Check the event, and apply it."""
        self.events += 1
        for rule in LOG_RULES:
            expected = rule(self._log, event)
            if expected is not None:
                finding = event.breaks(rule.__name__, expected)
                is_note = rule is recorded_in_order
                self._report(replace(finding, is_note=is_note))
        self._log.apply(event)
        self.causes.check(event)
        if self._acknowledged:
            self._acknowledged.discard(event)
        try:
            self._apply(event)
        except (KeyError, TypeError, ValueError) as error:
            expected = f"the fields of its topic, but reading them fails: {error!r}"
            self._report_broken(event, READABLE, expected)

    def end(self) -> None:
        """Report what is missing at the log's end."""
        self.report_missing_causes()
        for missing_id in self._acknowledged.missing():
            expected = f"a run or an event with this id up to position {self._log.position}"
            self._report(Finding(None, "", missing_id, ACKNOWLEDGED, expected))

    def report_missing_causes(self) -> None:
        """Report the causes that are still open after a search of the whole log."""
        for finding in self.causes.missing():
            self._report(finding)

    def _apply(self, event: LoggedEvent) -> None:
        topic = event.topic
        if topic == _REQUESTED:
            self._begin_run(event)
        elif topic.startswith("job_run."):
            self._continue_run(event)
        elif topic in job_rules.RULES:
            self._check_job(event)
        elif topic.startswith("schedule."):
            self._check_schedule(event)
        elif topic.startswith("bulk_operation."):
            self._check_bulk(event)
        elif topic in failure_rules.RULES:
            self._check_failures(event)
        elif topic in _LAST:
            self._log.forget(event)

    def _check_job(self, event: LoggedEvent) -> None:
        job = self._job(str(UUID(bytes=event.aggregate_id)))
        self._check(job, event, job_rules.RULES[event.topic])
        job_rules.move(job, event)

    def _check_schedule(self, event: LoggedEvent) -> None:
        if event.topic == "schedule.registered":
            self._schedules[event.aggregate_id] = schedule_rules.registered(event)
            return
        schedule = self._schedules[event.aggregate_id]
        self._check(schedule, event, schedule_rules.RULES.get(event.topic, ()))
        schedule_rules.move(schedule, event)

    def _check_bulk(self, event: LoggedEvent) -> None:
        if event.topic == bulk_rules.FIRST:
            self._bulks[event.aggregate_id] = bulk_rules.requested(event)
            return
        bulk = self._bulks.get(event.aggregate_id)
        if bulk is None:
            self._report_broken(event, BULK_ENDS_ONCE, "an operation that is not finished")
            self._log.forget(event)
            return
        self._check(bulk, event, bulk_rules.RULES.get(event.topic, ()))
        bulk_rules.move(bulk, event)
        if event.topic in bulk_rules.LAST:
            del self._bulks[event.aggregate_id]
            self._log.forget(event)

    def _check_failures(self, event: LoggedEvent) -> None:
        self._check(self._failure_search, event, failure_rules.RULES[event.topic])
        failure_rules.move(self._failure_search, event)

    def _begin_run(self, event: LoggedEvent) -> None:
        if event.aggregate_id in self._living:
            self._report_broken(event, LEGAL_TRANSITION, "no second request: the run has not ended")
            return
        job = self._job(cast("str", event.data["definition_id"]))
        run = requested(job, event)
        self._check(run, event, RULES[event.topic])
        self._living[event.aggregate_id] = run
        job.unfinished += 1
        self.runs += 1

    def _continue_run(self, event: LoggedEvent) -> None:
        run = self._living.get(event.aggregate_id)
        if run is None:
            expected = "a run that was requested and has not ended; there is none with this id"
            self._report_broken(event, LEGAL_TRANSITION, expected)
            self._log.forget(event)
            return
        step = STEPS.get(event.topic)
        if step is None:
            topics = ", ".join(RULES)
            self._report_broken(event, KNOWN_TOPIC, f"one of {topics}")
            return
        if self._is_legal(run, event):
            self._check(run, event, RULES[event.topic])
        run.at = event.at
        if not step(run, event):
            del self._living[event.aggregate_id]
            run.job.unfinished -= 1
            self._log.forget(event)

    def _is_legal(self, run: LivingRun, event: LoggedEvent) -> bool:
        """Return whether the run's state allows the event; if not, other rules are not checked."""
        states = STATES[event.topic]
        if run.state in states:
            return True
        rule = LEGAL_TRANSITION
        if event.topic == _STARTED and run.worker_id is not None:
            rule = ONE_EXECUTION
        named = " or ".join(sorted(states))
        expected = f"a run that is {named}, but it is {run.state}, held by {run.holder}"
        self._report_broken(event, rule, expected)
        return False

    def _check(
        self, state: S, event: LoggedEvent, rules: Sequence[Callable[[S, LoggedEvent], str | None]]
    ) -> None:
        """Report each rule that the event breaks, given the state of its aggregate before it."""
        for rule in rules:
            expected = rule(state, event)
            if expected is not None:
                self._report_broken(event, rule.__name__, expected)

    def _job(self, definition_id: str) -> Job:
        job = self._jobs.get(definition_id)
        if job is None:
            job = Job()
            self._jobs[definition_id] = job
        return job

    def _report_broken(self, event: LoggedEvent, rule: str, expected: str) -> None:
        self._report(event.breaks(rule, expected))
