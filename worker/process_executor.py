"""Runs attempts on this host: each in a fresh process, under a supervisor that ends it with all its descendants."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker import supervisor
from worker.executor import OnUpdate, Outcome, Task
from worker.registry import HandlerSource
from worker.workdirs import remove

REPORT_LIMIT_BYTES = 8 * 1_048_576
"""The longest message an attempt may send. Above the domain's limit of a result, which answers more kindly."""

LOG_LIMIT_BYTES = 10 * 1_048_576
"""What is kept of what one execution prints."""

_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
_ENVIRONMENT_PREFIXES = ("SSL_CERT_", "GIT_SSL_")
"""What an attempt gets of the worker's environment: none of the service's settings or secrets."""


@dataclass(frozen=True)
class _Started:
    """A handler's process under its supervisor, ahead of its task."""

    process: asyncio.subprocess.Process
    workdir: Path
    receiving: int

    async def discard(self) -> None:
        """End it unused."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()
        os.close(self.receiving)
        shutil.rmtree(self.workdir, ignore_errors=True)


class ProcessExecutor:
    """Implements `worker.executor.Executor`: each process runs one attempt, and is started before it is needed."""

    def __init__(self, source: HandlerSource, ahead: int) -> None:
        self._source = source
        self._ahead = ahead
        self._ready: deque[_Started] = deque()
        self._refilling: asyncio.Task[None] | None = None
        self._closed = False

    async def aclose(self) -> None:
        """See the port."""
        self._closed = True
        if self._refilling is not None:
            await self._refilling
        while self._ready:
            await self._ready.popleft().discard()

    def prepare(self) -> None:
        """Start processes ahead, in the background, until there is one for each attempt that may run."""
        if self._refilling is None or self._refilling.done():
            self._refilling = asyncio.create_task(self._start_ahead(), name="processes ahead")

    async def _start_ahead(self) -> None:
        while len(self._ready) < self._ahead and not self._closed:
            self._ready.append(await _start(self._source))

    async def _take(self) -> _Started:
        """Return a process that still lives; a fresh one where none is ready."""
        while self._ready:
            started = self._ready.popleft()
            if started.process.returncode is None:
                return started
            await started.discard()
        return await _start(self._source)

    async def submit(self, task: Task, on_update: OnUpdate, until: float) -> "ProcessAttempt":
        """See the port."""
        task.log_path.parent.mkdir(parents=True, exist_ok=True)
        started = await self._take()
        self.prepare()
        attempt = ProcessAttempt(started.process, started.workdir)
        try:
            await attempt.begin(_order(task, until), started.receiving, on_update)
        except BaseException:
            attempt.hang_up()  # Else it would run on without anybody who knows of it.
            raise
        return attempt


class ProcessAttempt:
    """An attempt, seen through its supervisor."""

    def __init__(self, process: asyncio.subprocess.Process, workdir: Path) -> None:
        self._process = process
        self._workdir = workdir
        self._conversation: asyncio.Task[Mapping[str, Any] | None] | None = None

    async def begin(self, order: Mapping[str, Any], receiving: int, on_update: OnUpdate) -> None:
        """Give the order and start to listen."""
        reader = asyncio.StreamReader(limit=REPORT_LIMIT_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(receiving, "rb"))
        self._conversation = asyncio.create_task(self._listen(reader, on_update))
        self._tell(order)
        if self._process.stdin is not None:
            with suppress(ConnectionError):
                await self._process.stdin.drain()

    async def outcome(self) -> Outcome:
        """See the port."""
        try:
            said = await self._process.stdout.read() if self._process.stdout else b""
            await self._process.wait()
        finally:
            self.hang_up()
        message = await self._conversation if self._conversation else None
        await asyncio.to_thread(remove, self._workdir)
        return _outcome(message, said)

    def renew(self, until: float) -> None:
        """See the port."""
        self._tell({"renew": until})

    def cancel(self, grace_s: float) -> None:
        """See the port."""
        self._tell({"cancel": grace_s})

    def stop(self) -> None:
        """See the port."""
        self._tell({"stop": True})

    def _tell(self, command: Mapping[str, Any]) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def hang_up(self) -> None:
        """End whatever still runs: to the supervisor, the end of its input is the end of the worker."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _listen(self, reader: asyncio.StreamReader, on_update: OnUpdate) -> Mapping[str, Any] | None:
        message = await _last_word(reader, on_update)
        if message is not None and message["type"] == "invalid":
            self.stop()  # It may still be writing what nobody reads any more.
        return message


async def _start(source: HandlerSource) -> _Started:
    workdir = Path(tempfile.mkdtemp(prefix="apphub-run-"))
    receiving, sending = os.pipe()
    try:
        return _Started(await _spawn(workdir, sending, source), workdir, receiving)
    except BaseException:
        os.close(receiving)
        shutil.rmtree(workdir, ignore_errors=True)
        raise
    finally:
        os.close(sending)


async def _spawn(workdir: Path, sending: int, source: HandlerSource) -> asyncio.subprocess.Process:
    # -P: the working directory is the run's, and no place to import from.
    child = (sys.executable, "-P", "-m", "worker.child", json.dumps(asdict(source)))
    # Shielded: a process that starts while its task is cancelled must still be found and ended.
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", supervisor.__file__, str(sending), *child),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(sending,),
            cwd=workdir,
            env=_environment(workdir),
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        if process.stdin is not None:
            process.stdin.close()
        raise


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


def _outcome(message: Mapping[str, Any] | None, said: bytes) -> Outcome:
    if not said:
        return Outcome("stopped", {"message": "the attempt's supervisor was killed"})
    ended = json.loads(said)
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


def _order(task: Task, until: float) -> Mapping[str, Any]:
    return {
        "log": str(task.log_path),
        "logLimitBytes": LOG_LIMIT_BYTES,
        "timeoutMs": task.timeout_ms,
        "memoryMb": task.memory_mb,
        "leaseUntil": until,
        "task": {
            "run": task.run,
            "definition": task.definition,
            "entryPoint": task.entry_point,
            "parameters": task.parameters,
            "inputs": task.inputs,
            "settings": task.settings,
            "deadline": task.deadline,
        },
    }


def _environment(workdir: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
    return {**kept, "HOME": str(workdir), "TMPDIR": str(workdir), "PYTHONUNBUFFERED": "1"}
