"""`/testing`: moves the clock of a test service, and empties it. No other service has these."""

import asyncio
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.bootstrap.service import Service
from api.http.dependencies import ServiceDep
from api.http.json_answer import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.fields import _YEAR_MS, _Body
from api.testing.databases import replace
from domain.clock import to_iso
from domain.errors import LogUnavailableError
from eventlog.database.connection import borrowed
from eventlog.database.shifted_clock import shift
from runtime.clock_shift import ClockShift

router = APIRouter(
    prefix="/testing", route_class=StrictJsonRoute, include_in_schema=False
)

AGAIN_S = 0.02
"""The pause before the new database is asked again."""


class AdvanceBody(_Body):
    """How far the clock is to be moved."""

    by_ms: Annotated[int, Field(ge=0, le=10 * _YEAR_MS)]


@router.get("/clock")
async def show_clock(service: ServiceDep) -> JsonAnswer:
    """Show the present, as all decisions see it."""
    return data({"now": to_iso(service.clock())})


@router.post("/clock")
async def advance(body: AdvanceBody, service: ServiceDep) -> JsonAnswer:
    """Move the clock on, for all processes of the service."""
    ahead = _shift_of(service)
    moved = ahead.read() + timedelta(milliseconds=body.by_ms)
    # The database first: a process that was early would write what is not yet due there.
    async with borrowed(service.pool) as connection:
        await shift(connection, moved)
    ahead.write(moved)
    return data({"now": to_iso(service.clock())})


@router.post("/empty")
async def empty(service: ServiceDep) -> JsonAnswer:
    """Leave nothing but the built-in jobs, and the clock where it really is."""
    await asyncio.to_thread(replace, service.settings.database_url)
    _shift_of(service).write(timedelta())
    while not await _is_seeded(service):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(AGAIN_S)
    return data({"now": to_iso(service.clock())})


async def _is_seeded(service: Service) -> bool:
    """Register the built-in jobs; return whether the new database could be reached."""
    try:
        async with borrowed(service.pool) as connection:
            # A new connection notices that the log is another one; an old one fails.
            await connection.execute("SELECT 1")
        await service.jobs.seed()
    except LogUnavailableError:
        return False
    return True


def _shift_of(service: Service) -> ClockShift:
    shift_file = service.settings.clock_shift
    if shift_file is None:
        msg = "only a test service has these routes"
        raise LookupError(msg)
    return shift_file
