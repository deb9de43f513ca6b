"""Runs attempts on this host: in warm processes, each under a supervisor that ends an attempt with all descendants."""

import asyncio
import json
import signal
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from worker.executor import OnUpdate, Outcome, Task
from worker.registry import HandlerSource
from worker.slots import REPORT_LIMIT_BYTES, Slot, start_slot
from worker.workdirs import remove
from worker.workplace import Workplace

FAREWELL_S = 1.0
"""How long a process may still be heard whose supervisor was killed."""

LOG_LIMIT_BYTES = 10 * 1_048_576
"""What is kept of what one execution prints."""


class ProcessExecutor:
    """Implements `worker.executor.Executor`: warm processes, as many as attempts may run, each under a supervisor."""

    def __init__(self, source: HandlerSource, size: int) -> None:
        self._source = source
        self._workplace = Workplace()
        self._size = size
        self._ready: deque[Slot] = deque()
        self._busy = 0
        self._refilling: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    async def aclose(self) -> None:
        """See the port."""
        self._closed = True
        if self._refilling is not None:
            await self._refilling
        await asyncio.gather(*(slot.discard() for slot in self._ready), *self._leaving)
        self._ready.clear()
        await asyncio.to_thread(self._workplace.close)

    def prepare(self) -> None:
        """Start processes in the background, until there is one for each attempt that may run."""
        if self._refilling is None or self._refilling.done():
            self._refilling = asyncio.create_task(self._start_missing(), name="warm processes")

    async def _start_missing(self) -> None:
        while len(self._ready) + self._busy < self._size and not self._closed:
            self._ready.append(await start_slot(self._source, self._workplace.new_directory()))

    async def _take(self) -> Slot:
        """Return a slot that still lives; a fresh one where none is ready."""
        while self._ready:
            slot = self._ready.popleft()
            if slot.lives:
                return slot
            await slot.discard()
        return await start_slot(self._source, self._workplace.new_directory())

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> "ProcessAttempt":
        """See the port."""
        task.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._busy += 1
        try:
            attempt = ProcessAttempt(await self._take(), self._give_back)
        except BaseException:
            self._busy -= 1
            raise
        try:
            await attempt.begin(task, on_update, until)
        except BaseException:
            attempt.abandon()  # Else it would run on without anybody who knows of it.
            raise
        return attempt

    def _give_back(self, slot: Slot, *, lives_on: bool) -> None:
        """Keep the slot for another attempt, or end it and start another one."""
        self._busy -= 1
        wanted = len(self._ready) + self._busy < self._size and not self._closed
        if lives_on and slot.lives and wanted:
            self._ready.append(slot)
            return
        slot.hang_up()
        self._leaving.add(leaving := asyncio.create_task(slot.discard(), name="ended process"))
        leaving.add_done_callback(self._leaving.discard)
        if not self._closed:
            self.prepare()


class ProcessAttempt:
    """An attempt, seen through its supervisor."""

    def __init__(self, slot: Slot, give_back: "_GiveBack") -> None:
        self._slot = slot
        self._give_back = give_back
        self._workdir = slot.new_workdir()
        self._over = False
        self._conversation: asyncio.Task[Mapping[str, Any] | None] | None = None

    @property
    def supervisor_pid(self) -> int:
        """Return the process that guards it."""
        return self._slot.process.pid

    async def begin(self, task: Task, on_update: OnUpdate, until: float) -> None:
        """Give the order and start to listen."""
        self._conversation = asyncio.create_task(self._listen(on_update))
        self._slot.tell(_order(task, self._workdir, until))
        if self._slot.process.stdin is not None:
            with suppress(ConnectionError):
                await self._slot.process.stdin.drain()

    async def outcome(self) -> Outcome:
        """See the port."""
        lives_on = False
        try:
            said = await self._slot.process.stdout.readline() if self._slot.process.stdout else b""
            ended: Mapping[str, Any] | None = json.loads(said) if said else None
            message = await self._last_word(ended)
            # After a message that nobody can read, whatever follows would be taken for the next attempt's.
            understood = message is not None and message["type"] != "invalid"
            lives_on = ended is not None and bool(ended["livesOn"]) and understood
        finally:
            self._leave(lives_on=lives_on)
        try:
            self._workdir.rmdir()  # Empty, mostly: no thread is worth it.
        except OSError:
            await asyncio.to_thread(remove, self._workdir)
        return _outcome(message, ended)

    def renew(self, until: float) -> None:
        """See the port."""
        self._tell({"renew": until})

    def cancel(self, grace_s: float) -> None:
        """See the port."""
        self._tell({"cancel": grace_s})

    def stop(self) -> None:
        """See the port."""
        self._tell({"stop": True})

    def abandon(self) -> None:
        """End it, with its process and its supervisor; nobody will ask for its outcome."""
        self._leave(lives_on=False)

    def _leave(self, *, lives_on: bool) -> None:
        self._over = True  # The slot may be another attempt's from here on.
        self._give_back(self._slot, lives_on=lives_on)

    def _tell(self, command: Mapping[str, Any]) -> None:
        if not self._over:
            self._slot.tell(command)

    async def _last_word(self, ended: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return what the process said last: before it was done, or before it ended."""
        if self._conversation is None:
            return None
        if ended is None:  # The supervisor was killed; who was left behind may hold the pipe open for ever.
            await asyncio.wait({self._conversation}, timeout=FAREWELL_S)
            if not self._conversation.done():
                self._conversation.cancel()
                return None
        return await self._conversation

    async def _listen(self, on_update: OnUpdate) -> Mapping[str, Any] | None:
        message = await _until_the_end(self._slot.reports, on_update)
        if message is not None and message["type"] == "invalid":
            self.stop()  # It may still be writing what nobody reads any more.
        return message


class _GiveBack(Protocol):
    def __call__(self, slot: Slot, *, lives_on: bool) -> None: ...


async def _until_the_end(reader: asyncio.StreamReader, on_update: OnUpdate) -> Mapping[str, Any] | None:
    """Pass updates on, and return the message that ends the conversation, or None where it broke off."""
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            return {"type": "invalid", "message": f"a result or report of more than {REPORT_LIMIT_BYTES} bytes"}
        if not line.endswith(b"\n"):
            return None
        try:
            message: Mapping[str, Any] = json.loads(line)
        except ValueError:
            return {"type": "invalid", "message": "a result or report that is no JSON"}
        if message["type"] != "update":
            return message
        on_update(message)


def _outcome(message: Mapping[str, Any] | None, ended: Mapping[str, Any] | None) -> Outcome:
    if ended is None:
        return Outcome("signal", {"message": "the attempt's supervisor was killed"})
    metrics = {name: ended[name] for name in ("cpuSeconds", "peakMemoryMb")}
    if message is not None:
        return Outcome(message["type"], message, metrics)
    cause, code = ended["cause"], ended["code"]
    texts = {
        "exit": f"the process exited with code {code} without a result",
        "signal": f"the process was ended by signal {_signal_name(code)}",
        "out_of_memory": f"the attempt used more memory than its resources.memoryMb ({ended['peakMemoryMb']} MB)",
    }
    return Outcome(cause, {"message": texts.get(cause, cause)}, metrics)


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return str(-code)


def _order(task: Task, workdir: Path, until: float) -> Mapping[str, Any]:
    return {
        "log": str(task.log_path),
        "logLimitBytes": LOG_LIMIT_BYTES,
        "timeoutMs": task.timeout_ms,
        "memoryMb": task.memory_mb,
        "leaseUntil": until,
        "task": {
            "workdir": str(workdir),
            "run": task.run,
            "definition": task.definition,
            "entryPoint": task.entry_point,
            "parameters": task.parameters,
            "inputs": task.inputs,
            "settings": task.settings,
            "deadline": task.deadline,
        },
    }
