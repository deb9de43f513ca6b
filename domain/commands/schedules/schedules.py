"""`Schedules`: what clients may do to schedules, beside what the clock does."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.commands.application import MAX_DECISIONS
from domain.commands.schedules import backfilling, units
from domain.commands.schedules.backfilling import Backfilled, has_too_many_runs
from domain.commands.schedules.change import Change
from domain.commands.schedules.places import look_for_places
from domain.commands.schedules.ticking import Ticking
from domain.errors import (
    ConflictError,
    NotFoundError,
    RunIsThereError,
    VersionConflictError,
)
from domain.json_values import JsonObject
from domain.ports import Locked, Origin, Row, Saved
from domain.schedules.schedule import Schedule
from domain.schedules.spec import Spec


class Schedules(Ticking):
    """The commands of schedules."""

    # Of clients ----------------------------------------------------------------------------------

    async def create(self, slug: str, spec: Spec, origin: Origin) -> Row:
        """Create a schedule, or create it once more after it was deleted.

        Raises:
            InvalidInputError: `Spec.issues` says why; or the job is unknown, launched by the
                service itself, or does not take the parameters.
            ConflictError: `schedule_exists`.
        """
        schedule_id = identifiers.schedule_id(slug)

        async def decide() -> list[Aggregate]:
            now = self._application.clock()
            await self._check(spec, now)
            schedule = await self._application.find(Schedule, schedule_id)
            if schedule is None:
                return [Schedule.create(slug, spec, now)]
            schedule.recreate(spec, now)
            return [schedule]

        saved = await self._application.decide_and_save(decide, origin)
        return saved.rows[schedule_id]

    async def revise(self, slug: str, changes: JsonObject, origin: Origin) -> Row:
        """Make a new version of a schedule; ticks that are due by now obey the former one.

        Raises:
            NotFoundError: `schedule_not_found`.
            InvalidInputError: as `create`.
        """

        def act(schedule: Schedule, now: datetime) -> None:
            schedule.revise(changes, now)

        return await self._settled(slug, act, origin, checks=True)

    async def pause(self, slug: str, reason: str | None, origin: Origin) -> Row:
        """Skip the schedule's ticks from now on, and what is due and not decided.

        Raises NotFoundError `schedule_not_found`.
        """

        def act(schedule: Schedule, now: datetime) -> None:
            schedule.pause(origin.actor, reason, now)

        return await self._at_once(slug, act, origin)

    async def resume(self, slug: str, origin: Origin) -> Row:
        """Launch at the schedule's ticks again. Raises NotFoundError `schedule_not_found`."""
        return await self._at_once(slug, Schedule.resume, origin)

    async def delete(self, slug: str, reason: str | None, origin: Origin) -> Row:
        """End a schedule, and skip what is due and not decided; its runs go on.

        Raises NotFoundError `schedule_not_found`.
        """

        def act(schedule: Schedule, now: datetime) -> None:
            schedule.delete(reason, now)

        return await self._at_once(slug, act, origin)

    async def trigger(self, slug: str, origin: Origin) -> Row:
        """Launch a run of a schedule now, whatever else runs; return the run's row.

        Raises:
            NotFoundError: `schedule_not_found`.
            ConflictError: `job_deleted` or `invalid_parameters`, nothing can be launched;
                `too_many_runs` that people launched have not ended; `run_is_there`, another run is
                kept, as runs of the job are unique.
        """
        for _ in range(MAX_DECISIONS):
            now = self._application.clock()
            change = await self._to_launch(slug, 1, now)
            obstacle: str | None = await units.obstacle_of(change, now)
            if has_too_many_runs(change.schedule, 1):
                obstacle = "too_many_runs"
            if obstacle is not None:
                message = f"schedule {slug} can launch nothing: {obstacle}"
                raise ConflictError(obstacle, message)
            run_id = self._application.new_id()
            with suppress(VersionConflictError):
                await look_for_places(self._application, [change])
                if change.is_kept and change.holder is not None:
                    raise RunIsThereError(change.holder)
                change.schedule.trigger(run_id, now)
                units.launch(change, run_id, now, now)
                saved = await self._append(change, origin)
                return saved.rows[run_id]
        raise VersionConflictError(f"schedule {slug} keeps changing")

    async def backfill(
        self, slug: str, begin: datetime, end: datetime, origin: Origin
    ) -> Backfilled:
        """Launch past ticks that have no run, by the version that was valid then.

        Raises:
            InvalidInputError: the range does not lie in the past.
            NotFoundError: `schedule_not_found`.
            ConflictError: as `trigger`; `too_many_runs` have not ended; or `runs_are_unique`.
        """
        now = self._application.clock()
        backfilling.check_range(begin, end, now)
        await self._settled(slug, _leave, origin)
        schedule_id = identifiers.schedule_id(slug)
        return await backfilling.backfill(
            self._application,
            schedule_id,
            begin,
            min(end, now),
            origin,
        )

    # Deciding ------------------------------------------------------------------------------------

    async def _settled(
        self,
        slug: str,
        act: Callable[[Schedule, datetime], None],
        origin: Origin,
        *,
        checks: bool = False,
    ) -> Row:
        """Decide the ticks that have fired, and do something to the schedule after them.

        Args:
            slug: whose.
            act: what is to be done.
            origin: of what is done; ticks are decided in the same unit.
            checks: whether the schedule's content must be fit to be launched afterwards.
        """
        conflicts = 0
        while conflicts < MAX_DECISIONS:
            change = await self._existing(slug)
            schedule = change.schedule
            now = self._application.clock()
            try:
                await units.look_around(self._application, [change], now)
                units.settle_ticks(change, now, await self.watch.since(now))
                if not change.goes_on:
                    act(schedule, now)
                    if checks:
                        await self._check(schedule.spec, now)
                saved = await self._append(change, origin)
            except VersionConflictError:
                conflicts += 1
                continue
            if not change.goes_on:
                return await self._row(schedule.id, saved)
        raise VersionConflictError(f"schedule {slug} keeps changing")

    async def _at_once(
        self, slug: str, act: Callable[[Schedule, datetime], None], origin: Origin
    ) -> Row:
        """Do something to a schedule before anything else becomes of it, whatever is due.

        Under the lock: were its ticks decided meanwhile, one batch after the other, this would come
        too late each time.
        """
        application = self._application
        schedule_id = identifiers.schedule_id(slug)

        async def decide(locked: Locked) -> list[Aggregate]:
            found = await application.load(Schedule, [schedule_id], locked)
            schedule = found.get(schedule_id)
            if schedule is None:
                application.quarantine.check([schedule_id])
                raise NotFoundError("schedule_not_found", "schedule not found")
            act(schedule, application.clock())
            return [schedule]

        save = partial(application.save_under_lock, decide, origin)
        saved = await application.with_all_at_hand(save)
        return await self._row(schedule_id, saved)

    async def _existing(self, slug: str) -> Change:
        schedule = await self._standing(slug)
        [change] = await units.begin(self._application, [schedule])
        return change

    async def _to_launch(self, slug: str, launches: int, now: datetime) -> Change:
        """Return a schedule of which somebody wants runs; its own are read if they are many."""
        schedule = await self._standing(slug)
        if has_too_many_runs(schedule, launches):
            [change] = await units.begin(self._application, [schedule])
            await units.note_ends(self._application, [change], now)
            return change
        definition_id = identifiers.definition_id(schedule.spec.job)
        definition = await self._application.standing_definition(definition_id)
        return Change(schedule, definition)

    async def _standing(self, slug: str) -> Schedule:
        schedule_id = identifiers.schedule_id(slug)
        schedule = await self._application.find(Schedule, schedule_id)
        if schedule is None:
            raise NotFoundError("schedule_not_found", "schedule not found")
        schedule.check_not_deleted()
        return schedule

    async def _check(self, spec: Spec, now: datetime) -> None:
        """Raise InvalidInputError where nothing could be launched by this content today."""
        definition_id = identifiers.definition_id(spec.job)
        definition = await self._application.standing_definition(definition_id)
        await units.check(spec, definition, "", now)

    async def _append(self, change: Change, origin: Origin) -> Saved:
        return await units.append(self._application, change, origin)

    async def _row(self, schedule_id: UUID, saved: Saved) -> Row:
        """Return the schedule's row, also where nothing of it has changed."""
        row = saved.rows.get(schedule_id)
        if row is not None:
            return row
        log = self._application.log_port
        states = await log.states_of(Schedule.TOPIC, [schedule_id])
        state = states[schedule_id]
        if state.row is None:
            raise NotFoundError("schedule_not_found", "schedule not found")
        return state.row


def _leave(schedule: Schedule, now: datetime) -> None:
    """Do nothing to a schedule but decide what is due."""
