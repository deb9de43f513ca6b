"""`LogApplication`: the way from a command to the log, and back to aggregates.

Commands are classes on top of it, one file a subject.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import (
    Aggregate,
    OriginatorIDError,
    OriginatorVersionError,
)
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

from domain import identifiers
from domain.clock import Clock
from domain.errors import NotFoundError, QuarantinedError, VersionConflictError
from domain.jobs.definition import JobDefinition
from domain.jobs.run import JobRun
from domain.ports import Claimant, Locked, Log, Origin, RandomSource, Saved, Unit
from domain.quarantine import Quarantine

A = TypeVar("A", bound=Aggregate)
T = TypeVar("T")

MAX_DECISIONS = 20
"""How often a command decides anew after conflicts. Each conflict means that another command got
through, so this many in a row on one aggregate is no contention but a fault."""

_UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    OriginatorIDError,
    OriginatorVersionError,
)
"""What folding a history raises that this program did not write, or that somebody has edited."""

SYSTEM = Origin(actor="system")


class LogApplication(Application[UUID]):
    """The library's application on a given factory and log.

    The process's environment changes nothing about it.
    """

    name = "Jobs"

    def __init__(
        self,
        factory: InfrastructureFactory[Any],
        log: Log,
        clock: Clock,
        random: RandomSource,
    ) -> None:
        self._given_factory = factory
        self.log_port = log
        self.clock = clock
        self.random = random
        self.quarantine = Quarantine()
        super().__init__()

    def construct_env(self, name: str, env: Any = None) -> Environment:  # noqa: ARG002 - the library's signature
        """Return an empty environment: settings come in through the factory."""
        return Environment(name, {})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:  # noqa: ARG002
        """Return the factory that the composition root built."""
        return self._given_factory

    def forget(self) -> None:
        """Forget what is remembered of the log: it may be another one."""
        self.quarantine.clear()

    async def definition(self, definition_id: UUID) -> JobDefinition:
        """Return a definition with all its versions, or raise NotFoundError `job_not_found`."""
        found = await self.find(JobDefinition, definition_id)
        if found is None:
            raise NotFoundError("job_not_found", "job not found")
        return found

    async def run(self, run_id: UUID) -> JobRun:
        """Return a run, or raise NotFoundError `run_not_found`."""
        found = await self.find(JobRun, run_id)
        if found is None:
            raise NotFoundError("run_not_found", "job run not found")
        return found

    async def save(self, *objs: Any, origin: Origin = SYSTEM, **_: Any) -> Saved:  # type: ignore[override]
        """Append the aggregates' new events as one unit, with the rows that they change.

        It is awaitable, unlike the library's.
        """
        stored = self.stored_events(objs)
        if not stored:
            return Saved()
        return await self.log_port.append(Unit(stored, origin))

    async def decide_and_save(
        self, decide: Callable[[], Awaitable[Sequence[Aggregate]]], origin: Origin
    ) -> Saved:
        """Run a decision on fresh aggregates until what it decides can be appended."""
        for _ in range(MAX_DECISIONS - 1):
            try:
                decided = await decide()
                return await self.save(*decided, origin=origin)
            except VersionConflictError:
                continue
        decided = await decide()
        return await self.save(*decided, origin=origin)

    async def save_readable(self, save: Callable[[], Awaitable[T]]) -> T:
        """Do it, and again without what turns out to be unreadable, while more does.

        Each time leaves one more in quarantine. That forgets the oldest where there are very many,
        so this gives up in the end.
        """
        for _ in range(MAX_DECISIONS - 1):
            known = self.quarantine.found
            try:
                return await save()
            except QuarantinedError:
                if self.quarantine.found == known:
                    raise
        return await save()

    async def save_under_lock(
        self,
        decide: Callable[[Locked], Awaitable[Sequence[Aggregate]]],
        origin: Origin,
        claimant: Claimant | None = None,
    ) -> Saved:
        """Run a decision that must see everything and be overtaken by nothing."""

        async def decide_events(locked: Locked) -> Sequence[StoredEvent]:
            aggregates = await decide(locked)
            return self.stored_events(aggregates)

        return await self.log_port.append_under_lock(decide_events, origin, claimant)

    async def find(self, aggregate_class: type[A], aggregate_id: UUID) -> A | None:
        """Return the aggregate, None where there is none of this class.

        Raises:
            QuarantinedError: this version of the program cannot read it.
        """
        found = await self.load(aggregate_class, [aggregate_id])
        self.quarantine.check([aggregate_id])
        return found.get(aggregate_id)

    async def load(
        self,
        aggregate_class: type[A],
        ids: Iterable[UUID],
        locked: Locked | None = None,
    ) -> dict[UUID, A]:
        """Return those of the aggregates that exist and are of this class.

        Those that cannot be read are quarantined and left out.
        """
        if locked is None:
            histories = await self.log_port.events_of(ids)
        else:
            histories = await locked.events_of(ids)
        found: dict[UUID, A] = {}
        for aggregate_id, history in histories.items():
            aggregate = self._read(aggregate_id, history)
            if isinstance(aggregate, aggregate_class):
                found[aggregate_id] = aggregate
        return found

    def _read(
        self, aggregate_id: UUID, history: Iterable[StoredEvent]
    ) -> Aggregate | None:
        try:
            return self._folded(history)
        except _UNREADABLE as error:
            self.quarantine.add(aggregate_id, str(error) or repr(error))
            return None

    def _folded(self, history: Iterable[StoredEvent]) -> Aggregate | None:
        """Return what the library's `project_aggregate` does, which looks twice at each event."""
        aggregate: Aggregate | None = None
        for event in map(self.mapper.to_domain_event, history):
            aggregate = cast("Aggregate.Event", event).mutate(aggregate)
        return aggregate

    def stored_events(self, aggregates: Iterable[Aggregate]) -> list[StoredEvent]:
        """Collect the aggregates' new events, encoded."""
        stored: list[StoredEvent] = []
        for aggregate in aggregates:
            events = aggregate.collect_events()
            stored += map(self.mapper.to_stored_event, events)
        return stored

    def new_id(self) -> UUID:
        """Return an id whose order is the order of time."""
        now_ms = int(self.clock().timestamp() * 1000)
        return identifiers.uuid7(now_ms, self.random.randbytes(10))
