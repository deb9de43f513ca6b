"""The clients' commands of schedules; those of the clock are in `ticks.py`.

First the commands (`Schedules`), then how past ticks are launched (`launch_past_ticks`).
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, islice
from typing import cast
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.clock import to_iso
from domain.commands import ticks
from domain.commands.application import MAX_DECISIONS, LogApplication
from domain.commands.jobs import Launched, launched_before
from domain.commands.ticks import Change, Ticking
from domain.errors import (
    ConflictError,
    Issue,
    NotFoundError,
    RunIsThereError,
    VersionConflictError,
    refuse,
)
from domain.jobs.launching import Launch
from domain.json_values import JsonObject
from domain.ports import Locked, Origin, Row, Saved
from domain.schedules.calendar import ScheduleSpec, year_issues
from domain.schedules.past_ticks import VERSIONS, PastTick, PastTicks
from domain.schedules.schedule import Schedule
from domain.schedules.ticks import MAX_LAUNCHES, MAX_OPEN_RUNS


@dataclass(frozen=True)
class MissingTicks:
    """Ticks that a backfill would launch.

    Attributes:
        ticks: in the order in which they were due.
        continue_from: where the next call begins; None if the end is reached.
    """

    ticks: Sequence[PastTick]
    continue_from: datetime | None


@dataclass
class Backfilled:
    """The result of one call of `Schedules.backfill`.

    Attributes:
        runs: those that were launched, in the order of their ticks.
        continue_from: where the next call begins; None if the end is reached.
    """

    runs: list[UUID] = field(default_factory=list)
    continue_from: datetime | None = None


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
            if has_too_many_runs(change.schedule, 1):
                obstacle = "too_many_runs"
            if obstacle is not None:
                raise _cannot_launch(slug, obstacle)
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
        return await _missing_ticks(self._application, schedule_id, begin, min(end, now))

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
            schedule = await _existing(application, identifiers.schedule_id(slug))
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
        schedule = await _existing(application, identifiers.schedule_id(slug))
        if has_too_many_runs(schedule, 1):
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


# Backfills: past ticks without a run are launched, by the version that was valid then.
#
# The id of a tick's run is derived from the tick, so repeated backfills launch no tick twice.

MAX_LOOKED_AT = 1_000
"""Ticks that one call looks at, at most: most of them may have runs, or be excluded."""

MAX_BACKFILLED = 100
"""Ticks that one call launches, at most."""

CLOCKS_DIFFER = timedelta(seconds=5)
"""How far a client's clock may be ahead: a range until now ends at the service's present."""


def check_range(begin: datetime, end: datetime, now: datetime) -> None:
    """Raise InvalidInputError if a range does not lie in the past, or lies too far in it."""
    issues = year_issues("/from", begin)
    if begin > end:
        issues.append(Issue("/from", "must not lie after to", "maximum"))
    if end > now + CLOCKS_DIFFER:
        message = "must not lie in the future; ticks to come launch by themselves"
        issues.append(Issue("/to", message, "maximum"))
    refuse(issues)


async def launch_past_ticks(
    application: LogApplication, schedule_id: UUID, begin: datetime, end: datetime, origin: Origin
) -> Backfilled:
    """Launch ticks due from `begin` to `end` that have no run, at most `MAX_BACKFILLED` of them.

    Ticks that have fired must be decided before; the others are not past.

    Raises:
        NotFoundError: `schedule_not_found`.
        ConflictError: `job_deleted`, `invalid_parameters`, `too_many_runs` or `runs_are_unique`,
            nothing can be launched.
    """
    missing = await _missing_ticks(application, schedule_id, begin, end)
    done = Backfilled(continue_from=missing.continue_from)
    for portion in _portions(missing.ticks[:MAX_BACKFILLED]):
        done.runs += await _launch(application, schedule_id, portion, origin)
        await asyncio.sleep(0)  # Let other tasks run.
    for tick in missing.ticks[MAX_BACKFILLED : MAX_BACKFILLED + 1]:
        done.continue_from = tick.due_at
    return done


async def _missing_ticks(
    application: LogApplication, schedule_id: UUID, begin: datetime, end: datetime
) -> MissingTicks:
    """Return ticks due from `begin` to `end` that have no run, of the first `MAX_LOOKED_AT`."""
    past = await _past(application, schedule_id)
    first = list(islice(past.ticks(begin, end), MAX_LOOKED_AT + 1))
    launchable = [tick for tick in first[:MAX_LOOKED_AT] if not tick.is_excluded]
    missing = await _without_run(application, schedule_id, launchable)
    continue_from = first[MAX_LOOKED_AT].due_at if len(first) > MAX_LOOKED_AT else None
    return MissingTicks(missing, continue_from)


_REMEDIES = {
    "job_deleted": "its job is deleted; register it again, or name another job by PATCH",
    "invalid_parameters": "its job does not take its parameters; change them by PATCH",
    "too_many_runs": f"{MAX_OPEN_RUNS} runs that people launched of it have not ended;"
    " cancel some, or wait",
    "runs_are_unique": "runs of its job are unique, so only one of these would be kept; trigger it",
}


def _cannot_launch(slug: str, obstacle: str) -> ConflictError:
    message = f"schedule {slug} can launch nothing: {_REMEDIES.get(obstacle, obstacle)}"
    return ConflictError(obstacle, message)


def has_too_many_runs(schedule: Schedule, launches: int) -> bool:
    """Return whether people would have launched too many open runs with these."""
    return len(schedule.manual_runs) + launches > MAX_OPEN_RUNS


def _portions(past_ticks: Sequence[PastTick]) -> Iterator[Sequence[PastTick]]:
    """Yield the ticks in portions of one version that are launched as one unit."""
    # By identity, as versions may be equal in Python that differ as JSON: 1 and true.
    for _, of_version in groupby(past_ticks, key=lambda tick: id(tick.spec)):
        group = list(of_version)
        for first in range(0, len(group), MAX_LAUNCHES):
            yield group[first : first + MAX_LAUNCHES]


async def _past(application: LogApplication, schedule_id: UUID) -> PastTicks:
    schedule = await _existing(application, schedule_id)
    carried = {tick.due_at for tick in schedule.carried}
    past = PastTicks(schedule_id, schedule.decided_until, carried)
    version = 0
    while stored := await application.log_port.events_after(schedule_id, version, VERSIONS):
        version = stored[-1].originator_version
        for one in stored:
            event = application.mapper.to_domain_event(one)
            past.apply(cast("Aggregate.Event", event))
    return past


async def _without_run(
    application: LogApplication, schedule_id: UUID, past_ticks: Sequence[PastTick]
) -> list[PastTick]:
    """Return the ticks that have no run, or only canceled runs of backfills.

    The ids of a tick's runs are derived from the tick, so they are looked up; no history is read.
    """
    missing: list[PastTick] = []
    first_canceled: dict[UUID, PastTick] = {}
    remaining = list(past_ticks)
    while remaining:
        of_run = {
            identifiers.tick_run_id(schedule_id, to_iso(tick.due_at), tick.runs): tick
            for tick in remaining
        }
        statuses = await application.log_port.run_statuses(of_run)
        remaining = []
        for run_id, tick in of_run.items():
            if run_id not in statuses:
                missing.append(tick)
            elif statuses[run_id] == "canceled":
                remaining.append(replace(tick, runs=tick.runs + 1))
                if tick.runs == 0:
                    first_canceled[run_id] = tick
    # A second run is always of a backfill. A first one of the calendar is not replaced.
    backfilled = await application.log_port.backfilled_among(schedule_id, first_canceled)
    over = {tick.due_at for run_id, tick in first_canceled.items() if run_id not in backfilled}
    missing = [tick for tick in missing if tick.due_at not in over]
    return sorted(missing, key=lambda tick: tick.due_at)


async def _launch(
    application: LogApplication, schedule_id: UUID, past_ticks: Sequence[PastTick], origin: Origin
) -> list[UUID]:
    """Launch ticks of one version as one unit; return their runs."""
    spec = past_ticks[0].spec
    for _ in range(MAX_DECISIONS):
        schedule = await _existing(application, schedule_id)
        definition_id = identifiers.definition_id(spec.job)
        change = Change(schedule, await application.find_definition(definition_id))
        now = application.clock()
        await _refuse_obstacles(change, spec, len(past_ticks), now)
        run_ids: list[UUID] = []
        for tick in past_ticks:
            run_id = schedule.backfill_tick(tick.due_at, now, tick.runs)
            ticks.launch(change, run_id, tick.due_at, now)
            run_ids.append(run_id)
        try:
            await ticks.append(application, change, origin, answers_with_runs=True)
        except VersionConflictError:
            # Another process may have launched some of the ticks.
            past_ticks = await _without_run(application, schedule_id, past_ticks)
            if not past_ticks:
                return []
        else:
            return run_ids
    raise VersionConflictError("the schedule keeps changing")


async def _existing(application: LogApplication, schedule_id: UUID) -> Schedule:
    """Return a schedule, or raise NotFoundError if there is none, or it is deleted."""
    schedule = await application.find(Schedule, schedule_id)
    if schedule is None:
        raise NotFoundError("schedule_not_found", "schedule not found")
    schedule.check_not_deleted()
    return schedule


async def _refuse_obstacles(
    change: Change, spec: ScheduleSpec, launches: int, now: datetime
) -> None:
    obstacle: str | None = await ticks.obstacle_of(change, now, spec)
    if has_too_many_runs(change.schedule, launches):
        obstacle = "too_many_runs"
    if change.definition is not None and change.definition.spec.uniqueness is not None:
        # All these runs have the same parameters: only one of them would be kept.
        obstacle = "runs_are_unique"
    if obstacle is not None:
        raise _cannot_launch(change.schedule.slug, obstacle)
