"""Runs attempts as processes of their own: start, report, cancel, time out, kill with all of their group."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

REPORT_LIMIT_BYTES = 8 * 1_048_576
"""The longest message an attempt may send. Above the domain's limit of a result, which answers more kindly."""

KILL_WAIT_S = 10.0
"""A killed process that is not gone by then hangs in the kernel; there is nothing more to be done about it here."""

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
_ENVIRONMENT_PREFIXES = ("SSL_CERT_", "GIT_SSL_")
"""What an attempt gets of the worker's environment: none of the service's settings or secrets."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """All that an attempt's process is told."""

    run: Mapping[str, Any]
    definition: Mapping[str, Any]
    entry_point: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, Any]
    timeout_ms: int | None
    deadline: str | None
    log_path: Path
    handler_modules: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        kind: `result` and `error` as the handler ended; `invalid` where it said what nobody can read; `exit` and
            `signal` where the process ended by itself without a word; `timeout`, `canceled` and `stopped` where it was
            ended.
        message: the last message of the process, or what there is to say.
    """

    kind: Literal["result", "error", "invalid", "exit", "signal", "timeout", "canceled", "stopped"]
    message: Mapping[str, Any] = field(default_factory=dict)


OnUpdate = Callable[[Mapping[str, Any]], None]


class Attempt(Protocol):
    """A running attempt."""

    async def outcome(self) -> Outcome:
        """Wait for the end; nothing of the attempt runs any more then."""

    def cancel(self, grace_s: float) -> None:
        """Ask it to stop, and kill it after the grace time."""

    def stop(self) -> None:
        """Kill it because the worker stops."""


class Executor(Protocol):
    """Where attempts run."""

    async def submit(self, task: Task, on_update: OnUpdate) -> Attempt:
        """Start an attempt."""


class ProcessExecutor:
    """Runs each attempt in a fresh process of its own session."""

    async def submit(self, task: Task, on_update: OnUpdate) -> "ProcessAttempt":
        """Start the process and hand it its task."""
        workdir = Path(tempfile.mkdtemp(prefix="apphub-run-"))
        receiving, sending = os.pipe()
        try:
            process = await self._spawn(task, workdir, sending)
        except BaseException:
            os.close(receiving)
            shutil.rmtree(workdir, ignore_errors=True)
            raise
        finally:
            os.close(sending)
        attempt = ProcessAttempt(process, workdir, task.timeout_ms)
        try:
            await attempt.begin(task, receiving, on_update)
        except BaseException:
            attempt.stop()  # Else it would run on without anybody who knows of it.
            raise
        return attempt

    async def _spawn(self, task: Task, workdir: Path, sending: int) -> asyncio.subprocess.Process:
        task.log_path.parent.mkdir(parents=True, exist_ok=True)
        with task.log_path.open("ab") as log:
            # Shielded: a process that starts while its task is cancelled must still be found and ended.
            starting = asyncio.ensure_future(
                asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # The working directory is the run's, and no place to import from.
                    "-m",
                    "worker.child",
                    str(sending),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=(sending,),
                    cwd=workdir,
                    env=_environment(workdir),
                    start_new_session=True,
                )
            )
            try:
                return await asyncio.shield(starting)
            except asyncio.CancelledError:
                ProcessAttempt(await starting, workdir, None).stop()
                raise


class ProcessAttempt:
    """An attempt in a process."""

    def __init__(self, process: asyncio.subprocess.Process, workdir: Path, timeout_ms: int | None) -> None:
        self._process = process
        self._workdir = workdir
        self._timeout_s = None if timeout_ms is None else timeout_ms / 1000
        self._ended_by: Literal["timeout", "canceled", "stopped"] | None = None
        self._conversation: asyncio.Task[Mapping[str, Any] | None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def begin(self, task: Task, receiving: int, on_update: OnUpdate) -> None:
        """Send the task and start to listen."""
        reader = asyncio.StreamReader(limit=REPORT_LIMIT_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(receiving, "rb"))
        self._conversation = asyncio.create_task(self._listen(reader, on_update))
        if self._timeout_s is not None:
            self._timers.append(loop.call_later(self._timeout_s, self._end, "timeout"))
        if self._process.stdin is not None:  # Stays open: it is the child's lifeline.
            self._process.stdin.write(json.dumps(_told(task)).encode() + b"\n")
            with suppress(ConnectionError):
                await self._process.stdin.drain()

    async def outcome(self) -> Outcome:
        """See the port."""
        try:
            code = await self._process.wait()
        finally:
            self._kill()  # What the handler left behind in its group ends with it.
        for timer in self._timers:
            timer.cancel()
        if self._process.stdin is not None:
            self._process.stdin.close()
        message = await self._said()
        await asyncio.to_thread(shutil.rmtree, self._workdir, ignore_errors=True)
        if message is not None and message["type"] in {"result", "error", "invalid"}:
            return Outcome(message["type"], message)
        if self._ended_by is not None:
            return Outcome(self._ended_by)
        if code < 0:
            return Outcome("signal", {"message": f"the process was ended by signal {signal.Signals(-code).name}"})
        return Outcome("exit", {"message": f"the process exited with code {code} without a result"})

    def cancel(self, grace_s: float) -> None:
        """See the port."""
        self._signal(signal.SIGTERM)
        self._timers.append(asyncio.get_running_loop().call_later(grace_s, self._end, "canceled"))

    def stop(self) -> None:
        """See the port."""
        self._end("stopped")

    def _end(self, why: Literal["timeout", "canceled", "stopped"]) -> None:
        if self._process.returncode is None:
            self._ended_by = self._ended_by or why
            self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _listen(self, reader: asyncio.StreamReader, on_update: OnUpdate) -> Mapping[str, Any] | None:
        message = await _last_word(reader, on_update)
        if message is not None and message["type"] == "invalid":
            self._kill()  # It may still be writing what nobody reads any more.
        return message

    async def _said(self) -> Mapping[str, Any] | None:
        """Return the last word; a descendant in a session of its own may keep the pipe open, so not for ever."""
        if self._conversation is None:
            return None
        with suppress(TimeoutError):
            return await asyncio.wait_for(self._conversation, KILL_WAIT_S)
        return None


async def _last_word(reader: asyncio.StreamReader, on_update: OnUpdate) -> Mapping[str, Any] | None:
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


def _told(task: Task) -> Mapping[str, Any]:
    return {
        "run": task.run,
        "definition": task.definition,
        "entryPoint": task.entry_point,
        "parameters": task.parameters,
        "inputs": task.inputs,
        "deadline": task.deadline,
        "handlerModules": list(task.handler_modules),
    }


def _environment(workdir: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
    return {**kept, "HOME": str(workdir), "TMPDIR": str(workdir), "PYTHONUNBUFFERED": "1"}
