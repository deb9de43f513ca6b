"""The watcher of a node, an actor: it knows the driver's lease, and keeps the host of the attempts.

It ends with its driver, and the host with it. If the driver only falls silent, the lease ends what
runs here.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from time import monotonic
from typing import IO, Any

from worker.executors.ray.node.sockets import socket_of

PROGRAM = "from worker.executors.ray.node.host import main; main()"


class Watcher:
    """What the driver has on a node. Its methods are called one after the other."""

    def __init__(self, token: str, size: int) -> None:
        """Start the host; it is ready when this returns.

        Args:
            token: the driver's.
            size: how many processes to keep warm.
        """
        ray: Any = import_module("ray")
        node_id: str = ray.get_runtime_context().get_node_id()
        told = json.dumps({"socket": str(socket_of(token, node_id)), "size": size})
        # In a process of its own: Ray kills its processes' children when it ends them, and they
        # could not clean up; the host's supervisors are its grandchildren.
        self._host = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", PROGRAM, told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._hear()

    def now(self) -> float:
        """Return this node's monotonic clock, once the host is ready."""
        return monotonic()

    def renew(self, until: float) -> float:
        """Let what runs go on until this moment of this node's monotonic clock; return that."""
        self._tell({"do": "renew", "until": until})
        return monotonic()

    def tell(self, command: Mapping[str, Any]) -> None:
        """Pass on what is to become of an attempt."""
        self._tell(command)

    def end(self, attempt_id: str) -> bool:
        """End an attempt, if it is here; return whether nothing of it is left."""
        self._tell({"do": "end", "id": attempt_id})
        return bool(self._hear()["isOver"])

    def _tell(self, command: Mapping[str, Any]) -> None:
        orders = _open(self._host.stdin)
        order = json.dumps(command).encode()
        orders.write(order + b"\n")
        orders.flush()

    def _hear(self) -> dict[str, Any]:
        line = _open(self._host.stdout).readline()
        if not line:
            raise RuntimeError("the host of this node has ended")
        heard: dict[str, Any] = json.loads(line)
        return heard


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the host of this node was started without pipes")
    return pipe
