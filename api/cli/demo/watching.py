"""Prints the stream's messages as they arrive."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from websockets.asyncio.client import ClientConnection, connect

from api.process.telling.spoken import in_one_line
from domain.jobs.reserved import BUILD_SLUG

Message = dict[str, Any]

MOST_OF_METRICS = 40
"""Characters of a run's metrics that are shown."""


class Watch:
    """Prints messages, and lets others know of them.

    Attributes:
        with_builds: whether what concerns builds is printed.
    """

    def __init__(
        self, stream: ClientConnection, console: Console, *, with_builds: bool
    ) -> None:
        self._stream = stream
        self._console = console
        self._told_at = 0
        self.with_builds = with_builds

    async def until(self, note: Callable[[Message], bool]) -> None:
        """Print until `note` says that it is enough, and whatever belongs to the same event."""
        async for text in self._stream:
            message = json.loads(text)
            if message["type"] == "connection.ack":
                head = message["data"]["head"]
                self._console.print(
                    "[bold]GET /ws[/] listening to the log from position", head
                )
                continue
            if "eventId" not in message:  # A heartbeat.
                continue
            if self.with_builds or not _concerns_builds(message):
                self._print(message)
            if note(message) and not message.get("more"):
                return

    def _print(self, message: Message) -> None:
        position = message["position"]
        if message["type"] == "job.run.updated" and position == self._told_at:
            return  # The change of status has been told.
        self._told_at = position
        time = message["occurredAt"][11:]
        self._console.print(f"[dim]{position:>4}  {time}[/]  {_line(message)}")


@asynccontextmanager
async def watching(
    url: str, console: Console, *, with_builds: bool
) -> AsyncIterator[Watch]:
    """Give a watch over the service's stream, from its present end on."""
    stream_url = url.replace("http", "ws", 1)
    async with connect(f"{stream_url}/ws") as stream:
        yield Watch(stream, console, with_builds=with_builds)


def _concerns_builds(message: Message) -> bool:
    run = message["data"].get("run")
    if run is not None:
        return str(run["slug"]) == BUILD_SLUG
    return str(message["type"]) == "build.updated"


def _line(message: Message) -> str:
    kind = f"{message['type']:<27}"
    data = message["data"]
    if "run" in data:
        return f"[cyan]{kind}[/] {_run_told(data['run'])}"
    if "build" in data:
        build = data["build"]
        return f"[magenta]{kind}[/] {build['repositoryId']}: {build['status']}"
    if "event" in data:
        return f"[green]{kind}[/] {escape(data['event']['message'])}"
    if "repository" in data:
        repository = data["repository"]
        return f"[green]{kind}[/] {repository['id']}: {repository['ingestStatus']}"
    job = data["job"]
    return f"[cyan]{kind}[/] {job['slug']} version {job['version']}"


def _run_told(run: dict[str, Any]) -> str:
    attempt = f"{run['attempt']}/{run['maxAttempts']}"
    told = f"{run['slug']} attempt {attempt}: {run['status']}"
    if run["status"] == "running" and run["metrics"]:
        metrics = in_one_line(json.dumps(run["metrics"]), MOST_OF_METRICS)
        return f"{told}, {escape(metrics)}"
    return told
