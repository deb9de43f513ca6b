"""What the clock does to schedules: due ticks launch, cancel or skip runs, in one unit.

First a schedule with all that is decided together with it (`Change`); then the unique slots of the
runs that schedules launch; then the steps of a change, from `begin` to `append`; last `Ticking`,
which decides all schedules that are due.

All is decided on what was read without the lock. Where two processes decide the same tick at the
same moment, the second one finds the schedule's version taken.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.persistence import StoredEvent

from domain import identifiers
from domain.clock import to_iso
from domain.commands.application import SYSTEM, LogApplication, seen_heads
from domain.commands.uniqueness import check_pending, replace_by
from domain.errors import (
    InvalidInputError,
    Issue,
    LogUnavailableError,
    QuarantinedError,
    ValueTakenError,
    VersionConflictError,
)
from domain.identifiers import Slot, Taking, tick_run_id
from domain.jobs.definition import JobDefinition, is_built_in_entry_point
from domain.jobs.launching import Launch, first_events, run_fields, run_of_events
from domain.jobs.run import JobRun
from domain.jobs.run_events import FINAL, RunEvent
from domain.json_values import JsonObject, escape
from domain.personal import MARK
from domain.ports import Log, Origin, Saved, Unit
from domain.schedules.calendar import MAX_OPEN_RUNS, Obstacle, ScheduleSpec
from domain.schedules.schedule import Schedule
from domain.schedules.ticks import coming_again, settle
from domain.schema.validation import decided

MOST_EXPECTED = 3
"""Open runs of a schedule that are looked at once more when what was prepared is appended."""


@dataclass
class Change:
    """A schedule that is to change, and what it hangs on.

    Attributes:
        definition: of its job, None where there is none.
        runs: those of its open runs that could be read, and the one that gives way to the next.
        launched: by id, the first events of runs that it launches now.
        obstacle: what stands in the way of every launch.
        goes_on: whether more of its ticks may be due.
        fields: what runs that it launches now say, but for their context.
        slot: what a run that it launches now has to itself; None where its job's are not unique.
        holder: the run that has it.
        is_kept: whether that is kept, so nothing is launched.
        takings: as in `domain.ports.Unit`.
        decided_at: the present by which its ticks were decided, or a run was launched.
    """

    schedule: Schedule
    definition: JobDefinition | None
    runs: dict[UUID, JobRun] = field(default_factory=dict)
    launched: dict[UUID, Sequence[RunEvent]] = field(default_factory=dict)
    obstacle: Obstacle | None = None
    goes_on: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    slot: Slot | None = None
    holder: UUID | None = None
    is_kept: bool = False
    takings: list[Taking] = field(default_factory=list)
    decided_at: datetime | None = None

    def take(self, runs: Mapping[UUID, JobRun]) -> None:
        """Take those of the runs that are the schedule's, and open."""
        for text in self.schedule.open_runs:
            run_id = UUID(text)
            run = runs.get(run_id)
            if run is not None:
                self.runs[run_id] = run

    def unread_runs(self) -> set[UUID]:
        """Return those of the schedule's open runs that were not taken."""
        open_runs = set(map(UUID, self.schedule.open_runs))
        return open_runs.difference(self.runs)

    def run_to_cancel(self, run_id: UUID) -> JobRun | None:
        """Return one of its runs, also of those that it launches now; None for an unread one."""
        if run_id in self.launched:
            events = self.launched.pop(run_id)
            self.runs[run_id] = run_of_events(events)
        return self.runs.get(run_id)

    def changed_runs(self) -> list[JobRun]:
        """Return its runs that have new events, but for those of `launched`."""
        return [run for run in self.runs.values() if run.pending_events]

    def unchanged_runs(self) -> list[JobRun]:
        """Return its runs that have no new events."""
        return [run for run in self.runs.values() if not run.pending_events]

    @property
    def can_wait(self) -> bool:
        """Return whether it can be told later on, at little cost, if what is decided still holds.

        That is known before anything is decided.
        """
        definition = self.definition
        if definition is None or self.unread_runs():
            return False
        if definition.spec.uniqueness is not None:
            return False
        return len(self.runs) <= MOST_EXPECTED


# Slots of the runs that schedules launch, where their jobs have unique runs.


async def look_for_places(application: LogApplication, changes: Iterable[Change]) -> None:
    """Note what the next run of each needs to itself, and who has that.

    What the runs say must be known (`Change.fields`). All are asked for at once.
    """
    wanting: list[tuple[Change, Slot]] = []
    for change in changes:
        change.slot = _slot_of(change)
        if change.slot is not None:
            wanting.append((change, change.slot))
    if not wanting:
        return
    slots = {slot for _, slot in wanting}
    holders = await application.log_port.holders_of(slots)
    giving_way: list[Change] = []
    for change, slot in wanting:
        if slot not in holders:
            continue
        change.holder, is_pending = holders[slot]
        change.is_kept = _is_kept_by(change, is_pending=is_pending)
        if not change.is_kept:
            giving_way.append(change)
    await _read_holders(application, giving_way)


def check_place(change: Change) -> None:
    """Raise ValueTakenError if the run that is to give way to the next one has moved on since."""
    if change.holder is not None and not change.is_kept:
        check_pending(change.runs[change.holder])


def _slot_of(change: Change) -> Slot | None:
    definition = change.definition
    if definition is None or definition.spec.uniqueness is None:
        return None
    value = definition.spec.uniqueness.value(change.fields["parameters"])
    return Slot(definition.id, value)


def _is_kept_by(change: Change, *, is_pending: bool) -> bool:
    """Return whether the run that has the slot keeps it."""
    definition = change.definition
    if definition is None or definition.spec.uniqueness is None:
        return False
    return definition.spec.uniqueness.on_conflict == "keep" or not is_pending


async def _read_holders(application: LogApplication, changes: Sequence[Change]) -> None:
    """Read the runs that are to give way, together as far as they may be."""
    unread: set[UUID] = set()
    for change in changes:
        if change.holder is not None and change.holder not in change.runs:
            unread.add(change.holder)
    found: dict[UUID, JobRun] = {}
    if unread:
        found = await application.load(JobRun, unread)
    for change in changes:
        holder_id = change.holder
        if holder_id is None or holder_id in change.runs:
            continue
        # Each has a run of its own to change, should several want the same place.
        holder = found.pop(holder_id, None)
        try:
            application.quarantine.check([holder_id])
            change.runs[holder_id] = holder or await application.run(holder_id)
        except QuarantinedError:
            # What cannot be read cannot give way. The schedule itself can be read.
            change.is_kept = True


BY_REPLACEMENT = "its schedule launches the next one"
"""Why a run was canceled by the policy of its schedule."""


async def begin(application: LogApplication, schedules: Sequence[Schedule]) -> list[Change]:
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
    await note_already_launched(application, changes, now)
    for change in changes:
        change.obstacle = await obstacle_of(change, now)
        definition = change.definition
        if change.obstacle is None and definition is not None and definition.is_paused:
            change.obstacle = "job_paused"
    free = [change for change in changes if change.obstacle is None]
    await look_for_places(application, free)


async def note_ends(application: LogApplication, changes: Sequence[Change], now: datetime) -> None:
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


async def note_already_launched(
    application: LogApplication, changes: Sequence[Change], now: datetime
) -> None:
    """Note which ticks that come again, for the clock was set back, have a run or wait for one."""
    run_ids: dict[UUID, dict[UUID, datetime]] = {}
    for change in changes:
        schedule = change.schedule
        for due_at in coming_again(schedule, now):
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


def settle_ticks(change: Change, now: datetime, watched_since: datetime) -> None:
    """Decide the ticks that have fired, and make their runs, once `look_around` is over.

    The clock has been looked at from a moment on until now.

    Raises:
        ValueTakenError: a run that would give way to the next one has moved on just now.
    """
    check_place(change)
    change.decided_at = now
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
    change: Change, now: datetime, spec: ScheduleSpec | None = None
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
    spec: ScheduleSpec, definition: JobDefinition | None, by: str, now: datetime
) -> dict[str, Any]:
    """Return what runs that are launched now by this content say, but for their context.

    Raises:
        InvalidInputError: nothing can be launched by it.
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
    wanted = Launch(parameters=spec.parameters)
    return await decided(lambda: run_fields(definition, wanted, by, now))


def launch(
    change: Change,
    run_id: UUID,
    due_at: datetime,
    now: datetime,
    idempotency_key: str | None = None,
) -> None:
    """Make a run of a schedule in whose way nothing stands, as `obstacle_of` found now."""
    change.decided_at = now
    context: JsonObject = {"schedule": change.schedule.slug, "dueAt": to_iso(due_at)}
    if change.slot is not None:
        if change.holder is not None:
            replace_by(change.runs[change.holder], run_id, now)
        taking = Taking(change.slot, run_id, change.holder)
        change.takings.append(taking)
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
    """Return what was decided as one unit, which is refused unless all of it still holds then.

    Whether runs that do not change have moved on since is only looked at if `expects_runs`. Whoever
    ordered it knows the schedule by its slug, or, if `answers_with_runs`, wants the runs.
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
    moved = await application.with_followers(change.changed_runs())
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
        takings=change.takings,
        known_as=known_as,
        decided_at=change.decided_at,
    )


async def append(
    application: LogApplication, change: Change, origin: Origin, *, answers_with_runs: bool = False
) -> Saved:
    """Append what was decided as one unit, provided that all of it still holds; see `unit_of`.

    Raises:
        VersionConflictError: it does not; nothing was appended.
    """
    if not change.schedule.pending_events:
        return Saved()
    unit = await unit_of(application, change, origin, answers_with_runs=answers_with_runs)
    return await application.log_port.append(unit)


AWAY_AFTER = timedelta(seconds=30)
"""A process that has not looked at the clock for longer was away: frozen, or without its database.
Whoever looks later than it should is only busy."""

SAY_EVERY = timedelta(seconds=1)
"""So often a process says that it looks at the clock."""


class Watch:
    """From when on somebody has looked at the clock, in this process or in another one.

    What fired before that could not be decided by anybody, so it may have been missed.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._begun: datetime | None = None
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._said_at = self._looked_at
        self._since = self._looked_at

    def look(self, now: datetime) -> datetime:
        """Note that this process looks; return from when on it has done so."""
        if self._begun is None or now - self._looked_at > AWAY_AFTER:
            self._begun = now
            self._said_at = datetime.min.replace(tzinfo=UTC)
        # A clock that is set back shows what it has shown before.
        self._begun = min(self._begun, now)
        self._looked_at = now
        return self._begun

    async def since(self, now: datetime) -> datetime:
        """Note that this process looks; return from when on anybody has done so until now.

        Raises:
            LogUnavailableError: then it does not count as having looked.
        """
        before = self._begun, self._looked_at
        begun = self.look(now)
        if abs(now - self._said_at) >= SAY_EVERY:
            try:
                self._since = await self._log.watch_clock(begun, now)
            except LogUnavailableError:
                self._begun, self._looked_at = before
                raise
            self._said_at = now
        return min(self._since, now)


class Ticking:
    """The commands of the clock."""

    def __init__(self, application: LogApplication) -> None:
        self._application = application
        self.watch = Watch(application.log_port)

    async def tick(self, schedule_ids: Sequence[UUID]) -> int:
        """Decide the ticks of schedules that are due; return of how many schedules some were.

        Each is a unit of its own, and all are handed to the log at once. What cannot be read is
        left alone. A schedule does not count whose ticks somebody else has decided at the same
        moment, or of which something has changed: it is to be looked at once more, a little later.
        """
        try:
            return await self._tick(schedule_ids)
        except QuarantinedError as error:
            if len(schedule_ids) == 1:
                # Its job or its zone, or it itself: it is asked for no more.
                first = schedule_ids[0]
                self._application.quarantine.add(first, str(error))
                return 0
        # One of them is in the way of the others.
        ticked = 0
        for schedule_id in schedule_ids:
            ticked += await self.tick([schedule_id])
        return ticked

    async def prepare(self, schedule_ids: Sequence[UUID], at: datetime) -> dict[UUID, Unit]:
        """Decide the ticks that will be due at a moment to come; return what to append then.

        Left out are schedules of which nobody could tell then whether it still holds. What cannot
        be read is left to `tick`.
        """
        try:
            return await self._prepare(schedule_ids, at)
        except QuarantinedError:
            if len(schedule_ids) == 1:
                return {}
        # One of them is in the way of the others.
        prepared: dict[UUID, Unit] = {}
        for schedule_id in schedule_ids:
            prepared |= await self.prepare([schedule_id], at)
        return prepared

    async def append(self, prepared: Iterable[Unit]) -> int:
        """Append what was prepared, now that it is due; return how much of it still held."""
        self.watch.look(self._application.clock())
        log = self._application.log_port
        appends = [log.append(unit) for unit in prepared]
        return await _got_through(appends)

    async def _tick(self, schedule_ids: Sequence[UUID]) -> int:
        now = self._application.clock()
        since = await self.watch.since(now)
        ticked = 0
        async for changes in self._read(schedule_ids):
            decided = await self._decided(changes, now, since)
            appends = [append(self._application, change, SYSTEM) for change in decided]
            ticked += await _got_through(appends)
        return ticked

    async def _prepare(self, schedule_ids: Sequence[UUID], at: datetime) -> dict[UUID, Unit]:
        prepared: dict[UUID, Unit] = {}
        since = await self.watch.since(self._application.clock())
        async for changes in self._read(schedule_ids):
            able = [change for change in changes if change.can_wait]
            for change in await self._decided(able, at, since):
                unit = await unit_of(self._application, change, SYSTEM, expects_runs=True)
                prepared[change.schedule.id] = _fit_to_be_kept(unit)
                await asyncio.sleep(0)  # Others have waited for this one.
        return prepared

    async def _read(self, schedule_ids: Sequence[UUID]) -> AsyncIterator[list[Change]]:
        """Read schedules, and yield those at once that could be read together."""
        found = await self._application.load(Schedule, schedule_ids)
        left = list(found.values())
        while left:
            changes = await begin(self._application, left)
            yield changes
            left = left[len(changes) :]

    async def _decided(
        self, changes: Sequence[Change], now: datetime, since: datetime
    ) -> list[Change]:
        """Decide the ticks that fire by a moment; return what has changed by that.

        The clock has been looked at since a moment (`Watch.since`).
        """
        await look_around(self._application, changes, now)
        decided: list[Change] = []
        for change in changes:
            if _settle(change, now, since):
                decided.append(change)
            await asyncio.sleep(0)  # Others have waited for this one.
        return decided


def _settle(change: Change, now: datetime, since: datetime) -> bool:
    """Decide the ticks of a schedule that have fired; return whether that has led to anything."""
    try:
        settle_ticks(change, now, since)
    except ValueTakenError:
        return False
    schedule = change.schedule
    if not schedule.pending_events:
        schedule.replan(now)
    return bool(schedule.pending_events)


async def _got_through(appends: Iterable[Awaitable[Saved]]) -> int:
    """Append units, each by itself; return how many were not refused as outdated."""
    appended = 0
    for outcome in await asyncio.gather(*appends, return_exceptions=True):
        if isinstance(outcome, VersionConflictError):
            continue
        if isinstance(outcome, BaseException):
            raise outcome
        appended += 1
    return appended


def _fit_to_be_kept(unit: Unit) -> Unit:
    """Return a unit that takes no more room than it needs.

    What orjson has just written lies in a buffer of four to sixteen kilobytes, ten times as much.
    """
    events: list[StoredEvent] = []
    for event in unit.events:
        state = bytes(memoryview(event.state))
        fit = replace(event, state=state)
        events.append(fit)
    return replace(unit, events=events)
