"""A server for the endpoints that ours is compared with.

Program, loop, protocol and settings are those of our API's.
"""

import asyncio
import socket
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel

from api.http.protocols import ServerConfig
from runtime.process import collect_garbage_seldom


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
    collect_garbage_seldom()
    host, port = listening.getsockname()
    print(f"ready http://{host}:{port}", flush=True)
    await serving
