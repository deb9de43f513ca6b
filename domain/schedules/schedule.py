"""A schedule: it launches a job at its ticks, and records what became of each.

First the state, then the events, then the aggregate (`Schedule`). Commands decide and trigger
events; the time is an argument. `ticks.py` decides what becomes of a due tick; ticks that are due
when a schedule is paused, resumed or deleted are skipped here (`_skip_undecided`).
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, Literal, Self, cast
from uuid import UUID

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.clock import CLOCK_STEP, cut_to_ms, from_iso, later, to_iso
from domain.errors import ConflictError, NotFoundError, QuarantinedError, refuse
from domain.identifiers import schedule_id, tick_run_id
from domain.json_values import Json, JsonObject, differing
from domain.personal import erased_from
from domain.schedules.calendar import Calendar, Overlap, ScheduleSpec, Stretch, Tick
from domain.state import (
    BigInt,
    Changes,
    Document,
    Documents,
    Flag,
    Id,
    Integer,
    PlainEvent,
    StateEvent,
    Stateful,
    Text,
    Texts,
    Time,
    spec_upcast,
)


class ScheduleState(TypedDict):
    """A schedule, in the order in which clients see it; `id` is their name for it.

    Ticks due until `decided_until` are decided. `next_at` is when the next tick fires, as known at
    the last event. If the clock was set back, `next_at` lies before `decided_until`, and ticks that
    fire from `next_at` on are decided again unless they have a run. `open_runs` are its runs whose
    end is not recorded, in the order of their launch; `manual_runs` are those of them that people
    launched. `buffered` has the times at which waiting ticks were due. `carried` are ticks of
    earlier versions that have not fired, each with `dueAt` and `firesAt`. `last_tick` has `dueAt`,
    `outcome`, `reason` and `runId`, and `paused` has `at`, `by`, `reason` and `runId`.
    """

    aggregate_id: ReadOnly[Id]
    id: ReadOnly[Text]
    version: ReadOnly[Integer]
    job: ReadOnly[Text]
    parameters: ReadOnly[Document]
    cron: ReadOnly[Text | None]
    every_ms: ReadOnly[BigInt | None]
    time_zone: ReadOnly[Text]
    exclude: ReadOnly[Texts]
    overlap: ReadOnly[Annotated[Overlap, "text"]]
    catch_up_ms: ReadOnly[BigInt]
    jitter_ms: ReadOnly[BigInt]
    start_at: ReadOnly[Time | None]
    end_at: ReadOnly[Time | None]
    pause_on_failure: ReadOnly[Flag]
    owner: ReadOnly[Text | None]
    paused: ReadOnly[Document | None]
    next_at: ReadOnly[Time | None]
    last_tick: ReadOnly[Document | None]
    open_runs: ReadOnly[Texts]
    manual_runs: ReadOnly[Texts]
    buffered: ReadOnly[Texts]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    deleted_at: ReadOnly[Time | None]
    decided_until: ReadOnly[Time]
    carried: ReadOnly[Documents]


# The schedule's events. Their topics and fields are the on-disk format.
#
# `next_at` is when the next tick fires, as known then: folds do not compute it, as it depends on
# the rules of time zones, which change.

BY_CALENDAR = "calendar"
"""The cause of ticks of the calendar."""

BY_BACKFILL = "backfill"
"""The cause of past ticks that a client launches."""

SkipReason = Literal[
    "paused",
    "deleted",
    "excluded",
    "job_deleted",
    "invalid_parameters",
    "job_paused",
    "missed",
    "overlap",
    "buffer_full",
    "too_many_runs",
    "run_is_there",
]
"""Why a tick has no run; `docs/schedules.md` explains each."""

MAX_BUFFERED = 100
"""Ticks that wait for runs to end; more are skipped. Each is a part of the schedule's row."""


class ScheduleEvent(StateEvent):
    """Base of the schedule's events."""

    TOPIC = "schedule.event"


class ScheduleSpecEvent:
    """Base of the events that hold all of a schedule's content, in its newest shape."""

    class_version = 2
    upcast_v1_v2 = spec_upcast("owner", None)


class Registered(ScheduleSpecEvent, ScheduleEvent, Aggregate.Created):
    """The schedule was created; its ticks are those that are due later."""

    TOPIC = "schedule.registered"
    slug: str
    version: int
    spec: dict[str, Any]
    next_at: datetime | None

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {
            **cast("JsonObject", event.data["spec"]),
            "aggregate_id": str(event.aggregate_id),
            "id": event.data["slug"],
            "version": event.data["version"],
            "next_at": event.data["next_at"],
            "decided_until": event.at,
            "open_runs": [],
            "manual_runs": [],
            "buffered": [],
            "carried": [],
            "created_at": event.at,
        }


class Revised(ScheduleEvent):
    """It has a new version for later ticks; `changes` holds the fields that differ.

    The tick that was due at `carried_due_at`, and has not fired because of its jitter, still fires
    at `carried_fires_at`.
    """

    TOPIC = "schedule.revised"
    class_version = 2
    version: int
    changes: dict[str, Any]
    next_at: datetime | None
    carried_due_at: datetime | None
    carried_fires_at: datetime | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before ticks were carried into the next version."""
        state["carried_due_at"] = None
        state["carried_fires_at"] = None

    @staticmethod
    def evolve(schedule: ScheduleState, event: PlainEvent) -> Changes:
        carried = [*schedule["carried"]]
        due_at = event.data["carried_due_at"]
        if due_at is not None:
            carried.append({"dueAt": due_at, "firesAt": event.data["carried_fires_at"]})
        carried.sort(key=lambda tick: cast("str", tick["firesAt"]))
        changes = cast("JsonObject", event.data["changes"])
        return {**changes, **_new_version(schedule, event), "carried": [*carried]}


class Paused(ScheduleEvent):
    """Its ticks are skipped from now on. `run_id` is the run whose failure paused it, if any."""

    TOPIC = "schedule.paused"
    by: str
    reason: str | None
    run_id: str | None

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        data = event.data
        reason, run_id = data["reason"], data["run_id"]
        return {"paused": {"at": event.at, "by": data["by"], "reason": reason, "runId": run_id}}


class Resumed(ScheduleEvent):
    """Its ticks are launched again."""

    TOPIC = "schedule.resumed"

    @staticmethod
    def evolve(*_: object) -> Changes:
        return {"paused": None}


class Deleted(ScheduleEvent):
    """It has no more ticks, and those that waited are dropped."""

    TOPIC = "schedule.deleted"
    reason: str | None

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {"deleted_at": event.at, "next_at": None, "buffered": [], "carried": []}


class RegisteredAnew(ScheduleSpecEvent, ScheduleEvent):
    """It was created again after its deletion.

    Its earlier runs may not have ended, but are no longer its own.
    """

    TOPIC = "schedule.registered_anew"
    version: int
    spec: dict[str, Any]
    next_at: datetime | None

    @staticmethod
    def evolve(schedule: ScheduleState, event: PlainEvent) -> Changes:
        return {
            **cast("JsonObject", event.data["spec"]),
            **_new_version(schedule, event),
            "paused": None,
            "deleted_at": None,
            "open_runs": [],
            "manual_runs": [],
            "buffered": [],
            "carried": [],
        }


class TickEvent(ScheduleEvent):
    """Base of the outcomes of a tick.

    `cause` is `calendar`, or `backfill` if a client launched past ticks.
    """

    due_at: datetime
    cause: str
    next_at: datetime | None


class TickLaunched(TickEvent):
    """The tick's run was launched, in the same unit; the tick may have waited before."""

    TOPIC = "schedule.tick_launched"
    run_id: str

    @staticmethod
    def evolve(schedule: ScheduleState, event: PlainEvent) -> Changes:
        is_manual = event.data["cause"] == BY_BACKFILL
        return {
            **_decided(schedule, event, "launched"),
            **_opened(schedule, event, is_manual=is_manual),
        }


class TickSkipped(TickEvent):
    """`ticks` consecutive ticks, the last due at `last_due_at`, were skipped for one reason.

    `run_id` is the run that was in their way. `watched_since` is set for missed ticks: since then a
    process has watched the clock.
    """

    TOPIC = "schedule.tick_skipped"
    class_version = 2
    last_due_at: datetime
    ticks: int
    reason: str
    run_id: str | None
    watched_since: datetime | None

    @staticmethod
    def upcast_v1_v2(state: JsonObject) -> None:
        """Lift an event from before lateness alone made no tick missed."""
        state["watched_since"] = None

    @staticmethod
    def evolve(schedule: ScheduleState, event: PlainEvent) -> Changes:
        return _decided(schedule, event, "skipped")


class TickBuffered(TickEvent):
    """The tick waits until all runs of earlier ticks have ended."""

    TOPIC = "schedule.tick_buffered"

    @staticmethod
    def evolve(schedule: ScheduleState, event: PlainEvent) -> Changes:
        waiting: list[Json] = [*schedule["buffered"], event.data["due_at"]]
        return {**_decided(schedule, event, "buffered"), "buffered": waiting}


class Replanned(ScheduleEvent):
    """The next tick fires at another time than was known: the zone's rules or the clock changed."""

    TOPIC = "schedule.replanned"
    next_at: datetime | None

    @staticmethod
    def evolve(_: object, event: PlainEvent) -> Changes:
        return {"next_at": event.data["next_at"]}


class Triggered(ScheduleEvent):
    """A client launched a run at once, without a tick."""

    TOPIC = "schedule.triggered"
    run_id: str

    @staticmethod
    def evolve(schedule: ScheduleState, event: PlainEvent) -> Changes:
        return _opened(schedule, event, is_manual=True)


class RunEnded(ScheduleEvent):
    """One of its runs has ended, with this status."""

    TOPIC = "schedule.run_ended"
    run_id: str
    status: str

    @staticmethod
    def evolve(schedule: ScheduleState, event: PlainEvent) -> Changes:
        ended = event.data["run_id"]
        return {
            "open_runs": [run_id for run_id in schedule["open_runs"] if run_id != ended],
            "manual_runs": [run_id for run_id in schedule["manual_runs"] if run_id != ended],
        }


def _new_version(schedule: ScheduleState, event: PlainEvent) -> Changes:
    return {
        "version": event.data["version"],
        "next_at": event.data["next_at"],
        "decided_until": max(schedule["decided_until"], event.at),
    }


def _decided(schedule: ScheduleState, event: PlainEvent, outcome: str) -> Changes:
    """Return what the outcome of a tick, or of several, changes; texts of times are in order."""
    data = event.data
    first = cast("str", data["due_at"])
    last = cast("str", data.get("last_due_at", first))
    waiting: Changes = {
        "buffered": [due_at for due_at in schedule["buffered"] if not first <= due_at <= last],
        "carried": [
            tick for tick in schedule["carried"] if not first <= cast("str", tick["dueAt"]) <= last
        ],
    }
    if data["cause"] == BY_BACKFILL:
        # It was decided before, so the schedule does not advance.
        return waiting
    return {
        **waiting,
        "next_at": data["next_at"],
        "decided_until": max(schedule["decided_until"], last),
        "last_tick": {
            "dueAt": last,
            "outcome": outcome,
            "reason": data.get("reason"),
            "runId": data.get("run_id"),
        },
    }


def _opened(schedule: ScheduleState, event: PlainEvent, *, is_manual: bool) -> Changes:
    run_id = event.data["run_id"]
    opened: Changes = {"open_runs": [*schedule["open_runs"], run_id]}
    if is_manual:
        opened["manual_runs"] = [*schedule["manual_runs"], run_id]
    return opened


BY_ITSELF = "system"
"""The actor that pauses a schedule whose run failed."""

_BAD_ENDS = frozenset({"failed", "expired"})

_SPEC_FIELDS = tuple(one.name for one in fields(ScheduleSpec))


class Schedule(Stateful[ScheduleState], Aggregate):
    """Aggregate of a schedule in its current version."""

    TOPIC = "schedule"
    STATE = ScheduleState
    CACHED = ("spec", "buffered", "carried")

    already_launched = cast("Collection[datetime]", frozenset())
    """The due times of ticks that are decided again although they have a run or wait for one. No
    event tells them: commands look them up before a decision."""

    Event = ScheduleEvent
    Registered = Registered
    Revised = Revised
    Paused = Paused
    Resumed = Resumed
    Deleted = Deleted
    RegisteredAnew = RegisteredAnew
    TickLaunched = TickLaunched
    TickSkipped = TickSkipped
    TickBuffered = TickBuffered
    Replanned = Replanned
    Triggered = Triggered
    RunEnded = RunEnded

    @property
    def slug(self) -> str:
        """The name that clients give it."""
        return self.state["id"]

    @property
    def public_id(self) -> str:
        return self.slug

    @property
    def current(self) -> int:
        """The number of the current version."""
        return self.state["version"]

    @cached_property
    def spec(self) -> ScheduleSpec:
        """The content of the current version."""
        content: dict[str, Any] = {**self.state}
        return ScheduleSpec(**{name: content[name] for name in _SPEC_FIELDS})

    @property
    def is_paused(self) -> bool:
        return self.state["paused"] is not None

    @property
    def is_deleted(self) -> bool:
        return self.state["deleted_at"] is not None

    @property
    def decided_until(self) -> datetime:
        return from_iso(self.state["decided_until"])

    @property
    def next_at(self) -> datetime | None:
        next_at = self.state["next_at"]
        return None if next_at is None else from_iso(next_at)

    @property
    def comes_again(self) -> bool:
        """Whether it decides ticks again, as the clock was set back."""
        return self.next_at is not None and self.next_at <= self.decided_until

    def is_ahead_of(self, now: datetime) -> bool:
        """Return whether future ticks have been decided, as the clock was set back."""
        return self.decided_until > now + CLOCK_STEP

    @property
    def open_runs(self) -> list[str]:
        return self.state["open_runs"]

    @property
    def manual_runs(self) -> list[str]:
        return self.state["manual_runs"]

    @property
    def calendar_runs(self) -> list[str]:
        """Its open runs that ticks launched: those that `overlap` is about."""
        manual = set(self.manual_runs)
        return [run_id for run_id in self.open_runs if run_id not in manual]

    @cached_property
    def buffered(self) -> list[datetime]:
        """The due times of the ticks that wait, in order."""
        return [from_iso(due_at) for due_at in self.state["buffered"]]

    @cached_property
    def carried(self) -> list[Tick]:
        """Ticks of earlier versions that have not fired, in the order in which they fire."""
        return [
            Tick(from_iso(cast("str", tick["dueAt"])), from_iso(cast("str", tick["firesAt"])))
            for tick in self.state["carried"]
        ]

    # Commands of clients

    @classmethod
    def create(cls, slug: str, spec: ScheduleSpec, now: datetime) -> Self:
        """Create a schedule. The log refuses a name that is taken, as the id is derived from it.

        Raises:
            InvalidInputError: `ScheduleSpec.issues` says why.
        """
        refuse(spec.issues())
        own_id = schedule_id(slug)
        at = cut_to_ms(now)
        return cls._create(
            cls.Registered,
            id=own_id,
            timestamp=at,
            slug=slug,
            version=1,
            spec=dict(vars(spec)),
            next_at=_next_at(own_id, spec, at),
        )

    def recreate(self, spec: ScheduleSpec, now: datetime) -> None:
        """Create a deleted schedule again.

        Raises:
            ConflictError: `schedule_exists`, it is not deleted.
            InvalidInputError: `ScheduleSpec.issues` says why.
        """
        if not self.is_deleted:
            message = f"schedule {self.slug} already exists; change it by PATCH"
            raise ConflictError("schedule_exists", message)
        refuse(spec.issues())
        at = self._at(now)
        self.trigger_event(
            Schedule.RegisteredAnew,
            timestamp=at,
            version=self.current + 1,
            spec=dict(vars(spec)),
            next_at=_next_at(self.id, spec, self._begins_after(at, now)),
        )

    def revise(self, changes: dict[str, Any], now: datetime) -> None:
        """Make a new version, unless nothing would change.

        Ticks that have fired must be decided before, by the version of their time. A tick that is
        due and has not fired keeps its time, and is decided by the new version.

        Args:
            changes: new values of fields of `ScheduleSpec`.
            now: the database's present.

        Raises:
            NotFoundError: `schedule_not_found`, it is deleted.
            InvalidInputError: the new content is wrong.
        """
        self.check_not_deleted()
        changed = differing(changes, vars(self.spec))
        if not changed:
            return
        spec = replace(self.spec, **changed)
        refuse(spec.issues())
        at = self._at(now)
        carried = self.calendar().delayed_tick(self.decides_after(now), cut_to_ms(now))
        if carried is not None and carried.due_at in self.already_launched:
            carried = None
        elif carried is not None and len(self.carried) >= MAX_BUFFERED:
            self.skip_tick(carried.due_at, "buffer_full", now)
            carried = None
        elif carried is not None and carried.is_excluded:
            self.skip_tick(carried.due_at, "excluded", now)
            carried = None
        still_to_fire = self.carried if carried is None else [*self.carried, carried]
        self.trigger_event(
            Schedule.Revised,
            timestamp=at,
            version=self.current + 1,
            changes=changed,
            next_at=_next_at(self.id, spec, self._begins_after(at, now), still_to_fire),
            carried_due_at=carried.due_at if carried else None,
            carried_fires_at=carried.fires_at if carried else None,
        )

    def erase(self, names: list[str], now: datetime) -> None:
        """Remove a subject's values from the parameters, also of a deleted schedule.

        Ticks need not be decided before: they launch nothing, as the job has marked these
        parameters as personal data.
        """
        self.trigger_event(
            Schedule.Revised,
            timestamp=self._at(now),
            version=self.current + 1,
            changes={"parameters": erased_from(self.spec.parameters, names)},
            next_at=self.next_at,
            carried_due_at=None,
            carried_fires_at=None,
        )

    def pause(self, by: str, reason: str | None, now: datetime, run_id: str | None = None) -> None:
        """Skip ticks from now on, and those that are due but not decided.

        Repeating changes nothing. Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        if self.is_paused:
            return
        self.trigger_event(
            Schedule.Paused, timestamp=self._at(now), by=by, reason=reason, run_id=run_id
        )
        with suppress(QuarantinedError):  # A process that knows the zone skips them later.
            self._skip_undecided("paused", now)

    def resume(self, now: datetime) -> None:
        """Launch ticks again; those that are due by now belong to the pause, and are skipped.

        Repeating changes nothing. Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        if self.is_paused:
            self._skip_undecided("paused", now)
            self.trigger_event(Schedule.Resumed, timestamp=self._at(now))

    def delete(self, reason: str | None, now: datetime) -> None:
        """Delete the schedule, and skip ticks that are due but not decided; its runs continue.

        Raises NotFoundError as `revise` does.
        """
        self.check_not_deleted()
        with suppress(QuarantinedError):
            self._skip_undecided("deleted", now)
        self.trigger_event(Schedule.Deleted, timestamp=self._at(now), reason=reason)

    def trigger(self, run_id: UUID, now: datetime) -> None:
        """Record a run that a client launches now. Raises NotFoundError as `revise` does."""
        self.check_not_deleted()
        self.trigger_event(Schedule.Triggered, timestamp=self._at(now), run_id=str(run_id))

    def backfill_tick(self, due_at: datetime, now: datetime, earlier: int = 0) -> UUID:
        """Launch a past tick, and return the id of its run.

        Raises NotFoundError as `revise` does.

        Args:
            due_at: when it was due.
            now: the database's present.
            earlier: how many runs it has had, each of which was canceled.
        """
        self.check_not_deleted()
        run_id = tick_run_id(self.id, to_iso(due_at), earlier)
        self.trigger_event(
            Schedule.TickLaunched,
            timestamp=self._at(now),
            due_at=due_at,
            cause=BY_BACKFILL,
            next_at=self.next_at,
            run_id=str(run_id),
        )
        return run_id

    # Commands of the clock

    def note_end(self, run_id: str, status: str, now: datetime) -> None:
        """Record that a run has ended; if it failed, pause a schedule that pauses on failures."""
        if run_id not in self.open_runs:
            return
        at = self._at(now)
        self.trigger_event(Schedule.RunEnded, timestamp=at, run_id=run_id, status=status)
        if self.is_deleted or not self.spec.pause_on_failure:
            return
        if status in _BAD_ENDS:
            self.pause(BY_ITSELF, f"run {run_id} has {status}", now, run_id)

    def launch_tick(self, due_at: datetime, now: datetime) -> UUID:
        """Launch a tick that is due, or has waited, and return the id of its run."""
        run_id = tick_run_id(self.id, to_iso(due_at))
        self._tick(Schedule.TickLaunched, due_at, due_at, now, run_id=str(run_id))
        return run_id

    def buffer_tick(self, due_at: datetime, now: datetime) -> None:
        """Let a tick wait until the open runs have ended."""
        self._tick(Schedule.TickBuffered, due_at, due_at, now)

    def skip_tick(
        self,
        due_at: datetime,
        reason: SkipReason,
        now: datetime,
        watched_since: datetime | None = None,
    ) -> None:
        """Skip one tick, as `skip_ticks` does."""
        self.skip_ticks(Stretch(due_at, due_at, 1), reason, now, watched_since)

    def skip_ticks(
        self,
        stretch: Stretch,
        reason: SkipReason,
        now: datetime,
        watched_since: datetime | None = None,
    ) -> None:
        """Skip consecutive ticks for one reason.

        Args:
            stretch: the ticks.
            reason: why.
            now: the database's present.
            watched_since: for missed ticks, since when a process has watched the clock.
        """
        run_id = None
        if reason == "overlap" and self.calendar_runs:
            run_id = self.calendar_runs[0]
        self._tick(
            Schedule.TickSkipped,
            stretch.first,
            stretch.last,
            now,
            last_due_at=stretch.last,
            ticks=stretch.ticks,
            reason=reason,
            run_id=run_id,
            watched_since=watched_since,
        )

    def _skip_undecided(self, reason: SkipReason, now: datetime) -> None:
        """Skip the ticks that are due but not decided, whether they have fired or not.

        Ticks that are decided again are left to `ticks.decide_ticks`, as some may have runs.
        """
        at = cut_to_ms(now)
        due = self.calendar().due_between(self.decided_until, at)
        for tick in self.carried:
            self.skip_tick(tick.due_at, reason, now)
        if due is not None and not self.comes_again:
            self.skip_ticks(due, reason, now)

    def replan(self, now: datetime) -> None:
        """Record when the next tick fires, by the present rules of its zone and the present time.

        If the clock was set back, it is the first tick after the present that has no run.
        """
        if self.is_deleted:
            return
        after = self.decides_after(now)
        next_at = _next_at(self.id, self.spec, after, self.carried, self.already_launched)
        if next_at != self.next_at:
            at = self._at(now)
            self.trigger_event(Schedule.Replanned, timestamp=at, next_at=next_at)

    def undecided(self) -> Iterator[Tick]:
        """Yield the ticks that are not decided, in order, maybe infinitely many."""
        if self.is_deleted:
            return iter(())
        to_come = self.calendar().ticks_after(self._decided_to())
        return chain(self.carried, to_come)

    def decides_after(self, now: datetime) -> datetime:
        """Return the time after which ticks are not decided."""
        decided_to = self._decided_to()
        if not self.is_ahead_of(now):
            return decided_to
        after_now = later(cut_to_ms(now), 1)
        return min(decided_to, self.calendar().fired_before(after_now))

    def calendar(self) -> Calendar:
        """Return the calendar of the current version. Raises QuarantinedError as `Calendar`."""
        return Calendar(self.id, self.spec)

    def check_not_deleted(self) -> None:
        """Raise NotFoundError `schedule_not_found` if it is deleted."""
        if self.is_deleted:
            raise NotFoundError("schedule_not_found", "schedule not found")

    def _tick(
        self, event: type[TickEvent], first: datetime, last: datetime, now: datetime, **fields: Any
    ) -> None:
        after = max(self._decided_to(), last)
        still_to_fire = [tick for tick in self.carried if not first <= tick.due_at <= last]
        self.trigger_event(
            event,
            timestamp=self._at(now),
            due_at=first,
            cause=BY_CALENDAR,
            next_at=_next_at(self.id, self.spec, after, still_to_fire, self.already_launched),
            **fields,
        )

    def _decided_to(self) -> datetime:
        """Return the time until which ticks are decided, and not decided again."""
        if self.comes_again and self.next_at is not None:
            return self.calendar().fired_before(self.next_at)
        return self.decided_until

    def _begins_after(self, at: datetime, now: datetime) -> datetime:
        """Return the time after which the ticks of a new version are due; its event is at `at`."""
        return cut_to_ms(now) if self.is_ahead_of(now) else max(at, self.decided_until)


def _next_at(
    own_id: UUID,
    spec: ScheduleSpec,
    after: datetime,
    carried: Sequence[Tick] = (),
    but_for: Collection[datetime] = (),
) -> datetime | None:
    """Return when the next tick fires: one due after a moment and not `but_for`, or carried."""
    fire_at = [tick.fires_at for tick in carried]
    for tick in Calendar(own_id, spec).ticks_after(after):
        if tick.due_at not in but_for:
            fire_at.append(tick.fires_at)
            break
    return min(fire_at, default=None)
