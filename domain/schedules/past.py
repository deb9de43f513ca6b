"""The past of a schedule: which version was valid when, and which of its ticks have runs. Pure.

Backfills are decided by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.schedules import schedule_events as events
from domain.schedules.calendar import Calendar
from domain.schedules.spec import Spec

_MS = timedelta(milliseconds=1)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


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
        run_id: the last run that it has had, if any.
        is_backfilled: whether somebody had that launched later on.
        runs: how many it has had.
    """

    due_at: datetime
    spec: Spec
    run_id: UUID | None = None
    is_backfilled: bool = False
    runs: int = 0


@dataclass
class Past:
    """What the events of a schedule tell.

    Attributes:
        launched: ticks that have runs: each with the number of these, and the last one's event.
        decided_until: no tick that was due until then is to be decided any more.
        carried: when ticks were due that are still to fire, though they are of a former version.
    """

    schedule_id: UUID
    spans: list[Span] = field(default_factory=list)
    launched: dict[datetime, tuple[int, events.TickLaunched]] = field(
        default_factory=dict
    )
    decided_until: datetime = _LONG_AGO
    carried: set[datetime] = field(default_factory=set)

    def tell(self, event: Aggregate.Event) -> None:
        """Take in the next event."""
        match event:
            case events.Registered() | events.RegisteredAnew():
                spec = Spec(**event.spec)
                self._begin(event.timestamp, spec)
            case events.Revised():
                if event.carried_due_at is not None:
                    self.carried.add(event.carried_due_at)
                before = self.spans[-1].spec
                if before is not None:
                    spec = replace(before, **event.changes)
                    self._begin(event.timestamp, spec)
            case events.Deleted():
                self.carried.clear()
                self._begin(event.timestamp, None)
            case events.TickSkipped():
                self._decide(event.due_at, event.last_due_at)
            case events.TickBuffered():
                self._decide(event.due_at, event.due_at)
            case events.TickLaunched():
                runs, _ = self.launched.get(event.due_at, (0, event))
                self.launched[event.due_at] = (runs + 1, event)
                self._decide(event.due_at, event.due_at)

    def ticks(self, begin: datetime, end: datetime) -> Iterator[PastTick]:
        """Yield the ticks due from `begin` to `end`, both included, but those that are excluded.

        What was due before the schedule was created is its first version's. What is not decided is
        no past tick.
        """
        just_before = begin - _MS
        end = min(end, self.decided_until)
        after_last = Span(end, None)
        spans = [*self.spans, after_last]
        for span, following in pairwise(spans):
            if span.spec is None:
                continue
            is_first = span is self.spans[0]
            after = just_before if is_first else max(span.begun_at, just_before)
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
            if tick.is_excluded or due_at in self.carried:
                continue
            if due_at not in self.launched:
                yield PastTick(due_at, spec)
                continue
            runs, launch = self.launched[due_at]
            is_backfilled = launch.cause == events.BY_BACKFILL
            yield PastTick(due_at, spec, UUID(launch.run_id), is_backfilled, runs)

    def _begin(self, begun_at: datetime, spec: Spec | None) -> None:
        self.spans.append(Span(begun_at, spec))
        self.decided_until = max(self.decided_until, begun_at)

    def _decide(self, first: datetime, last: datetime) -> None:
        self.decided_until = max(self.decided_until, last)
        self.carried = {
            due_at for due_at in self.carried if not first <= due_at <= last
        }
