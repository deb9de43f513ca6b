"""Launching past ticks of a schedule that have no run, by the version that was valid then.

A tick's run has an id of its own, so however often this is asked for, no tick has two.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import cast
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.clock import later, to_iso
from domain.commands.application import MAX_DECISIONS, LogApplication
from domain.commands.schedules import units
from domain.commands.schedules.change import Change
from domain.errors import (
    ConflictError,
    InvalidInputError,
    Issue,
    NotFoundError,
    VersionConflictError,
)
from domain.ports import Origin
from domain.schedules.deciding import MAX_OPEN_RUNS
from domain.schedules.past import Past, PastTick
from domain.schedules.schedule import Schedule
from domain.schedules.settling import MAX_LAUNCHES
from domain.schedules.spec import Spec, year_issues

MAX_LOOKED_AT = 1_000
"""Ticks that one call looks at, most of which may have runs."""

MAX_BACKFILLED = 100
"""Ticks that one call launches."""

CLOCKS_DIFFER = timedelta(seconds=5)
"""By so much a client's clock may be ahead: whoever asks for all up to the present means ours."""


@dataclass
class Backfilled:
    """What one call has done.

    Attributes:
        runs: that were launched, in the order of their ticks.
        continue_from: where the next call is to begin; None where the end is reached.
    """

    runs: list[UUID] = field(default_factory=list)
    continue_from: datetime | None = None


def check_range(begin: datetime, end: datetime, now: datetime) -> None:
    """Raise InvalidInputError where a range does not lie in the past, or too far in it."""
    issues = year_issues("/from", begin)
    if begin > end:
        issue = Issue("/from", "must not lie after to", "maximum")
        issues.append(issue)
    if end > now + CLOCKS_DIFFER:
        message = "must not lie in the future; ticks to come launch by themselves"
        issue = Issue("/to", message, "maximum")
        issues.append(issue)
    if issues:
        raise InvalidInputError(issues)


async def backfill(
    application: LogApplication,
    schedule_id: UUID,
    begin: datetime,
    end: datetime,
    origin: Origin,
) -> Backfilled:
    """Launch ticks due from `begin` to `end` that have no run: so many of them at a time.

    Those that have fired by now must be decided before: the others are no past ticks yet.

    Raises:
        NotFoundError: `schedule_not_found`.
        ConflictError: `job_deleted`, `invalid_parameters`, `too_many_runs` or `runs_are_unique`,
            nothing can be launched.
    """
    past = await _past(application, schedule_id)
    ticks = past.ticks(begin, end)
    looked_at = list(islice(ticks, MAX_LOOKED_AT))
    canceled = await _canceled(application, looked_at)
    missing = [
        tick for tick in looked_at if tick.run_id is None or tick.run_id in canceled
    ]
    done = Backfilled()
    for portion in _portions(missing[:MAX_BACKFILLED]):
        done.runs += await _launched(application, schedule_id, portion, origin)
        await asyncio.sleep(0)  # Others have waited for this one.
    if len(missing) > MAX_BACKFILLED:
        done.continue_from = missing[MAX_BACKFILLED].due_at
    elif len(looked_at) == MAX_LOOKED_AT:
        last = looked_at[-1]
        done.continue_from = later(last.due_at, 1)
    return done


def has_too_many_runs(schedule: Schedule, launches: int) -> bool:
    """Return whether people would have launched too many runs of a schedule with these."""
    return len(schedule.manual_runs) + launches > MAX_OPEN_RUNS


async def _canceled(
    application: LogApplication, ticks: Iterable[PastTick]
) -> set[UUID]:
    """Return those runs of backfills that were canceled: their ticks may be launched again."""
    backfilled = [
        tick.run_id for tick in ticks if tick.is_backfilled and tick.run_id is not None
    ]
    if not backfilled:
        return set()
    statuses = await application.log_port.run_statuses(backfilled)
    return {run_id for run_id, status in statuses.items() if status == "canceled"}


def _portions(ticks: Sequence[PastTick]) -> Iterator[Sequence[PastTick]]:
    """Yield the ticks in portions that are launched as one unit: each of one version."""
    for _, of_version in groupby(ticks, key=_version_of):
        alike = list(of_version)
        for first in range(0, len(alike), MAX_LAUNCHES):
            end = first + MAX_LAUNCHES
            yield alike[first:end]


def _version_of(tick: PastTick) -> int:
    """Return by what versions are told apart: what they say is equal in Python for 1 and true."""
    return id(tick.spec)  # All ticks of a version have the same one.


async def _past(application: LogApplication, schedule_id: UUID) -> Past:
    past = Past(schedule_id)
    version = 0
    while stored := await application.log_port.events_after(schedule_id, version):
        version = stored[-1].originator_version
        for one in stored:
            event = application.mapper.to_domain_event(one)
            past.tell(cast("Aggregate.Event", event))
    return past


async def _launched(
    application: LogApplication,
    schedule_id: UUID,
    ticks: Sequence[PastTick],
    origin: Origin,
) -> list[UUID]:
    """Launch ticks of one version as one unit; return their runs."""
    spec = ticks[0].spec
    for _ in range(MAX_DECISIONS):
        change = await _change(application, schedule_id, spec)
        now = application.clock()
        await _refuse_obstacles(change, spec, len(ticks), now)
        wanted: list[UUID] = []
        for tick in ticks:
            run_id = change.schedule.backfill_tick(tick.due_at, now, tick.runs)
            units.launch(change, run_id, tick.due_at, now)
            wanted.append(run_id)
        try:
            await units.append(application, change, origin)
        except VersionConflictError:
            # Somebody else may have launched some of them.
            ticks = await _without_run(application, schedule_id, ticks)
            if not ticks:
                return []
        else:
            return wanted
    raise VersionConflictError("the schedule keeps changing")


async def _without_run(
    application: LogApplication, schedule_id: UUID, ticks: Sequence[PastTick]
) -> list[PastTick]:
    """Return those of the ticks that have no run now."""
    left: list[PastTick] = []
    for tick in ticks:
        due_at = to_iso(tick.due_at)
        run_id = identifiers.tick_run_id(schedule_id, due_at, tick.runs)
        if not await application.log_port.events_after(run_id, 0):
            left.append(tick)
    return left


async def _change(application: LogApplication, schedule_id: UUID, spec: Spec) -> Change:
    schedule = await application.find(Schedule, schedule_id)
    if schedule is None:
        raise NotFoundError("schedule_not_found", "schedule not found")
    schedule.check_not_deleted()
    definition_id = identifiers.definition_id(spec.job)
    definition = await application.standing_definition(definition_id)
    return Change(schedule, definition)


async def _refuse_obstacles(
    change: Change, spec: Spec, launches: int, now: datetime
) -> None:
    schedule = change.schedule
    obstacle: str | None = await units.obstacle_of(change, now, spec)
    if has_too_many_runs(schedule, launches):
        obstacle = "too_many_runs"
    if change.definition is not None and change.definition.spec.uniqueness is not None:
        # All ticks' runs have the same parameters: at most one of them would stay.
        obstacle = "runs_are_unique"
    if obstacle is not None:
        message = f"schedule {schedule.slug} can launch nothing: {obstacle}"
        raise ConflictError(obstacle, message)
