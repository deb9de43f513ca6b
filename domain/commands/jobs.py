"""`Jobs`: one method a command. Each loads, lets the aggregate decide, and appends; on a conflict it decides again."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

from domain import identifiers
from domain.catalog.builtin import BUILTIN_SPECS
from domain.catalog.units import completed, with_catalog
from domain.clock import Clock
from domain.errors import ConflictError, InvalidInputError, NotFoundError, VersionConflictError
from domain.jobs.definition import JobDefinition, Spec
from domain.jobs.launching import Launch, new_run, relaunch, repeated_personal, request
from domain.jobs.run import JobRun
from domain.jobs.run_values import FINAL
from domain.json_values import JsonObject
from domain.personal.marks import subjects_of
from domain.ports import Claimant, Locked, Log, Origin, RandomSource, Row, Saved, Unit

A = TypeVar("A", bound=Aggregate)

MAX_DECISIONS = 20
"""How often a command decides anew after conflicts. Each conflict means that another command got
through, so this many in a row on one aggregate is no contention but a fault."""

MAX_REMEMBERED = 1_000
"""Definitions kept in memory for launches. More jobs than this in use at a time cost a look-up
each."""

SYSTEM = Origin(actor="system")


@dataclass(frozen=True)
class Launched:
    """A run. `row` is None where an earlier request under the same idempotency key created it."""

    run_id: UUID
    row: Row | None


class Jobs(Application[UUID]):
    """The application. It is built on a given factory and log; the process's environment changes nothing about it."""

    name = "Jobs"

    def __init__(
        self, factory: InfrastructureFactory[Any], log: Log, clock: Clock, random: RandomSource
    ) -> None:
        self._given_factory = factory
        self.log_port = log
        self.clock = clock
        self.random = random
        self._definitions: dict[UUID, JobDefinition] = {}
        super().__init__()

    def construct_env(self, name: str, env: Any = None) -> Environment:  # noqa: ARG002 - the library's signature
        """Return an empty environment: settings come in through the factory."""
        return Environment(name, {})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:  # noqa: ARG002
        """Return the factory that the composition root built."""
        return self._given_factory

    # Definitions ----------------------------------------------------------------------------------------------

    async def register_job(self, slug: str, spec: Spec, version: int, origin: Origin) -> Row:
        """Register a job.

        Raises:
            InvalidInputError: see `JobDefinition.register`.
            ConflictError: `job_exists`.
        """
        definition = JobDefinition.register(slug, spec, version, self.clock())
        try:
            saved = await self.save(definition, origin=origin)
        except VersionConflictError:
            raise ConflictError("job_exists", f"job {slug} already exists") from None
        return saved.rows[definition.id]

    async def revise_job(
        self, slug: str, changes: JsonObject, version: int | None, origin: Origin
    ) -> Row | None:
        """Make a new version of a job; return its row, or None where nothing changed."""
        definition_id = identifiers.definition_id(slug)

        async def decide() -> list[Aggregate]:
            definition = await self.definition(definition_id)
            definition.revise(changes, version, self.clock())
            return [definition]

        saved = await self.decide_and_save(decide, origin)
        return saved.rows.get(definition_id)

    async def seed(self) -> None:
        """Register the built-in jobs that are not there yet; what an operator revised stays as it is."""
        for slug, spec in BUILTIN_SPECS.items():
            with suppress(ConflictError):
                await self.register_job(slug, spec, 1, SYSTEM)

    async def definition(self, definition_id: UUID) -> JobDefinition:
        """Return a definition with all its versions, or raise NotFoundError `job_not_found`."""
        found = (await self.load(JobDefinition, [definition_id])).get(definition_id)
        if found is None:
            raise NotFoundError("job_not_found", "job not found")
        return found

    # Runs -----------------------------------------------------------------------------------------------------

    async def launch(self, slug: str, launch: Launch, origin: Origin) -> Launched:
        """Launch a run. The same idempotency key with the same body leads to the first run again.

        Raises:
            NotFoundError: `job_not_found`.
            InvalidInputError: see `new_run`.
            ConflictError: `idempotency_key_reused`, the key came with another body before.
        """
        if launch.idempotency_key is None:
            run_id = self.new_id()
        else:
            run_id = identifiers.run_id_for_key(origin.actor, slug, launch.idempotency_key)
            earlier = await self._launched_before(run_id, launch)
            if earlier is not None:
                return earlier
        definition_id = identifiers.definition_id(slug)
        known = self._definitions.get(definition_id)
        if known is not None:
            # What is remembered may be outdated: then the log refuses the unit, or the schema
            # refused in vain.
            with suppress(VersionConflictError, InvalidInputError):
                return await self._request(known, launch, run_id, origin)
        for _ in range(MAX_DECISIONS):
            definition = await self.definition(definition_id)
            self._remember(definition)
            try:
                return await self._request(definition, launch, run_id, origin)
            except VersionConflictError:
                earlier = await self._launched_before(run_id, launch)
                if earlier is not None:
                    return earlier
        raise VersionConflictError(f"job {slug} keeps changing")

    async def _request(
        self, definition: JobDefinition, launch: Launch, run_id: UUID, origin: Origin
    ) -> Launched:
        """Append a new run, provided that the definition is still the one it was decided on."""
        parameters = await completed(self, definition, launch)
        if parameters is not launch.parameters:
            launch = replace(launch, parameters=parameters)
        event = request(definition, launch, run_id, origin.actor, self.clock())
        personal = subjects_of(definition.spec.personal, event.parameters)
        stored = [self.mapper.to_stored_event(event)]
        unit = Unit(stored, origin, {definition.id: definition.version}, personal=personal)
        saved = await self.log_port.append(unit)
        return Launched(run_id, saved.rows[run_id])

    def _remember(self, definition: JobDefinition) -> None:
        if len(self._definitions) >= MAX_REMEMBERED:
            self._definitions.clear()
        self._definitions[definition.id] = definition

    async def cancel(self, run_id: UUID, reason: str | None, origin: Origin) -> None:
        """Cancel a run: at once while pending, else its worker is asked to stop it.

        Raises:
            NotFoundError: `run_not_found`.
            ConflictError: `run_already_ended`, it ended otherwise.
        """

        async def decide() -> list[Aggregate]:
            run = await self.run(run_id)
            run.request_cancel(self.clock(), reason)
            return await with_catalog(self, [run])

        await self.decide_and_save(decide, origin)

    async def retry(self, run_id: UUID, origin: Origin) -> Launched:
        """Launch an ended run anew, as the job is defined today.

        Raises:
            NotFoundError: `run_not_found`.
            ConflictError: `run_not_ended`; `run_erased`, personal data among its parameters are
                gone; `parameter_is_personal`, see `repeated_personal`.
            InvalidInputError: the job's schema no longer allows the run's parameters.
        """
        for _ in range(MAX_DECISIONS):
            with suppress(VersionConflictError):  # Its subject was erased meanwhile.
                return await self._repeat(run_id, origin)
        raise VersionConflictError(f"the subjects of run {run_id} keep changing")

    async def _repeat(self, run_id: UUID, origin: Origin) -> Launched:
        old = await self.run(run_id)
        if old.status not in FINAL:
            raise ConflictError("run_not_ended", f"job run is still {old.status}")
        if old.erased:
            message = (
                f"personal data among its parameters have been erased: {', '.join(old.erased)}"
            )
            raise ConflictError("run_erased", message)
        definition = await self.definition(old.definition_id)
        run = new_run(
            definition, relaunch(definition, old), self.new_id(), origin.actor, self.clock()
        )
        caused = Origin(origin.actor, causation_id=identifiers.event_id(old.id, old.version))
        unit = Unit(
            self.stored_events([run]),
            caused,
            {UUID(key_id): 0 for key_id in old.personal},
            continues=old.id,
            personal=repeated_personal(definition, old, run),
        )
        saved = await self.log_port.append(unit)
        return Launched(run.id, saved.rows[run.id])

    async def run(self, run_id: UUID) -> JobRun:
        """Return a run, or raise NotFoundError `run_not_found`."""
        found = (await self.load(JobRun, [run_id])).get(run_id)
        if found is None:
            raise NotFoundError("run_not_found", "job run not found")
        return found

    # The way to the log ---------------------------------------------------------------------------------------

    async def save(self, *objs: Any, origin: Origin = SYSTEM, **_: Any) -> Saved:  # type: ignore[override]
        """Append the aggregates' new events as one unit, with the rows they change; awaitable, unlike the library's."""
        stored = self.stored_events(objs)
        return await self.log_port.append(Unit(stored, origin)) if stored else Saved()

    async def decide_and_save(
        self, decide: Callable[[], Awaitable[Sequence[Aggregate]]], origin: Origin
    ) -> Saved:
        """Run a decision on fresh aggregates until what it decides can be appended."""
        for _ in range(MAX_DECISIONS - 1):
            try:
                return await self.save(*await decide(), origin=origin)
            except VersionConflictError:
                continue
        return await self.save(*await decide(), origin=origin)

    async def save_under_lock(
        self,
        decide: Callable[[Locked], Awaitable[Sequence[Aggregate]]],
        origin: Origin,
        claimant: Claimant | None = None,
    ) -> Saved:
        """Run a decision that must see everything and be overtaken by nothing; see `domain.ports.Log`."""

        async def decide_events(locked: Locked) -> Sequence[StoredEvent]:
            return self.stored_events(await decide(locked))

        return await self.log_port.append_under_lock(decide_events, origin, claimant)

    async def load(
        self, aggregate_class: type[A], ids: Iterable[UUID], locked: Locked | None = None
    ) -> dict[UUID, A]:
        """Return those of the aggregates that exist and are of this class, folded from their events."""
        histories = await (locked or self.log_port).events_of(ids)
        folded = {
            aggregate_id: self._folded(history) for aggregate_id, history in histories.items()
        }
        return {
            key: aggregate
            for key, aggregate in folded.items()
            if isinstance(aggregate, aggregate_class)
        }

    def _folded(self, history: Iterable[StoredEvent]) -> Aggregate | None:
        """Return what the library's `project_aggregate` does, which asks of each event anew whether it is one."""
        aggregate: Aggregate | None = None
        for event in map(self.mapper.to_domain_event, history):
            aggregate = cast("Aggregate.Event", event).mutate(aggregate)
        return aggregate

    def stored_events(self, aggregates: Iterable[Aggregate]) -> list[StoredEvent]:
        """Collect the aggregates' new events, encoded."""
        return [
            self.mapper.to_stored_event(event)
            for aggregate in aggregates
            for event in aggregate.collect_events()
        ]

    def new_id(self) -> UUID:
        """Return an id whose order is the order of time."""
        return identifiers.uuid7(int(self.clock().timestamp() * 1000), self.random.randbytes(10))

    async def _launched_before(self, run_id: UUID, launch: Launch) -> Launched | None:
        run = (await self.load(JobRun, [run_id])).get(run_id)
        if run is None:
            return None
        if run.erased:
            message = "personal data of the run that this Idempotency-Key launched have been erased; use a new key"
            raise ConflictError("idempotency_key_reused", message)
        if run.request_digest != launch.digest:
            message = "this Idempotency-Key came with another body before; use a new key for a new request"
            raise ConflictError("idempotency_key_reused", message)
        return Launched(run_id, None)
