"""Schedules and their ticks as people see them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from api.cli.daily.run_tables import ago
from api.cli.screen import console, print_json, print_table
from api.process.telling.spoken import duration
from apphub_jobs.client import ComingTickDocument, ScheduleDocument, TickDocument

STYLES = {"launched": "green", "skipped": "yellow", "buffered": "cyan"}


def print_schedules(schedules: Sequence[ScheduleDocument], *, as_json: bool) -> None:
    """Print schedules, each as a line of JSON or as a row of a table."""
    if as_json:
        for schedule in schedules:
            print_json(schedule)
        return
    if not schedules:
        console().print("no schedules", style="dim")
        return
    now = datetime.now(UTC)
    columns = ("schedule", "job", "state", "next tick", "last tick", "when")
    print_table(columns, [_row(schedule, now) for schedule in schedules])


def print_ticks(ticks: Sequence[TickDocument], *, as_json: bool) -> None:
    """Print what became of ticks."""
    if as_json:
        for tick in ticks:
            print_json(tick)
        return
    if not ticks:
        console().print("no ticks yet", style="dim")
        return
    columns = ("due", "until", "ticks", "outcome", "reason", "run")
    print_table(columns, [_tick_row(tick) for tick in ticks])


def print_coming(ticks: Sequence[ComingTickDocument], *, as_json: bool) -> None:
    """Print ticks to come."""
    if as_json:
        for tick in ticks:
            print_json(tick)
        return
    if not ticks:
        console().print("no more ticks", style="dim")
        return
    rows: list[tuple[str, str, str]] = []
    for tick in ticks:
        told = "excluded" if tick.is_excluded else ""
        due_at = tick["dueAt"]
        rows.append((due_at, tick["firesAt"], told))
    print_table(("due", "fires", ""), rows)


def _row(schedule: ScheduleDocument, now: datetime) -> list[str | Text]:
    state = Text("active", "green")
    if schedule.is_paused:
        state = Text("paused", "yellow")
    last = ""
    last_tick = schedule["lastTick"]
    if last_tick is not None:
        last = last_tick["outcome"]
    return [
        schedule.id,
        schedule.job,
        state,
        _ahead(schedule, now),
        last,
        _rhythm(schedule),
    ]


def _ahead(schedule: ScheduleDocument, now: datetime) -> str:
    moment = schedule.next_at
    if schedule.is_paused or moment is None:
        return "none"
    if moment <= now:
        return "now"
    # How far ahead it lies is how long ago now will be then.
    return f"in {ago(now, moment)}"


def _rhythm(schedule: ScheduleDocument) -> str:
    if schedule.every_ms is not None:
        return f"every {duration(schedule.every_ms)}"
    return f"{schedule.cron} {schedule.time_zone}"


def _tick_row(tick: TickDocument) -> list[str | Text]:
    outcome = Text(tick.outcome, STYLES[tick.outcome])
    return [
        tick["dueAt"],
        tick["lastDueAt"] if tick.ticks > 1 else "",
        str(tick.ticks),
        outcome,
        tick.reason or "",
        tick.run_id or "",
    ]
