"""The code that runs on the nodes of a Ray cluster, which need this package and Ray, and no secret.

First the socket of a node's host; then an attempt as a Ray task (`relay`); then the host's reports
of an attempt (`Reporter`); then the host, which starts, watches and ends the attempts of its node
without Ray (`AttemptHost`); last the node's actor, which knows the lease and owns the host
(`NodeActor`).
"""

import asyncio
import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import IO, Any

from runtime.tasks import end_tasks, start_once
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.local.workplace import Workplace, remove_abandoned_workplaces
from worker.executors.packages import HandlerPackage
from worker.executors.port import LeaseOverError, Outcome
from worker.executors.ray.wire import (
    MAX_LINE_BYTES,
    encode_bytes,
    encode_line,
    open_reader,
    parse_package,
    parse_task,
)

# The socket of a node's host. The node's actor and its tasks compute the same path.

_TOKEN_CHARACTERS = 16
_NODE_CHARACTERS = 16

_MIN_AGE_S = 60.0
"""Younger sockets are not removed: their hosts may not listen yet."""


def socket_path(token: str, node_id: str) -> Path:
    """Return the path of the socket of a driver's host on this node.

    Only this user can access its directory.

    Args:
        token: the driver's token.
        node_id: Ray's id of the node.

    Raises:
        OSError: the directory belongs to another user, or cannot be made.
    """
    directory = _socket_directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{directory} must be this user's alone")
    # The path of a socket may have about a hundred bytes at most.
    return directory / f"{token[:_TOKEN_CHARACTERS]}-{node_id[:_NODE_CHARACTERS]}"


def remove_dead_sockets() -> None:
    """Remove the sockets of hosts that were killed."""
    for path in _socket_directory().glob("*"):
        with suppress(FileNotFoundError):
            if _is_dead(path):
                path.unlink()


def _socket_directory() -> Path:
    return Path(tempfile.gettempdir()) / f"apphub-ray-{os.geteuid()}"


def _is_dead(path: Path) -> bool:
    status = path.lstat()
    is_old = time.time() - status.st_mtime > _MIN_AGE_S
    if not is_old or not stat.S_ISSOCK(status.st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


# An attempt as a Ray task: it holds the attempt's resources, and relays its messages. If Ray ends
# it, the host notices that, and ends the attempt.

RELAY_CHUNK_BYTES = 1_048_576

HOST_TIMEOUT_S = 8.0
"""How long a new node may take to start its host."""

RETRY_PAUSE_S = 0.02


def relay(token: str, order: str) -> Iterator[str | bytes]:
    """Send the node's host an order; with its first answer, yield the node's id, then its lines."""
    # Imported here, as only the cluster's processes must have Ray.
    ray: Any = import_module("ray")
    node_id: str = ray.get_runtime_context().get_node_id()
    node_order = {**json.loads(order), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}
    with _connect(socket_path(token, node_id)) as host:
        host.sendall(json.dumps(node_order).encode() + b"\n")
        for number, lines in enumerate(_whole_lines(host)):
            if number == 0:
                yield node_id
            yield lines


def _whole_lines(host: socket.socket) -> Iterator[bytes]:
    """Yield what the host sends, in chunks of whole lines."""
    parts: list[bytes] = []
    while chunk := host.recv(RELAY_CHUNK_BYTES):
        lines, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield b"".join((*parts, lines, newline))
            parts.clear()
        parts.append(rest)


def _connect(path: Path) -> socket.socket:
    """Return a connection to the host.

    Raises:
        ConnectionError: no host listens within `HOST_TIMEOUT_S`.
    """
    until = time.monotonic() + HOST_TIMEOUT_S
    while time.monotonic() < until:
        host = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError, ConnectionRefusedError):
            host.connect(str(path))
            return host
        host.close()
        time.sleep(RETRY_PAUSE_S)
    raise ConnectionError("the node has no host for attempts")


GATHER_S = 0.05
"""How long updates are merged before they are sent."""

LOG_CHUNK_BYTES = 262_144

READ_EVERY_S = 0.1
"""How often to read new output."""

MAX_PENDING_BYTES = 1_048_576
"""While more than this waits for the network, updates are merged for longer."""


class Reporter:
    """Sends the messages about one attempt; updates are merged, as they cross a network."""

    def __init__(self, attempt_id: str, writer: asyncio.StreamWriter) -> None:
        self._attempt_id = attempt_id
        self._writer = writer
        self._update: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def send_begin(self) -> None:
        """Report that the host has a lease, so that the driver can send it commands."""
        self._write({"begins": True})

    def queue_update(self, report: Mapping[str, Any]) -> None:
        """Send a report of the handler soon, merged with those that wait."""
        self._update = _merge(self._update or {}, report)
        if self._timer is None:
            self._schedule()

    async def send_output(self, content: bytes) -> None:
        """Send output; wait while the receiver is slower than the attempt."""
        self._write({"log": encode_bytes(content)})
        await self._drain()

    async def send_end(self, outcome: Outcome) -> None:
        """Send the outcome, after everything else."""
        if self._timer is not None:
            self._timer.cancel()
        self._write_update()
        # `end` must come first in the line: the driver recognizes the line by it (`END_PREFIX`).
        fields = {"kind": outcome.kind, "message": outcome.message, "metrics": outcome.metrics}
        self._write({"end": fields})
        await self._drain()

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(GATHER_S, self._write_update_if_drained)

    def _write_update_if_drained(self) -> None:
        if self._writer.transport.get_write_buffer_size() > MAX_PENDING_BYTES:
            self._schedule()
            return
        self._timer = None
        self._write_update()

    def _write_update(self) -> None:
        if self._update is not None:
            self._write({"update": self._update})
            self._update = None

    def _write(self, message: Mapping[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode_line({**message, "id": self._attempt_id}))

    async def _drain(self) -> None:
        # `_stop_when_disconnected` handles a closed connection.
        with suppress(ConnectionError):
            await self._writer.drain()


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return two reports as one; the new values win, unless they are None."""
    merged = {**old}
    for name, value in new.items():
        old_value = merged.get(name)
        if isinstance(old_value, dict) and isinstance(value, dict):
            merged[name] = {**old_value, **value}
        elif value is not None or name not in merged:
            merged[name] = value
    return merged


async def forward_log(log: Path, reporter: Reporter, over: asyncio.Event) -> None:
    """Send the output in a log as it grows, until the attempt is over and all is sent."""
    position = 0
    while True:
        is_over = over.is_set()
        while chunk := _read(log, position):
            position += len(chunk)
            await reporter.send_output(chunk)
        if is_over:
            return
        try:
            await asyncio.wait_for(over.wait(), READ_EVERY_S)
        except TimeoutError:
            continue


def _read(log: Path, position: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(position)
            return file.read(LOG_CHUNK_BYTES)
    except FileNotFoundError:
        return b""  # There has been no output yet.


# The host of a node's attempts: the executor of `worker.executors.local` behind a socket.
#
# Each connection is an attempt: its first line is the order, and the answer is the attempt's
# reports, output and end. Closing the connection ends the attempt. Standard input has renewals of
# the lease and commands to attempts; it ends when the actor does, and then all attempts end.
# Standard output has a message when the host is ready, then an answer to each `end`: whether that
# attempt is over. The host is a program with one argument: JSON with `socket`, its path, and
# `size`, how many attempts run at a time.

logger = logging.getLogger(__name__)

END_ANSWER_S = 3.0
"""How long the answer to `end` waits for the end of the attempt."""

MAX_EARLY_ATTEMPTS = 10_000
"""Of how many attempts the commands are kept that come before the order."""

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class AttemptHost:
    """Runs an attempt for each connection."""

    def __init__(self, size: int, logs: Path) -> None:
        self._packages: dict[str, HandlerPackage] = {}
        self._executor = ProcessExecutor(self._packages, size, Orphans())
        self._logs = logs
        self._generation = 0
        self._packages_by_key: dict[str, HandlerPackage] = {}
        self._lease_until = 0.0
        self._has_lease = asyncio.Event()
        self._session = 0
        self._sessions: dict[str, int] = {}
        self._attempts: dict[str, ProcessAttempt] = {}
        self._over: dict[str, asyncio.Event] = {}
        self._early_commands: OrderedDict[str, list[Mapping[str, Any]]] = OrderedDict()
        self._is_closing = False

    async def aclose(self) -> None:
        """End all attempts."""
        self._is_closing = True
        self._has_lease.set()  # Orders that wait for a lease must end, too.
        for attempt in list(self._attempts.values()):
            attempt.stop()
        await asyncio.gather(*(over.wait() for over in self._over.values()))
        await self._executor.aclose()

    async def execute(self, command: Mapping[str, Any]) -> bool | None:
        """Execute a command of the actor; after `end`, return whether the attempt is over."""
        if command["do"] == "renew":
            self._renew(command["until"], command["session"])
            return None
        attempt_id = command["id"]
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            self._keep_early(attempt_id, command)
        else:
            _apply(command, attempt)
        if command["do"] != "end":
            return None
        return await self._wait_for_end(attempt_id)

    def _renew(self, until: float, session: int) -> None:
        """Extend the lease of this session's attempts; stop those of earlier sessions."""
        if session < self._session:
            return
        self._session = session
        for attempt_id, attempt in self._attempts.items():
            if self._sessions[attempt_id] < session:
                attempt.stop()
        self._lease_until = until
        self._has_lease.set()
        self._executor.renew(until)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the attempt of a connection."""
        try:
            if line := await reader.readline():
                await self._serve_attempt(json.loads(line), reader, writer)
        finally:
            writer.close()

    async def _serve_attempt(
        self, order: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        attempt_id: str = order["id"]
        reporter = Reporter(attempt_id, writer)
        over = self._over[attempt_id] = asyncio.Event()
        log = self._logs / attempt_id
        listener_task = start_once("listener", self._stop_when_disconnected(reader, attempt_id))
        log_task = start_once("log", forward_log(log, reporter, over))
        try:
            outcome = await self._run(order, log, reporter)
        finally:
            over.set()
            del self._over[attempt_id]
            self._attempts.pop(attempt_id, None)
            self._sessions.pop(attempt_id, None)
        await log_task
        await reporter.send_end(outcome)
        await end_tasks(listener_task)
        log.unlink(missing_ok=True)

    async def _run(self, order: Mapping[str, Any], log: Path, reporter: Reporter) -> Outcome:
        await self._has_lease.wait()
        if order["session"] < self._session:
            # The order is of an earlier session, whose runs other workers may execute by now.
            return Outcome("lease")
        reporter.send_begin()
        task = parse_task(order["task"], log)
        if (task.definition.get("resources") or {}).get("gpus"):
            settings = {**task.settings, "gpus": order.get("gpus", "")}
            task = replace(task, settings=settings)
        self._use_package(task.entry_point, order["package"])
        try:
            attempt = await self._executor.submit(task, reporter.queue_update, self._lease_until)
        except LeaseOverError:
            return Outcome("lease")
        except OSError as error:
            message = f"the attempt could not begin on its node: {error}"
            return Outcome("lost", {"message": message})
        attempt_id: str = order["id"]
        self._attempts[attempt_id] = attempt
        self._sessions[attempt_id] = order["session"]
        for command in self._early_commands.pop(attempt_id, ()):
            _apply(command, attempt)
        if self._is_closing or order["session"] < self._session:
            attempt.stop()
        return await attempt.outcome()

    def _use_package(self, entry_point: str, description: Mapping[str, Any]) -> None:
        """Use the package of an order for its entry point.

        Equal descriptions of one generation lead to the same object, by which the executor finds
        processes of the package.
        """
        if description["generation"] > self._generation:
            self._generation = description["generation"]
            self._packages_by_key.clear()
            self._packages.clear()
        key = json.dumps(description)
        is_new = key not in self._packages_by_key
        if is_new:
            fields = {**description}
            del fields["generation"]
            self._packages_by_key[key] = parse_package(fields)
        self._packages[entry_point] = self._packages_by_key[key]
        if is_new:
            self._executor.use_packages(self._packages)

    async def _stop_when_disconnected(self, reader: asyncio.StreamReader, attempt_id: str) -> None:
        """Stop an attempt once its Ray task has closed the connection."""
        with suppress(ConnectionError):
            await reader.read()
        await self.execute({"do": "stop", "id": attempt_id})

    def _keep_early(self, attempt_id: str, command: Mapping[str, Any]) -> None:
        """Keep a command that comes before the order of its attempt."""
        self._early_commands.setdefault(attempt_id, []).append(command)
        if len(self._early_commands) > MAX_EARLY_ATTEMPTS:
            self._early_commands.popitem(last=False)

    async def _wait_for_end(self, attempt_id: str) -> bool:
        """Wait for the end of an attempt, up to `END_ANSWER_S`; return whether it is over."""
        over = self._over.get(attempt_id)
        if over is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), END_ANSWER_S)
        return over.is_set()


def _apply(command: Mapping[str, Any], attempt: ProcessAttempt) -> None:
    match command["do"]:
        case "cancel":
            attempt.cancel(command["graceS"])
        case "deadline":
            attempt.end_if_overdue(END_OF_TIME)
        case "stop" | "end":
            attempt.stop()


async def _serve(path: str, size: int) -> None:
    """Serve until standard input ends."""
    commands = await open_reader(sys.stdin.fileno())
    workplace = Workplace()  # If this process is killed, another host or worker removes it.
    host = AttemptHost(size, workplace.new_directory())
    server = await asyncio.start_unix_server(host.serve, path, limit=MAX_LINE_BYTES)
    own_inode = _inode(path)
    try:
        _print_message({"ready": True})
        while line := await commands.readline():
            is_over = await host.execute(json.loads(line))
            if is_over is not None:
                _print_message({"isOver": is_over})
    finally:
        server.close()
        await host.aclose()
        # The host of a later actor may have replaced the socket.
        if own_inode is not None and _inode(path) == own_inode:
            os.unlink(path)  # noqa: PTH108
        await asyncio.to_thread(workplace.close)


def _inode(path: str) -> int | None:
    with suppress(FileNotFoundError):
        return os.stat(path).st_ino  # noqa: PTH116
    return None


def _print_message(message: Mapping[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - the actor reads it


def main() -> None:
    """Host attempts until the actor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A terminal sends it for the worker.
    arguments = json.loads(sys.argv[1])
    Path(arguments["socket"]).unlink(missing_ok=True)  # An earlier host may have left it.
    for clean_up in (remove_abandoned_workplaces, remove_dead_sockets):
        threading.Thread(target=clean_up, name="sweep", daemon=True).start()
    asyncio.run(_serve(arguments["socket"], arguments["size"]))


PROGRAM = "from worker.executors.ray.node import main; main()"


class NodeActor:
    """The driver's actor on a node: it knows the lease, and owns the host of the attempts.

    It ends with its driver, and the host ends with it. If the driver is alive but silent, the
    attempts end when their lease is over. Ray calls the methods one after the other.
    """

    def __init__(self, token: str, size: int) -> None:
        """Start the host; it is ready when this returns.

        Args:
            token: the driver's token.
            size: how many attempts run at a time on this node.
        """
        ray: Any = import_module("ray")
        node_id: str = ray.get_runtime_context().get_node_id()
        arguments = json.dumps({"socket": str(socket_path(token, node_id)), "size": size})
        # A process of its own, because Ray kills the children of a process that it ends before they
        # could clean up. The supervisors are children of the host, so they survive that.
        self._host = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", PROGRAM, arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._receive()

    def now(self) -> float:
        """Return the time of this node's monotonic clock, once the host is ready."""
        return monotonic()

    def renew(self, until: float, session: int) -> float:
        """Extend the lease of this session's attempts to a time of this node's monotonic clock.

        Returns:
            The present time by that clock.
        """
        self.send({"do": "renew", "until": until, "session": session})
        return monotonic()

    def send(self, command: Mapping[str, Any]) -> None:
        """Send the host a command."""
        commands = _require_pipe(self._host.stdin)
        commands.write(json.dumps(command).encode() + b"\n")
        commands.flush()

    def end(self, attempt_id: str) -> bool:
        """End an attempt, if it runs on this node; return whether nothing of it is left."""
        self.send({"do": "end", "id": attempt_id})
        return bool(self._receive()["isOver"])

    def _receive(self) -> dict[str, Any]:
        line = _require_pipe(self._host.stdout).readline()
        if not line:
            raise RuntimeError("the host of this node has ended")
        message: dict[str, Any] = json.loads(line)
        return message


def _require_pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the host of this node was started without pipes")
    return pipe
