"""The code that runs on the nodes of the cluster, which need this package and Ray, and no secret.

First the socket of a node's host; then an attempt's task as Ray runs it (`relay`); then the host's
reports of an attempt (`Reporter`) and the host, which starts, watches and ends the attempts of its
node without Ray (`AttemptHost`); last the node's actor, which knows the lease and keeps the host
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

from runtime.tasks import end, start_once
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.local.workplace import Workplace, sweep
from worker.executors.packages import HandlerPackage
from worker.executors.port import LeaseOverError, Outcome
from worker.executors.ray.wire import (
    MAX_LINE_BYTES,
    line_of,
    open_reader,
    package_of,
    packed,
    task_of,
)

# The socket of a node's host: its actor and the tasks there compute the same path.

_TOKEN_LETTERS = 16
_NODE_LETTERS = 16

_MIN_AGE_S = 60.0
"""A socket exists for a moment before its host listens."""


def socket_of(token: str, node_id: str) -> Path:
    """Return the path of the socket of a driver's host on this node.

    Its directory is accessible to this user alone.

    Raises:
        OSError: the directory is another user's, or cannot be made.
    """
    directory = _socket_directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{directory} must be this user's alone")
    # A socket's path may have no more than a hundred bytes.
    return directory / f"{token[:_TOKEN_LETTERS]}-{node_id[:_NODE_LETTERS]}"


def sweep_sockets() -> None:
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


# An attempt's task, as Ray runs it: it holds the attempt's resources, and relays its messages. If
# Ray ends it, the host notices, and ends the attempt.

RELAY_CHUNK_BYTES = 1_048_576

HOST_WAIT_S = 8.0
"""How long a new node may take to have a host."""

RETRY_PAUSE_S = 0.02


def relay(token: str, order: str) -> Iterator[str | bytes]:
    """Send the node's host an order; yield the node's id at its first answer, then whole lines."""
    # Imported here: the cluster's processes have Ray, and the worker need not have it.
    ray: Any = import_module("ray")
    node_id: str = ray.get_runtime_context().get_node_id()
    node_order = {**json.loads(order), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}
    with _connected(socket_of(token, node_id)) as host:
        host.sendall(json.dumps(node_order).encode() + b"\n")
        for number, lines in enumerate(_whole_lines(host)):
            if number == 0:
                yield node_id
            yield lines


def _whole_lines(host: socket.socket) -> Iterator[bytes]:
    parts: list[bytes] = []
    while chunk := host.recv(RELAY_CHUNK_BYTES):
        lines, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield b"".join((*parts, lines, newline))
            parts.clear()
        parts.append(rest)


def _connected(path: Path) -> socket.socket:
    """Return a connection to the host.

    Raises:
        ConnectionError: there is none within `HOST_WAIT_S`.
    """
    until = time.monotonic() + HOST_WAIT_S
    while time.monotonic() < until:
        host = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError, ConnectionRefusedError):
            host.connect(str(path))
            return host
        host.close()
        time.sleep(RETRY_PAUSE_S)
    raise ConnectionError("the node has no host for attempts")


GATHER_S = 0.05

LOG_CHUNK_BYTES = 262_144

READ_EVERY_S = 0.1
"""How often to read new output."""

MAX_PENDING_BYTES = 1_048_576
"""How much may wait for the network before reports are gathered for longer."""


class Reporter:
    """Sends the reports of one attempt; those of a moment are merged, as they cross a network."""

    def __init__(self, attempt_id: str, writer: asyncio.StreamWriter) -> None:
        self._attempt_id = attempt_id
        self._writer = writer
        self._update: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def send_begin(self) -> None:
        """Report that the host has a lease: its driver can send it commands from now on."""
        self._write({"begins": True})

    def queue_update(self, report: Mapping[str, Any]) -> None:
        """Report an update of the handler, soon."""
        self._update = _merged(self._update or {}, report)
        if self._timer is None:
            self._schedule()

    async def send_output(self, content: bytes) -> None:
        """Send output, as fast as it is read."""
        self._write({"log": packed(content)})
        await self._drain()

    async def send_end(self, outcome: Outcome) -> None:
        """Send the outcome, after all else."""
        if self._timer is not None:
            self._timer.cancel()
        self._write_update()
        # `end` comes first in its line, by which it is recognized.
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
            self._writer.write(line_of({**message, "id": self._attempt_id}))

    async def _drain(self) -> None:
        # A closed connection ends the attempt elsewhere.
        with suppress(ConnectionError):
            await self._writer.drain()


def _merged(before: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two reports; the later values win."""
    merged = {**before}
    for name, value in report.items():
        earlier = merged.get(name)
        if isinstance(earlier, dict) and isinstance(value, dict):
            merged[name] = {**earlier, **value}
        elif value is not None or name not in merged:
            merged[name] = value
    return merged


async def follow(log: Path, reporter: Reporter, over: asyncio.Event) -> None:
    """Send what is written to a log, until the attempt is over and all is sent."""
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
        return b""  # There was no output yet.


# The host of a node's attempts: the executor of `worker.executors.local`, at the end of a socket.
#
# Each connection is an attempt: its first line is the order, the answer is its reports, its output,
# and its end. Closing the connection ends the attempt. On standard input come renewals of the lease
# and commands to attempts; its end is the actor's end, and ends all. To standard output go one
# message when the host is ready, then an answer to each `end`: whether that attempt is over. It is
# run as a program, with one argument: JSON with `socket`, its path, and `size`, how many processes
# to keep warm.

logger = logging.getLogger(__name__)

ANSWER_S = 3.0
"""How long the answer to `end` waits for the attempt."""

MAX_EARLY_COMMANDS = 10_000
"""Attempts with commands that came before their orders."""

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
        self._has_lease.set()  # Orders that wait for a lease wait no longer.
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
        return await self._is_over(attempt_id)

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
        listening = start_once("listener", self._stop_when_disconnected(reader, attempt_id))
        following = start_once("log", follow(log, reporter, over))
        try:
            outcome = await self._run(order, log, reporter)
        finally:
            over.set()
            del self._over[attempt_id]
            self._attempts.pop(attempt_id, None)
            self._sessions.pop(attempt_id, None)
        await following
        await reporter.send_end(outcome)
        await end(listening)
        log.unlink(missing_ok=True)

    async def _run(self, order: Mapping[str, Any], log: Path, reporter: Reporter) -> Outcome:
        await self._has_lease.wait()
        if order["session"] < self._session:
            # The present lease is another session's, and its runs may be executed elsewhere by now.
            return Outcome("lease")
        reporter.send_begin()
        task = task_of(order["task"], log)
        if (task.definition.get("resources") or {}).get("gpus"):
            settings = {**task.settings, "gpus": order.get("gpus", "")}
            task = replace(task, settings=settings)
        self._offer(task.entry_point, order["package"])
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

    def _offer(self, entry_point: str, description: Mapping[str, Any]) -> None:
        """Offer the package of an order: the same object while the worker's offer is the same."""
        if description["generation"] > self._generation:
            self._generation = description["generation"]
            self._packages_by_key.clear()
            self._packages.clear()
        key = json.dumps(description)
        is_new = key not in self._packages_by_key
        if is_new:
            fields = {**description}
            del fields["generation"]
            self._packages_by_key[key] = package_of(fields)
        self._packages[entry_point] = self._packages_by_key[key]
        if is_new:
            self._executor.offer(self._packages)

    async def _stop_when_disconnected(self, reader: asyncio.StreamReader, attempt_id: str) -> None:
        """Stop an attempt whose task has closed its connection."""
        with suppress(ConnectionError):
            await reader.read()
        await self.execute({"do": "stop", "id": attempt_id})

    def _keep_early(self, attempt_id: str, command: Mapping[str, Any]) -> None:
        """Keep a command that came before the order of its attempt."""
        self._early_commands.setdefault(attempt_id, []).append(command)
        if len(self._early_commands) > MAX_EARLY_COMMANDS:
            self._early_commands.popitem(last=False)

    async def _is_over(self, attempt_id: str) -> bool:
        over = self._over.get(attempt_id)
        if over is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), ANSWER_S)
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
    workplace = Workplace()  # Others remove it, should this process be killed.
    host = AttemptHost(size, workplace.new_directory())
    serving = await asyncio.start_unix_server(host.serve, path, limit=MAX_LINE_BYTES)
    own = _inode(path)
    try:
        _print_message({"ready": True})
        while line := await commands.readline():
            is_over = await host.execute(json.loads(line))
            if is_over is not None:
                _print_message({"isOver": is_over})
    finally:
        serving.close()
        await host.aclose()
        # A later actor may have a host of its own there.
        if own is not None and _inode(path) == own:
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Of a terminal: for the worker.
    arguments = json.loads(sys.argv[1])
    Path(arguments["socket"]).unlink(missing_ok=True)  # An earlier host's.
    for sweeping in (sweep, sweep_sockets):
        threading.Thread(target=sweeping, name="sweep", daemon=True).start()
    asyncio.run(_serve(arguments["socket"], arguments["size"]))


PROGRAM = "from worker.executors.ray.node import main; main()"


class NodeActor:
    """The driver's actor on a node: it knows the lease, and keeps the host of the attempts.

    It ends with its driver, and the host with it. If the driver only falls silent, the end of the
    lease ends the attempts. Ray calls its methods one after the other.
    """

    def __init__(self, token: str, size: int) -> None:
        """Start the host; it is ready when this returns.

        Args:
            token: the driver's.
            size: how many processes to keep warm.
        """
        ray: Any = import_module("ray")
        node_id: str = ray.get_runtime_context().get_node_id()
        arguments = json.dumps({"socket": str(socket_of(token, node_id)), "size": size})
        # In a process of its own: Ray kills its processes' children when it ends them, and they
        # could not clean up; the host's supervisors are its grandchildren.
        self._host = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", PROGRAM, arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._receive()

    def now(self) -> float:
        """Return this node's monotonic clock, once the host is ready."""
        return monotonic()

    def renew(self, until: float, session: int) -> float:
        """Extend the lease of this session's attempts to a time of this node's monotonic clock.

        Returns:
            the present by that clock.
        """
        self.send({"do": "renew", "until": until, "session": session})
        return monotonic()

    def send(self, command: Mapping[str, Any]) -> None:
        """Send the host a command to an attempt."""
        commands = _required(self._host.stdin)
        commands.write(json.dumps(command).encode() + b"\n")
        commands.flush()

    def end(self, attempt_id: str) -> bool:
        """End an attempt, if it is here; return whether nothing of it is left."""
        self.send({"do": "end", "id": attempt_id})
        return bool(self._receive()["isOver"])

    def _receive(self) -> dict[str, Any]:
        line = _required(self._host.stdout).readline()
        if not line:
            raise RuntimeError("the host of this node has ended")
        message: dict[str, Any] = json.loads(line)
        return message


def _required(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the host of this node was started without pipes")
    return pipe
