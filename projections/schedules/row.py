"""The table `schedules`: the current version of every schedule, and where it stands.

What became of each tick its events tell.
"""

from typing import Annotated, cast

from typing_extensions import ReadOnly

from domain.json_values import Json, JsonObject
from domain.ports import Row
from domain.schedules.spec import Overlap
from projections.envelope import Envelope
from projections.rows import (
    BigInt,
    Document,
    Flag,
    Id,
    Integer,
    Text,
    Texts,
    Time,
    columns_of,
    presented,
    shown_columns,
)
from projections.table import STATES, Changes, DecisiveRow, TableOf


class ScheduleRow(DecisiveRow):
    """A schedule, in the order in which clients see it; `id` is what they call it.

    `buffered` are the times at which the ticks were due that wait. `last_tick` has `dueAt`,
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
    paused: ReadOnly[Document | None]
    next_at: ReadOnly[Time | None]
    last_tick: ReadOnly[Document | None]
    open_runs: ReadOnly[Texts]
    buffered: ReadOnly[Texts]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    deleted_at: ReadOnly[Time | None]
    decided_until: ReadOnly[Time]


COLUMNS = columns_of(ScheduleRow)

BACKFILL = "backfill"
"""The cause of past ticks that somebody has launched."""

_HIDDEN = {"aggregate_id", "decided_until", "aggregate_version", "position", *STATES}

SHOWN = shown_columns(ScheduleRow, hidden=_HIDDEN)


def evolve(row: ScheduleRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    changed = _created(event) if row is None else _changed(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE: TableOf[ScheduleRow] = TableOf(
    "schedules", "schedule", "aggregate_id", COLUMNS, evolve
)


def _created(event: Envelope) -> Changes:
    if event.topic != "schedule.registered":
        msg = f"schedules does not know {event.topic} of what is not there"
        raise ValueError(msg)
    return {
        **cast("JsonObject", event.data["spec"]),
        "id": event.data["slug"],
        "version": event.data["version"],
        "next_at": event.data["next_at"],
        "decided_until": event.at,
        "open_runs": [],
        "buffered": [],
        "created_at": event.at,
    }


def _changed(row: ScheduleRow, event: Envelope) -> Changes:  # noqa: PLR0911 - one for each event
    data = event.data
    match event.topic:
        case "schedule.revised":
            changes = cast("JsonObject", data["changes"])
            return {**changes, **_new_version(row, event)}
        case "schedule.registered_anew":
            spec = cast("JsonObject", data["spec"])
            alive = {"paused": None, "deleted_at": None}
            return {**spec, **_new_version(row, event), **alive}
        case "schedule.paused":
            return {"paused": _pause(event)}
        case "schedule.resumed":
            return {"paused": None}
        case "schedule.deleted":
            return {"deleted_at": event.at, "next_at": None, "buffered": []}
        case "schedule.replanned":
            return {"next_at": data["next_at"]}
        case "schedule.triggered":
            return _opened(row, event)
        case "schedule.run_ended":
            ended = data["run_id"]
            return {"open_runs": [one for one in row["open_runs"] if one != ended]}
        case _:
            return _ticked(row, event)


def _ticked(row: ScheduleRow, event: Envelope) -> Changes:
    match event.topic:
        case "schedule.tick_launched":
            return {**_moved(row, event, "launched"), **_opened(row, event)}
        case "schedule.tick_skipped":
            return _moved(row, event, "skipped")
        case "schedule.tick_buffered":
            waiting: list[Json] = [*row["buffered"], event.data["due_at"]]
            return {**_moved(row, event, "buffered"), "buffered": waiting}
        case _:
            msg = f"schedules does not know {event.topic} here"
            raise ValueError(msg)


def _new_version(row: ScheduleRow, event: Envelope) -> Changes:
    return {
        "version": event.data["version"],
        "next_at": event.data["next_at"],
        "decided_until": max(row["decided_until"], event.at),
    }


def _pause(event: Envelope) -> JsonObject:
    data = event.data
    return {
        "at": event.at,
        "by": data["by"],
        "reason": data["reason"],
        "runId": data["run_id"],
    }


def _moved(row: ScheduleRow, event: Envelope, outcome: str) -> Changes:
    """Return what changes with a tick, or with several in a row; times as text are in order."""
    data = event.data
    first = cast("str", data["due_at"])
    last = cast("str", data.get("last_due_at", first))
    waiting: list[Json] = [
        due_at for due_at in row["buffered"] if not first <= due_at <= last
    ]
    if data["cause"] == BACKFILL:
        # Its time is over, so it moves the schedule no further.
        return {"buffered": waiting}
    return {
        "next_at": data["next_at"],
        "decided_until": max(row["decided_until"], last),
        "buffered": waiting,
        "last_tick": {
            "dueAt": last,
            "outcome": outcome,
            "reason": data.get("reason"),
            "runId": data.get("run_id"),
        },
    }


def _opened(row: ScheduleRow, event: Envelope) -> Changes:
    opened: list[Json] = [*row["open_runs"], event.data["run_id"]]
    return {"open_runs": opened}


def present(row: Row) -> JsonObject:
    """Return the schedule as clients see it (contract, section 10)."""
    return presented(row, SHOWN)
