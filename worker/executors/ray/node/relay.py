"""An attempt's task, as Ray runs it: it holds what the attempt needs, and passes on what it says.

If Ray ends it, the host notices, and ends the attempt.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from worker.executors.ray.node.sockets import socket_of

CHUNK_BYTES = 1_048_576

WATCHER_S = 8.0
"""How long a node that is new may take to have a watcher."""

LOOK_AGAIN_S = 0.02


def relay(token: str, order: str) -> Iterator[str | bytes]:
    """Give the node's host an order; once it speaks, yield the node's id, then whole lines."""
    # A function of the cluster's processes: there is always Ray, and the worker has none.
    ray: Any = import_module("ray")
    node_id: str = ray.get_runtime_context().get_node_id()
    given = json.loads(order)
    given["gpus"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    with _connected(socket_of(token, node_id)) as host:
        host.sendall(json.dumps(given).encode() + b"\n")
        for number, lines in enumerate(_lines(host)):
            if number == 0:
                yield node_id
            yield lines


def _lines(host: socket.socket) -> Iterator[bytes]:
    parts: list[bytes] = []
    while chunk := host.recv(CHUNK_BYTES):
        whole, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield b"".join((*parts, whole, newline))
            parts.clear()
        parts.append(rest)


def _connected(path: Path) -> socket.socket:
    """Return a connection to the host.

    Raises:
        ConnectionError: there is none, even after a while.
    """
    until = time.monotonic() + WATCHER_S
    while time.monotonic() < until:
        host = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError, ConnectionRefusedError):
            host.connect(str(path))
            return host
        host.close()
        time.sleep(LOOK_AGAIN_S)
    raise ConnectionError("the node has no watcher")
