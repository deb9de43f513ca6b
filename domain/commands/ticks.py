"""The commands of the clock: due ticks of schedules launch, cancel or skip runs.

First a schedule with what is decided together with it (`Change`); then the steps of a change:
`read_changes`, `gather_facts`, `decide_change`, `append`; last `Ticking`, which makes the changes
of all schedules that are due. The rules are in `domain/schedules/ticks.py`.

Decisions are made without the lock. If two processes decide the same tick at the same time, the
second one is refused by the schedule's version.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain import identifiers
from domain.clock import to_iso
from domain.commands.application import LogApplication, seen_heads
from domain.commands.uniqueness import check_pending, replace_by
from domain.errors import (
    ConflictError,
    InvalidInputError,
    Issue,
    LogUnavailableError,
    NotFoundError,
    QuarantinedError,
    SlotTakenError,
    VersionConflictError,
)
from domain.identifiers import SlotClaim, UniqueSlot, tick_run_id
from domain.jobs.definition import JobDefinition, is_built_in_entry_point
from domain.jobs.launching import Launch, first_events, run_fields, run_of_events
from domain.jobs.policies import Unique
from domain.jobs.run import JobRun
from domain.jobs.run_events import FINAL, RunEvent
from domain.json_values import JsonObject, escape
from domain.personal import MARK
from domain.ports import SYSTEM, Log, Origin, Saved, Unit
from domain.schedules.calendar import ScheduleSpec
from domain.schedules.schedule import Schedule
from domain.schedules.ticks import MAX_OPEN_RUNS, Obstacle, decide_ticks, ticks_to_redecide
from domain.schema.validation import offload_if_long

MAX_EXPECTED = 3
"""Open runs of a schedule that are checked again when a prepared decision is appended, at most."""


@dataclass
class Change:
    """A change of a schedule, with what it depends on and what changes with it.

    Attributes:
        definition: of its job, None if there is none.
        runs: those of its open runs that could be read, and the run that gives way to a new one.
        launched: by id, the first events of the new runs.
        obstacle: why nothing can be launched, if so.
        has_more: whether more of its ticks may be due.
        fields: of the new runs, without their context.
        slot: the unique slot that a new run needs; None for none.
        holder: the run that holds the slot.
        is_kept: whether the holder is kept, so that nothing is launched.
        slot_claims: as in `domain.ports.Unit`.
        decided_at: the present by which its ticks were decided, or a run was launched.
    """

    schedule: Schedule
    definition: JobDefinition | None
    runs: dict[UUID, JobRun] = field(default_factory=dict)
    launched: dict[UUID, Sequence[RunEvent]] = field(default_factory=dict)
    obstacle: Obstacle | None = None
    has_more: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    slot: UniqueSlot | None = None
    holder: UUID | None = None
    is_kept: bool = False
    slot_claims: list[SlotClaim] = field(default_factory=list)
    decided_at: datetime | None = None

    def unread_runs(self) -> set[UUID]:
        """Return the schedule's open runs that are not among `runs`."""
        return set(map(UUID, self.schedule.open_runs)).difference(self.runs)

    def run_to_cancel(self, run_id: UUID) -> JobRun | None:
        """Return one of its runs or of the new ones; None if it was not read."""
        if run_id in self.launched:
            events = self.launched.pop(run_id)
            self.runs[run_id] = run_of_events(events)
        return self.runs.get(run_id)

    def can_be_prepared(self) -> bool:
        """Return whether it is cheap to check later that a decision made now still holds."""
        definition = self.definition
        if definition is None or self.unread_runs():
            return False
        return definition.spec.uniqueness is None and len(self.runs) <= MAX_EXPECTED


BY_REPLACEMENT = "its schedule launches the next one"
"""The reason of a run that its schedule's policy cancels."""


async def read_changes(application: LogApplication, schedules: Sequence[Schedule]) -> list[Change]:
    """Read what the first schedules depend on: at least one, and as many as fit into memory.

    If the open runs of one are too large together, those that were not read count as running.

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
        own_runs = {one: runs[one] for one in map(UUID, schedule.open_runs) if one in runs}
        change = Change(schedule, definitions[schedule.spec.job], own_runs)
        if changes and change.unread_runs() - unreadable:
            # They would count as running, though they may have ended.
            break
        changes.append(change)
    return changes


async def _definitions(
    application: LogApplication, schedules: Sequence[Schedule]
) -> dict[str, JobDefinition | None]:
    """Return the schedules' jobs by their slugs as they are written there."""
    ids = {one.spec.job: identifiers.definition_id(one.spec.job) for one in schedules}
    loaded = await application.load(JobDefinition, set(ids.values()))
    definitions: dict[str, JobDefinition | None] = {}
    for slug, definition_id in ids.items():
        definition = loaded.get(definition_id)
        if definition is None or definition.is_deleted:
            # There is none, it cannot be read, or all of them are too large together.
            definition = await application.find_definition(definition_id)
        definitions[slug] = definition
    return definitions


async def gather_facts(
    application: LogApplication, changes: Sequence[Change], now: datetime
) -> None:
    """Record which runs have ended, and find out what keeps new ones from being launched."""
    await record_ends(application, changes, now)
    await find_already_launched(application, changes, now)
    for change in changes:
        change.obstacle = await obstacle_of(change, now)
        definition = change.definition
        if change.obstacle is None and definition is not None and definition.is_paused:
            change.obstacle = "job_paused"
    free = [change for change in changes if change.obstacle is None]
    await read_slot_holders(application, free)


async def record_ends(
    application: LogApplication, changes: Sequence[Change], now: datetime
) -> None:
    """Record which open runs have ended, by their rows where the runs were not read."""
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
                change.schedule.record_end(text, status, now)


async def find_already_launched(
    application: LogApplication, changes: Sequence[Change], now: datetime
) -> None:
    """Find out which of the ticks that are decided again have a run or wait for one."""
    run_ids: dict[UUID, dict[UUID, datetime]] = {}
    for change in changes:
        schedule = change.schedule
        for due_at in ticks_to_redecide(schedule, now):
            run_id = tick_run_id(schedule.id, to_iso(due_at))
            run_ids.setdefault(schedule.id, {})[run_id] = due_at
    if not run_ids:
        return
    statuses = await application.log_port.run_statuses(list(chain(*run_ids.values())))
    for change in changes:
        schedule = change.schedule
        due = run_ids.get(schedule.id, {})
        launched = {due_at for run_id, due_at in due.items() if run_id in statuses}
        schedule.already_launched = launched.union(schedule.buffered)


async def read_slot_holders(application: LogApplication, changes: Iterable[Change]) -> None:
    """Find out which unique slot the next run of each schedule needs, and which run holds it.

    `Change.fields` must be set. One query looks up all slots.
    """
    needed: list[tuple[Change, UniqueSlot, Unique]] = []
    for change in changes:
        definition = change.definition
        if definition is not None and definition.spec.uniqueness is not None:
            unique = definition.spec.uniqueness
            change.slot = UniqueSlot(definition.id, unique.value(change.fields["parameters"]))
            needed.append((change, change.slot, unique))
    if not needed:
        return
    holders = await application.log_port.holders_of({slot for _, slot, _ in needed})
    to_replace: list[tuple[Change, UUID]] = []
    for change, slot, unique in needed:
        if slot in holders:
            change.holder, is_pending = holders[slot]
            change.is_kept = unique.on_conflict == "keep" or not is_pending
            if not change.is_kept and change.holder not in change.runs:
                to_replace.append((change, change.holder))
    if not to_replace:
        return
    loaded = await application.load(JobRun, {holder_id for _, holder_id in to_replace})
    for change, holder_id in to_replace:
        # If several need the same slot, each gets a copy of the run.
        holder = loaded.pop(holder_id, None)
        try:
            application.quarantine.check([holder_id])
            change.runs[holder_id] = holder or await application.run(holder_id)
        except QuarantinedError:
            # A run that cannot be read is kept. The schedule itself can be read.
            change.is_kept = True


def decide_change(change: Change, now: datetime, watched_since: datetime) -> None:
    """Decide the ticks that have fired, and make their runs, after `gather_facts`.

    `watched_since` is the time since which the clock has been watched without a gap.

    Raises:
        SlotTakenError: a run that would give way to a new one has just started or ended.
    """
    if change.holder is not None and not change.is_kept:
        check_pending(change.runs[change.holder])
    change.decided_at = now
    decided_ticks = decide_ticks(
        change.schedule,
        now,
        change.obstacle,
        watched_since=watched_since,
        is_kept=None if change.slot is None else change.is_kept,
    )
    for run_id, due_at in decided_ticks.launches:
        launch(change, run_id, due_at, now)
    for run_id in decided_ticks.cancels:
        canceled = change.run_to_cancel(run_id)
        if canceled is not None and canceled.status not in FINAL:
            canceled.request_cancel(now, BY_REPLACEMENT)
    change.has_more = decided_ticks.has_more


async def obstacle_of(
    change: Change, now: datetime, spec: ScheduleSpec | None = None
) -> Obstacle | None:
    """Return why a schedule can launch nothing, None if it can; set `Change.fields`.

    Args:
        change: of the schedule.
        now: the database's present.
        spec: the content of one of its versions; None for the current one.
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


_REMEDIES = {
    "job_deleted": "its job is deleted; register it again, or name another job by PATCH",
    "invalid_parameters": "its job does not take its parameters; change them by PATCH",
    "too_many_runs": f"{MAX_OPEN_RUNS} runs that people launched of it have not ended;"
    " cancel some, or wait",
    "runs_are_unique": "runs of its job are unique, so only one of these would be kept; trigger it",
}


def cannot_launch(slug: str, obstacle: str) -> ConflictError:
    """Return the error for a schedule that can launch nothing, with the remedy."""
    message = f"schedule {slug} can launch nothing: {_REMEDIES.get(obstacle, obstacle)}"
    return ConflictError(obstacle, message)


def has_too_many_runs(schedule: Schedule, launches: int) -> bool:
    """Return whether people would have launched too many open runs with these."""
    return len(schedule.manual_runs) + launches > MAX_OPEN_RUNS


async def existing_schedule(application: LogApplication, schedule_id: UUID) -> Schedule:
    """Return a schedule, or raise NotFoundError if there is none, or it is deleted."""
    schedule = await application.find(Schedule, schedule_id)
    if schedule is None:
        raise NotFoundError("schedule_not_found", "schedule not found")
    schedule.check_not_deleted()
    return schedule


async def check(
    spec: ScheduleSpec, definition: JobDefinition | None, by: str, now: datetime
) -> dict[str, Any]:
    """Return the fields of runs that are launched now, without their context.

    Raises:
        InvalidInputError: this content can launch nothing.
    """
    if definition is None:
        message = f"there is no job {spec.job}; register it first"
        issue = Issue("/job", message, "enum")
        raise InvalidInputError([issue])
    if is_built_in_entry_point(definition.spec.entry_point):
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
    request = Launch(parameters=spec.parameters)
    return await offload_if_long(lambda: run_fields(definition, request, by, now))


def launch(
    change: Change,
    run_id: UUID,
    due_at: datetime,
    now: datetime,
    idempotency_key: str | None = None,
) -> None:
    """Make a run of a schedule, after `obstacle_of` found no obstacle."""
    change.decided_at = now
    context: JsonObject = {"schedule": change.schedule.slug, "dueAt": to_iso(due_at)}
    if change.slot is not None:
        if change.holder is not None:
            replace_by(change.runs[change.holder], run_id, now)
        claim = SlotClaim(change.slot, run_id, change.holder)
        change.slot_claims.append(claim)
    fields = {**change.fields, "context": context}
    if idempotency_key is not None:
        request = Launch(idempotency_key=idempotency_key)
        fields |= {"idempotency_key": idempotency_key, "request_digest": request.digest}
    change.launched[run_id] = first_events(fields, run_id, now)


async def unit_of(
    application: LogApplication,
    change: Change,
    origin: Origin,
    *,
    expects_runs: bool = False,
    answers_with_runs: bool = False,
) -> Unit:
    """Return a decided change as one unit, which the log refuses if it does not hold any more.

    With `expects_runs` it is also refused if open runs have changed that it does not change. With
    `answers_with_runs` the client looks up the runs, otherwise the schedule.
    """
    schedule = change.schedule
    seen: list[Aggregate] = [schedule]
    expects: dict[UUID, int] = {}
    if change.definition is not None:
        seen.append(change.definition)
        expects[change.definition.id] = change.definition.version
    runs = change.runs.values()
    if expects_runs:
        unchanged = [run for run in runs if not run.pending_events]
        seen += unchanged
        expects |= {run.id: run.version for run in unchanged}
    moved = await application.with_followers([run for run in runs if run.pending_events])
    heads = seen_heads([*seen, *moved])
    stored = application.stored_events([schedule, *moved])
    for events in change.launched.values():
        stored += map(application.mapper.to_stored_event, events)
    known_as = [schedule.slug]
    if answers_with_runs:
        known_as = [*map(str, change.launched), *known_as]
    return Unit(
        stored,
        origin,
        expects=expects,
        heads=heads,
        slot_claims=change.slot_claims,
        known_as=known_as,
        decided_at=change.decided_at,
    )


async def append(
    application: LogApplication, change: Change, origin: Origin, *, answers_with_runs: bool = False
) -> Saved:
    """Append a decided change as one unit; see `unit_of`.

    Raises:
        VersionConflictError: it does not hold any more; nothing was appended.
    """
    if not change.schedule.pending_events:
        return Saved()
    unit = await unit_of(application, change, origin, answers_with_runs=answers_with_runs)
    return await application.log_port.append(unit)


AWAY_AFTER = timedelta(seconds=30)
"""A process that has not looked at the clock for longer did not watch it: it was frozen, or without
its database. One that looks a little late is only busy."""

RECORD_EVERY = timedelta(seconds=1)
"""How often a process records that it watches the clock."""


class Watch:
    """Since when the clock has been watched without a gap, by this process or by others.

    No process could decide ticks that fired before, so they may have been missed.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._begun: datetime | None = None
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._recorded_at = self._looked_at
        self._since = self._looked_at

    def look(self, now: datetime) -> datetime:
        """Record that this process looks at the clock; return since when it has watched it."""
        if self._begun is None or now - self._looked_at > AWAY_AFTER:
            self._begun = now
            self._recorded_at = datetime.min.replace(tzinfo=UTC)
        # The clock may have been set back.
        self._begun = min(self._begun, now)
        self._looked_at = now
        return self._begun

    async def since(self, now: datetime) -> datetime:
        """Record that this process looks; return since when any process has watched the clock.

        Raises:
            LogUnavailableError: the look does not count.
        """
        before = self._begun, self._looked_at
        begun = self.look(now)
        if abs(now - self._recorded_at) >= RECORD_EVERY:
            try:
                self._since = await self._log.watch_clock(begun, now)
            except LogUnavailableError:
                self._begun, self._looked_at = before
                raise
            self._recorded_at = now
        return min(self._since, now)


class Ticking:
    """The commands of the clock."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application
        self.watch = Watch(application.log_port)

    async def tick(self, schedule_ids: Sequence[UUID]) -> int:
        """Decide the due ticks of schedules; return the number of schedules decided.

        Each schedule is a unit, and all units are appended concurrently. Schedules that cannot be
        read are quarantined. A schedule does not count if its unit was refused, as another process
        decided its ticks, or something else changed: it is decided again a little later.
        """
        try:
            return await self._tick(schedule_ids)
        except QuarantinedError as error:
            if len(schedule_ids) == 1:
                # Its job, its zone or the schedule itself cannot be read.
                self._application.quarantine.add(schedule_ids[0], str(error))
                return 0
        # One of them cannot be read.
        ticked = 0
        for schedule_id in schedule_ids:
            ticked += await self.tick([schedule_id])
        return ticked

    async def prepare(self, schedule_ids: Sequence[UUID], at: datetime) -> dict[UUID, Unit]:
        """Decide the ticks that will be due at a future time; return what to append then.

        Schedules are left out if it would be costly to check then that the decision still holds, or
        if they cannot be read.
        """
        try:
            return await self._prepare(schedule_ids, at)
        except QuarantinedError:
            if len(schedule_ids) == 1:
                return {}
        # One of them cannot be read.
        prepared: dict[UUID, Unit] = {}
        for schedule_id in schedule_ids:
            prepared |= await self.prepare([schedule_id], at)
        return prepared

    async def append(self, prepared: Iterable[Unit]) -> int:
        """Append prepared units, now that they are due; return how many were not refused."""
        self.watch.look(self._application.clock())
        return await _append_all(map(self._application.log_port.append, prepared))

    async def _tick(self, schedule_ids: Sequence[UUID]) -> int:
        now = self._application.clock()
        since = await self.watch.since(now)
        ticked = 0
        async for changes in self._read(schedule_ids):
            decided = await self._decided(changes, now, since)
            appends = [append(self._application, change, SYSTEM) for change in decided]
            ticked += await _append_all(appends)
        return ticked

    async def _prepare(self, schedule_ids: Sequence[UUID], at: datetime) -> dict[UUID, Unit]:
        prepared: dict[UUID, Unit] = {}
        since = await self.watch.since(self._application.clock())
        async for changes in self._read(schedule_ids):
            able = [change for change in changes if change.can_be_prepared()]
            for change in await self._decided(able, at, since):
                unit = await unit_of(self._application, change, SYSTEM, expects_runs=True)
                prepared[change.schedule.id] = _compact(unit)
                await asyncio.sleep(0)  # Let other tasks run.
        return prepared

    async def _read(self, schedule_ids: Sequence[UUID]) -> AsyncIterator[list[Change]]:
        """Read schedules, and yield them in groups that fit into memory together."""
        loaded = await self._application.load(Schedule, schedule_ids)
        remaining = list(loaded.values())
        while remaining:
            changes = await read_changes(self._application, remaining)
            yield changes
            remaining = remaining[len(changes) :]

    async def _decided(
        self, changes: Sequence[Change], now: datetime, since: datetime
    ) -> list[Change]:
        """Decide the ticks that have fired by `now`; return the changes.

        `since` is the time since which the clock has been watched without a gap (`Watch.since`).
        """
        await gather_facts(self._application, changes, now)
        decided: list[Change] = []
        for change in changes:
            with suppress(SlotTakenError):
                decide_change(change, now, since)
                if not change.schedule.pending_events:
                    change.schedule.replan(now)
                if change.schedule.pending_events:
                    decided.append(change)
            await asyncio.sleep(0)  # Let other tasks run.
        return decided


async def _append_all(appends: Iterable[Awaitable[Saved]]) -> int:
    """Append units concurrently; return how many were not refused as outdated."""
    appended = 0
    for outcome in await asyncio.gather(*appends, return_exceptions=True):
        if isinstance(outcome, VersionConflictError):
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        appended += 1
    return appended


def _compact(unit: Unit) -> Unit:
    """Return a unit that takes no more memory than it needs.

    orjson leaves its result in a buffer of four to sixteen kilobytes, ten times as much.
    """
    events = [replace(event, state=bytes(memoryview(event.state))) for event in unit.events]
    return replace(unit, events=events)
