"""The promises about schedules, by topic, and how events change the state that they need.

A rule is a function: it gets the schedule as it was before the event, and returns what was expected
if the event breaks it. Its name is that of the promise, as in `docs/state-machine.md`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from domain.clock import from_iso, ms_between
from domain.json_values import JsonObject
from projections.histories.rules import LoggedEvent


@dataclass(slots=True)
class LivingSchedule:
    """A schedule.

    Attributes:
        at: the time of its last event.
        decided_until: ticks due until then are decided; again only if `redecides_ticks`.
        next_at: when the next tick fires, by the last event.
        catch_up_ms: how long the clock may be unwatched before a tick is missed.
        buffered: due times of ticks that wait.
        carried: due times of ticks of earlier versions that have still to fire.
        open_runs: unfinished runs that ticks launched.
        other_runs: unfinished runs that people launched, or that are from before a deletion.
    """

    at: str
    overlap: str
    decided_until: str
    next_at: str | None = None
    catch_up_ms: int = 0
    is_paused: bool = False
    is_deleted: bool = False
    buffered: set[str] = field(default_factory=set)
    carried: set[str] = field(default_factory=set)
    open_runs: set[str] = field(default_factory=set)
    other_runs: set[str] = field(default_factory=set)

    @property
    def redecides_ticks(self) -> bool:
        """Return whether ticks are decided again, as the clock was set back."""
        return self.next_at is not None and self.next_at <= self.decided_until


Rule = Callable[[LivingSchedule, LoggedEvent], str | None]

ALONE = frozenset({"skip", "buffer_one", "buffer_all", "cancel_other"})
"""Policies by which no tick is launched while a run of the schedule is open."""


def schedule_time_goes_on(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """Times of a schedule never go back."""
    if event.at >= schedule.at:
        return None
    return f"a time from {schedule.at} on, not {event.at}"


def not_after_deletion(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """A deleted schedule records only ends of runs and erasures, until it is created again."""
    is_new_registration = event.topic == "schedule.registered_anew"
    if schedule.is_deleted == is_new_registration:
        return None
    if is_new_registration:
        return "a schedule that was deleted before"
    return "nothing, for the schedule is deleted"


def tick_decided_once(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """A tick is decided once, in order; one that is buffered, late or repeated, once more."""
    due_at = cast("str", event.data["due_at"])
    if _is_backfill(event):
        # The log lets none be launched twice: the run's id is derived from the tick.
        if due_at <= schedule.decided_until:
            return None
        return f"a tick due until {schedule.decided_until}, not {due_at}"
    is_new = due_at > schedule.decided_until
    may_wait = event.topic != "schedule.tick_buffered"
    if is_new or (may_wait and due_at in schedule.buffered):
        return None
    # Nor can a tick that is decided again have two runs: both would have the same id.
    if due_at in schedule.carried or schedule.redecides_ticks:
        return None
    return f"a tick due after {schedule.decided_until}, or one that waits, not {due_at}"


def not_while_paused(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """While a schedule is paused, only a backfill launches or buffers a tick."""
    if not schedule.is_paused or _is_backfill(event):
        return None
    return "a tick to be skipped, for the schedule is paused"


def missed_while_unwatched(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """A tick is missed only if no process watched the clock for longer than `catchUpMs`."""
    watched_since = event.data.get("watched_since")
    if event.data.get("reason") != "missed" or watched_since is None:
        return None
    due_at = from_iso(cast("str", event.data["last_due_at"]))
    unwatched_ms = ms_between(due_at, from_iso(cast("str", watched_since)))
    if unwatched_ms > schedule.catch_up_ms:
        return None
    return f"nobody to look for more than {schedule.catch_up_ms} ms, not {unwatched_ms}"


def policy_is_kept(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """No tick is launched while a run of an earlier tick is open, unless the policy allows it."""
    if not schedule.open_runs or schedule.overlap not in ALONE:
        return None
    if _is_backfill(event):
        return None
    open_runs = ", ".join(sorted(schedule.open_runs))
    return f"no launch by {schedule.overlap} before these have ended: {open_runs}"


def run_was_open(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """The end of a run is recorded once, and only if the schedule launched the run."""
    run_id = _run_id(event)
    if run_id in schedule.open_runs or run_id in schedule.other_runs:
        return None
    return f"a run of the schedule that is open, not {run_id}"


def _is_backfill(event: LoggedEvent) -> bool:
    return event.data.get("cause") == "backfill"


RULES: dict[str, tuple[Rule, ...]] = {
    "schedule.revised": (schedule_time_goes_on,),
    "schedule.paused": (schedule_time_goes_on, not_after_deletion),
    "schedule.resumed": (schedule_time_goes_on, not_after_deletion),
    "schedule.deleted": (schedule_time_goes_on, not_after_deletion),
    "schedule.registered_anew": (schedule_time_goes_on, not_after_deletion),
    "schedule.tick_launched": (
        schedule_time_goes_on,
        not_after_deletion,
        tick_decided_once,
        not_while_paused,
        policy_is_kept,
    ),
    "schedule.tick_skipped": (
        schedule_time_goes_on,
        not_after_deletion,
        tick_decided_once,
        missed_while_unwatched,
    ),
    "schedule.tick_buffered": (
        schedule_time_goes_on,
        not_after_deletion,
        tick_decided_once,
        not_while_paused,
    ),
    "schedule.replanned": (schedule_time_goes_on, not_after_deletion),
    "schedule.triggered": (schedule_time_goes_on, not_after_deletion),
    "schedule.run_ended": (schedule_time_goes_on, run_was_open),
}
"""The promises that each event of a schedule but the first must keep."""


def registered(event: LoggedEvent) -> LivingSchedule:
    """Return the schedule of its first event."""
    schedule = LivingSchedule(event.at, "", decided_until=event.at)
    _begin_version(schedule, event, "spec")
    return schedule


def move(schedule: LivingSchedule, event: LoggedEvent) -> None:
    """Apply an event other than the first to a schedule."""
    schedule.at = max(schedule.at, event.at)
    if "next_at" in event.data:
        schedule.next_at = cast("str | None", event.data["next_at"])
    match event.topic:
        case "schedule.revised":
            _begin_version(schedule, event, "changes")
            carried = event.data.get("carried_due_at")
            if carried is not None:
                schedule.carried.add(cast("str", carried))
        case "schedule.registered_anew":
            _begin_version(schedule, event, "spec")
            schedule.is_deleted = False
            schedule.is_paused = False
            schedule.other_runs |= schedule.open_runs
            schedule.open_runs.clear()
        case "schedule.paused":
            schedule.is_paused = True
        case "schedule.resumed":
            schedule.is_paused = False
        case "schedule.deleted":
            schedule.is_deleted = True
            schedule.next_at = None
            schedule.buffered.clear()
            schedule.carried.clear()
        case "schedule.triggered":
            schedule.other_runs.add(_run_id(event))
        case "schedule.run_ended":
            schedule.open_runs.discard(_run_id(event))
            schedule.other_runs.discard(_run_id(event))
        case _:
            _tick(schedule, event)


def _begin_version(schedule: LivingSchedule, event: LoggedEvent, field: str) -> None:
    fields = cast("JsonObject", event.data[field])
    schedule.overlap = cast("str", fields.get("overlap", schedule.overlap))
    schedule.catch_up_ms = cast("int", fields.get("catch_up_ms", schedule.catch_up_ms))
    schedule.decided_until = max(schedule.decided_until, event.at)


def _tick(schedule: LivingSchedule, event: LoggedEvent) -> None:
    """Apply the decision about one tick, or about several in a row."""
    if not event.topic.startswith("schedule.tick_"):
        return
    first = cast("str", event.data["due_at"])
    last = cast("str", event.data.get("last_due_at", first))
    schedule.decided_until = max(schedule.decided_until, last)
    schedule.buffered -= {due_at for due_at in schedule.buffered if first <= due_at <= last}
    schedule.carried -= {due_at for due_at in schedule.carried if first <= due_at <= last}
    if event.topic == "schedule.tick_buffered":
        schedule.buffered.add(first)
    elif event.topic == "schedule.tick_launched":
        runs = schedule.other_runs if _is_backfill(event) else schedule.open_runs
        runs.add(_run_id(event))


def _run_id(event: LoggedEvent) -> str:
    return cast("str", event.data["run_id"])
