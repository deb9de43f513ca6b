"""What the worker, its driver, and the hosts on the nodes say to each other: lines of JSON."""

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from worker.executors.local.workplace import workplaces
from worker.executors.packages import HandlerPackage
from worker.executors.port import Task

LONGEST_BYTES = 64 * 1_048_576
"""The longest line: above what an attempt may report, and be given."""

END = b'{"end"'
"""How the last line about an attempt begins."""


def line_of(message: Mapping[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode() + b"\n"


def described(task: Task, package: HandlerPackage) -> dict[str, Any]:
    """Return what a node has to know of a task: all but where its log is kept."""
    told = dict(vars(task))
    del told["log_path"]
    return {"task": told, "package": asdict(package)}


def task_of(told: Mapping[str, Any], log_path: Path) -> Task:
    """Return the task that was described, with another place for its log."""
    return Task(**told, log_path=log_path)


def package_of(told: Mapping[str, Any]) -> HandlerPackage:
    """Return the package that was described, as this host has its files and users."""
    hidden: list[str] = []
    if told["hidden"]:
        there = [path for path in told["hidden"] if Path(path).exists()]
        hidden = [str(workplaces().resolve()), *there]
    return HandlerPackage(**{**told, "hidden": hidden, "withheld": ()})


def packed(content: bytes) -> str:
    """Return bytes as a text."""
    return base64.b64encode(content).decode()


def unpacked(text: str) -> bytes:
    """Return the bytes of such a text."""
    return base64.b64decode(text)


async def reading(descriptor: int) -> asyncio.StreamReader:
    """Return what reads lines from a pipe, of which the descriptor stays taken."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_BYTES)
    # A copy is closed at the end. Else the next pipe of a process to be started got the number of
    # standard input, which that process needs for itself.
    copy = os.dup(descriptor)
    pipe = os.fdopen(copy, "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
