"""`apphub-jobs demo`: the whole service from nothing, ingesting and building a repository before one's eyes."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from websockets.asyncio.client import ClientConnection, connect

APP_ID = "demo"

PLAIN_WIDTH = 140
"""Where the output is no terminal, nobody tells its width; at this one nothing is broken into two
lines."""

START_TIMEOUT_S = 60.0
INGEST_TIMEOUT_S = 120.0

BUILD_PATIENCE_S = 45.0
"""How long the demonstration watches a build that may have to fetch its base image from afar; then
it is canceled."""

HELLO_ID = "hello"

HELLO = {
    "Dockerfile": "FROM scratch\nCOPY hello.txt /\n",
    "hello.txt": "Hello from an image that needs no registry.\n",
    "README.md": "# Hello\n\nThe smallest app there is.\n",
    ".env.example": "GREETING=hello\n",
}


def run_demo(repository: Path) -> int:
    """Run the demonstration; return 0 if the repository was ingested, whatever came of its image."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    return asyncio.run(_demonstrate(repository.resolve(), console))


async def _demonstrate(repository: Path, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="apphub-demo-") as data_dir:
        console.print(
            "[bold]AppHub Jobs[/] starts from nothing: a private PostgreSQL, migrations, API and worker"
        )
        async with _service(Path(data_dir)) as url:
            console.print(f"ready at {url}\n")
            async with connect(f"{url.replace('http', 'ws', 1)}/ws") as stream:
                status = await _add_and_watch(url, stream, console, APP_ID, repository)
                if status == "ready":
                    hello = await asyncio.to_thread(_hello_repository, Path(data_dir) / HELLO_ID)
                    await _add_and_watch(url, stream, console, HELLO_ID, hello)
            await _show_record(url, console)
            if status == "ready":
                for app_id in (APP_ID, HELLO_ID):
                    await _show_build(url, console, app_id)
    console.print(
        "stopped; nothing is left behind"
        if status == "ready"
        else f"the ingestion ended as {status}"
    )
    return 0 if status == "ready" else 1


async def _add_and_watch(
    url: str, stream: ClientConnection, console: Console, app_id: str, repository: Path
) -> str:
    """Add an app, print what happens until its build has ended, and return the app's status."""
    app = {"id": app_id, "name": repository.name, "description": "", "repoUrl": str(repository)}
    console.print(f"[bold]POST /apps[/] {json.dumps(app)}\n")
    await asyncio.to_thread(_call, f"{url}/apps", app)
    watch = _Watch(app_id, console)
    await asyncio.wait_for(
        watch.until(stream, lambda: watch.status in {"ready", "failed"}), INGEST_TIMEOUT_S
    )
    if watch.status == "ready":
        try:
            await asyncio.wait_for(watch.until(stream, lambda: watch.build_over), BUILD_PATIENCE_S)
        except TimeoutError:
            console.print(
                f"[yellow]still building after {BUILD_PATIENCE_S:.0f} s: canceled, to end the demonstration[/]"
            )
            await asyncio.to_thread(
                _call, f"{url}/job-runs/{watch.build_run}/cancel", {"reason": "the demo ends"}
            )
            await asyncio.wait_for(watch.until(stream, lambda: watch.build_over), INGEST_TIMEOUT_S)
    console.print()
    return watch.status


def _hello_repository(directory: Path) -> Path:
    """Make the smallest git repository whose image can be built without any network."""
    directory.mkdir()
    for name, content in HELLO.items():
        (directory / name).write_text(content, encoding="utf-8")
    me = ("-c", "user.name=AppHub", "-c", "user.email=demo@apphub.invalid")
    for arguments in (
        ("init", "-q"),
        ("add", "."),
        (*me, "commit", "-q", "-m", "The smallest app there is"),
    ):
        subprocess.run(["git", *arguments], cwd=directory, check=True)  # noqa: S603, S607 - our own words
    return directory


@asynccontextmanager
async def _service(data_dir: Path) -> AsyncIterator[str]:
    """Run `apphub-jobs up` and give its address."""
    with (data_dir / "service.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-P",
                "-m",
                "api.cli",
                "up",
                "--port",
                "0",
                "--data-dir",
                str(data_dir / "data"),
            ),
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


class _Watch:
    """Prints messages as they arrive, and notes how one app fares."""

    def __init__(self, app_id: str, console: Console) -> None:
        self._app_id = app_id
        self._console = console
        self.status = "pending"
        self.build_over = False
        self.build_run = ""

    async def until(self, stream: ClientConnection, over: Callable[[], bool]) -> None:
        """Print until this is true, and whatever belongs to the same event."""
        async for text in stream:
            message = json.loads(text)
            if message["type"] == "connection.ack":
                self._console.print(
                    "[bold]GET /ws[/] listening to the log from position", message["data"]["head"]
                )
                continue
            if "eventId" not in message:  # A heartbeat.
                continue
            self._console.print(
                f"[dim]{message['position']:>4}  {message['occurredAt'][11:]}[/]  {_line(message)}"
            )
            self._note(message)
            if over() and not message.get("more"):
                return

    def _note(self, message: dict[str, Any]) -> None:
        if (
            message["type"] == "repository.updated"
            and message["data"]["repository"]["id"] == self._app_id
        ):
            self.status = message["data"]["repository"]["ingestStatus"]
        if (
            message["type"] == "build.updated"
            and message["data"]["build"]["repositoryId"] == self._app_id
        ):
            build = message["data"]["build"]
            self.build_run = build["jobRunId"]
            self.build_over = build["status"] in {"succeeded", "failed", "canceled"}


def _line(message: dict[str, Any]) -> str:
    kind, data = message["type"], message["data"]
    if "run" in data:
        run = data["run"]
        return f"[cyan]{kind:<27}[/] {run['slug']} attempt {run['attempt']}/{run['maxAttempts']}: {run['status']}"
    if "build" in data:
        return f"[magenta]{kind:<27}[/] {data['build']['repositoryId']}: {data['build']['status']}"
    if "event" in data:
        return f"[green]{kind:<27}[/] {data['event']['message']}"
    if "repository" in data:
        return (
            f"[green]{kind:<27}[/] {data['repository']['id']}: {data['repository']['ingestStatus']}"
        )
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


async def _show_build(url: str, console: Console, app_id: str) -> None:
    build = (await asyncio.to_thread(_call, f"{url}/apps/{app_id}"))["data"]["latestBuild"]
    if build is None:
        return
    tree = Tree(f"\n[bold]GET /apps/{app_id}/builds[/], the newest")
    for field in ("status", "imageTag", "imageDigest", "commitSha", "errorMessage"):
        if build[field]:
            tree.add(Text(f"{field}: {build[field]}"))
    console.print(tree)


def _call(url: str, body: object = None) -> Any:
    """Ask our own service on this machine."""
    content = None if body is None else json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - the URL is our own
    with urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)
