"""The messages between the worker, its driver, and the hosts on the nodes: lines of JSON."""

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from worker.executors.local.workplace import workplaces
from worker.executors.packages import HandlerPackage
from worker.executors.port import Task

MAX_LINE_BYTES = 64 * 1_048_576
"""The longest line: more than an attempt may report, or get as its task."""

END = b'{"end"'
"""How the last line about an attempt begins."""


def line_of(message: Mapping[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode() + b"\n"


def describe(task: Task, package: HandlerPackage) -> dict[str, Any]:
    """Describe a task and its package for a node: all but the path of the task's log.

    On a node, handlers have the node's own Python.
    """
    description = dict(vars(task))
    del description["log_path"]
    return {"task": description, "package": asdict(replace(package, interpreter=None))}


def task_of(description: Mapping[str, Any], log_path: Path) -> Task:
    """Return the task of a description, with another path of its log."""
    return Task(**description, log_path=log_path)


def package_of(description: Mapping[str, Any]) -> HandlerPackage:
    """Return the package of a description, adapted to the files and users of this host."""
    hidden: list[str] = []
    if description["hidden"]:
        existing = [path for path in description["hidden"] if Path(path).exists()]
        hidden = [str(workplaces().resolve()), *existing]
    return HandlerPackage.from_json({**description, "hidden": hidden, "withheld": ()})


def packed(content: bytes) -> str:
    """Return bytes as a text."""
    return base64.b64encode(content).decode()


def unpacked(text: str) -> bytes:
    """Return the bytes of such a text."""
    return base64.b64decode(text)


async def open_reader(descriptor: int) -> asyncio.StreamReader:
    """Return a reader of lines from a pipe; the descriptor itself stays open."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    # A copy is closed at the end. Else the next pipe of a process to be started would get the
    # number of standard input, which that process needs for itself.
    pipe = os.fdopen(os.dup(descriptor), "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
