"""Schedules: what clients send and what they see."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, field_validator

from api.shapes.base import (
    AnyObject,
    ReasonText,
    RequestBody,
    Shape,
    Slug,
    Time,
    default_of,
    never_null,
    with_columns,
)
from domain.clock import to_iso
from domain.schedules.calendar import MAX_EXCLUDE, Overlap, ScheduleSpec
from projections import schedules


@with_columns(schedules.ScheduleRow, schedules.SHOWN)
class Schedule(Shape):
    """A schedule in its newest version, and its state."""


class Tick(Shape):
    """The outcome of a tick, or of several consecutive ones."""

    due_at: AwareDatetime = Field(description="when it was due; the first of several")
    last_due_at: AwareDatetime = Field(description="when the last of them was due")
    ticks: int = Field(description="how many consecutive ticks")
    outcome: Literal["launched", "skipped", "buffered"]
    cause: Literal["calendar", "backfill"] = Field(
        description="`backfill` if it was launched later by a backfill"
    )
    reason: str | None = Field(description="why it was skipped, for programs")
    run_id: str | None = Field(description="the run that it launched, or that blocked it")
    watched_since: AwareDatetime | None = Field(
        description="for missed ticks: since when the service has watched the clock again"
    )
    decided_at: AwareDatetime
    position: int


class CursorMeta(Shape):
    """Where the next page begins."""

    next_cursor: str | None


class ComingTick(Shape):
    """A future tick."""

    due_at: AwareDatetime = Field(description="with the offset of its zone then")
    fires_at: AwareDatetime = Field(description="with its jitter")
    is_excluded: bool


class _ScheduleFields(RequestBody):
    parameters: AnyObject | None = None
    cron: Annotated[str, Field(max_length=200)] | None = None
    every_ms: int | None = None
    time_zone: Annotated[str, Field(max_length=100)] | None = None
    exclude: (
        Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=MAX_EXCLUDE)] | None
    ) = None
    overlap: Overlap | None = None
    catch_up_ms: int | None = None
    jitter_ms: int | None = None
    start_at: Time | None = None
    end_at: Time | None = None
    pause_on_failure: bool | None = None
    owner: Slug | None = None

    def changes(self) -> dict[str, Any]:
        """Return the fields that were sent, by `ScheduleSpec`'s names; null becomes the default."""
        changes: dict[str, Any] = {}
        for name in self.model_fields_set - {"id"}:
            value = getattr(self, name)
            if value is None:
                value = default_of(ScheduleSpec, name)
            elif isinstance(value, datetime):
                value = to_iso(value)
            changes[name] = value
        return changes


class ScheduleBody(_ScheduleFields):
    """A schedule to create."""

    id: Slug
    job: Slug

    def spec(self) -> ScheduleSpec:
        """Return the schedule's content."""
        return ScheduleSpec(**self.changes())


class ScheduleDraft(_ScheduleFields):
    """A schedule that does not exist yet, as far as its ticks depend on it."""

    id: Slug = "draft"
    job: Slug = "draft"

    def spec(self) -> ScheduleSpec:
        """Return the schedule's content."""
        return ScheduleSpec(**{"job": self.job, **self.changes()})


class SchedulePatch(_ScheduleFields):
    """Fields of a schedule to change; each replaces the old one."""

    job: Slug | None = Field(None, json_schema_extra=never_null)

    @field_validator("job", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            msg = "cannot be null: every schedule has a job"
            raise ValueError(msg)
        return value


class BackfillBody(RequestBody):
    """Which past ticks to launch; both ends are included."""

    begin: Time = Field(alias="from")
    end: Time = Field(alias="to")
    dry_run: bool = Field(default=False, description="only count the ticks that would be launched")


class Backfill(Shape):
    """The runs that a backfill has launched, or with `dryRun` how many it would launch."""

    runs: list[str] = Field(description="ids of the launched runs, in the order of their ticks")
    count: int = Field(description="how many ticks were launched; with `dryRun`, would be")
    continue_from: AwareDatetime | None = Field(
        description="the `from` of the next call; null if all is done"
    )


class ReasonBody(RequestBody):
    """Why to pause."""

    reason: ReasonText | None = None
