"""`Definitions`: what clients may do to jobs, one method a command.

Each loads, lets the aggregate decide, and appends; on a conflict it decides again.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.catalog.builtin import BUILTIN_SPECS
from domain.commands.application import SYSTEM, LogApplication, standing
from domain.errors import ConflictError, VersionConflictError
from domain.jobs.definition import JobDefinition, Spec
from domain.jobs.definition_rules import job_exists
from domain.json_values import JsonObject
from domain.ports import Locked, Origin, Row
from domain.schema.deciding import decided

Act = Callable[[JobDefinition, datetime], None]


class Definitions(LogApplication):
    """The commands of jobs."""

    async def register_job(
        self, slug: str, spec: Spec, version: int | None, origin: Origin
    ) -> Row:
        """Register a job.

        Args:
            slug: one that is free, perhaps as its job was deleted.
            spec: the job's content.
            version: its number; None for the first, or the next after a deletion.
            origin: who registers it.

        Raises:
            InvalidInputError: `JobDefinition.register` or `register_again` says why.
            ConflictError: `job_exists`.
        """
        now = self.clock()
        number = version or 1
        definition = await decided(
            lambda: JobDefinition.register(slug, spec, number, now),
        )
        try:
            saved = await self.save(definition, origin=origin)
        except VersionConflictError:
            return await self._register_again(slug, spec, version, origin)
        return saved.rows[definition.id]

    async def _register_again(
        self, slug: str, spec: Spec, version: int | None, origin: Origin
    ) -> Row:
        """Register a job whose slug was taken before."""
        definition_id = identifiers.definition_id(slug)
        definition = await self.find(JobDefinition, definition_id)
        if definition is None:
            raise job_exists(slug)
        now = self.clock()
        await decided(lambda: definition.register_again(slug, spec, version, now))
        try:
            saved = await self.save(definition, origin=origin)
        except VersionConflictError:
            raise job_exists(slug) from None  # Somebody else was faster.
        return saved.rows[definition_id]

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

    async def pause_job(
        self, slug: str, reason: str | None, origin: Origin
    ) -> Row | None:
        """Let nothing of a job start any more; return its row, or None if it was paused.

        Raises:
            NotFoundError: `job_not_found`.
        """

        def pause(definition: JobDefinition, now: datetime) -> None:
            definition.pause(origin.actor, reason, now)

        return await self._changed(slug, pause, origin)

    async def resume_job(self, slug: str, origin: Origin) -> Row | None:
        """Let what waits of a job start again; return its row, or None if it was not paused.

        Raises:
            NotFoundError: `job_not_found`.
        """
        return await self._changed(slug, JobDefinition.resume, origin)

    async def delete_job(self, slug: str, origin: Origin) -> Row:
        """Delete a job of which no run is pending or running; return its last row.

        Raises:
            NotFoundError: `job_not_found`.
            ConflictError: `JobDefinition.delete` says why.
        """
        definition_id = identifiers.definition_id(slug)

        async def decide(locked: Locked) -> list[Aggregate]:
            found = await self.load(JobDefinition, [definition_id], locked)
            self.quarantine.check([definition_id])
            definition = standing(found.get(definition_id))
            has_unfinished_runs = await locked.has_unfinished_runs(definition_id)
            definition.delete(locked.now, has_unfinished_runs=has_unfinished_runs)
            return [definition]

        # Under the lock: no launch can come between the look for runs and the event.
        save = partial(self.save_under_lock, decide, origin)
        saved = await self.with_all_at_hand(save)
        return saved.rows[definition_id]

    async def _changed(self, slug: str, act: Act, origin: Origin) -> Row | None:
        """Do something to a job; return its row, or None where nothing changed."""
        definition_id = identifiers.definition_id(slug)

        async def decide() -> list[Aggregate]:
            definition = await self.definition(definition_id)
            now = self.clock()
            act(definition, now)
            return [definition]

        saved = await self.decide_and_save(decide, origin)
        return saved.rows.get(definition_id)

    async def seed(self) -> None:
        """Register the built-in jobs that are missing; what an operator revised stays."""
        for slug, spec in BUILTIN_SPECS.items():
            with suppress(ConflictError):
                await self.register_job(slug, spec, 1, SYSTEM)
