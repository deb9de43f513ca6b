"""The past of a schedule: which version was valid when, and which of its ticks have runs. Pure.

Backfills are decided by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.schedules import schedule_events as events
from domain.schedules.calendar import Calendar
from domain.schedules.spec import Spec

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Span:
    """A time in which one version was valid; `spec` is None after a deletion.

    Its ticks are those that were due later than it began, up to the next one's beginning.
    """

    begun_at: datetime
    spec: Spec | None


@dataclass(frozen=True)
class PastTick:
    """A tick that may have a run, or not.

    Attributes:
        spec: what the version of its time says.
    """

    due_at: datetime
    spec: Spec
    has_run: bool


@dataclass
class Past:
    """What the events of a schedule tell."""

    schedule_id: UUID
    spans: list[Span] = field(default_factory=list)
    launched: set[datetime] = field(default_factory=set)

    def tell(self, event: Aggregate.Event) -> None:
        """Take in the next event."""
        match event:
            case events.Registered() | events.RegisteredAnew():
                spec = Spec(**event.spec)
                self._begin(event.timestamp, spec)
            case events.Revised():
                before = self.spans[-1].spec
                if before is not None:
                    spec = replace(before, **event.changes)
                    self._begin(event.timestamp, spec)
            case events.Deleted():
                self._begin(event.timestamp, None)
            case events.TickLaunched():
                self.launched.add(event.due_at)

    def ticks(self, begin: datetime, end: datetime) -> Iterator[PastTick]:
        """Yield the ticks due from `begin` to `end`, both included, but those that are excluded."""
        just_before = begin - _MS
        after_last = Span(end, None)
        spans = [*self.spans, after_last]
        for span, following in pairwise(spans):
            if span.spec is None:
                continue
            after = max(span.begun_at, just_before)
            last = min(following.begun_at, end)
            yield from self._ticks_of(span.spec, after, last)

    def _ticks_of(
        self, spec: Spec, after: datetime, last: datetime
    ) -> Iterator[PastTick]:
        calendar = Calendar(self.schedule_id, spec)
        for tick in calendar.ticks_after(after):
            due_at = tick.due_at
            if due_at > last:
                return
            if tick.is_excluded:
                continue
            has_run = due_at in self.launched
            yield PastTick(due_at, spec, has_run)

    def _begin(self, begun_at: datetime, spec: Spec | None) -> None:
        self.spans.append(Span(begun_at, spec))
