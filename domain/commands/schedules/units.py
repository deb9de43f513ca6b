"""What a change of a schedule brings along: runs that are launched and canceled, in one unit.

All is decided on what was read without the lock. Whoever decides the same tick at the same moment
finds the schedule's version taken.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.catalog.units import with_catalog
from domain.clock import to_iso
from domain.commands.application import LogApplication, seen_heads
from domain.commands.schedules.change import Change
from domain.commands.schedules.places import check_place, look_for_places
from domain.commands.uniqueness import replace_by
from domain.errors import InvalidInputError, Issue
from domain.identifiers import Taking
from domain.jobs import reserved
from domain.jobs.definition import JobDefinition
from domain.jobs.launching import Launch, first_events, run_fields
from domain.jobs.run import JobRun
from domain.jobs.run_values import FINAL
from domain.json_values import JsonObject, escape
from domain.personal.marks import MARK
from domain.ports import Origin, Saved, Unit
from domain.schedules.deciding import MAX_OPEN_RUNS, Obstacle
from domain.schedules.schedule import Schedule
from domain.schedules.settling import settle
from domain.schedules.spec import Spec
from domain.schema.deciding import decided

BY_REPLACEMENT = "its schedule launches the next one"
"""Why a run was canceled by the policy of its schedule."""


async def begin(
    application: LogApplication, schedules: Sequence[Schedule]
) -> list[Change]:
    """Read what the first of the schedules hang on, as many as can be read at a time.

    That is one at least. Should its open runs be too large even by themselves, those that were not
    read count as running.

    Raises:
        QuarantinedError: a job cannot be read by this version of the program.
    """
    open_runs: list[UUID] = []
    for schedule in schedules:
        open_runs += map(UUID, schedule.open_runs)
        if len(open_runs) >= MAX_OPEN_RUNS:
            break
    runs = await application.load(JobRun, open_runs)
    definitions = await _definitions(application, schedules)
    unreadable = set(application.quarantine.ids)
    changes: list[Change] = []
    for schedule in schedules:
        change = Change(schedule, definitions[schedule.spec.job])
        change.take(runs)
        unread = change.unread_runs() - unreadable
        if changes and unread:
            # They would be taken to be running, though they may have ended.
            break
        changes.append(change)
    return changes


async def _definitions(
    application: LogApplication, schedules: Sequence[Schedule]
) -> dict[str, JobDefinition | None]:
    """Return the schedules' jobs by their slugs as they are written there."""
    ids: dict[str, UUID] = {}
    for schedule in schedules:
        slug = schedule.spec.job
        if slug not in ids:
            ids[slug] = identifiers.definition_id(slug)
    found = await application.load(JobDefinition, set(ids.values()))
    definitions: dict[str, JobDefinition | None] = {}
    for slug, definition_id in ids.items():
        definition = found.get(definition_id)
        if definition is None or definition.is_deleted:
            # There is none, it cannot be read, or all together are too large.
            definition = await application.standing_definition(definition_id)
        definitions[slug] = definition
    return definitions


async def look_around(
    application: LogApplication, changes: Sequence[Change], now: datetime
) -> None:
    """Note which runs have ended, and what stands in the way of the next ones."""
    await note_ends(application, changes, now)
    for change in changes:
        change.obstacle = await obstacle_of(change, now)
        definition = change.definition
        if change.obstacle is None and definition is not None and definition.is_paused:
            change.obstacle = "job_paused"
    free = [change for change in changes if change.obstacle is None]
    await look_for_places(application, free)


async def note_ends(
    application: LogApplication, changes: Sequence[Change], now: datetime
) -> None:
    """Note which runs have ended. Of those that were too large to be read rows tell as much."""
    unread = [run_id for change in changes for run_id in change.unread_runs()]
    statuses: dict[UUID, str] = {}
    if unread:
        statuses = await application.log_port.run_statuses(unread)
    for change in changes:
        for text in change.schedule.open_runs:
            run_id = UUID(text)
            run = change.runs.get(run_id)
            status = statuses.get(run_id) if run is None else run.status
            if status is not None and status in FINAL:
                change.schedule.note_end(text, status, now)


def settle_ticks(change: Change, now: datetime, watched_since: datetime) -> None:
    """Decide the ticks that have fired, and make their runs, once `look_around` is over.

    The clock has been looked at from a moment on until now.

    Raises:
        ValueTakenError: a run that would give way to the next one has moved on just now.
    """
    check_place(change)
    settled = settle(
        change.schedule,
        now,
        change.obstacle,
        watched_since=watched_since,
        is_kept=None if change.slot is None else change.is_kept,
    )
    for run_id, due_at in settled.launches:
        launch(change, run_id, due_at, now)
    for run_id in settled.cancels:
        canceled = change.run_to_cancel(run_id)
        if canceled is None or canceled.status in FINAL:
            continue
        canceled.request_cancel(now, BY_REPLACEMENT)
    change.goes_on = settled.goes_on


async def obstacle_of(
    change: Change, now: datetime, spec: Spec | None = None
) -> Obstacle | None:
    """Return what stands in the way of every launch of a schedule, as a version of it says.

    That is the current one if none is given.
    """
    if change.definition is None:
        return "job_deleted"
    schedule = change.schedule
    by = f"schedule:{schedule.slug}"
    try:
        spec = spec or schedule.spec
        change.fields = await check(spec, change.definition, by, now)
    except InvalidInputError:
        return "invalid_parameters"
    return None


async def check(
    spec: Spec, definition: JobDefinition | None, by: str, now: datetime
) -> dict[str, Any]:
    """Return what runs that are launched now by this content say, but for their context.

    Raises:
        InvalidInputError: nothing can be launched by it.
    """
    if definition is None:
        message = f"there is no job {spec.job}; register it first"
        issue = Issue("/job", message, "enum")
        raise InvalidInputError([issue])
    if definition.spec.entry_point in reserved.ENTRY_POINTS:
        message = f"{spec.job} is launched by the service itself"
        issue = Issue("/job", message, "not")
        raise InvalidInputError([issue])
    message = f"is personal data of {spec.job}, which no schedule keeps; leave it out"
    personal = [
        Issue(f"/parameters/{escape(name)}", message, MARK)
        for name in definition.spec.personal
        if spec.parameters.get(name) is not None
    ]
    if personal:
        raise InvalidInputError(personal)
    wanted = Launch(parameters=spec.parameters)
    return await decided(lambda: run_fields(definition, wanted, by, now))


def launch(change: Change, run_id: UUID, due_at: datetime, now: datetime) -> None:
    """Make a run of a schedule in whose way nothing stands, as `obstacle_of` found now."""
    context: JsonObject = {
        "schedule": change.schedule.slug,
        "dueAt": to_iso(due_at),
    }
    if change.slot is not None:
        if change.holder is not None:
            replace_by(change.runs[change.holder], run_id, now)
        taking = Taking(change.slot, run_id, change.holder)
        change.takings.append(taking)
    fields = {**change.fields, "context": context}
    change.launched[run_id] = first_events(fields, run_id, now)


async def unit_of(
    application: LogApplication,
    change: Change,
    origin: Origin,
    *,
    expects_runs: bool = False,
) -> Unit:
    """Return what was decided as one unit, which is refused unless all of it still holds then.

    Whether runs that do not change have moved on since is only looked at if `expects_runs`.
    """
    schedule = change.schedule
    seen: list[Aggregate] = [schedule]
    expects: dict[UUID, int] = {}
    if change.definition is not None:
        seen.append(change.definition)
        expects[change.definition.id] = change.definition.version
    if expects_runs:
        for run in change.unchanged_runs():
            seen.append(run)
            expects[run.id] = run.version
    moved = await with_catalog(application, change.changed_runs())
    heads = seen_heads([*seen, *moved])
    stored = application.stored_events([schedule, *moved])
    for events in change.launched.values():
        stored += map(application.mapper.to_stored_event, events)
    takings = change.takings
    return Unit(stored, origin, expects=expects, heads=heads, takings=takings)


async def append(application: LogApplication, change: Change, origin: Origin) -> Saved:
    """Append what was decided as one unit, provided that all of it still holds.

    Raises:
        VersionConflictError: it does not; nothing was appended.
    """
    if not change.schedule.pending_events:
        return Saved()
    unit = await unit_of(application, change, origin)
    return await application.log_port.append(unit)
