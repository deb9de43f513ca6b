"""What runs on the nodes of the cluster, which need this package and Ray, and no secret.

First where a node's host listens; then an attempt's task as Ray runs it (`relay`), and what a host
reports of an attempt; then the host, which starts, watches and ends the attempts of its node and
knows no Ray; last the node's `NodeActor`, which knows the lease and keeps the host.
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
from worker.executors.ray.wire import LONGEST_BYTES, line_of, package_of, packed, reading, task_of

# Where the host of a node listens: a path that its watcher and the tasks there compute alike.

_TOKEN_LETTERS = 16
_NODE_LETTERS = 16

_OLD_S = 60.0
"""A socket is there for a moment before somebody listens."""


def socket_of(token: str, node_id: str) -> Path:
    """Return the socket of a driver's host on this node; nobody else can reach it.

    Raises:
        OSError: the directory is somebody else's, or cannot be made.
    """
    directory = _directory()
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{directory} must be this user's alone")
    # A socket's path may have no more than a hundred bytes.
    return directory / f"{token[:_TOKEN_LETTERS]}-{node_id[:_NODE_LETTERS]}"


def sweep_sockets() -> None:
    """Remove the sockets of hosts that were killed."""
    for path in _directory().glob("*"):
        with suppress(FileNotFoundError):
            if _is_dead(path):
                path.unlink()


def _directory() -> Path:
    return Path(tempfile.gettempdir()) / f"apphub-ray-{os.geteuid()}"


def _is_dead(path: Path) -> bool:
    found = path.lstat()
    is_old = time.time() - found.st_mtime > _OLD_S
    if not is_old or not stat.S_ISSOCK(found.st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


# An attempt's task, as Ray runs it: it holds what the attempt needs, and passes on what the attempt
# says. If Ray ends it, the host notices, and ends the attempt.

RELAY_CHUNK_BYTES = 1_048_576

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
    while chunk := host.recv(RELAY_CHUNK_BYTES):
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


# A host's reports of one attempt are gathered for a moment, because they go through a network.

GATHER_S = 0.05

LOG_CHUNK_BYTES = 262_144

LOOK_S = 0.1
"""How often it is worth looking for what was printed."""

WAITING_BYTES = 1_048_576
"""What may wait for the network before reports are gathered for longer."""


class Telling:
    """Tells of one attempt. Reports that nobody has heard yet become one."""

    def __init__(self, attempt_id: str, listener: asyncio.StreamWriter) -> None:
        self._about = {"id": attempt_id}
        self._listener = listener
        self._update: dict[str, Any] | None = None
        self._soon: asyncio.TimerHandle | None = None

    def begins(self) -> None:
        """Tell that the host knows its lease, and so its driver, which knows where to find it."""
        self._write({"begins": True})

    def update(self, report: Mapping[str, Any]) -> None:
        """Tell of a report, soon."""
        self._update = _merged(self._update or {}, report)
        if self._soon is None:
            self._tell_soon()

    async def printed(self, content: bytes) -> None:
        """Tell what was printed, as fast as somebody listens."""
        self._write({"log": packed(content)})
        await self._drain()

    async def ended(self, outcome: Outcome) -> None:
        """Tell the end, after all else."""
        if self._soon is not None:
            self._soon.cancel()
        self._tell_update()
        # `end` comes first in its line, by which it is known.
        end = {"kind": outcome.kind, "message": outcome.message}
        self._write({"end": {**end, "metrics": outcome.metrics}})
        await self._drain()

    def _tell_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._soon = loop.call_later(GATHER_S, self._tell_update_if_heard)

    def _tell_update_if_heard(self) -> None:
        if self._listener.transport.get_write_buffer_size() > WAITING_BYTES:
            self._tell_soon()
            return
        self._soon = None
        self._tell_update()

    def _tell_update(self) -> None:
        if self._update is not None:
            self._write({"update": self._update})
            self._update = None

    def _write(self, what: Mapping[str, Any]) -> None:
        if not self._listener.is_closing():
            line = line_of({**what, **self._about})
            self._listener.write(line)

    async def _drain(self) -> None:
        # If nobody listens any more, the attempt is ended for that.
        with suppress(ConnectionError):
            await self._listener.drain()


def _merged(before: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return both reports as one: what was said last counts."""
    both = {**before}
    for name, value in report.items():
        earlier = both.get(name)
        if isinstance(earlier, dict) and isinstance(value, dict):
            both[name] = {**earlier, **value}
        elif value is not None or name not in both:
            both[name] = value
    return both


async def follow(log: Path, telling: Telling, over: asyncio.Event) -> None:
    """Tell what is printed to a log, until the attempt is over and all is told."""
    position = 0
    while True:
        is_over = over.is_set()
        while chunk := _read(log, position):
            position += len(chunk)
            await telling.printed(chunk)
        if is_over:
            return
        try:
            await asyncio.wait_for(over.wait(), LOOK_S)
        except TimeoutError:
            continue


def _read(log: Path, position: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(position)
            return file.read(LOG_CHUNK_BYTES)
    except FileNotFoundError:
        return b""  # Nothing was printed yet.


# The host of a node's attempts: the executor of `worker.executors.local`, at the end of a socket.
#
# Each connection is an attempt: its first line is the order, the answer is its reports, what it
# prints, and its end. Closing the connection ends the attempt. Standard input says until when the
# lease holds, and what is to become of attempts; its end is the watcher's end, and ends all.
# Standard output says once that the host is ready, then for each `end` whether that attempt is
# over. Run as a program, with one argument: JSON with `socket`, its path, and `size`, how many
# processes to keep warm.

logger = logging.getLogger(__name__)

ANSWER_S = 3.0
"""How long an attempt that is to end may take before whoever asked is told that it has not."""

MOST_REMEMBERED = 10_000
"""Attempts that are not here yet, and about which something was said."""

LONG_AFTER = datetime.max.replace(tzinfo=UTC)


class AttemptHost:
    """Runs attempts for whoever connects."""

    def __init__(self, size: int, logs: Path) -> None:
        self._packages: dict[str, HandlerPackage] = {}
        self._executor = ProcessExecutor(self._packages, size, Orphans())
        self._logs = logs
        self._generation = 0
        self._known: dict[str, HandlerPackage] = {}
        self._lease_until = 0.0
        self._has_lease = asyncio.Event()
        self._session = 0
        self._sessions: dict[str, int] = {}
        self._attempts: dict[str, ProcessAttempt] = {}
        self._over: dict[str, asyncio.Event] = {}
        self._early: OrderedDict[str, list[Mapping[str, Any]]] = OrderedDict()
        self._is_closing = False

    async def aclose(self) -> None:
        """End what is left."""
        self._is_closing = True
        self._has_lease.set()  # Whoever waits for it need wait no longer.
        for attempt in list(self._attempts.values()):
            attempt.stop()
        waiting = [over.wait() for over in self._over.values()]
        await asyncio.gather(*waiting)
        await self._executor.aclose()

    async def obey(self, command: Mapping[str, Any]) -> bool | None:
        """Do what the watcher says; return whether an attempt is over where it asks for that."""
        if command["do"] == "renew":
            self._renew(command["until"], command["session"])
            return None
        attempt_id = command["id"]
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            self._remember(attempt_id, command)
        else:
            _pass_on(command, attempt)
        if command["do"] != "end":
            return None
        return await self._is_over(attempt_id)

    def _renew(self, until: float, session: int) -> None:
        """Let what this session runs go on; what an earlier one has left here is stopped."""
        if session < self._session:
            return
        self._session = session
        for attempt_id, attempt in self._attempts.items():
            if self._sessions[attempt_id] < session:
                attempt.stop()
        self._lease_until = until
        self._has_lease.set()
        self._executor.renew(until)

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the attempt that somebody orders."""
        try:
            line = await reader.readline()
            if line:
                await self._attend(json.loads(line), reader, writer)
        finally:
            writer.close()

    async def _attend(
        self, order: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        attempt_id: str = order["id"]
        telling = Telling(attempt_id, writer)
        over = self._over[attempt_id] = asyncio.Event()
        log = self._logs / attempt_id
        listening = start_once("listener", self._end_when_gone(reader, attempt_id))
        following = start_once("log", follow(log, telling, over))
        try:
            outcome = await self._run(order, log, telling)
        finally:
            over.set()
            del self._over[attempt_id]
            self._attempts.pop(attempt_id, None)
            self._sessions.pop(attempt_id, None)
        await following
        await telling.ended(outcome)
        await end(listening)
        log.unlink(missing_ok=True)

    async def _run(self, order: Mapping[str, Any], log: Path, telling: Telling) -> Outcome:
        await self._has_lease.wait()
        if order["session"] < self._session:
            # The present lease is another session's, and its runs may be executed elsewhere by now.
            return Outcome("lease")
        telling.begins()
        task = task_of(order["task"], log)
        if (task.definition.get("resources") or {}).get("gpus"):
            settings = {**task.settings, "gpus": order.get("gpus", "")}
            task = replace(task, settings=settings)
        self._offer(task.entry_point, order["package"])
        try:
            attempt = await self._executor.submit(task, telling.update, self._lease_until)
        except LeaseOverError:
            return Outcome("lease")
        except OSError as error:
            message = f"the attempt could not begin on its node: {error}"
            return Outcome("lost", {"message": message})
        attempt_id: str = order["id"]
        self._attempts[attempt_id] = attempt
        self._sessions[attempt_id] = order["session"]
        for command in self._early.pop(attempt_id, ()):
            _pass_on(command, attempt)
        if self._is_closing or order["session"] < self._session:
            attempt.stop()
        return await attempt.outcome()

    def _offer(self, entry_point: str, told: Mapping[str, Any]) -> None:
        """Have the package of an order, the same for as long as the worker offers it."""
        if told["generation"] > self._generation:
            self._generation = told["generation"]
            self._known.clear()
            self._packages.clear()
        key = json.dumps(told)
        is_new = key not in self._known
        if is_new:
            fields = {**told}
            del fields["generation"]
            self._known[key] = package_of(fields)
        self._packages[entry_point] = self._known[key]
        if is_new:
            self._executor.offer(self._packages)

    async def _end_when_gone(self, reader: asyncio.StreamReader, attempt_id: str) -> None:
        """End an attempt whose task is there no more."""
        with suppress(ConnectionError):
            await reader.read()
        await self.obey({"do": "stop", "id": attempt_id})

    def _remember(self, attempt_id: str, command: Mapping[str, Any]) -> None:
        """Keep for an attempt what is said before it is here."""
        said = self._early.setdefault(attempt_id, [])
        said.append(command)
        if len(self._early) > MOST_REMEMBERED:
            self._early.popitem(last=False)

    async def _is_over(self, attempt_id: str) -> bool:
        over = self._over.get(attempt_id)
        if over is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), ANSWER_S)
        return over.is_set()


def _pass_on(command: Mapping[str, Any], attempt: ProcessAttempt) -> None:
    match command["do"]:
        case "cancel":
            attempt.cancel(command["graceS"])
        case "deadline":
            attempt.end_if_overdue(LONG_AFTER)
        case "stop" | "end":
            attempt.stop()


async def _serve(path: str, size: int) -> None:
    """Serve until standard input ends."""
    commands = await reading(sys.stdin.fileno())
    workplace = Workplace()  # Others remove it, should this process be killed.
    host = AttemptHost(size, workplace.new_directory())
    serving = await asyncio.start_unix_server(host.attend, path, limit=LONGEST_BYTES)
    own = _number_of(path)
    try:
        _say({"ready": True})
        while line := await commands.readline():
            is_over = await host.obey(json.loads(line))
            if is_over is not None:
                _say({"isOver": is_over})
    finally:
        serving.close()
        await host.aclose()
        # A watcher that came after this one's may have a host of its own there.
        if own is not None and _number_of(path) == own:
            os.unlink(path)  # noqa: PTH108
        await asyncio.to_thread(workplace.close)


def _number_of(path: str) -> int | None:
    with suppress(FileNotFoundError):
        return os.stat(path).st_ino  # noqa: PTH116
    return None


def _say(message: Mapping[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - the watcher reads it


def main() -> None:
    """Host attempts until the watcher is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Of a terminal: for the worker.
    told = json.loads(sys.argv[1])
    Path(told["socket"]).unlink(missing_ok=True)  # Of a watcher that was here before.
    for sweeping in (sweep, sweep_sockets):
        threading.Thread(target=sweeping, name="sweep", daemon=True).start()
    asyncio.run(_serve(told["socket"], told["size"]))


# The watcher of a node, an actor: it knows the driver's lease, and keeps the host of the attempts.
#
# It ends with its driver, and the host with it. If the driver only falls silent, the end of the
# lease ends what runs here.

PROGRAM = "from worker.executors.ray.node import main; main()"


class NodeActor:
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

    def renew(self, until: float, session: int) -> float:
        """Let what this session runs go on until a moment of this node's monotonic clock.

        Returns:
            what that clock shows.
        """
        self._tell({"do": "renew", "until": until, "session": session})
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
