"""The server of the endpoints that ours is compared with, and one endpoint that does nothing.

    python -m benchmarks.against.serving

Program, loop, protocol and settings are those of our API's. The endpoint that takes a body and does
nothing is the most that this server can do.
"""

import asyncio
import os
import socket
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel

from api.http.protocols import ServerConfig
from runtime.process import collect_garbage_rarely


class Body(BaseModel):
    """What a launch says; the same for all."""

    parameters: dict[str, Any] | None = None


def serve(app: FastAPI) -> None:
    """Serve as `cli.process.server` does, until SIGINT or SIGTERM.

    Print `ready http://HOST:PORT` once it answers.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = ServerConfig(app)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(uvicorn.Server(config), listening))


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.wait([serving], timeout=0.01)
    collect_garbage_rarely()
    host, port = listening.getsockname()
    print(f"ready http://{host}:{port}", flush=True)
    await serving


STARTS_FILE = "STARTS_FILE"
"""The environment variable that names the file in which a peer's tasks say when they started."""


def note_start() -> None:
    """Note this moment, by the clock that all processes of a machine share."""
    started_ns = time.monotonic_ns()
    with Path(os.environ[STARTS_FILE]).open("a") as file:
        file.write(f"{started_ns}\n")


app = FastAPI()


@app.post("/jobs/noop/run", status_code=202)
async def launch(body: Body) -> dict[str, object]:
    """Answer as if something had been launched."""
    return {"data": {"id": str(uuid4()), "parameters": body.parameters}}


if __name__ == "__main__":
    serve(app)
