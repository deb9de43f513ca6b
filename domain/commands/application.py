"""`LogApplication`: how commands load aggregates from the log and append events to it.

First `LogRepository`, which loads aggregates from their rows, however long their histories are. A
history is read only where the row cannot be relied on: in parts, and never under the log's lock.
Then `LogApplication`, which the commands use; they are classes, one file a subject.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any, TypeVar, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, OriginatorIDError, OriginatorVersionError
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

from domain import identifiers
from domain.clock import Clock
from domain.errors import (
    ConflictError,
    MissingRead,
    MissingReadsError,
    NotFoundError,
    QuarantinedError,
    VersionConflictError,
)
from domain.jobs.definition import JobDefinition, JobSpec
from domain.jobs.run import JobRun
from domain.lru_cache import LruCache
from domain.ports import (
    SYSTEM,
    Claimant,
    Locked,
    Log,
    Origin,
    RandomSource,
    Row,
    Saved,
    State,
    Unit,
)
from domain.quarantine import Quarantine
from domain.run_followers import Effect, RunFollower, RunFollowers
from domain.state import Stateful, rehydrate

A = TypeVar("A", bound=Aggregate)
K = TypeVar("K")
T = TypeVar("T")

MAX_TRIES = 100
"""How often a decision is made again, with what it lacked or without what cannot be read."""

MAX_PINNED_BYTES = 4_194_304
"""Versions of definitions kept in memory, as JSON; others cost a look-up."""

_UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    OriginatorIDError,
    OriginatorVersionError,
)
"""What folding raises where another version wrote a history, or somebody edited it."""


class LogRepository(Application[UUID]):
    """The library's application on a given factory and log: the part that reads.

    It ignores the process's environment.
    """

    name = "Jobs"

    def __init__(self, factory: InfrastructureFactory[Any], log: Log) -> None:
        self._given_factory = factory
        self.log_port = log
        self.quarantine = Quarantine()
        self._pinned = LruCache[tuple[UUID, int], JobSpec](MAX_PINNED_BYTES)
        # What decisions under the lock lacked, each until it has been made.
        self._replayed: dict[UUID, Aggregate] = {}
        self._earlier_specs: dict[tuple[UUID, int], JobSpec] = {}
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
        self._pinned.clear()
        self._replayed.clear()
        self._earlier_specs.clear()

    async def find(
        self, aggregate_class: type[A], aggregate_id: UUID, locked: Locked | None = None
    ) -> A | None:
        """Return the aggregate, None if there is none of this class.

        Raises:
            QuarantinedError: this version of the program cannot read it.
        """
        loaded = await self.load(aggregate_class, [aggregate_id], locked)
        self.quarantine.check([aggregate_id])
        return loaded.get(aggregate_id)

    async def load(
        self, aggregate_class: type[A], ids: Iterable[UUID], locked: Locked | None = None
    ) -> dict[UUID, A]:
        """Return those of the aggregates that exist and are of this class, in this order.

        Those that cannot be read are quarantined and left out. The last ones are left out, too,
        where all together are too large to be read at once, or, under the lock, where very many are
        unreadable.

        Raises:
            MissingReadsError: a history must be read first, and the lock is held.
        """
        source = self.log_port if locked is None else locked
        states = await source.states_of(vars(aggregate_class)["TOPIC"], ids)
        loaded: dict[UUID, A] = {}
        missing: list[UUID] = []
        for aggregate_id, state in states.items():
            aggregate: Aggregate | None = _of_row(aggregate_class, aggregate_id, state.row)
            if aggregate is None:
                aggregate = self._replayed_at(aggregate_id, state)
            if aggregate is None and aggregate_id not in self.quarantine:
                if locked is None:
                    aggregate = await self.replay(aggregate_id)
                else:
                    missing.append(aggregate_id)
            if isinstance(aggregate, aggregate_class):
                loaded[aggregate_id] = aggregate
        if not missing:
            return loaded
        if self.quarantine.has_forgotten:
            # They may never all be known: the quarantine forgets one for each that it adds. So
            # return those before the first missing one, with which the next call begins.
            before = takewhile(lambda one: one != missing[0], states)
            first = {one: loaded[one] for one in before if one in loaded}
            if first:
                return first
        replay, forget = partial(self._replay_all, missing), partial(_drop, self._replayed, missing)
        raise MissingReadsError([MissingRead(replay, forget)])

    def cached_run(self, run_id: UUID) -> JobRun | None:
        """Return a running run as this process last wrote it, if it did; it may be outdated."""
        return _of_row(JobRun, run_id, self.log_port.cached_run(run_id))

    def _replayed_at(self, aggregate_id: UUID, state: State) -> Aggregate | None:
        """Return the aggregate that was replayed for this decision, if it is up to date."""
        replayed = self._replayed.get(aggregate_id)
        if replayed is None or replayed.version != state.version:
            return None
        return deepcopy(replayed)

    async def _replay_all(self, ids: Iterable[UUID]) -> None:
        for aggregate_id in ids:
            aggregate = await self.replay(aggregate_id)
            if aggregate is not None:
                self._replayed[aggregate_id] = aggregate

    async def replay(
        self, aggregate_id: UUID, is_enough: Callable[[Aggregate], bool] = lambda _: False
    ) -> Aggregate | None:
        """Return an aggregate made from its events: all, or the first ones that are enough.

        None if it has none, or if it cannot be read; then it is quarantined.
        """
        aggregate: Aggregate | None = None
        version = 0
        while stored := await self.log_port.events_after(aggregate_id, version):
            version = stored[-1].originator_version
            try:
                for event in map(self.mapper.to_domain_event, stored):
                    aggregate = cast("Aggregate.Event", event).mutate(aggregate)
                    if aggregate is not None and is_enough(aggregate):
                        return aggregate
            except _UNREADABLE as error:
                self.quarantine.add(aggregate_id, str(error) or repr(error))
                return None
        return aggregate

    async def pinned_spec(
        self, definition_id: UUID, version: int, locked: Locked | None = None
    ) -> JobSpec:
        """Return a definition's content as of a version. It never changes, so it is kept.

        Raises:
            MissingReadsError: it is not the current version, and the lock is held.
            QuarantinedError: the definition cannot be read.
        """
        key = (definition_id, version)
        kept = self._pinned.get(key) or self._earlier_specs.get(key)
        if kept is not None:
            return kept
        loaded = await self.load(JobDefinition, [definition_id], locked)
        self.quarantine.check([definition_id])
        definition = loaded[definition_id]
        spec = definition.spec
        if definition.current != version:
            if locked is not None:
                fetch = partial(self._fetch_spec, definition_id, version)
                raise MissingReadsError(
                    [MissingRead(fetch, partial(_drop, self._earlier_specs, [key]))]
                )
            spec = await self._earlier_spec(definition_id, version)
        self._pinned.keep(key, spec, spec.size_bytes())
        return spec

    async def _fetch_spec(self, definition_id: UUID, version: int) -> None:
        self._earlier_specs[definition_id, version] = await self.pinned_spec(definition_id, version)

    async def _earlier_spec(self, definition_id: UUID, version: int) -> JobSpec:
        def has_version(aggregate: Aggregate) -> bool:
            return cast("JobDefinition", aggregate).current == version

        definition = await self.replay(definition_id, has_version)
        self.quarantine.check([definition_id])
        return cast("JobDefinition", definition).spec

    async def retry_or_give_up(self, act: Callable[[], Awaitable[T]]) -> T | None:
        """Act as `retry_with_reads` does; return None if it gave up, but quarantined some."""
        added_before = self.quarantine.added
        try:
            return await self.retry_with_reads(act)
        except (MissingReadsError, QuarantinedError):
            if self.quarantine.added == added_before:
                raise
        return None

    async def retry_with_reads(self, act: Callable[[], Awaitable[T]]) -> T:
        """Act; act again once what was lacking is read, and what is unreadable is quarantined.

        After `MAX_TRIES` it gives up: there may be more of these than the quarantine remembers.
        """
        reads: list[MissingRead] = []
        try:
            for _ in range(MAX_TRIES - 1):
                added_before = self.quarantine.added
                try:
                    return await act()
                except MissingReadsError as missing:
                    reads += missing.reads
                    for one in missing.reads:
                        await one.read()
                except QuarantinedError:
                    if self.quarantine.added == added_before:
                        raise
            return await act()
        finally:
            for one in reads:
                one.forget()


def _drop(kept: dict[K, Any], keys: Iterable[K]) -> None:
    for key in keys:
        kept.pop(key, None)


def _of_row(aggregate_class: type[A], aggregate_id: UUID, row: Row | None) -> A | None:
    if row is None:
        return None
    try:
        return rehydrate(aggregate_class, aggregate_id, row)
    except _UNREADABLE:
        return None  # It was edited.


MAX_DECISIONS = 20
"""How often a command decides again after conflicts. In each conflict another command succeeded, so
this many in a row on one aggregate are no contention but a fault."""


class LogApplication(LogRepository):
    """Loads aggregates from the log, and appends their events to it."""

    def __init__(
        self,
        factory: InfrastructureFactory[Any],
        log: Log,
        clock: Clock,
        random: RandomSource,
        followers: Iterable[RunFollower] = (),
    ) -> None:
        super().__init__(factory, log)
        self.clock = clock
        self.random = random
        self.followers = RunFollowers(followers)

    async def definition(self, definition_id: UUID, locked: Locked | None = None) -> JobDefinition:
        """Return a definition, or raise NotFoundError `job_not_found`."""
        definition = await self.find_definition(definition_id, locked)
        if definition is None:
            raise NotFoundError("job_not_found", "job not found")
        return definition

    async def definition_of(self, run: JobRun) -> JobDefinition:
        """Return the definition of a run's job, or raise ConflictError `job_deleted`."""
        definition = await self.find_definition(run.definition_id)
        if definition is None:
            message = f"the job {run.slug} is deleted; register it again to launch its runs again"
            raise ConflictError("job_deleted", message)
        return definition

    async def find_definition(
        self, definition_id: UUID, locked: Locked | None = None
    ) -> JobDefinition | None:
        """Return a definition, None if there is none, or it was deleted."""
        definition = await self.find(JobDefinition, definition_id, locked)
        return None if definition is None or definition.is_deleted else definition

    async def run(self, run_id: UUID) -> JobRun:
        """Return a run, or raise NotFoundError `run_not_found`."""
        run = await self.find(JobRun, run_id)
        if run is None:
            raise NotFoundError("run_not_found", "job run not found")
        return run

    async def with_followers(
        self, runs: Sequence[JobRun], effects: Sequence[Effect] = (), locked: Locked | None = None
    ) -> list[Aggregate]:
        """Return the runs, and then the aggregates that change with their pending events."""
        return await self.followers.with_followers(self, runs, effects, locked)

    async def save(  # type: ignore[override]
        self, *objs: Any, origin: Origin = SYSTEM, decided_at: datetime | None = None, **_: Any
    ) -> Saved:
        """Append the aggregates' new events as one unit, and write the rows that they change.

        Unlike the library's method it is awaitable. For `decided_at` see `domain.ports.Unit`.
        """
        changed = [one for one in objs if one.pending_events]
        if not changed:
            return Saved()
        heads = seen_heads(changed)
        stored = self.stored_events(changed)
        known_as = list(map(public_id, changed))
        unit = Unit(stored, origin, heads=heads, known_as=known_as, decided_at=decided_at)
        return await self.log_port.append(unit)

    async def row_after(self, saved: Saved, kind: str, aggregate_id: UUID) -> Row | None:
        """Return an aggregate's row after a save, also if it has not changed."""
        row = saved.rows.get(aggregate_id)
        if row is not None:
            return row
        states = await self.log_port.states_of(kind, [aggregate_id])
        return states[aggregate_id].row

    async def decide_and_save(
        self, decide: Callable[[], Awaitable[Sequence[Aggregate]]], origin: Origin
    ) -> Saved:
        """Make a decision and append its events; after a conflict, make it again."""
        for _ in range(MAX_DECISIONS - 1):
            with suppress(VersionConflictError):
                return await self._decide_and_save_once(decide, origin)
        return await self._decide_and_save_once(decide, origin)

    async def _decide_and_save_once(
        self, decide: Callable[[], Awaitable[Sequence[Aggregate]]], origin: Origin
    ) -> Saved:
        now = self.clock()
        decided = await decide()
        return await self.save(*decided, origin=origin, decided_at=now)

    async def save_under_lock(
        self,
        decide: Callable[[Locked], Awaitable[Sequence[Aggregate]]],
        origin: Origin,
        claimant: Claimant | None = None,
        known_as: Sequence[str] = (),
    ) -> Saved:
        """Make a decision under the log's lock, so that nothing changes before its events.

        For `known_as` see `domain.ports.Unit`.
        """

        async def decide_events(locked: Locked) -> Sequence[StoredEvent]:
            aggregates = await decide(locked)
            return self.stored_events(aggregates)

        return await self.log_port.append_under_lock(decide_events, origin, claimant, known_as)

    def stored_events(self, aggregates: Iterable[Aggregate]) -> list[StoredEvent]:
        """Collect the aggregates' new events, encoded."""
        stored: list[StoredEvent] = []
        for aggregate in aggregates:
            events = aggregate.collect_events()
            stored += map(self.mapper.to_stored_event, events)
        return stored

    def new_id(self) -> UUID:
        """Return a new id; ids sort by the time of their creation."""
        now_us = int(self.clock().timestamp() * 1_000_000)
        return identifiers.uuid7(now_us, self.random.randbytes(8))


def public_id(aggregate: Aggregate) -> str:
    """Return the id by which clients ask for an aggregate."""
    return aggregate.public_id if isinstance(aggregate, Stateful) else str(aggregate.id)


def seen_heads(aggregates: Iterable[Aggregate]) -> dict[UUID, int]:
    """Return the positions of the last events of those aggregates that come from rows."""
    heads: dict[UUID, int] = {}
    for aggregate in aggregates:
        if isinstance(aggregate, Stateful) and aggregate.seen_at is not None:
            heads[aggregate.id] = aggregate.seen_at
    return heads
