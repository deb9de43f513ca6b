"""The host of a node's attempts: the executor of `worker.executors.local`, at the end of a socket.

Each connection is an attempt: its first line is the order, what comes back are its reports, what it
prints, and its end. Whoever hangs up ends it. Standard input says until when the lease holds, and
what is to become of attempts; its end is the watcher's end, and ends all. Standard output says
once that the host is ready, then for each `end` whether that attempt is over. Run as a program,
with one argument: JSON with `socket`, its path, and `size`, how many processes to keep warm.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtime.background_tasks import end, start_once
from worker.executors.local.attempt import ProcessAttempt
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.orphans import Orphans
from worker.executors.local.workplace import Workplace, sweep
from worker.executors.packages import HandlerPackage
from worker.executors.port import LeaseOverError, Outcome
from worker.executors.ray.node.sockets import sweep_sockets
from worker.executors.ray.node.telling import Telling, follow
from worker.executors.ray.wire import LONGEST_BYTES, package_of, reading, task_of

logger = logging.getLogger(__name__)

ANSWER_S = 3.0
"""How long an attempt that is to end may take before whoever asked is told that it has not."""

MOST_REMEMBERED = 10_000
"""Attempts that are not here yet, and about which something was said."""

LONG_AFTER = datetime.max.replace(tzinfo=UTC)


class Host:
    """Runs attempts for whoever connects."""

    def __init__(self, size: int, logs: Path) -> None:
        self._packages: dict[str, HandlerPackage] = {}
        self._executor = ProcessExecutor(self._packages, size, Orphans())
        self._logs = logs
        self._generation = 0
        self._known: dict[str, HandlerPackage] = {}
        self._lease_until = 0.0
        self._has_lease = asyncio.Event()
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
            self._lease_until = command["until"]
            self._has_lease.set()
            self._executor.renew(self._lease_until)
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

    async def attend(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Run the attempt that somebody orders."""
        try:
            line = await reader.readline()
            if line:
                await self._attend(json.loads(line), reader, writer)
        finally:
            writer.close()

    async def _attend(
        self,
        order: Mapping[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
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
        await following
        await telling.ended(outcome)
        await end(listening)
        log.unlink(missing_ok=True)

    async def _run(
        self, order: Mapping[str, Any], log: Path, telling: Telling
    ) -> Outcome:
        await self._has_lease.wait()
        telling.begins()
        task = task_of(order["task"], log)
        if (task.definition.get("resources") or {}).get("gpus"):
            settings = {**task.settings, "gpus": order.get("gpus", "")}
            task = replace(task, settings=settings)
        self._offer(task.entry_point, order["package"])
        try:
            attempt = await self._executor.submit(
                task, telling.update, self._lease_until
            )
        except LeaseOverError:
            return Outcome("lease")
        except OSError as error:
            message = f"the attempt could not begin on its node: {error}"
            return Outcome("lost", {"message": message})
        attempt_id: str = order["id"]
        self._attempts[attempt_id] = attempt
        for command in self._early.pop(attempt_id, ()):
            _pass_on(command, attempt)
        if self._is_closing:
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

    async def _end_when_gone(
        self, reader: asyncio.StreamReader, attempt_id: str
    ) -> None:
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
    host = Host(size, workplace.new_directory())
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
