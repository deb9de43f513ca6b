"""A test service: its clock can be moved, and it can be emptied while it runs.

First how its database is created and replaced (`prepare_databases`, `replace_database`), then the
routes under `/testing`. Other services have neither.
"""

import asyncio
from datetime import timedelta
from typing import Annotated

import psycopg
from fastapi import APIRouter
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import Field

from api.bootstrap.service import Service
from api.http.dependencies import ServiceDep
from api.http.errors import JsonResponse, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import YEAR_MS, RequestBody
from domain.clock import to_iso
from domain.errors import LogUnavailableError
from eventlog.database.clock import SCHEMA, shift, shiftable
from eventlog.database.connection import borrowed
from eventlog.database.sql import LOCK
from migrations import runner
from runtime.process import ClockShift

# The database of a test service, and the template from which it is created for each test.

DATABASE = "apphub_test"
TEMPLATE = "apphub_test_template"


def prepare_databases(server_url: str) -> str:
    """Create the template and the database on a server; return the service's database URL."""
    template_url = shiftable(make_conninfo(server_url, dbname=TEMPLATE))
    _recreate(server_url, TEMPLATE, "template0")
    with psycopg.connect(template_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    runner.upgrade(template_url)
    _recreate(server_url, DATABASE, TEMPLATE)
    return shiftable(make_conninfo(server_url, dbname=DATABASE))


def replace_database(url: str) -> None:
    """Replace a test service's database by a new one; all connections to it are closed.

    The service's processes detect that the log was replaced, and drop their caches.
    """
    server_url = make_conninfo(url, dbname="postgres", options="")
    _recreate(server_url, str(conninfo_to_dict(url)["dbname"]), TEMPLATE)


def _recreate(server_url: str, name: str, template: str) -> None:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(drop.format(sql.Identifier(name)))
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))


router = APIRouter(prefix="/testing", route_class=StrictJsonRoute, include_in_schema=False)

RETRY_S = 0.02
"""The pause between attempts to reach the new database."""


class AdvanceBody(RequestBody):
    """By how much to move the clock."""

    by_ms: Annotated[int, Field(ge=0, le=10 * YEAR_MS)]


@router.get("/clock")
async def show_clock(service: ServiceDep) -> JsonResponse:
    """Return the service's present time."""
    return data({"now": to_iso(service.clock())})


@router.post("/clock")
async def advance_clock(body: AdvanceBody, service: ServiceDep) -> JsonResponse:
    """Move the clock forward, for all processes of the service."""
    clock_shift = _clock_shift(service)
    new_shift = clock_shift.read() + timedelta(milliseconds=body.by_ms)
    # The clocks of database and processes are moved together, under the append lock. A process
    # behind the database would compute back-offs from an earlier time; a process ahead of it would
    # append events that are not due there yet.
    async with borrowed(service.pool) as connection, connection.transaction():
        await connection.execute(LOCK)
        await shift(connection, new_shift)
        clock_shift.write(new_shift)
    return data({"now": to_iso(service.clock())})


@router.post("/empty")
async def empty(service: ServiceDep) -> JsonResponse:
    """Delete everything but the built-in jobs, and set the clock to the real time."""
    await asyncio.to_thread(replace_database, service.settings.database_url)
    _clock_shift(service).write(timedelta())
    while not await _seed_jobs(service):  # noqa: ASYNC110 - nothing notifies of the database
        await asyncio.sleep(RETRY_S)
    return data({"now": to_iso(service.clock())})


async def _seed_jobs(service: Service) -> bool:
    """Register the built-in jobs; return whether the new database can be reached."""
    try:
        async with borrowed(service.pool) as connection:
            # Fails on an old connection; a new one detects that the log was replaced.
            await connection.execute("SELECT 1")
        await service.jobs.seed()
    except LogUnavailableError:
        return False
    return True


def _clock_shift(service: Service) -> ClockShift:
    clock_shift = service.settings.clock_shift
    if clock_shift is None:
        msg = "only a test service has these routes"
        raise LookupError(msg)
    return clock_shift
