"""Encodes the messages between the worker, its driver and the nodes' hosts, as lines of JSON."""

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from worker.executors.local.workplace import workplaces_directory
from worker.executors.packages import HandlerPackage
from worker.executors.port import Task

MAX_LINE_BYTES = 64 * 1_048_576
"""The longest line: longer than any report or task of an attempt."""

END_PREFIX = b'{"end"'
"""How the last line about an attempt begins."""


def encode_line(message: Mapping[str, Any]) -> bytes:
    """Return a message as a line of JSON."""
    return json.dumps(message).encode() + b"\n"


def describe_task(task: Task, package: HandlerPackage) -> dict[str, Any]:
    """Return a task and its package as JSON for a node, without the path of the task's log.

    The package has no interpreter: on a node, handlers run with the node's own.
    """
    description = dict(vars(task))
    del description["log_path"]
    return {"task": description, "package": asdict(replace(package, interpreter=None))}


def parse_task(description: Mapping[str, Any], log_path: Path) -> Task:
    """Return the task of a description, with the path of its log on this host."""
    return Task(**description, log_path=log_path)


def parse_package(description: Mapping[str, Any]) -> HandlerPackage:
    """Return the package of a description, adapted to the files and users of this host."""
    hidden: list[str] = []
    if description["hidden"]:
        existing = [path for path in description["hidden"] if Path(path).exists()]
        hidden = [str(workplaces_directory().resolve()), *existing]
    return HandlerPackage.from_json({**description, "hidden": hidden, "withheld": ()})


def encode_bytes(content: bytes) -> str:
    """Return bytes as text for JSON."""
    return base64.b64encode(content).decode()


def decode_bytes(text: str) -> bytes:
    """Return the bytes that `encode_bytes` has encoded."""
    return base64.b64decode(text)


async def open_reader(descriptor: int) -> asyncio.StreamReader:
    """Return a reader of lines from a pipe; the descriptor itself stays open."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    # The reader closes its descriptor at the end, so it gets a copy. If standard input were closed,
    # the next pipe for a child process could get its number, which the child needs for itself.
    pipe = os.fdopen(os.dup(descriptor), "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
