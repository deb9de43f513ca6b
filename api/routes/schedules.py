"""`/schedules`: first the commands, then the queries of schedules and their ticks."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Annotated
from uuid import UUID
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
from api.http.errors import JsonResponse, data, page
from api.http.strict_json import StrictJsonRoute
from api.routes.as_of import AsOfDep
from api.routes.launches import launch_response
from api.shapes.base import Data, Page, PartMeta, failures
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
    SchedulePatch,
    Tick,
)
from domain.clock import to_iso
from domain.errors import InvalidInputError, NotFoundError, OverloadedError
from domain.identifiers import schedule_id as id_of
from domain.json_values import Json, JsonObject
from domain.schedules.calendar import Calendar
from domain.schedules.calendar import Tick as CalendarTick
from domain.schedules.schedule import Schedule as ScheduleAggregate
from domain.state import rehydrate
from eventlog.history.as_of import open_past
from eventlog.history.audit import EventFilter
from projections import schedules
from projections.envelope import Envelope
from projections.rows import Connection
from projections.schedules import ScheduleRow
from runtime.tasks import QueueFullError, run_in_thread

router = APIRouter(prefix="/schedules", route_class=StrictJsonRoute, tags=["schedules"])


@router.post(
    "", status_code=201, response_model=Data[Schedule], responses=failures(400, 409, 413, 415, 429)
)
async def create_schedule(
    body: ScheduleBody, service: ServiceDep, origin: OriginDep
) -> JsonResponse:
    """Create a schedule; its first tick is the first one that is due from now on."""
    row = await service.schedules.create(body.id, body.spec(), origin)
    return data(schedules.present(row), 201)


@router.patch(
    "/{schedule_id}",
    response_model=Data[Schedule],
    responses=failures(400, 404, 409, 413, 415, 429),
    description="Make a new version of a schedule, unless nothing would change. Ticks that have"
    " fired already follow the previous version; a tick that is due and delayed by its jitter"
    " keeps its time.",
)
async def revise_schedule(
    schedule_id: str, body: SchedulePatch, service: ServiceDep, origin: OriginDep
) -> JsonResponse:
    """Make a new version of a schedule."""
    row = await service.schedules.revise(schedule_id, body.changes(), origin)
    return data(schedules.present(row))


@router.delete(
    "/{schedule_id}",
    response_model=Data[Schedule],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def delete_schedule(schedule_id: str, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """End a schedule: its runs continue, its history stays, its id may be used again."""
    row = await service.schedules.delete(schedule_id, None, origin)
    return data(schedules.present(row))


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
) -> JsonResponse:
    """Skip the schedule's ticks until it is resumed. If it is paused already, nothing changes."""
    reason = None if body is None else body.reason
    row = await service.schedules.pause(schedule_id, reason, origin)
    return data(schedules.present(row))


@router.post(
    "/{schedule_id}/resume",
    response_model=Data[Schedule],
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def resume_schedule(schedule_id: str, service: ServiceDep, origin: OriginDep) -> JsonResponse:
    """Launch at the schedule's ticks again. If it is not paused, nothing changes."""
    row = await service.schedules.resume(schedule_id, origin)
    return data(schedules.present(row))


@router.post(
    "/{schedule_id}/trigger",
    status_code=202,
    response_model=LaunchedRun,
    responses=failures(400, 404, 409, 413, 415, 429),
)
async def trigger_schedule(
    schedule_id: str, service: ServiceDep, origin: OriginDep, key: KeyDep
) -> JsonResponse:
    """Launch a run of the schedule now, even while others run. No tick needs to be due.

    With an `Idempotency-Key` a repeated request returns the first run again.
    """
    launched = await service.schedules.trigger(schedule_id, origin, key)
    return await launch_response(launched, service)


@router.post(
    "/{schedule_id}/backfill",
    status_code=202,
    response_model=Data[Backfill],
    responses={
        200: {"model": Data[Backfill], "description": "what would be launched"},
        **failures(400, 404, 409, 413, 415, 429),
    },
    description="Launch past ticks that have no run, by the version of the schedule that was valid"
    " when each was due, even while other runs are open or the schedule is paused. Excluded ticks"
    " stay excluded; for times before the schedule was created its first version counts. A call"
    " launches at most a hundred; continue from `continueFrom`. A repeated call launches no tick"
    " twice, unless its backfilled run was canceled. With `dryRun` it counts the ticks, at most a"
    " thousand a call, and launches none.",
)
async def backfill_schedule(
    schedule_id: str, body: BackfillBody, service: ServiceDep, origin: OriginDep
) -> JsonResponse:
    """Launch past ticks of a schedule that have no run, or count them."""
    if body.dry_run:
        missing = await service.schedules.preview_backfill(schedule_id, body.begin, body.end)
        return _backfill([], len(missing.ticks), missing.continue_from, 200)
    backfill = await service.schedules.backfill(schedule_id, body.begin, body.end, origin)
    runs: list[Json] = [str(run_id) for run_id in backfill.runs]
    return _backfill(runs, len(runs), backfill.continue_from, 202)


def _backfill(
    runs: list[Json], count: int, next_begin: datetime | None, status: int
) -> JsonResponse:
    continue_from = None if next_begin is None else to_iso(next_begin)
    return data({"runs": runs, "count": count, "continueFrom": continue_from}, status)


TICKS = "schedule.tick_*"

PreviewLength = Annotated[int, Query(ge=1, le=100, description="how many")]

MAX_PAGE_OF_PAST = 20
"""Schedules on a page with `asOf`: the events of each are read."""


@router.get(
    "",
    response_model=Page[list[Schedule], PartMeta],
    responses=failures(400),
    dependencies=[MayRead],
    description="List schedules by id. A page is shorter than its limit where they have some"
    " megabytes together and, with `asOf`, where schedules were created later or had been deleted;"
    " `hasMore` tells whether more follow.",
)
async def list_schedules(
    connection: ConnectionDep,
    service: ServiceDep,
    as_of: AsOfDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[
        str, Query(max_length=100, description="`nextCursor` of the page before")
    ] = "",
) -> JsonResponse:
    """List schedules by id."""
    after = storable(cursor, "/cursor")
    if as_of is not None:
        return await _list_past(connection, service, as_of, after, limit)
    rows, next_cursor = await schedules.next_by_id(connection, after, limit)
    return page([schedules.present(row) for row in rows], cursor_meta(limit, next_cursor))


@router.get(
    "/{schedule_id}",
    response_model=Data[Schedule],
    responses=failures(400, 404),
    dependencies=[MayRead],
)
async def get_schedule(schedule_id: str, connection: ConnectionDep) -> JsonResponse:
    """Show a schedule."""
    row = await _schedule_row(connection, schedule_id)
    return data(schedules.present(row))


@router.get(
    "/{schedule_id}/preview",
    response_model=Data[list[ComingTick]],
    responses=failures(400, 404, 429),
    dependencies=[MayRead],
    description="Show the next ticks that are not decided, on the clocks of the schedule's zone."
    " A time that the clocks skip fires right after the gap; of a time that comes twice, the offset"
    " says which one is meant.",
)
async def preview_schedule(
    schedule_id: str, service: ServiceDep, n: PreviewLength = 10
) -> JsonResponse:
    """Show the next ticks of a schedule."""
    async with service.pool.connection() as connection:
        row = await _schedule_row(connection, schedule_id)
    # Before the zone is used: if this machine lacks the zone, this raises an error with a remedy.
    undecided = rehydrate(ScheduleAggregate, UUID(row["aggregate_id"]), row).undecided()
    return await _coming_ticks(service, islice(undecided, n), row["time_zone"])


@router.post(
    "/preview",
    response_model=Data[list[ComingTick]],
    responses=failures(400, 413, 415, 429),
    dependencies=[MayRead],
    description="Show the next ticks of a schedule that does not exist yet, from the body that"
    " would create it; nothing is created. Its jitter depends on its `id`.",
)
async def preview_draft(
    body: ScheduleDraft, service: ServiceDep, n: PreviewLength = 10
) -> JsonResponse:
    """Show the next ticks of a schedule that does not exist yet."""
    spec = body.spec()
    issues = spec.issues()
    if issues:
        raise InvalidInputError(issues)
    ticks = Calendar(id_of(body.id), spec).ticks_after(service.clock())
    return await _coming_ticks(service, islice(ticks, n), spec.time_zone)


@router.get(
    "/{schedule_id}/ticks",
    response_model=Page[list[Tick], CursorMeta],
    responses=failures(400, 404),
    dependencies=[MayRead],
    description="List the outcomes of the schedule's ticks, in the order of the decisions."
    " Consecutive ticks that were skipped for the same reason are one entry. A tick that was"
    " buffered has another entry once it is launched or skipped.",
)
async def list_ticks(
    schedule_id: str,
    service: ServiceDep,
    connection: ConnectionDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: OptionalCursor = None,
) -> JsonResponse:
    """List the outcomes of the schedule's ticks."""
    row = await _schedule_row(connection, schedule_id)
    tick_events = EventFilter(types=[TICKS], aggregate_id=schedules.TABLE.id_of(row))
    log_page = await service.audit.page(tick_events, position_of(cursor or "0"), limit)
    next_cursor = None if log_page.next is None else str(log_page.next)
    return page([_present_tick(event) for event in log_page.events], {"nextCursor": next_cursor})


async def _coming_ticks(
    service: Service, ticks: Iterable[CalendarTick], time_zone: str
) -> JsonResponse:
    """Return the ticks; a calendar of rare days takes a tenth of a second, so a thread works."""
    try:
        async with service.list_limiter.permit():
            return data(await run_in_thread(partial(_present_ticks, ticks, time_zone)))
    except QueueFullError:
        raise OverloadedError("too many previews are being computed") from None


def _present_ticks(ticks: Iterable[CalendarTick], time_zone: str) -> list[Json]:
    zone = ZoneInfo(time_zone)
    return [
        {
            "dueAt": tick.due_at.astimezone(zone).isoformat(),
            "firesAt": to_iso(tick.fires_at),
            "isExcluded": tick.is_excluded,
        }
        for tick in ticks
    ]


async def _list_past(
    connection: Connection, service: Service, as_of: int | datetime, after: str, limit: int
) -> JsonResponse:
    async with open_past(connection, service.files, as_of) as past:
        rows, next_cursor = await past.schedules(after, min(limit, MAX_PAGE_OF_PAST))
    meta = cursor_meta(limit, next_cursor)
    meta["asOf"] = past.position
    return page([schedules.present(row) for row in rows], meta)


async def _schedule_row(connection: Connection, schedule_id: str) -> ScheduleRow:
    row = await schedules.by_id(connection, id_of(schedule_id))
    if row is None:
        raise NotFoundError("schedule_not_found", "schedule not found")
    return row


def _present_tick(event: Envelope) -> JsonObject:
    decision = event.data
    return {
        "dueAt": decision["due_at"],
        "lastDueAt": decision.get("last_due_at", decision["due_at"]),
        "ticks": decision.get("ticks", 1),
        "outcome": event.topic.removeprefix("schedule.tick_"),
        "cause": decision["cause"],
        "reason": decision.get("reason"),
        "runId": decision.get("run_id"),
        "watchedSince": decision.get("watched_since"),
        "decidedAt": event.at,
        "position": event.position,
    }
