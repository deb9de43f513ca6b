"""`Jobs`: what clients may do to jobs and runs, one method a command.

Each loads, lets the aggregate decide, and appends; on a conflict it decides again.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.persistence import InfrastructureFactory
from typing_extensions import override

from domain import identifiers
from domain.catalog.builtin import BUILTIN_SPECS
from domain.catalog.units import of_its_app, with_catalog
from domain.clock import Clock
from domain.commands.application import (
    MAX_DECISIONS,
    SYSTEM,
    LogApplication,
    seen_heads,
)
from domain.errors import ConflictError, InvalidInputError, VersionConflictError
from domain.jobs.definition import JobDefinition, Spec
from domain.jobs.launching import Launch, new_run, relaunch, repeated_personal, request
from domain.jobs.reserved import BUILD_ENTRY_POINT
from domain.jobs.run import JobRun
from domain.jobs.run_values import FINAL
from domain.json_values import JsonObject
from domain.personal.marks import subjects_of
from domain.ports import Log, Origin, RandomSource, Row, Unit
from domain.recent import Recent
from domain.schema.deciding import decided

MAX_REMEMBERED_BYTES = 4_194_304
"""Definitions kept in memory for launches, as JSON; in memory they take up to twenty times as much.

Others cost a look-up for each launch.
"""


@dataclass(frozen=True)
class Launched:
    """A run. `row` is None where an earlier request under the same idempotency key created it."""

    run_id: UUID
    row: Row | None


class Jobs(LogApplication):
    """The commands of jobs and runs."""

    def __init__(
        self,
        factory: InfrastructureFactory[Any],
        log: Log,
        clock: Clock,
        random: RandomSource,
    ) -> None:
        super().__init__(factory, log, clock, random)
        self._definitions = Recent[UUID, JobDefinition](MAX_REMEMBERED_BYTES)

    @override
    def forget(self) -> None:
        super().forget()
        self._definitions.clear()

    # Definitions ---------------------------------------------------------------------------------

    async def register_job(
        self, slug: str, spec: Spec, version: int, origin: Origin
    ) -> Row:
        """Register a job.

        Raises:
            InvalidInputError: `JobDefinition.register` says why.
            ConflictError: `job_exists`.
        """
        now = self.clock()
        definition = await decided(
            lambda: JobDefinition.register(slug, spec, version, now)
        )
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
            now = self.clock()
            await decided(lambda: definition.revise(changes, version, now))
            return [definition]

        saved = await self.decide_and_save(decide, origin)
        return saved.rows.get(definition_id)

    async def seed(self) -> None:
        """Register the built-in jobs that are missing; what an operator revised stays."""
        for slug, spec in BUILTIN_SPECS.items():
            with suppress(ConflictError):
                await self.register_job(slug, spec, 1, SYSTEM)

    # Runs ----------------------------------------------------------------------------------------

    async def launch(self, slug: str, launch: Launch, origin: Origin) -> Launched:
        """Launch a run. The same idempotency key with the same body leads to the first run again.

        Raises:
            NotFoundError: `job_not_found`.
            InvalidInputError: `new_run` says why.
            ConflictError: `idempotency_key_reused`, the key came with another body before.
        """
        if launch.idempotency_key is None:
            run_id = self.new_id()
        else:
            run_id = identifiers.run_id_for_key(
                origin.actor, slug, launch.idempotency_key
            )
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
        return await self._launch_anew(slug, launch, run_id, origin)

    async def _launch_anew(
        self, slug: str, launch: Launch, run_id: UUID, origin: Origin
    ) -> Launched:
        """Launch a run of the job as the log has it now."""
        definition_id = identifiers.definition_id(slug)
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
        if definition.spec.entry_point == BUILD_ENTRY_POINT:
            launch = await of_its_app(self, launch)
        asked = launch
        now = self.clock()
        event = await decided(
            lambda: request(definition, asked, run_id, origin.actor, now)
        )
        personal = subjects_of(definition.spec.personal, event.parameters)
        stored = [self.mapper.to_stored_event(event)]
        unit = Unit(
            stored,
            origin,
            {definition.id: definition.version},
            heads=seen_heads([definition]),
            personal=personal,
        )
        saved = await self.log_port.append(unit)
        return Launched(run_id, saved.rows[run_id])

    def _remember(self, definition: JobDefinition) -> None:
        self._definitions.keep(definition.id, definition, definition.spec.size_bytes())

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
                gone; `parameter_is_personal`, as `repeated_personal` says.
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
            erased = ", ".join(old.erased)
            message = f"personal data among its parameters have been erased: {erased}"
            raise ConflictError("run_erased", message)
        definition = await self.definition(old.definition_id)
        pinned = await self.pinned_spec(old.definition_id, old.definition_version)
        launch = relaunch(pinned, old)
        new_id = self.new_id()
        now = self.clock()
        run = await decided(
            lambda: new_run(definition, launch, new_id, origin.actor, now)
        )
        last_event = identifiers.event_id(old.id, old.version)
        caused = Origin(origin.actor, causation_id=last_event)
        key_ids = map(UUID, old.personal)
        unit = Unit(
            self.stored_events([run]),
            caused,
            expects=dict.fromkeys(key_ids, 0),
            continues=old.id,
            personal=repeated_personal(definition, old, run),
        )
        saved = await self.log_port.append(unit)
        return Launched(run.id, saved.rows[run.id])

    async def _launched_before(self, run_id: UUID, launch: Launch) -> Launched | None:
        run = await self.find(JobRun, run_id)
        if run is None:
            return None
        if run.erased:
            message = (
                "personal data of the run that this Idempotency-Key launched have been erased;"
                " use a new key"
            )
            raise ConflictError("idempotency_key_reused", message)
        if run.request_digest != launch.digest:
            message = (
                "this Idempotency-Key came with another body before;"
                " use a new key for a new request"
            )
            raise ConflictError("idempotency_key_reused", message)
        return Launched(run_id, None)
