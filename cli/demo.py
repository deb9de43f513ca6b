"""`apphub-jobs demo`: a demonstration, from the service's start to a recovery after a kill.

First the service, started from nothing and called over HTTP; then the stream's messages as they
arrive (`Watch`); then the two parts: the catalog, where a repository becomes an app and an image,
and the death of a worker; last `run_demo`.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.request import Request, urlopen

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from websockets.asyncio.client import ClientConnection, connect

from catalog.built_in_jobs import BUILD_SLUG
from catalog.handler_settings import handler_settings
from cli.options import exit_on_error
from cli.start.checks import Builder, find_builder
from runtime.text import in_one_line

START_TIMEOUT_S = 60.0

LEASE_S = 3
"""Shorter than usual, so that the killed worker's run recovers soon."""


@asynccontextmanager
async def service(directory: Path, handler: Path) -> AsyncIterator[str]:
    """Run `apphub-jobs dev` with a handler's file; yield the service's URL."""
    log_file = directory / "service.log"
    options = {"--port": "0", "--data-dir": str(directory / "data"), "--lease-s": str(LEASE_S)}
    arguments = [part for option in options.items() for part in option]
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "apphub_jobs", "dev", str(handler)),
            *("--python", sys.executable),
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
    return (await asyncio.to_thread(_call, url))["data"]


async def post(url: str, body: object) -> Any:
    """Send a body, and return the `data` of the answer."""
    return (await asyncio.to_thread(_call, url, body))["data"]


def _call(url: str, body: object = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - the URL is our own
    with urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)


Message = dict[str, Any]

MAX_METRICS_CHARACTERS = 40
"""Characters of a run's metrics that are printed."""


class Watch:
    """Prints the stream's messages.

    Attributes:
        with_builds: whether messages about builds are printed.
    """

    def __init__(self, stream: ClientConnection, console: Console, *, with_builds: bool) -> None:
        self._stream = stream
        self._console = console
        self._printed_position = 0
        self.with_builds = with_builds

    async def until(self, is_enough: Callable[[Message], bool]) -> None:
        """Print messages until `is_enough` returns true, with all others of the same event."""
        async for text in self._stream:
            message = json.loads(text)
            if message["type"] == "connection.ack":
                head = message["data"]["head"]
                self._console.print("[bold]GET /ws[/] listening to the log from position", head)
                continue
            if "eventId" not in message:  # A heartbeat.
                continue
            if self.with_builds or not _concerns_builds(message):
                self._print(message)
            if is_enough(message) and not message.get("more"):
                return

    def _print(self, message: Message) -> None:
        position = message["position"]
        if message["type"] == "failure.noted":
            return  # The group's own message shows the failure.
        if message["type"] == "job.run.updated" and position == self._printed_position:
            return  # The change of status has been printed.
        self._printed_position = position
        time = message["occurredAt"][11:]
        self._console.print(f"[dim]{position:>4}  {time}[/]  {_line(message)}")


@asynccontextmanager
async def watching(url: str, console: Console, *, with_builds: bool) -> AsyncIterator[Watch]:
    """Open the service's stream at the log's head, and yield its watch."""
    async with connect(f"{url.replace('http', 'ws', 1)}/ws") as stream:
        yield Watch(stream, console, with_builds=with_builds)


def _concerns_builds(message: Message) -> bool:
    data = message["data"]
    if "run" in data:
        return str(data["run"]["slug"]) == BUILD_SLUG
    if "failure" in data:
        return str(data["failure"]["job"]) == BUILD_SLUG
    return str(message["type"]) == "build.updated"


def _line(message: Message) -> str:
    kind = f"{message['type']:<27}"
    data = message["data"]
    if "run" in data:
        return f"[cyan]{kind}[/] {_run_line(data['run'])}"
    if "build" in data:
        build = data["build"]
        return f"[magenta]{kind}[/] {build['repositoryId']}: {build['status']}"
    if "event" in data:
        return f"[green]{kind}[/] {escape(data['event']['message'])}"
    if "repository" in data:
        repository = data["repository"]
        return f"[green]{kind}[/] {repository['id']}: {repository['ingestStatus']}"
    if "failure" in data:
        group = data["failure"]
        text = escape(f"{group['job']}: {group['title']}, {group['status']}")
        return f"[red]{kind}[/] {text}"
    job = data.get("job")
    return f"[cyan]{kind}[/] {job['slug']} version {job['version']}" if job else f"[cyan]{kind}[/] "


def _run_line(run: dict[str, Any]) -> str:
    status = run["status"]
    text = f"{run['slug']} attempt {run['attempt']}/{run['maxAttempts']}: {status}"
    if status == "running" and run["metrics"]:
        metrics = in_one_line(json.dumps(run["metrics"]), MAX_METRICS_CHARACTERS)
        return f"{text}, {escape(metrics)}"
    return text


APP_ID = "demo"

INGEST_TIMEOUT_S = 120.0

BUILD_TIMEOUT_S = 45.0
"""After this time a build is canceled, which may have to fetch a large base image."""

NO_BASE = (
    "an image of this app could not be built: its reason is shown below, often a base image that"
    " cannot be fetched from here; the next app needs none"
)

HISTORY_COLUMNS = {"createdAt": 24, "status": 24, "message": 24, "commitSha": 12, "durationMs": 24}
"""The columns of an app's history, with their widths in characters."""

HELLO_ID = "hello"

HELLO = {
    "Dockerfile": "FROM scratch\nCOPY hello.txt /\n",
    "hello.txt": "Hello from an image that needs no registry.\n",
    "README.md": "# Hello\n\nThe smallest app there is.\n",
    ".env.example": "GREETING=hello\n",
}

APP_FIELDS = ("name", "description", "dockerfilePath", "ingestStatus", "ingestAttempts")

BUILD_FIELDS = ("status", "imageTag", "imageDigest", "commitSha", "errorMessage")


class _App:
    """The state of an app, as the stream's messages report it."""

    def __init__(self, app_id: str) -> None:
        self.id = app_id
        self.status = "pending"
        self.build_status = "pending"
        self.build_run = ""

    def is_ingested(self, message: Message) -> bool:
        """Apply a message; return whether the app's ingestion has ended."""
        if message["type"] == "repository.updated":
            repository = message["data"]["repository"]
            if repository["id"] == self.id:
                self.status = repository["ingestStatus"]
        return self.status in {"ready", "failed"}

    def is_built(self, message: Message) -> bool:
        """Apply a message; return whether the app's build has ended."""
        if message["type"] == "build.updated":
            build = message["data"]["build"]
            if build["repositoryId"] == self.id:
                self.build_run = build["jobRunId"]
                self.build_status = build["status"]
        return self.build_status in {"succeeded", "failed", "canceled"}


async def show_catalog(
    url: str, console: Console, watch: Watch, repository: Path, directory: Path
) -> str:
    """Add the repository, show its ingestion and build, and return its app's status.

    If images can be built, a minimal app follows.
    """
    status = await _add_and_watch(url, console, watch, _App(APP_ID), repository)
    if status == "ready" and watch.with_builds:
        hello = await asyncio.to_thread(_hello_repository, directory / HELLO_ID)
        await _add_and_watch(url, console, watch, _App(HELLO_ID), hello)
    await _show_record(url, console)
    await _show_history(url, console)
    if status == "ready" and watch.with_builds:
        for app_id in (APP_ID, HELLO_ID):
            await _show_build(url, console, app_id)
    return status


async def _add_and_watch(
    url: str, console: Console, watch: Watch, app: _App, repository: Path
) -> str:
    """Add an app, print what happens until its build has ended, and return the app's status."""
    body = {"id": app.id, "name": repository.name, "description": "", "repoUrl": str(repository)}
    console.print(f"[bold]POST /apps[/] {json.dumps(body)}\n")
    await post(f"{url}/apps", body)
    await asyncio.wait_for(watch.until(app.is_ingested), INGEST_TIMEOUT_S)
    if app.status == "ready" and watch.with_builds:
        await _watch_build(url, console, watch, app)
        if app.id == APP_ID and app.build_status == "failed":
            console.print(f"[yellow]{NO_BASE}[/]")
    console.print()
    return app.status


async def _watch_build(url: str, console: Console, watch: Watch, app: _App) -> None:
    """Print what happens until the build has ended; cancel it after `BUILD_TIMEOUT_S`."""
    try:
        await asyncio.wait_for(watch.until(app.is_built), BUILD_TIMEOUT_S)
    except TimeoutError:
        console.print(
            f"[yellow]still building after {BUILD_TIMEOUT_S:.0f} s:"
            " canceled, to end the demonstration[/]"
        )
        cancel_url = f"{url}/job-runs/{app.build_run}/cancel"
        await post(cancel_url, {"reason": "the demo ends"})
        await asyncio.wait_for(watch.until(app.is_built), INGEST_TIMEOUT_S)


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


async def _show_record(url: str, console: Console) -> None:
    app = await get(f"{url}/apps/{APP_ID}")
    tree = Tree(f"\n[bold]GET /apps/{APP_ID}[/]")
    for field in APP_FIELDS:
        tree.add(Text(f"{field}: {app[field]}"))
    tags = ", ".join("{key}:{value}".format_map(tag) for tag in app["tags"])
    tree.add(Text(f"tags: {tags}"))
    console.print(tree)


async def _show_history(url: str, console: Console) -> None:
    table = Table(title=f"GET /apps/{APP_ID}/history, newest first", title_justify="left")
    for column in HISTORY_COLUMNS:
        table.add_column(column, no_wrap=column == "createdAt")
    for entry in await get(f"{url}/apps/{APP_ID}/history"):
        table.add_row(
            *(Text(str(entry[column] or "")[:width]) for column, width in HISTORY_COLUMNS.items())
        )
    console.print(table)


async def _show_build(url: str, console: Console, app_id: str) -> None:
    app = await get(f"{url}/apps/{app_id}")
    build = app["latestBuild"]
    if build is None:
        return
    tree = Tree(f"\n[bold]GET /apps/{app_id}/builds[/], the newest")
    for field in BUILD_FIELDS:
        if build[field]:
            tree.add(Text(f"{field}: {build[field]}"))
    console.print(tree)


SLUG = "count"

STEPS = 6
KILLED_AT_STEP = 2

HANDLER = f'''\
from time import sleep

from apphub_jobs import JobRunContext, job


@job(retries=1)
def count(context: JobRunContext) -> str:
    """Count, one step in half a second."""
    for step in range(1, {STEPS + 1}):
        context.update(metrics={{"step": step}})
        sleep(0.5)
    return f"counted to {{step}} in attempt {{context.run.attempt}}"
'''

RECOVERY_TIMEOUT_S = 60.0


class _Recovery:
    """The state of a run whose worker is killed, with the times of its recovery."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.killed_at = 0.0
        self.run: dict[str, Any] = {}
        self.statuses_s: dict[str, float] = {}

    def is_under_way(self, message: Message) -> bool:
        """Apply a message; return whether the run has come to its second step."""
        self._apply(message)
        metrics = self.run.get("metrics") or {}
        return bool(metrics.get("step") == KILLED_AT_STEP)

    def is_over(self, message: Message) -> bool:
        """Apply a message and its time; return whether the run has ended."""
        self._apply(message)
        status = str(self.run["status"])
        if self.run["attempt"] > 1:
            since_s = monotonic() - self.killed_at
            self.statuses_s.setdefault(status, since_s)
        return status in {"succeeded", "failed", "canceled", "expired"}

    def _apply(self, message: Message) -> None:
        run = message["data"].get("run")
        if run is not None and run["id"] == self.run_id:
            self.run = run


def write_handler(directory: Path) -> Path:
    """Write the handler's file, and return its path."""
    file = directory / "example.py"
    file.write_text(HANDLER, encoding="utf-8")
    return file


async def show_recovery(url: str, console: Console, watch: Watch) -> bool:
    """Kill the worker of a run, and show how it recovers; return whether it did."""
    console.print("\n[bold]A job of one's own[/], in example.py, registered by `dev`:\n")
    console.print(Syntax(HANDLER, "python", background_color="default"))
    run = await post(f"{url}/jobs/{SLUG}/run", {})
    console.print(f"[bold]POST /jobs/{SLUG}/run[/] launched {run['id']}\n")
    recovery = _Recovery(run["id"])
    await asyncio.wait_for(watch.until(recovery.is_under_way), RECOVERY_TIMEOUT_S)
    await _kill_worker(url, console, recovery)
    await asyncio.wait_for(watch.until(recovery.is_over), RECOVERY_TIMEOUT_S)
    _show_times(console, recovery)
    return bool(recovery.run["status"] == "succeeded")


async def _kill_worker(url: str, console: Console, recovery: _Recovery) -> None:
    [attempt] = await get(f"{url}/job-runs/{recovery.run_id}/attempts")
    worker_id = attempt["workerId"]
    _, pid, _ = worker_id.rsplit("-", 2)
    os.kill(int(pid), signal.SIGKILL)
    recovery.killed_at = monotonic()
    console.print(f"[bold yellow]kill -9 {pid}[/], the worker that runs it\n")


def _show_times(console: Console, recovery: _Recovery) -> None:
    tree = Tree("\n[bold]after the kill[/]")
    lease = f"its lease of {LEASE_S} s and a margin"
    lines = {
        "pending": f"the loss is in the log, and the run waits again ({lease})",
        "running": "another worker runs it, in its second attempt",
        "succeeded": f"done: {recovery.run['result']}",
    }
    for status, line in lines.items():
        if status in recovery.statuses_s:
            tree.add(f"{recovery.statuses_s[status]:>5.1f} s  {line}")
    console.print(tree)


PLAIN_WIDTH = 140
"""The width of output that is not a terminal; at this width no line is wrapped."""


def run_demo(repository: Path) -> int:
    """Run the demonstration; return 0 if the repository was ingested and the killed run recovered.

    If images cannot be built, builds are left out.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    builder = find_builder(exit_on_error(lambda: handler_settings(os.environ, Path())))
    return asyncio.run(_demonstrate(repository.resolve(), console, builder))


async def _demonstrate(repository: Path, console: Console, builder: Builder) -> int:
    with tempfile.TemporaryDirectory(prefix="apphub-demo-") as name:
        directory = Path(name)
        console.print(
            "[bold]AppHub Jobs[/] starts from nothing:"
            " a private PostgreSQL, migrations, API and worker"
        )
        handler = write_handler(directory)
        async with service(directory, handler) as url:
            console.print(f"ready at {url}")
            if not builder.is_usable:
                console.print(f"images are not built here: {builder.message}")
            console.print()
            async with watching(url, console, with_builds=builder.is_usable) as watch:
                status = await show_catalog(url, console, watch, repository, directory)
                recovered = await show_recovery(url, console, watch)
    if status != "ready":
        console.print(f"the ingestion ended as {status}")
        return 1
    if not recovered:
        console.print("the run whose worker was killed did not succeed")
        return 1
    console.print("\nstopped; nothing is left behind")
    return 0
