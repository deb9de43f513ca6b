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
    Documents,
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
from projections.table import STATES, Changes, DecisiveRow2, TableOf


class ScheduleRow(DecisiveRow2):
    """A schedule, in the order in which clients see it; `id` is what they call it.

    `manual_runs` are those of `open_runs` that people launched. `buffered` are the times at which
    the ticks were due that wait, and `carried` are ticks of former versions that are still to fire,
    each with `dueAt` and `firesAt`. `last_tick` has `dueAt`, `outcome`, `reason` and `runId`, and
    `paused` has `at`, `by`, `reason` and `runId`.
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
    manual_runs: ReadOnly[Texts]
    buffered: ReadOnly[Texts]
    created_at: ReadOnly[Time]
    updated_at: ReadOnly[Time]
    deleted_at: ReadOnly[Time | None]
    decided_until: ReadOnly[Time]
    carried: ReadOnly[Documents]


COLUMNS = columns_of(ScheduleRow)

BACKFILL = "backfill"
"""The cause of past ticks that somebody has launched."""

_HIDDEN = {
    "aggregate_id",
    "decided_until",
    "carried",
    "aggregate_version",
    "position",
    *STATES,
}

SHOWN = shown_columns(ScheduleRow, hidden=_HIDDEN)


def evolve(row: ScheduleRow | None, event: Envelope) -> Changes:
    """Return the columns that the event changes."""
    changed = _created(event) if row is None else _changed(row, event)
    changed["updated_at"] = event.at
    return changed


TABLE: TableOf[ScheduleRow] = TableOf(
    "schedules", "schedule", "aggregate_id", COLUMNS, evolve, version=2
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
        "manual_runs": [],
        "buffered": [],
        "carried": [],
        "created_at": event.at,
    }


def _changed(row: ScheduleRow, event: Envelope) -> Changes:  # noqa: PLR0911 - one for each event
    data = event.data
    match event.topic:
        case "schedule.revised":
            changes = cast("JsonObject", data["changes"])
            carried = _carried(row, event)
            return {**changes, **_new_version(row, event), "carried": carried}
        case "schedule.registered_anew":
            spec = cast("JsonObject", data["spec"])
            alive: Changes = {"paused": None, "deleted_at": None}
            nothing: Changes = {
                "open_runs": [],
                "manual_runs": [],
                "buffered": [],
                "carried": [],
            }
            return {**spec, **_new_version(row, event), **alive, **nothing}
        case "schedule.paused":
            return {"paused": _pause(event)}
        case "schedule.resumed":
            return {"paused": None}
        case "schedule.deleted":
            over: Changes = {"next_at": None, "buffered": [], "carried": []}
            return {"deleted_at": event.at, **over}
        case "schedule.replanned":
            return {"next_at": data["next_at"]}
        case "schedule.triggered":
            return _opened(row, event, is_manual=True)
        case "schedule.run_ended":
            return _ended(row, event)
        case _:
            return _ticked(row, event)


def _ticked(row: ScheduleRow, event: Envelope) -> Changes:
    match event.topic:
        case "schedule.tick_launched":
            is_manual = event.data["cause"] == BACKFILL
            opened = _opened(row, event, is_manual=is_manual)
            return {**_moved(row, event, "launched"), **opened}
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
    carried: list[Json] = [
        tick
        for tick in row["carried"]
        if not first <= cast("str", tick["dueAt"]) <= last
    ]
    if data["cause"] == BACKFILL:
        # Its time is over, so it moves the schedule no further.
        return {"buffered": waiting, "carried": carried}
    return {
        "next_at": data["next_at"],
        "decided_until": max(row["decided_until"], last),
        "buffered": waiting,
        "carried": carried,
        "last_tick": {
            "dueAt": last,
            "outcome": outcome,
            "reason": data.get("reason"),
            "runId": data.get("run_id"),
        },
    }


def _carried(row: ScheduleRow, event: Envelope) -> list[Json]:
    """Return the ticks of former versions that are still to fire, in this order."""
    carried = [*row["carried"]]
    due_at = event.data["carried_due_at"]
    if due_at is not None:
        carried.append({"dueAt": due_at, "firesAt": event.data["carried_fires_at"]})
    in_order = sorted(carried, key=lambda tick: cast("str", tick["firesAt"]))
    return [*in_order]


def _opened(row: ScheduleRow, event: Envelope, *, is_manual: bool) -> Changes:
    run_id = event.data["run_id"]
    opened: Changes = {"open_runs": [*row["open_runs"], run_id]}
    if is_manual:
        opened["manual_runs"] = [*row["manual_runs"], run_id]
    return opened


def _ended(row: ScheduleRow, event: Envelope) -> Changes:
    ended = event.data["run_id"]
    return {
        "open_runs": [one for one in row["open_runs"] if one != ended],
        "manual_runs": [one for one in row["manual_runs"] if one != ended],
    }


def present(row: Row) -> JsonObject:
    """Return the schedule as clients see it (contract, section 10)."""
    return presented(row, SHOWN)
