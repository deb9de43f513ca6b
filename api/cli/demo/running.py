"""The service that is demonstrated: started from nothing, and asked over HTTP like any other."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

START_TIMEOUT_S = 60.0

LEASE_S = 3
"""Shorter than usual, so that nobody has to wait long for what a killed worker leaves."""


@asynccontextmanager
async def service(directory: Path, handler: Path) -> AsyncIterator[str]:
    """Run `apphub-jobs dev` for this file and give its address."""
    log_file = directory / "service.log"
    options = {
        "--port": "0",
        "--data-dir": str(directory / "data"),
        "--lease-s": str(LEASE_S),
    }
    arguments = [part for option in options.items() for part in option]
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "apphub_jobs", "dev", str(handler)),
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    if process.stdout is None:
        msg = "the service has no standard output"
        raise RuntimeError(msg)
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        if not line.startswith(b"ready "):
            raise SystemExit(log_file.read_text())
        _, url = line.decode().split()
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def get(url: str) -> Any:
    """Return the `data` of an answer."""
    answer = await asyncio.to_thread(_call, url)
    return answer["data"]


async def post(url: str, body: object) -> Any:
    """Send a body, and return the `data` of the answer."""
    answer = await asyncio.to_thread(_call, url, body)
    return answer["data"]


def _call(url: str, body: object = None) -> Any:
    content: bytes | None = None
    if body is not None:
        content = json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - the URL is our own
    with urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)
