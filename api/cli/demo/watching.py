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
        if message["type"] == "failure.noted":
            return  # What was found is told beside it.
        if message["type"] == "job.run.updated" and position == self._told_at:
            return  # The change of status has been told.
        self._told_at = position
        time = message["occurredAt"][11:]
        line = _line(message)
        told = f"[dim]{position:>4}  {time}[/]  {line}"
        self._console.print(told)


@asynccontextmanager
async def watching(
    url: str, console: Console, *, with_builds: bool
) -> AsyncIterator[Watch]:
    """Give a watch over the service's stream, from its present end on."""
    stream_url = url.replace("http", "ws", 1)
    async with connect(f"{stream_url}/ws") as stream:
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
        told = _run_told(data["run"])
        return f"[cyan]{kind}[/] {told}"
    if "build" in data:
        build = data["build"]
        app_id = build["repositoryId"]
        status = build["status"]
        return f"[magenta]{kind}[/] {app_id}: {status}"
    if "event" in data:
        told = escape(data["event"]["message"])
        return f"[green]{kind}[/] {told}"
    if "repository" in data:
        repository = data["repository"]
        app_id = repository["id"]
        status = repository["ingestStatus"]
        return f"[green]{kind}[/] {app_id}: {status}"
    if "failure" in data:
        told = _failure_told(data["failure"])
        return f"[red]{kind}[/] {told}"
    told = _job_told(data["job"]) if "job" in data else ""
    return f"[cyan]{kind}[/] {told}"


def _failure_told(group: dict[str, Any]) -> str:
    job = group["job"]
    title = group["title"]
    status = group["status"]
    return escape(f"{job}: {title}, {status}")


def _job_told(job: dict[str, Any]) -> str:
    slug = job["slug"]
    version = job["version"]
    return f"{slug} version {version}"


def _run_told(run: dict[str, Any]) -> str:
    slug = run["slug"]
    status = run["status"]
    attempt = f"{run['attempt']}/{run['maxAttempts']}"
    told = f"{slug} attempt {attempt}: {status}"
    metrics = run["metrics"]
    if status == "running" and metrics:
        text = json.dumps(metrics)
        line = in_one_line(text, MOST_OF_METRICS)
        return f"{told}, {escape(line)}"
    return told
