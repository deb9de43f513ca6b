"""`/schedules`: create, revise, pause, resume, delete, and have one run at once."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.http.dependencies import OriginDep, ServiceDep
from api.http.json_answer import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import Data, failures
from api.shapes.runs import Run
from api.shapes.schedules import (
    Backfill,
    BackfillBody,
    ReasonBody,
    Schedule,
    ScheduleBody,
    SchedulePatch,
)
from domain.clock import to_iso
from domain.json_values import Json, JsonObject
from projections import job_runs
from projections.schedules import row as schedules

router = APIRouter(prefix="/schedules", route_class=StrictJsonRoute, tags=["schedules"])


@router.post(
    "",
    status_code=201,
    response_model=Data[Schedule],
    responses=failures(400, 409, 413, 415, 429),
)
async def create_schedule(
    body: ScheduleBody, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
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


@router.delete(
    "/{schedule_id}",
    response_model=Data[Schedule],
    responses=failures(404, 409, 429),
)
async def delete_schedule(
    schedule_id: str, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
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
    "/{schedule_id}/resume",
    response_model=Data[Schedule],
    responses=failures(404, 409, 429),
)
async def resume_schedule(
    schedule_id: str, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Launch at the schedule's ticks again. Asked again, this changes nothing."""
    row = await service.schedules.resume(schedule_id, origin)
    shown = schedules.present(row)
    return data(shown)


@router.post(
    "/{schedule_id}/trigger",
    status_code=202,
    response_model=Data[Run],
    responses=failures(404, 409, 429),
)
async def trigger_schedule(
    schedule_id: str, service: ServiceDep, origin: OriginDep
) -> JsonAnswer:
    """Launch a run of the schedule now, whatever else runs. No tick is due for that."""
    row = await service.schedules.trigger(schedule_id, origin)
    shown = job_runs.present(row)
    return data(shown, 202)


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
    shown: JsonObject = {
        "runs": runs,
        "continueFrom": continue_from,
    }
    return data(shown, 202)
