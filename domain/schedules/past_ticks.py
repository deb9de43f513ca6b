"""The past ticks of a schedule, for backfills, by the version that was valid when they were due."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.schedules import schedule_events as events
from domain.schedules.calendar import Calendar, ScheduleSpec

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Span:
    """The time in which a version was valid; `spec` is None after a deletion.

    Its ticks are those that were due after its beginning, until that of the next span.
    """

    begun_at: datetime
    spec: ScheduleSpec | None


@dataclass(frozen=True)
class PastTick:
    """A tick that was due in the past.

    Attributes:
        spec: the content of the version of that time.
        is_excluded: whether it never has a run.
        runs: how many it has had.
    """

    due_at: datetime
    spec: ScheduleSpec
    is_excluded: bool
    runs: int = 0


VERSIONS = (
    events.Registered.TOPIC,
    events.RegisteredAnew.TOPIC,
    events.Revised.TOPIC,
    events.Deleted.TOPIC,
)
"""Topics of the events that begin a span; there are few of them, however many ticks there were."""


@dataclass
class PastTicks:
    """The past ticks of a schedule.

    Attributes:
        decided_until: ticks that are due later are not past.
        carried: the due times of ticks of earlier versions that have not fired.
        spans: in order.
    """

    schedule_id: UUID
    decided_until: datetime
    carried: Collection[datetime] = ()
    spans: list[Span] = field(default_factory=list)

    def apply(self, event: Aggregate.Event) -> None:
        """Apply the next event of `VERSIONS`."""
        match event:
            case events.Registered() | events.RegisteredAnew():
                self.spans.append(Span(event.timestamp, ScheduleSpec(**event.spec)))
            case events.Revised():
                before = self.spans[-1].spec
                if before is not None:
                    self.spans.append(Span(event.timestamp, replace(before, **event.changes)))
            case events.Deleted():
                self.spans.append(Span(event.timestamp, None))

    def ticks(self, begin: datetime, end: datetime) -> Iterator[PastTick]:
        """Yield the ticks due from `begin` to `end`, both included.

        Before the schedule was created, the ticks are those of its first version. A tick that is
        not decided is no past tick.
        """
        just_before = begin - _MS
        end = min(end, self.decided_until)
        for span, following in pairwise([*self.spans, Span(end, None)]):
            if span.spec is None:
                continue
            is_first = span is self.spans[0]
            after = just_before if is_first else max(span.begun_at, just_before)
            last = min(following.begun_at, end)
            for tick in Calendar(self.schedule_id, span.spec).ticks_after(after):
                if tick.due_at > last:
                    break
                if tick.due_at not in self.carried:
                    yield PastTick(tick.due_at, span.spec, tick.is_excluded)
