"""PgQueuer: a pool of asyncpg connections to launch, a connection of its own for the worker.

python -m benchmarks.against.pgqueuer_app           the endpoint; PGHOST and so on say where
the database is python -m benchmarks.against.pgqueuer_app work      a worker, on the loop that
its own command uses, too
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
import uvloop
from fastapi import FastAPI
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.queries import Queries

from benchmarks.against.serving import Body, note_start, serve

POOL_SIZE = 16
"""As many connections as ours."""

BATCH_SIZE = 25
"""As in the example of its guide to tuning for short tasks, and the fastest of those tried: 10 (the
default) was half as fast, 100 and 250 no faster."""


async def _noop(job: Any) -> None:
    """Do nothing."""
    del job


async def _started(job: Any) -> None:
    """Tell when it was started."""
    del job
    note_start()


async def work() -> None:
    """Work until SIGTERM."""
    connection = await asyncpg.connect()
    manager = PgQueuer(AsyncpgDriver(connection))
    manager.entrypoint("noop")(_noop)
    manager.entrypoint("started")(_started)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, manager.shutdown.set)
    await manager.run(batch_size=BATCH_SIZE)
    await connection.close()


@asynccontextmanager
async def launching() -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Give what launches one task."""
    async with asyncpg.create_pool(max_size=POOL_SIZE) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        payload = orjson.dumps({"number": 1})
        yield lambda: queries.enqueue("noop", payload)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(max_size=POOL_SIZE) as pool:
        app.state.queries = Queries(AsyncpgPoolDriver(pool))
        yield


async def _enqueued(queries: Queries, entrypoint: str, body: Body) -> dict[str, object]:
    [job_id] = await queries.enqueue(entrypoint, orjson.dumps(body.parameters))
    return {"data": {"id": job_id, "parameters": body.parameters}}


def serve_api() -> None:
    """Serve the endpoints."""
    app = FastAPI(lifespan=_lifespan)

    @app.post("/jobs/noop/run", status_code=202)
    async def launch(body: Body) -> dict[str, object]:
        return await _enqueued(app.state.queries, "noop", body)

    @app.post("/jobs/started/run", status_code=202)
    async def launch_started(body: Body) -> dict[str, object]:
        return await _enqueued(app.state.queries, "started", body)

    serve(app)


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1:] != ["work"]:
        serve_api()
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())


if __name__ == "__main__":
    main()
