"""`LogApplication`: the way from a command to the log, and back to aggregates.

Commands are classes on top of it, one file a subject.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.persistence import InfrastructureFactory, StoredEvent

from domain import identifiers
from domain.clock import Clock
from domain.commands.recalling import Recalling
from domain.errors import NotFoundError, VersionConflictError
from domain.jobs.definition import JobDefinition
from domain.jobs.run import JobRun
from domain.ports import Claimant, Locked, Log, Origin, RandomSource, Saved, Unit
from domain.restoring import seen_at

MAX_DECISIONS = 20
"""How often a command decides anew after conflicts. Each conflict means that another command got
through, so this many in a row on one aggregate is no contention but a fault."""

SYSTEM = Origin(actor="system")


class LogApplication(Recalling):
    """What commands stand on: aggregates come from the log, and their events go into it."""

    def __init__(
        self,
        factory: InfrastructureFactory[Any],
        log: Log,
        clock: Clock,
        random: RandomSource,
    ) -> None:
        super().__init__(factory, log)
        self.clock = clock
        self.random = random

    async def definition(self, definition_id: UUID) -> JobDefinition:
        """Return a definition, or raise NotFoundError `job_not_found`."""
        found = await self.standing_definition(definition_id)
        return standing(found)

    async def standing_definition(self, definition_id: UUID) -> JobDefinition | None:
        """Return a definition, None where there is none, or it was deleted."""
        found = await self.find(JobDefinition, definition_id)
        if found is None or found.is_deleted:
            return None
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
        changed = [one for one in objs if one.pending_events]
        heads = seen_heads(changed)
        stored = self.stored_events(changed)
        if not stored:
            return Saved()
        unit = Unit(stored, origin, heads=heads)
        return await self.log_port.append(unit)

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

    def stored_events(self, aggregates: Iterable[Aggregate]) -> list[StoredEvent]:
        """Collect the aggregates' new events, encoded."""
        stored: list[StoredEvent] = []
        for aggregate in aggregates:
            events = aggregate.collect_events()
            stored += map(self.mapper.to_stored_event, events)
        return stored

    def new_id(self) -> UUID:
        """Return an id whose order is the order of time."""
        now_s = self.clock().timestamp()
        now_us = int(now_s * 1_000_000)
        return identifiers.uuid7(now_us, self.random.randbytes(8))


def standing(definition: JobDefinition | None) -> JobDefinition:
    """Return a definition, or raise NotFoundError where there is none, or it was deleted."""
    if definition is None or definition.is_deleted:
        raise NotFoundError("job_not_found", "job not found")
    return definition


def seen_heads(aggregates: Iterable[Aggregate]) -> dict[UUID, int]:
    """Return where the last events of those stood that come from their rows."""
    heads: dict[UUID, int] = {}
    for aggregate in aggregates:
        position = seen_at(aggregate)
        if position is not None:
            heads[aggregate.id] = position
    return heads
