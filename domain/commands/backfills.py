"""Backfills: past ticks without a run are launched, by the version that was valid then.

The id of a tick's run is derived from the tick, so repeated backfills launch no tick twice.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import cast
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.clock import to_iso
from domain.commands import ticks
from domain.commands.application import MAX_DECISIONS, LogApplication
from domain.commands.ticks import Change
from domain.errors import Issue, VersionConflictError, refuse
from domain.ports import Origin
from domain.schedules.calendar import ScheduleSpec, year_issues
from domain.schedules.past_ticks import VERSIONS, PastTick, PastTicks
from domain.schedules.ticks import MAX_LAUNCHES


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
    missing = await missing_ticks(application, schedule_id, begin, end)
    done = Backfilled(continue_from=missing.continue_from)
    for portion in _portions(missing.ticks[:MAX_BACKFILLED]):
        done.runs += await _launch(application, schedule_id, portion, origin)
        await asyncio.sleep(0)  # Let other tasks run.
    for tick in missing.ticks[MAX_BACKFILLED : MAX_BACKFILLED + 1]:
        done.continue_from = tick.due_at
    return done


async def missing_ticks(
    application: LogApplication, schedule_id: UUID, begin: datetime, end: datetime
) -> MissingTicks:
    """Return ticks due from `begin` to `end` that have no run, of the first `MAX_LOOKED_AT`."""
    past = await _past(application, schedule_id)
    first = list(islice(past.ticks(begin, end), MAX_LOOKED_AT + 1))
    launchable = [tick for tick in first[:MAX_LOOKED_AT] if not tick.is_excluded]
    missing = await _without_run(application, schedule_id, launchable)
    continue_from = first[MAX_LOOKED_AT].due_at if len(first) > MAX_LOOKED_AT else None
    return MissingTicks(missing, continue_from)


def _portions(past_ticks: Sequence[PastTick]) -> Iterator[Sequence[PastTick]]:
    """Yield the ticks in portions of one version that are launched as one unit."""
    # By identity, as versions may be equal in Python that differ as JSON: 1 and true.
    for _, of_version in groupby(past_ticks, key=lambda tick: id(tick.spec)):
        group = list(of_version)
        for first in range(0, len(group), MAX_LAUNCHES):
            yield group[first : first + MAX_LAUNCHES]


async def _past(application: LogApplication, schedule_id: UUID) -> PastTicks:
    schedule = await ticks.existing_schedule(application, schedule_id)
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
        schedule = await ticks.existing_schedule(application, schedule_id)
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


async def _refuse_obstacles(
    change: Change, spec: ScheduleSpec, launches: int, now: datetime
) -> None:
    obstacle: str | None = await ticks.obstacle_of(change, now, spec)
    if ticks.has_too_many_runs(change.schedule, launches):
        obstacle = "too_many_runs"
    if change.definition is not None and change.definition.spec.uniqueness is not None:
        # All these runs have the same parameters: only one of them would be kept.
        obstacle = "runs_are_unique"
    if obstacle is not None:
        raise ticks.cannot_launch(change.schedule.slug, obstacle)
