"""The catalog's part of the demonstration: repositories become apps, and apps become images."""

import asyncio
import json
import subprocess
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from api.cli.demo.running import get, post
from api.cli.demo.watching import Message, Watch

APP_ID = "demo"

INGEST_TIMEOUT_S = 120.0

BUILD_PATIENCE_S = 45.0
"""How long the demonstration watches a build, which may have to fetch its base image from afar.
Then it is canceled."""

NO_BASE = (
    "an image of this app could not be built: its reason is shown below, often a base image that"
    " cannot be fetched from here; the next app needs none"
)

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

SHOWN = ("name", "description", "dockerfilePath", "ingestStatus", "ingestAttempts")

SHOWN_OF_BUILDS = ("status", "imageTag", "imageDigest", "commitSha", "errorMessage")


class _App:
    """How an app fares, by the stream's messages."""

    def __init__(self, app_id: str) -> None:
        self.id = app_id
        self.status = "pending"
        self.build_status = "pending"
        self.build_run = ""

    def is_ingested(self, message: Message) -> bool:
        """Note a message; return whether the app has been read."""
        if message["type"] == "repository.updated":
            repository = message["data"]["repository"]
            if repository["id"] == self.id:
                self.status = repository["ingestStatus"]
        return self.status in {"ready", "failed"}

    def is_built(self, message: Message) -> bool:
        """Note a message; return whether the app's build has ended."""
        if message["type"] == "build.updated":
            build = message["data"]["build"]
            if build["repositoryId"] == self.id:
                self.build_run = build["jobRunId"]
                self.build_status = build["status"]
        return self.build_status in {"succeeded", "failed", "canceled"}


async def show_catalog(
    url: str, console: Console, watch: Watch, repository: Path, directory: Path
) -> str:
    """Add the repository and show what becomes of it; return its app's status.

    Where images can be built, the smallest app there is follows.
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
    body = {
        "id": app.id,
        "name": repository.name,
        "description": "",
        "repoUrl": str(repository),
    }
    told = f"[bold]POST /apps[/] {json.dumps(body)}\n"
    console.print(told)
    await post(f"{url}/apps", body)
    await asyncio.wait_for(watch.until(app.is_ingested), INGEST_TIMEOUT_S)
    if app.status == "ready" and watch.with_builds:
        await _watch_build(url, console, watch, app)
        if app.id == APP_ID and app.build_status == "failed":
            console.print(f"[yellow]{NO_BASE}[/]")
    console.print()
    return app.status


async def _watch_build(url: str, console: Console, watch: Watch, app: _App) -> None:
    """Print what happens until the build has ended, and cancel it where that takes too long."""
    try:
        await asyncio.wait_for(watch.until(app.is_built), BUILD_PATIENCE_S)
    except TimeoutError:
        console.print(
            f"[yellow]still building after {BUILD_PATIENCE_S:.0f} s:"
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
    for field in SHOWN:
        tree.add(Text(f"{field}: {app[field]}"))
    tags = ["{key}:{value}".format_map(tag) for tag in app["tags"]]
    joined = ", ".join(tags)
    line = Text(f"tags: {joined}")
    tree.add(line)
    console.print(tree)


async def _show_history(url: str, console: Console) -> None:
    title = f"GET /apps/{APP_ID}/history, newest first"
    table = Table(title=title, title_justify="left")
    for column in HISTORY_COLUMNS:
        table.add_column(column, no_wrap=column == "createdAt")
    for entry in await get(f"{url}/apps/{APP_ID}/history"):
        cells: list[Text] = []
        for column, width in HISTORY_COLUMNS.items():
            text = str(entry[column] or "")
            line = Text(text[:width])
            cells.append(line)
        table.add_row(*cells)
    console.print(table)


async def _show_build(url: str, console: Console, app_id: str) -> None:
    app = await get(f"{url}/apps/{app_id}")
    build = app["latestBuild"]
    if build is None:
        return
    tree = Tree(f"\n[bold]GET /apps/{app_id}/builds[/], the newest")
    for field in SHOWN_OF_BUILDS:
        value = build[field]
        if value:
            line = Text(f"{field}: {value}")
            tree.add(line)
    console.print(tree)
