"""`apphub-jobs demo`: the whole service from nothing, ingesting a repository before one's eyes."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from rich.console import Console
from rich.table import Table
from rich.tree import Tree
from websockets.asyncio.client import ClientConnection, connect

APP_ID = "demo"

PLAIN_WIDTH = 140
"""Where the output is no terminal, nobody tells its width; at this one nothing is broken into two lines."""

START_TIMEOUT_S = 60.0
INGEST_TIMEOUT_S = 120.0


def run_demo(repository: Path) -> int:
    """Run the demonstration; return 0 if the repository was ingested."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    return asyncio.run(_demonstrate(repository.resolve(), console))


async def _demonstrate(repository: Path, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="apphub-demo-") as data_dir:
        console.print("[bold]AppHub Jobs[/] starts from nothing: a private PostgreSQL, migrations, API and worker")
        async with _service(Path(data_dir)) as url:
            console.print(f"ready at {url}\n")
            async with connect(f"{url.replace('http', 'ws', 1)}/ws") as stream:
                app = {"id": APP_ID, "name": repository.name, "description": "", "repoUrl": str(repository)}
                console.print(f"[bold]POST /apps[/] {json.dumps(app)}\n")
                await asyncio.to_thread(_call, f"{url}/apps", app)
                status = await asyncio.wait_for(_show_events(stream, console), INGEST_TIMEOUT_S)
            await _show_record(url, console)
    console.print("stopped; nothing is left behind" if status == "ready" else f"the ingestion ended as {status}")
    return 0 if status == "ready" else 1


@asynccontextmanager
async def _service(data_dir: Path) -> AsyncIterator[str]:
    """Run `apphub-jobs up` and give its address."""
    with (data_dir / "service.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "api.cli", "up", "--port", "0", "--data-dir", str(data_dir / "data")),
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
            raise SystemExit((data_dir / "service.log").read_text())
        yield line.split()[1].decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _show_events(stream: ClientConnection, console: Console) -> str:
    """Print messages as they arrive, until the ingestion has ended and its run, too; return the app's status."""
    app_status, run_over = "pending", False
    async for text in stream:
        message = json.loads(text)
        if message["type"] == "connection.ack":
            console.print("[bold]GET /ws[/] listening to the log from position", message["data"]["head"])
            continue
        console.print(f"[dim]{message['position']:>4}  {message['occurredAt'][11:]}[/]  {_line(message)}")
        if message["type"] == "repository.updated":
            app_status = message["data"]["repository"]["ingestStatus"]
        run_over = run_over or message["type"] in _ENDS
        if run_over and app_status in {"ready", "failed"} and not message.get("more"):
            return app_status
    return app_status


_ENDS = frozenset({"job.run.succeeded", "job.run.failed", "job.run.canceled", "job.run.expired"})


def _line(message: dict[str, Any]) -> str:
    kind, data = message["type"], message["data"]
    if "run" in data:
        run = data["run"]
        return f"[cyan]{kind:<27}[/] {run['slug']} attempt {run['attempt']}/{run['maxAttempts']}: {run['status']}"
    if "event" in data:
        return f"[green]{kind:<27}[/] {data['event']['message']}"
    if "repository" in data:
        return f"[green]{kind:<27}[/] {data['repository']['id']}: {data['repository']['ingestStatus']}"
    return f"[cyan]{kind:<27}[/] {data['job']['slug']} version {data['job']['version']}"


async def _show_record(url: str, console: Console) -> None:
    app = (await asyncio.to_thread(_call, f"{url}/apps/{APP_ID}"))["data"]
    tree = Tree(f"\n[bold]GET /apps/{APP_ID}[/]")
    for field in ("name", "description", "dockerfilePath", "ingestStatus", "ingestAttempts"):
        tree.add(f"{field}: {app[field]}")
    tree.add("tags: " + ", ".join(f"{tag['key']}:{tag['value']}" for tag in app["tags"]))
    console.print(tree)
    history = (await asyncio.to_thread(_call, f"{url}/apps/{APP_ID}/history"))["data"]
    table = Table(title=f"GET /apps/{APP_ID}/history, newest first", title_justify="left")
    for column in ("createdAt", "status", "message", "commitSha", "durationMs"):
        table.add_column(column, no_wrap=column == "createdAt")
    for entry in history:
        table.add_row(
            *(str(entry[name] or "")[:24] for name in ("createdAt", "status", "message")),
            (entry["commitSha"] or "")[:12],
            str(entry["durationMs"] or ""),
        )
    console.print(table)


def _call(url: str, body: object = None) -> Any:
    """Ask our own service on this machine."""
    content = None if body is None else json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - the URL is our own
    with urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)
