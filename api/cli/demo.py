"""`apphub-jobs demo`: the whole service from nothing, ingesting and building a repository."""

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
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from websockets.asyncio.client import ClientConnection, connect

APP_ID = "demo"

PLAIN_WIDTH = 140
"""Where the output is no terminal, nobody tells its width; at this one no line is broken in two."""

START_TIMEOUT_S = 60.0
INGEST_TIMEOUT_S = 120.0

BUILD_PATIENCE_S = 45.0
"""How long the demonstration watches a build, which may have to fetch its base image from afar.
Then it is canceled."""

HISTORY_COLUMNS = {
    "createdAt": 24,
    "status": 24,
    "message": 24,
    "commitSha": 12,
    "durationMs": 24,
}
"""Each with the characters of it that are shown."""

HELLO_ID = "hello"

HELLO = {
    "Dockerfile": "FROM scratch\nCOPY hello.txt /\n",
    "hello.txt": "Hello from an image that needs no registry.\n",
    "README.md": "# Hello\n\nThe smallest app there is.\n",
    ".env.example": "GREETING=hello\n",
}


def run_demo(repository: Path) -> int:
    """Run the demonstration; return 0 if the repository was ingested, with or without an image."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    demonstrating = _demonstrate(repository.resolve(), console)
    return asyncio.run(demonstrating)


async def _demonstrate(repository: Path, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="apphub-demo-") as name:
        data_dir = Path(name)
        console.print(
            "[bold]AppHub Jobs[/] starts from nothing:"
            " a private PostgreSQL, migrations, API and worker"
        )
        async with _service(data_dir) as url:
            console.print(f"ready at {url}\n")
            status = await _ingest_all(url, console, repository, data_dir)
            await _show_record(url, console)
            await _show_history(url, console)
            if status == "ready":
                for app_id in (APP_ID, HELLO_ID):
                    await _show_build(url, console, app_id)
    if status != "ready":
        console.print(f"the ingestion ended as {status}")
        return 1
    console.print("stopped; nothing is left behind")
    return 0


async def _ingest_all(
    url: str, console: Console, repository: Path, data_dir: Path
) -> str:
    """Add the app and, where that went well, the smallest one; return how the first fared."""
    stream_url = url.replace("http", "ws", 1)
    async with connect(f"{stream_url}/ws") as stream:
        status = await _add_and_watch(url, stream, console, APP_ID, repository)
        if status == "ready":
            hello = await asyncio.to_thread(_hello_repository, data_dir / HELLO_ID)
            await _add_and_watch(url, stream, console, HELLO_ID, hello)
    return status


async def _add_and_watch(
    url: str, stream: ClientConnection, console: Console, app_id: str, repository: Path
) -> str:
    """Add an app, print what happens until its build has ended, and return the app's status."""
    app = {
        "id": app_id,
        "name": repository.name,
        "description": "",
        "repoUrl": str(repository),
    }
    text = json.dumps(app)
    console.print(f"[bold]POST /apps[/] {text}\n")
    apps_url = f"{url}/apps"
    await asyncio.to_thread(_call, apps_url, app)
    watch = _Watch(app_id, console)
    ingested = watch.until(stream, lambda: watch.status in {"ready", "failed"})
    await asyncio.wait_for(ingested, INGEST_TIMEOUT_S)
    if watch.status == "ready":
        await _watch_build(url, stream, console, watch)
    console.print()
    return watch.status


async def _watch_build(
    url: str, stream: ClientConnection, console: Console, watch: "_Watch"
) -> None:
    """Print what happens until the build has ended, and cancel it where that takes too long."""
    try:
        built = watch.until(stream, lambda: watch.build_over)
        await asyncio.wait_for(built, BUILD_PATIENCE_S)
    except TimeoutError:
        console.print(
            f"[yellow]still building after {BUILD_PATIENCE_S:.0f} s:"
            " canceled, to end the demonstration[/]"
        )
        cancel_url = f"{url}/job-runs/{watch.build_run}/cancel"
        await asyncio.to_thread(_call, cancel_url, {"reason": "the demo ends"})
        stopped = watch.until(stream, lambda: watch.build_over)
        await asyncio.wait_for(stopped, INGEST_TIMEOUT_S)


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
        command = [sys.executable, "-P", "-m", "api.cli", "up"]
        options = ["--port", "0", "--data-dir", str(data_dir / "data")]
        process = await asyncio.create_subprocess_exec(
            *command,
            *options,
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
        _, url = line.decode().split()
        yield url
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
                head = message["data"]["head"]
                self._console.print(
                    "[bold]GET /ws[/] listening to the log from position", head
                )
                continue
            if "eventId" not in message:  # A heartbeat.
                continue
            position = message["position"]
            time = message["occurredAt"][11:]
            line = _line(message)
            self._console.print(f"[dim]{position:>4}  {time}[/]  {line}")
            self._note(message)
            if over() and not message.get("more"):
                return

    def _note(self, message: dict[str, Any]) -> None:
        if message["type"] == "repository.updated":
            repository = message["data"]["repository"]
            if repository["id"] == self._app_id:
                self.status = repository["ingestStatus"]
        if message["type"] == "build.updated":
            build = message["data"]["build"]
            if build["repositoryId"] == self._app_id:
                self.build_run = build["jobRunId"]
                self.build_over = build["status"] in {"succeeded", "failed", "canceled"}


def _line(message: dict[str, Any]) -> str:
    kind = f"{message['type']:<27}"
    data = message["data"]
    if "run" in data:
        run = data["run"]
        attempt = f"{run['attempt']}/{run['maxAttempts']}"
        status = run["status"]
        return f"[cyan]{kind}[/] {run['slug']} attempt {attempt}: {status}"
    if "build" in data:
        build = data["build"]
        return f"[magenta]{kind}[/] {build['repositoryId']}: {build['status']}"
    if "event" in data:
        event = data["event"]
        return f"[green]{kind}[/] {escape(event['message'])}"
    if "repository" in data:
        repository = data["repository"]
        return f"[green]{kind}[/] {repository['id']}: {repository['ingestStatus']}"
    job = data["job"]
    return f"[cyan]{kind}[/] {job['slug']} version {job['version']}"


async def _show_record(url: str, console: Console) -> None:
    app = await _get(f"{url}/apps/{APP_ID}")
    tree = Tree(f"\n[bold]GET /apps/{APP_ID}[/]")
    for field in (
        "name",
        "description",
        "dockerfilePath",
        "ingestStatus",
        "ingestAttempts",
    ):
        tree.add(Text(f"{field}: {app[field]}"))
    tags = [f"{tag['key']}:{tag['value']}" for tag in app["tags"]]
    joined = ", ".join(tags)
    tree.add(Text(f"tags: {joined}"))
    console.print(tree)


async def _show_history(url: str, console: Console) -> None:
    title = f"GET /apps/{APP_ID}/history, newest first"
    table = Table(title=title, title_justify="left")
    for column in HISTORY_COLUMNS:
        table.add_column(column, no_wrap=column == "createdAt")
    for entry in await _get(f"{url}/apps/{APP_ID}/history"):
        cells: list[Text] = []
        for column, width in HISTORY_COLUMNS.items():
            text = str(entry[column] or "")
            cells.append(Text(text[:width]))
        table.add_row(*cells)
    console.print(table)


async def _show_build(url: str, console: Console, app_id: str) -> None:
    app = await _get(f"{url}/apps/{app_id}")
    build = app["latestBuild"]
    if build is None:
        return
    tree = Tree(f"\n[bold]GET /apps/{app_id}/builds[/], the newest")
    for field in ("status", "imageTag", "imageDigest", "commitSha", "errorMessage"):
        value = build[field]
        if value:
            text = Text(f"{field}: {value}")
            tree.add(text)
    console.print(tree)


async def _get(url: str) -> Any:
    answer = await asyncio.to_thread(_call, url)
    return answer["data"]


def _call(url: str, body: object = None) -> Any:
    """Ask our own service on this machine."""
    content: bytes | None = None
    if body is not None:
        content = json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - the URL is our own
    with urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)
