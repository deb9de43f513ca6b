"""`/schedules`: first what changes a schedule, then what shows schedules and their ticks."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Body, Query

from api.bootstrap.service import Service
from api.http.dependencies import (
    ConnectionDep,
    KeyDep,
    MayRead,
    OptionalCursor,
    OriginDep,
    ServiceDep,
    cursor_meta,
    position_of,
    storable,
)
from api.http.errors import JsonAnswer, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.routes.launches import answer_of
from api.shapes.base import Data, Page, failures
from api.shapes.runs import LaunchedRun
from api.shapes.schedules import (
    Backfill,
    BackfillBody,
    ComingTick,
    CursorMeta,
    ReasonBody,
    Schedule,
    ScheduleBody,
    ScheduleDraft,
    ScheduleListMeta,
    SchedulePatch,
    Tick,
)
from domain.clock import to_iso
from domain.errors import InvalidInputError, NotFoundError
from domain.identifiers import schedule_id as id_of
from domain.json_values import Json, JsonObject
from domain.schedules.calendar import Calendar
from domain.schedules.calendar import Tick as CalendarTick
from domain.schedules.rows import schedule_of_row
from eventlog.history.as_of import opened
from eventlog.history.audit import EventFilter
from projections import schedules
from projections.envelope import Envelope
from projections.rows import Connection
from projections.schedules import ScheduleRow

router = APIRouter(prefix="/schedules", route_class=StrictJsonRoute, tags=["schedules"])


@router.post(
    "", status_code=201, response_model=Data[Schedule], responses=failures(400, 409, 413, 415, 429)
)
async def create_schedule(body: ScheduleBody, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Create a schedule; its first tick is the first that is due later than this."""
    spec = body.spec()
    row = await service.schedules.create(body.id, spec, origin)
    shown = schedules.present(row)
    return data(shown, 201)


@router.patch(
    "/{schedule_id}",
    response_model=Data[Schedule],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Make a new version of a schedule, unless nothing would change. Ticks that have"
    " fired by now obey the version before; what is due and late by its jitter keeps its time.",
)
async def revise_schedule(
    schedule_id: str, body: SchedulePatch, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Make a new version of a schedule."""
    changes = body.changes()
    row = await service.schedules.revise(schedule_id, changes, origin)
    shown = schedules.present(row)
    return data(shown)


@router.delete("/{schedule_id}", response_model=Data[Schedule], responses=failures(404, 409, 429))
async def delete_schedule(schedule_id: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """End a schedule: its runs go on, its history stays, its id may be used again."""
    row = await service.schedules.delete(schedule_id, None, origin)
    shown = schedules.present(row)
    return data(shown)


@router.post(
    "/{schedule_id}/pause",
    response_model=Data[Schedule],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def pause_schedule(
    schedule_id: str,
    service: ServiceDep,
    origin: OriginDep,
    body: Annotated[ReasonBody | None, Body()] = None,
) -> JsonAnswer:
    """Skip the schedule's ticks until it is resumed. Asked again, this changes nothing."""
    reason: str | None = None
    if body is not None:
        reason = body.reason
    row = await service.schedules.pause(schedule_id, reason, origin)
    shown = schedules.present(row)
    return data(shown)


@router.post(
    "/{schedule_id}/resume", response_model=Data[Schedule], responses=failures(404, 409, 429)
)
async def resume_schedule(schedule_id: str, service: ServiceDep, origin: OriginDep) -> JsonAnswer:
    """Launch at the schedule's ticks again. Asked again, this changes nothing."""
    row = await service.schedules.resume(schedule_id, origin)
    shown = schedules.present(row)
    return data(shown)


@router.post(
    "/{schedule_id}/trigger",
    status_code=202,
    response_model=LaunchedRun,
    responses=failures(404, 409, 429),
)
async def trigger_schedule(
    schedule_id: str, service: ServiceDep, origin: OriginDep, key: KeyDep
) -> JsonAnswer:
    """Launch a run of the schedule now, whatever else runs. No tick is due for that.

    With an `Idempotency-Key` a repeated request leads to the first run again.
    """
    launched = await service.schedules.trigger(schedule_id, origin, key)
    return await answer_of(launched, service)


@router.post(
    "/{schedule_id}/backfill",
    status_code=202,
    response_model=Data[Backfill],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Launch past ticks that have no run, by the version of the schedule that was valid"
    " when each was due, whatever else runs and also while it is paused. Excluded ticks stay so;"
    " before the schedule was created its first version counts. A call launches a hundred at most;"
    " go on from `continueFrom`. Asked again, no tick is launched twice, unless its backfilled run"
    " was canceled.",
)
async def backfill_schedule(
    schedule_id: str, body: BackfillBody, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Launch past ticks of a schedule that have no run."""
    done = await service.schedules.backfill(schedule_id, body.begin, body.end, origin)
    runs: list[Json] = [str(run_id) for run_id in done.runs]
    continue_from: str | None = None
    if done.continue_from is not None:
        continue_from = to_iso(done.continue_from)
    shown: JsonObject = {"runs": runs, "continueFrom": continue_from}
    return data(shown, 202)


TICKS = "schedule.tick_*"

Previewed = Annotated[int, Query(ge=1, le=100, description="how many")]

MOST_OF_PAST = 20
"""Schedules on a page of the past: the events of each are read."""


@router.get(
    "",
    response_model=Page[list[Schedule], ScheduleListMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="List schedules by id. With `asOf` a page is shorter than its limit where schedules"
    " were created later or had been deleted; `hasMore` tells whether more follow.",
)
async def list_schedules(
    connection: ConnectionDep,
    service: ServiceDep,
    as_of: AsOfDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str, Query(max_length=100, description="`nextCursor` of the page before")
    ] = "",
) -> JsonAnswer:
    """List schedules by id."""
    after = storable(cursor, "/cursor")
    if as_of is not None:
        return await _list_of_past(connection, service, as_of, after, limit)
    found = await schedules.next_by_id(connection, after, limit + 1)
    shown = found[:limit]
    next_cursor: str | None = None
    if len(found) > limit:
        last = shown[-1]
        next_cursor = last["id"]
    meta = cursor_meta(limit, next_cursor)
    rows = [schedules.present(row) for row in shown]
    return page(rows, meta)


@router.get(
    "/{schedule_id}", response_model=Data[Schedule], responses=failures(404), dependencies=[MayRead]
)
async def get_schedule(schedule_id: str, connection: ConnectionDep) -> JsonAnswer:
    """Show a schedule."""
    row = await _known(connection, schedule_id)
    shown = schedules.present(row)
    return data(shown)


@router.get(
    "/{schedule_id}/preview",
    response_model=Data[list[ComingTick]],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="Show the next ticks that are not decided, on the clocks of the schedule's zone."
    " A time that clocks leave out is made up for as soon as they have; one that comes twice is"
    " told apart by its offset.",
)
async def preview_schedule(
    schedule_id: str, connection: ConnectionDep, n: Previewed = 10
) -> JsonAnswer:
    """Show the next ticks of a schedule."""
    row = await _known(connection, schedule_id)
    # First: it says what helps where this machine does not know the zone.
    undecided = schedule_of_row(row).undecided()
    return _coming(islice(undecided, n), row["time_zone"])


@router.post(
    "/preview",
    response_model=Data[list[ComingTick]],
    responses=failures(400, 413, 415, 429),
    dependencies=[MayRead],
    description="Show the next ticks of a schedule that is still to be created, by what creates it;"
    " nothing is created. Its `jitterMs` is drawn by its `id`.",
)
async def preview_draft(body: ScheduleDraft, service: ServiceDep, n: Previewed = 10) -> JsonAnswer:
    """Show the next ticks of a schedule that is still to be created."""
    spec = body.spec()
    issues = spec.issues()
    if issues:
        raise InvalidInputError(issues)
    calendar = Calendar(id_of(body.id), spec)
    now = service.clock()
    ticks = islice(calendar.ticks_after(now), n)
    return _coming(ticks, spec.time_zone)


@router.get(
    "/{schedule_id}/ticks",
    response_model=Page[list[Tick], CursorMeta],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="List what became of the schedule's ticks, in the order in which that was decided."
    " Ticks in a row that were skipped for one reason are one entry, however many. A tick that was"
    " buffered has another entry once it is launched or skipped.",
)
async def list_ticks(
    schedule_id: str,
    service: ServiceDep,
    connection: ConnectionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: OptionalCursor = None,
) -> JsonAnswer:
    """List what became of the schedule's ticks."""
    row = await _known(connection, schedule_id)
    own_id = schedules.TABLE.id_of(row)
    wanted = EventFilter(types=[TICKS], aggregate_id=own_id)
    after = position_of(cursor or "0")
    found = await service.audit.page(wanted, after, limit)
    next_cursor: str | None = None
    if found.next is not None:
        next_cursor = str(found.next)
    ticks = [_shown(event) for event in found.events]
    return page(ticks, {"nextCursor": next_cursor})


def _coming(ticks: Iterable[CalendarTick], time_zone: str) -> JsonAnswer:
    zone = ZoneInfo(time_zone)
    coming: list[Json] = []
    for tick in ticks:
        local = tick.due_at.astimezone(zone)
        shown: JsonObject = {
            "dueAt": local.isoformat(),
            "firesAt": to_iso(tick.fires_at),
            "isExcluded": tick.is_excluded,
        }
        coming.append(shown)
    return data(coming)


async def _list_of_past(
    connection: Connection, service: Service, as_of: int | datetime, after: str, limit: int
) -> JsonAnswer:
    at_once = min(limit, MOST_OF_PAST)
    async with opened(connection, service.files, as_of) as past:
        found, next_cursor = await past.schedules(after, at_once)
    meta = cursor_meta(limit, next_cursor)
    meta["asOf"] = past.position
    rows = [schedules.present(row) for row in found]
    return page(rows, meta)


async def _known(connection: Connection, schedule_id: str) -> ScheduleRow:
    aggregate_id = id_of(schedule_id)
    row = await schedules.by_id(connection, aggregate_id)
    if row is None:
        raise NotFoundError("schedule_not_found", "schedule not found")
    return row


def _shown(event: Envelope) -> JsonObject:
    told = event.data
    return {
        "dueAt": told["due_at"],
        "lastDueAt": told.get("last_due_at", told["due_at"]),
        "ticks": told.get("ticks", 1),
        "outcome": event.topic.removeprefix("schedule.tick_"),
        "cause": told["cause"],
        "reason": told.get("reason"),
        "runId": told.get("run_id"),
        "watchedSince": told.get("watched_since"),
        "decidedAt": event.at,
        "position": event.position,
    }
