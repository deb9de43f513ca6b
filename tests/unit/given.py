"""What many unit tests start from: a clock that stands still, runs in every state, events."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from eventsourcing.application import project_aggregate
from eventsourcing.domain import Aggregate
from eventsourcing.utils import get_topic

from domain.clock import to_iso
from domain.jobs.run import JobRun
from domain.jobs.run_events import AttemptFailure, Holder, Report
from eventlog.encoding import PlainMapper, PlainTranscoder
from projections.envelope import Envelope, EventRow, to_envelope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN_ID = UUID("01957000-0000-7000-8000-000000000001")
DEFINITION_ID = UUID("11111111-1111-5111-8111-111111111111")
WORKER = "worker-a"
FIRST = Holder(WORKER, 1)
START_DEADLINE_MS = 60_000

_MAPPER = PlainMapper(PlainTranscoder())


def at(ms: float) -> datetime:
    """Return noon and this many milliseconds."""
    return NOON + timedelta(milliseconds=ms)


def iso(ms: float) -> str:
    """Return the same as the log writes it."""
    return to_iso(at(ms))


def half() -> float:
    """Stand in for randomness."""
    return 0.5


def a_run(**changes: Any) -> JobRun:
    """Return a run requested at noon, due at once."""
    fields: dict[str, Any] = {
        "id": RUN_ID,
        "timestamp": NOON,
        "definition_id": str(DEFINITION_ID),
        "definition_version": 1,
        "slug": "report",
        "entry_point": "test.report",
        "parameters": {"day": "monday"},
        "context": None,
        "timeout_ms": 5_000,
        "max_attempts": 5,
        "retry_policy": {"strategy": "fixed", "initialDelayMs": 1_000},
        "priority": 0,
        "scheduled_at": NOON,
        "start_deadline_at": at(START_DEADLINE_MS),
        "concurrency_value": None,
        "idempotency_key": None,
        "request_digest": None,
        "requested_by": "anna",
    }
    return JobRun.request(**{**fields, **changes})


def failing(run: JobRun, holder: Holder, ms: float, message: str = "boom") -> None:
    """Fail the run's attempt."""
    run.fail(holder, at(ms), AttemptFailure(message), Report(), half)


def topics(events: Sequence[object]) -> list[str]:
    """Return the topics under which the log keeps the events."""
    return [get_topic(type(event)) for event in events]


def new_topics(aggregate: Aggregate) -> list[str]:
    """Take the aggregate's new events and return their topics."""
    return topics(aggregate.collect_events())


def stored(aggregate: Aggregate, first_position: int = 1) -> list[Envelope]:
    """Take the aggregate's new events through the log's bytes; positions have gaps, as in life."""
    envelopes = []
    for index, event in enumerate(aggregate.collect_events()):
        kept = _MAPPER.to_stored_event(event)
        row: EventRow = {
            "topic": kept.topic,
            "state": kept.state,
            "originator_id": str(kept.originator_id),
            "originator_version": kept.originator_version,
            "notification_id": first_position + 10 * index,
            "recorded_at": "2026-11-24T14:31:04.123Z",
            "actor": "tester",
            "correlation_id": None,
            "causation_id": None,
        }
        envelopes.append(to_envelope(row))
    return envelopes


def reloaded(run: JobRun) -> JobRun:
    """Return the run as folded from the log's bytes; its new events count as appended."""
    kept = [_MAPPER.to_stored_event(event) for event in run.collect_events()]
    copy: Any = project_aggregate(None, map(_MAPPER.to_domain_event, kept))
    assert isinstance(copy, JobRun)
    return copy
