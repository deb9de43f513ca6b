"""The clients' commands of schedules; those of the clock are in `ticks.py`.

`backfills.py` launches past ticks.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.commands import ticks
from domain.commands.application import MAX_DECISIONS
from domain.commands.backfills import (
    Backfilled,
    MissingTicks,
    check_range,
    launch_past_ticks,
    missing_ticks,
)
from domain.commands.jobs import Launched, launched_before
from domain.commands.ticks import Change, Ticking
from domain.errors import NotFoundError, RunIsThereError, VersionConflictError
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from domain.ports import Locked, Origin, Row, Saved
from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule


class Schedules(Ticking):
    """The commands of schedules."""

    async def create(self, slug: str, spec: ScheduleSpec, origin: Origin) -> Row:
        """Create a schedule, also again after its deletion.

        Raises:
            InvalidInputError: `ScheduleSpec.issues` says why; or the job is unknown, launched by
                the service itself, or does not take the parameters.
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
        """Make a new version of a schedule, after its due ticks are decided by the current one.

        Raises:
            NotFoundError: `schedule_not_found`.
            InvalidInputError: as `create`.
        """

        def act(schedule: Schedule, now: datetime) -> None:
            schedule.revise(changes, now)

        return await self._decide_and_act(slug, act, origin, checks=True)

    async def pause(self, slug: str, reason: str | None, origin: Origin) -> Row:
        """Skip the schedule's ticks from now on, and those that are due but not decided.

        Raises NotFoundError `schedule_not_found`.
        """

        def act(schedule: Schedule, now: datetime) -> None:
            schedule.pause(origin.actor, reason, now)

        return await self._act_under_lock(slug, act, origin)

    async def resume(self, slug: str, origin: Origin) -> Row:
        """Launch the schedule's ticks again. Raises NotFoundError `schedule_not_found`."""
        return await self._act_under_lock(slug, Schedule.resume, origin)

    async def delete(self, slug: str, reason: str | None, origin: Origin) -> Row:
        """Delete a schedule, and skip ticks that are due but not decided; its runs continue.

        Raises NotFoundError `schedule_not_found`.
        """

        def act(schedule: Schedule, now: datetime) -> None:
            schedule.delete(reason, now)

        return await self._act_under_lock(slug, act, origin)

    async def trigger(
        self, slug: str, origin: Origin, idempotency_key: str | None = None
    ) -> Launched:
        """Launch a run of a schedule now, whatever the overlap policy.

        With the same idempotency key, return the first run again.

        Raises:
            NotFoundError: `schedule_not_found`.
            ConflictError: `job_deleted` or `invalid_parameters`, nothing can be launched;
                `too_many_runs` that people launched have not ended; `run_is_there`, another run is
                kept, as runs of the job are unique.
        """
        run_id = self._application.new_id()
        if idempotency_key is not None:
            schedule_id = identifiers.schedule_id(slug)
            run_id = identifiers.triggered_run_id_for_key(
                origin.actor, schedule_id, idempotency_key
            )
        for _ in range(MAX_DECISIONS):
            if idempotency_key is not None:
                launch = Launch(idempotency_key=idempotency_key)
                earlier = await launched_before(self._application, run_id, launch)
                if earlier is not None:
                    return earlier
            now = self._application.clock()
            change = await self._to_trigger(slug, now)
            obstacle: str | None = await ticks.obstacle_of(change, now)
            if ticks.has_too_many_runs(change.schedule, 1):
                obstacle = "too_many_runs"
            if obstacle is not None:
                raise ticks.cannot_launch(slug, obstacle)
            with suppress(VersionConflictError):
                await ticks.read_slot_holders(self._application, [change])
                if change.holder == run_id:
                    continue  # The same request, under one idempotency key, came twice at once.
                if change.is_kept and change.holder is not None:
                    raise RunIsThereError(change.holder)
                change.schedule.trigger(run_id, now)
                ticks.launch(change, run_id, now, now, idempotency_key)
                saved = await ticks.append(
                    self._application, change, origin, answers_with_runs=True
                )
                labels = change.definition.spec.worker_labels if change.definition else {}
                return Launched(run_id, saved.rows[run_id], labels)
        raise VersionConflictError(f"schedule {slug} keeps changing")

    async def backfill(
        self, slug: str, begin: datetime, end: datetime, origin: Origin
    ) -> Backfilled:
        """Launch past ticks without a run, each by the version that was valid then.

        Raises:
            InvalidInputError: the range does not lie in the past.
            NotFoundError: `schedule_not_found`.
            ConflictError: as `trigger`; `too_many_runs` have not ended; or `runs_are_unique`.
        """
        now = self._application.clock()
        check_range(begin, end, now)
        await self._decide_and_act(slug, None, origin)
        schedule_id = identifiers.schedule_id(slug)
        return await launch_past_ticks(self._application, schedule_id, begin, min(end, now), origin)

    async def preview_backfill(self, slug: str, begin: datetime, end: datetime) -> MissingTicks:
        """Return the ticks that a backfill would launch now; nothing is done.

        Raises:
            InvalidInputError: the range does not lie in the past.
            NotFoundError: `schedule_not_found`.
        """
        now = self._application.clock()
        check_range(begin, end, now)
        schedule_id = identifiers.schedule_id(slug)
        return await missing_ticks(self._application, schedule_id, begin, min(end, now))

    # Deciding

    async def _decide_and_act(
        self,
        slug: str,
        act: Callable[[Schedule, datetime], None] | None,
        origin: Origin,
        *,
        checks: bool = False,
    ) -> Row:
        """Decide the ticks that have fired, and then act on the schedule, in one unit.

        Args:
            slug: the schedule's.
            act: triggers further events of the schedule; None for none.
            origin: of all these events.
            checks: whether the schedule must be able to launch runs afterwards.
        """
        application = self._application
        conflicts = 0
        while conflicts < MAX_DECISIONS:
            schedule = await ticks.existing_schedule(application, identifiers.schedule_id(slug))
            [change] = await ticks.read_changes(application, [schedule])
            now = application.clock()
            try:
                await ticks.gather_facts(application, [change], now)
                ticks.decide_change(change, now, await self.watch.since(now))
                if act is not None and not change.has_more:
                    act(schedule, now)
                    if checks:
                        await self._check(schedule.spec, now)
                saved = await ticks.append(application, change, origin)
            except VersionConflictError:
                conflicts += 1
                continue
            if not change.has_more:
                return await self._row(schedule.id, saved)
        raise VersionConflictError(f"schedule {slug} keeps changing")

    async def _act_under_lock(
        self, slug: str, act: Callable[[Schedule, datetime], None], origin: Origin
    ) -> Row:
        """Act on a schedule before its due ticks are decided.

        Under the lock: otherwise another process that decides one batch of ticks after the other
        would be faster each time.
        """
        application = self._application
        schedule_id = identifiers.schedule_id(slug)

        async def decide(locked: Locked) -> list[Aggregate]:
            loaded = await application.load(Schedule, [schedule_id], locked)
            schedule = loaded.get(schedule_id)
            if schedule is None:
                application.quarantine.check([schedule_id])
                raise NotFoundError("schedule_not_found", "schedule not found")
            act(schedule, application.clock())
            return [schedule]

        save = partial(application.save_under_lock, decide, origin, known_as=[slug])
        saved = await application.retry_with_reads(save)
        return await self._row(schedule_id, saved)

    async def _to_trigger(self, slug: str, now: datetime) -> Change:
        """Return a schedule that is to launch a run now.

        Its open runs are read only if there are too many, to find out which have ended.
        """
        application = self._application
        schedule = await ticks.existing_schedule(application, identifiers.schedule_id(slug))
        if ticks.has_too_many_runs(schedule, 1):
            [change] = await ticks.read_changes(application, [schedule])
            await ticks.record_ends(application, [change], now)
            return change
        definition_id = identifiers.definition_id(schedule.spec.job)
        return Change(schedule, await application.find_definition(definition_id))

    async def _check(self, spec: ScheduleSpec, now: datetime) -> None:
        """Raise InvalidInputError if this content can launch nothing at present."""
        definition_id = identifiers.definition_id(spec.job)
        definition = await self._application.find_definition(definition_id)
        await ticks.check(spec, definition, "", now)

    async def _row(self, schedule_id: UUID, saved: Saved) -> Row:
        """Return the schedule's row, also if it has not changed."""
        row = await self._application.row_after(saved, Schedule.TOPIC, schedule_id)
        if row is None:
            raise NotFoundError("schedule_not_found", "schedule not found")
        return row
