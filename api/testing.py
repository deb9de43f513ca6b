"""A test service: its clock can be moved, and it can be emptied while it runs.

First its database and how that is replaced by a new one (`prepare`, `replace`), then the routes
under `/testing`. No other service has either.
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
from api.http.errors import JsonAnswer, data
from api.http.strict_json import StrictJsonRoute
from api.shapes.base import _YEAR_MS, _Body
from domain.clock import to_iso
from domain.errors import LogUnavailableError
from eventlog.database.clock import SCHEMA, shift, shiftable
from eventlog.database.connection import borrowed
from migrations import runner
from runtime.process import ClockShift

# The database of a test service, and the template that it is made of for each test.

DATABASE = "apphub_test"
TEMPLATE = "apphub_test_template"


def prepare(server_url: str) -> str:
    """Make both databases on a server, and return the URL by which the service reaches its own."""
    template_url = shiftable(make_conninfo(server_url, dbname=TEMPLATE))
    _recreate(server_url, TEMPLATE, "template0")
    with psycopg.connect(template_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    runner.upgrade(template_url)
    _recreate(server_url, DATABASE, TEMPLATE)
    return shiftable(make_conninfo(server_url, dbname=DATABASE))


def replace(url: str) -> None:
    """Put a new database in the place of a test service's; all of its connections are lost.

    Its processes notice that the log is another one, and forget what they remember.
    """
    given = conninfo_to_dict(url)
    server_url = make_conninfo(url, dbname="postgres", options="")
    _recreate(server_url, str(given["dbname"]), TEMPLATE)


def _recreate(server_url: str, name: str, template: str) -> None:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(drop.format(sql.Identifier(name)))
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))


router = APIRouter(prefix="/testing", route_class=StrictJsonRoute, include_in_schema=False)

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
