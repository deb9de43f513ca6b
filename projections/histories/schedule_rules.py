"""The promises about schedules, by topic. `docs/state-machine.md` has the same table.

A rule is a function: it gets the schedule as it was before the event, and returns what was expected
if the event breaks it. Its name is that of the promise.
"""

from collections.abc import Callable
from typing import cast

from domain.clock import from_iso, ms_between
from projections.histories.rules import LivingSchedule, LoggedEvent

Rule = Callable[[LivingSchedule, LoggedEvent], str | None]

ALONE = frozenset({"skip", "buffer_one", "buffer_all", "cancel_other"})
"""Policies by which no tick is launched while a run of the schedule is open."""


def schedule_time_goes_on(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """Times of a schedule never go back."""
    if event.at >= schedule.at:
        return None
    return f"a time from {schedule.at} on, not {event.at}"


def not_after_deletion(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """A deleted schedule tells ends of runs and erasures alone, until it is created anew."""
    is_new_registration = event.topic == "schedule.registered_anew"
    if schedule.is_deleted == is_new_registration:
        return None
    if is_new_registration:
        return "a schedule that was deleted before"
    return "nothing, for the schedule is deleted"


def tick_decided_once(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """A tick is decided once, in order; one that waits, is late or comes again, once more."""
    due_at = cast("str", event.data["due_at"])
    if _is_backfill(event):
        # That none is launched twice the log sees to, for its run has an id of its own.
        if due_at <= schedule.decided_until:
            return None
        return f"a tick due until {schedule.decided_until}, not {due_at}"
    is_new = due_at > schedule.decided_until
    may_wait = event.topic != "schedule.tick_buffered"
    if is_new or (may_wait and due_at in schedule.buffered):
        return None
    # A tick that comes again has a run already or none: a second one would have the same id.
    if due_at in schedule.carried or schedule.comes_again:
        return None
    return f"a tick due after {schedule.decided_until}, or one that waits, not {due_at}"


def not_while_paused(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """While it is paused, no tick is launched but by a backfill, or begins to wait."""
    if not schedule.is_paused or _is_backfill(event):
        return None
    return "a tick to be skipped, for the schedule is paused"


def missed_while_unwatched(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """A tick is missed only if nobody looked at the clock for longer than is caught up with."""
    watched_since = event.data.get("watched_since")
    if event.data.get("reason") != "missed" or watched_since is None:
        return None
    due_at = from_iso(cast("str", event.data["last_due_at"]))
    unwatched_ms = ms_between(due_at, from_iso(cast("str", watched_since)))
    if unwatched_ms > schedule.catch_up_ms:
        return None
    return f"nobody to look for more than {schedule.catch_up_ms} ms, not {unwatched_ms}"


def policy_is_kept(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """No tick is launched while a run of another is open, unless the policy says so."""
    if not schedule.open_runs or schedule.overlap not in ALONE:
        return None
    if _is_backfill(event):
        return None
    open_runs = ", ".join(sorted(schedule.open_runs))
    return f"no launch by {schedule.overlap} before these have ended: {open_runs}"


def run_was_open(schedule: LivingSchedule, event: LoggedEvent) -> str | None:
    """Only of a run that the schedule launched an end is told, and once."""
    run_id = cast("str", event.data["run_id"])
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
