"""Schedules as their rows say: what decisions need of them, and nothing else.

A test holds these against the same aggregates as folded from their events.
"""

from dataclasses import fields
from datetime import datetime
from typing import cast

from typing_extensions import ReadOnly

from domain.clock import from_iso
from domain.json_values import JsonObject
from domain.ports import Row
from domain.rehydration import Standing, restored
from domain.schedules.calendar import Overlap, Spec, Tick
from domain.schedules.schedule import Schedule, ScheduleState

SPEC_FIELDS = tuple(one.name for one in fields(Spec))


class ScheduleFacts(Standing):
    """What decisions need of a schedule's row."""

    aggregate_id: ReadOnly[str]
    id: ReadOnly[str]
    version: ReadOnly[int]
    job: ReadOnly[str]
    parameters: ReadOnly[JsonObject]
    cron: ReadOnly[str | None]
    every_ms: ReadOnly[int | None]
    time_zone: ReadOnly[str]
    exclude: ReadOnly[list[str]]
    overlap: ReadOnly[Overlap]
    catch_up_ms: ReadOnly[int]
    jitter_ms: ReadOnly[int]
    start_at: ReadOnly[str | None]
    end_at: ReadOnly[str | None]
    pause_on_failure: ReadOnly[bool]
    paused: ReadOnly[JsonObject | None]
    open_runs: ReadOnly[list[str]]
    manual_runs: ReadOnly[list[str]]
    carried: ReadOnly[list[JsonObject]]
    buffered: ReadOnly[list[str]]
    decided_until: ReadOnly[str]
    next_at: ReadOnly[str | None]
    deleted_at: ReadOnly[str | None]


def schedule_of_row(row: Row) -> Schedule:
    """Return a schedule that decides as the one does that its events make."""
    facts = cast("ScheduleFacts", row)
    schedule = restored(Schedule, facts["aggregate_id"], facts)
    decided_until = from_iso(facts["decided_until"])
    next_at: datetime | None = None
    if facts["next_at"] is not None:
        next_at = from_iso(facts["next_at"])
    ScheduleState.__init__(
        schedule,
        slug=facts["id"],
        version=facts["version"],
        spec={name: row[name] for name in SPEC_FIELDS},
        decided_until=decided_until,
        next_at=next_at,
    )
    schedule.is_paused = facts["paused"] is not None
    schedule.is_deleted = facts["deleted_at"] is not None
    schedule.open_runs = facts["open_runs"]
    schedule.manual_runs = facts["manual_runs"]
    schedule.buffered = [from_iso(due_at) for due_at in facts["buffered"]]
    schedule.carried = [
        Tick(from_iso(cast("str", tick["dueAt"])), from_iso(cast("str", tick["firesAt"])))
        for tick in facts["carried"]
    ]
    return schedule
