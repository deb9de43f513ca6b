"""The clients' commands of jobs (`Definitions`) and of runs (`Jobs`).

Each loads the aggregate, lets it decide, and appends its events; after a conflict it decides again.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.persistence import InfrastructureFactory
from typing_extensions import override

from domain import identifiers
from domain.clock import Clock
from domain.commands.application import MAX_DECISIONS, LogApplication, seen_heads
from domain.commands.uniqueness import SlotQueues, claim_slot, repeated, slot_of, with_replaced
from domain.errors import (
    ConflictError,
    InvalidInputError,
    RunIsThereError,
    SlotTakenError,
    VersionConflictError,
    key_reused,
)
from domain.identifiers import UniqueSlot
from domain.jobs.definition import BUILT_IN_JOBS, JobDefinition, JobSpec, job_exists
from domain.jobs.launching import NO_OVERRIDES, Launch, Overrides, launch_events
from domain.jobs.run import JobRun
from domain.json_values import JsonObject
from domain.lru_cache import LruCache
from domain.personal import subjects_of
from domain.ports import SYSTEM, Locked, Log, Origin, RandomSource, Row, Unit
from domain.run_followers import RunFollower
from domain.schema.validation import offload_if_long
from domain.workers import Labels

Act = Callable[[JobDefinition, datetime], None]


class Definitions(LogApplication):
    """The commands of jobs."""

    async def register_job(
        self, slug: str, spec: JobSpec, version: int | None, origin: Origin
    ) -> Row:
        """Register a job.

        Args:
            slug: a free one; its job may have been deleted.
            spec: the job's content.
            version: its number; None for the first one, or the next one after a deletion.
            origin: who registers it.

        Raises:
            InvalidInputError: `JobDefinition.register` or `register_again` says why.
            ConflictError: `job_exists`.
        """
        now = self.clock()
        definition = await offload_if_long(
            lambda: JobDefinition.register(slug, spec, version or 1, now)
        )
        try:
            saved = await self.save(definition, origin=origin)
        except VersionConflictError:
            return await self._register_again(slug, spec, version, origin)
        return saved.rows[definition.id]

    async def _register_again(
        self, slug: str, spec: JobSpec, version: int | None, origin: Origin
    ) -> Row:
        """Register a job whose slug was taken before."""
        definition_id = identifiers.definition_id(slug)
        definition = await self.find(JobDefinition, definition_id)
        if definition is None:
            raise job_exists(slug)
        now = self.clock()
        await offload_if_long(lambda: definition.register_again(slug, spec, version, now))
        try:
            saved = await self.save(definition, origin=origin)
        except VersionConflictError:
            raise job_exists(slug) from None  # Another request was faster.
        return saved.rows[definition_id]

    async def revise_job(
        self, slug: str, changes: JsonObject, version: int | None, origin: Origin
    ) -> Row | None:
        """Make a new version of a job; return its row, or None if nothing changed."""
        definition_id = identifiers.definition_id(slug)

        async def decide() -> list[Aggregate]:
            definition = await self.definition(definition_id)
            now = self.clock()
            await offload_if_long(lambda: definition.revise(changes, version, now))
            return [definition]

        saved = await self.decide_and_save(decide, origin)
        return saved.rows.get(definition_id)

    async def pause_job(self, slug: str, reason: str | None, origin: Origin) -> Row | None:
        """Let no run of a job start; return its row, or None if it was paused already.

        Raises:
            NotFoundError: `job_not_found`.
        """
        return await self._change(
            slug, lambda definition, now: definition.pause(origin.actor, reason, now), origin
        )

    async def resume_job(self, slug: str, origin: Origin) -> Row | None:
        """Let waiting runs of a job start again; return its row, or None if it was not paused.

        Raises:
            NotFoundError: `job_not_found`.
        """
        return await self._change(slug, JobDefinition.resume, origin)

    async def delete_job(self, slug: str, origin: Origin) -> Row:
        """Delete a job without pending or running runs; return its last row.

        Raises:
            NotFoundError: `job_not_found`.
            ConflictError: `JobDefinition.delete` says why.
        """
        definition_id = identifiers.definition_id(slug)

        async def decide(locked: Locked) -> list[Aggregate]:
            definition = await self.definition(definition_id, locked)
            has_unfinished_runs = await locked.has_unfinished_runs(definition_id)
            definition.delete(locked.now, has_unfinished_runs=has_unfinished_runs)
            return [definition]

        # Under the lock: no run can be launched between the query and the event.
        save = partial(self.save_under_lock, decide, origin, known_as=[slug])
        saved = await self.retry_with_reads(save)
        return saved.rows[definition_id]

    async def _change(self, slug: str, act: Act, origin: Origin) -> Row | None:
        """Change a job; return its row, or None if nothing changed."""
        definition_id = identifiers.definition_id(slug)

        async def decide() -> list[Aggregate]:
            definition = await self.definition(definition_id)
            act(definition, self.clock())
            return [definition]

        saved = await self.decide_and_save(decide, origin)
        return saved.rows.get(definition_id)

    async def seed(self) -> None:
        """Register the built-in jobs that are missing; existing ones stay as they are."""
        for slug, spec in BUILT_IN_JOBS.items():
            with suppress(ConflictError):
                await self.register_job(slug, spec, 1, SYSTEM)


MAX_REMEMBERED_BYTES = 4_194_304
"""Definitions cached for launches, measured as JSON; in memory they take up to twenty times as
much. Others cost a look-up for each launch."""


@dataclass
class Launched:
    """A launched run.

    Attributes:
        row: None if an earlier request launched it: one with the same idempotency key, or, with
            `is_kept`, one for the same unique slot.
        worker_labels: those that its job requires, if the job was read.
        is_kept: whether it is kept instead of a new run, as runs of its job are unique.
    """

    run_id: UUID
    row: Row | None
    worker_labels: Labels = field(default_factory=dict)
    is_kept: bool = False


class Jobs(Definitions):
    """The commands of jobs and runs."""

    def __init__(
        self,
        factory: InfrastructureFactory[Any],
        log: Log,
        clock: Clock,
        random: RandomSource,
        followers: Iterable[RunFollower] = (),
    ) -> None:
        super().__init__(factory, log, clock, random, followers)
        self._definitions = LruCache[UUID, JobDefinition](MAX_REMEMBERED_BYTES)
        self._slot_queues = SlotQueues()

    @override
    def forget(self) -> None:
        super().forget()
        self._definitions.clear()

    async def launch(self, slug: str, launch: Launch, origin: Origin) -> Launched:
        """Launch a run.

        With the same idempotency key and the same body, return the first run again. If runs of the
        job are unique, the run that holds the slot may be kept and returned.

        Raises:
            NotFoundError: `job_not_found`.
            InvalidInputError: `launch_events` says why.
            ConflictError: `idempotency_key_reused`, the key was used with another body.
            OverloadedError: too many launches wait for the same unique slot.
        """
        if launch.idempotency_key is None:
            run_id = self.new_id()
        else:
            run_id = identifiers.run_id_for_key(origin.actor, slug, launch.idempotency_key)
            earlier = await launched_before(self, run_id, launch)
            if earlier is not None:
                return earlier
        definition_id = identifiers.definition_id(slug)
        remembered = self._definitions.get(definition_id)
        if remembered is not None:
            # It may be outdated: then the log refuses the unit, or the schema may allow the
            # parameters by now, or runs may not be unique any more.
            with suppress(VersionConflictError, InvalidInputError, RunIsThereError):
                return await self._request(remembered, launch, run_id, origin)
        return await self._launch_current(slug, launch, run_id, origin)

    async def _launch_current(
        self, slug: str, launch: Launch, run_id: UUID, origin: Origin
    ) -> Launched:
        """Launch a run of the job's current version."""
        definition_id = identifiers.definition_id(slug)
        for _ in range(MAX_DECISIONS):
            definition = await self.definition(definition_id)
            self._definitions.keep(definition_id, definition, definition.spec.size_bytes())
            try:
                return await self._request(definition, launch, run_id, origin)
            except RunIsThereError as there:
                return Launched(there.run_id, None, is_kept=True)
            except SlotTakenError:
                raise  # `_request` has tried often enough.
            except VersionConflictError:
                earlier = await launched_before(self, run_id, launch)
                if earlier is not None:
                    return earlier
        raise VersionConflictError(f"job {slug} keeps changing")

    async def _request(
        self, definition: JobDefinition, launch: Launch, run_id: UUID, origin: Origin
    ) -> Launched:
        """Append a new run; the log refuses it if the definition is outdated."""
        launch = await self.followers.complete_launch(self, definition.spec.entry_point, launch)
        slot = slot_of(definition, launch)
        if slot is None:
            return await self._append_run(definition, launch, run_id, origin)
        async with self._slot_queues.turn(slot):
            for _ in range(MAX_DECISIONS):
                with suppress(SlotTakenError):
                    return await self._append_run(definition, launch, run_id, origin, slot)
        raise SlotTakenError(f"runs of {definition.slug} keep replacing each other")

    async def _append_run(
        self,
        definition: JobDefinition,
        launch: Launch,
        run_id: UUID,
        origin: Origin,
        slot: UniqueSlot | None = None,
    ) -> Launched:
        now = self.clock()
        events = await offload_if_long(
            lambda: launch_events(definition, launch, run_id, origin.actor, now)
        )
        personal = subjects_of(definition.spec.personal, events[0].parameters)
        claim = await claim_slot(self, definition, slot, run_id)
        stored = list(map(self.mapper.to_stored_event, events))
        unit = Unit(
            with_replaced(stored, self.stored_events(claim.replaced)),
            origin,
            {definition.id: definition.version},
            heads=seen_heads([definition, *claim.replaced]),
            personal=personal,
            slot_claims=claim.slot_claims,
            decided_at=now,
        )
        saved = await self.log_port.append(unit)
        return Launched(run_id, saved.rows[run_id], definition.spec.worker_labels)

    async def cancel(self, run_id: UUID, reason: str | None, origin: Origin) -> None:
        """Cancel a pending run at once; of a running one, request it from its worker.

        Raises:
            NotFoundError: `run_not_found`.
            ConflictError: `run_already_ended`, it ended in another way.
        """

        async def decide() -> list[Aggregate]:
            run = await self.run(run_id)
            run.request_cancel(self.clock(), reason)
            return await self.with_followers([run])

        await self.decide_and_save(decide, origin)

    async def retry(
        self,
        run_id: UUID,
        origin: Origin,
        idempotency_key: str | None = None,
        overrides: Overrides = NO_OVERRIDES,
    ) -> Launched:
        """Launch a new run that repeats an ended one, by the current version of its job.

        With the same idempotency key and the same overrides, return the first new run again.

        Raises:
            NotFoundError: `run_not_found`.
            ConflictError: `job_deleted`; `run_not_ended`; `run_erased`, personal data among its
                parameters were erased, and the overrides give no others; `idempotency_key_reused`,
                those of the first new run were erased, or it has other overrides;
                `parameter_is_personal`, as `repeated_personal` says.
            InvalidInputError: the job's schema does not allow the parameters.
        """
        new_id: UUID | None = None
        if idempotency_key is not None:
            new_id = identifiers.retry_id_for_key(origin.actor, run_id, idempotency_key)
        launch = Launch(idempotency_key=idempotency_key, body=overrides.launch.body)
        for _ in range(MAX_DECISIONS):
            if new_id is not None:
                earlier = await launched_before(self, new_id, launch)
                if earlier is not None:
                    return earlier
            # Meanwhile its subject may be erased, or its job revised.
            with suppress(VersionConflictError):
                try:
                    return await self._repeat(run_id, origin, new_id, idempotency_key, overrides)
                except RunIsThereError as there:
                    return Launched(there.run_id, None, is_kept=True)
        raise VersionConflictError(f"what run {run_id} depends on keeps changing")

    async def _repeat(
        self,
        run_id: UUID,
        origin: Origin,
        new_id: UUID | None,
        key: str | None,
        overrides: Overrides,
    ) -> Launched:
        now = self.clock()
        old = await self.run(run_id)
        definition = await self.definition_of(old)
        new = await repeated(self, old, definition, origin.actor, overrides, new_id, key)
        last_event = identifiers.event_id(old.id, old.version)
        caused = Origin(origin.actor, causation_id=last_event)
        unit = Unit(
            new.stored(self),
            caused,
            expects=new.expects,
            heads=seen_heads([definition, *new.handover.replaced]),
            continues=old.id,
            personal=new.personal,
            slot_claims=new.handover.slot_claims,
            decided_at=now,
        )
        saved = await self.log_port.append(unit)
        return Launched(new.run.id, saved.rows[new.run.id])


async def launched_before(
    application: LogApplication, run_id: UUID, launch: Launch
) -> Launched | None:
    """Return the run that an earlier request with the launch's idempotency key launched.

    Raises:
        ConflictError: `idempotency_key_reused`, the key was used with another body.
    """
    run = await application.find(JobRun, run_id)
    if run is None:
        return None
    if run.erased:
        message = (
            "personal data of the run that this Idempotency-Key launched have been erased;"
            " use a new key"
        )
        raise ConflictError("idempotency_key_reused", message)
    if run.request_digest != launch.digest:
        raise key_reused()
    return Launched(run_id, None)
