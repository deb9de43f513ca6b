"""The events of a schedule, and its state.

Topics and fields are the on-disk format. `next_at` is when the next tick fires, as known then:
folds do not compute it, as it depends on the rules of time zones, which change.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

from eventsourcing.domain import Aggregate
from typing_extensions import ReadOnly, TypedDict

from domain.json_values import Json, JsonObject
from domain.schedules.calendar import Overlap
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
    """The next tick fires at another time than planned: the zone's rules or the clock changed."""

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
