"""Procrastinate: its asynchronous connector with a pool, and its worker by its own command.

python -m benchmarks.against.procrastinate_app      the endpoint; PGHOST and so on say where
the database is
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from procrastinate import App, PsycopgConnector

from benchmarks.against.serving import Body, note_start, serve

POOL_SIZE = 16
"""As many connections as ours; with the four of the pool's default its launches would wait for each
other."""

queue = App(connector=PsycopgConnector(min_size=1, max_size=POOL_SIZE))


async def _noop(number: int) -> None:
    """Do nothing."""
    del number


async def _started() -> None:
    """Tell when it was started."""
    note_start()


noop = queue.task(_noop, name="noop")

started = queue.task(_started, name="started")


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with queue.open_async():
        yield


@asynccontextmanager
async def launching() -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Give what launches one task."""
    async with queue.open_async():
        yield lambda: noop.defer_async(number=1)


def main() -> None:
    """Serve the endpoints."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    app = FastAPI(lifespan=_lifespan)

    @app.post("/jobs/noop/run", status_code=202)
    async def launch(body: Body) -> dict[str, object]:
        job_id = await noop.defer_async(**(body.parameters or {}))
        return {"data": {"id": job_id, "parameters": body.parameters}}

    @app.post("/jobs/started/run", status_code=202)
    async def launch_started(body: Body) -> dict[str, object]:
        job_id = await started.defer_async()
        return {"data": {"id": job_id, "parameters": body.parameters}}

    serve(app)


if __name__ == "__main__":
    main()
