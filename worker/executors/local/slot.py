"""A slot for attempts: a handlers' process with its supervisor, started ahead of its first task.

First lines that come through a pipe (`LineReader`), then the slot, then its start (`start_slot`).
"""

import asyncio
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import orjson
import uvloop

from apphub_jobs.version import CONTRACT
from runtime.tasks import start_once
from worker.executors.local import supervisor
from worker.executors.local.lease import LeaseCell
from worker.executors.local.masking import masked, secrets_in
from worker.executors.local.orphans import Orphans
from worker.executors.local.reports import parse_message, seconds
from worker.executors.local.workplace import (
    PROGRAM,
    Cover,
    command_line,
    environment,
    pipes,
    remove,
    require_descriptors,
    unfit,
    view_of,
)
from worker.executors.packages import HandlerPackage

logger = logging.getLogger(__name__)


class LineReader(asyncio.Protocol):
    """Calls back with each line of a pipe, without a task or a future for each."""

    def __init__(
        self, limit_bytes: int, on_line: Callable[[bytes | None], None], on_end: Callable[[], None]
    ) -> None:
        """Begin with an empty line.

        Args:
            limit_bytes: how long a line may be.
            on_line: called with each line; with None as soon as a line is too long.
            on_end: called when there will be no more.
        """
        self._limit_bytes = limit_bytes
        self._on_line = on_line
        self._on_end = on_end
        self._parts: list[bytes] = []
        self._line_bytes = 0
        self._is_skipping = False

    def data_received(self, data: bytes) -> None:
        """Split received bytes into lines."""
        *line_ends, rest = data.split(b"\n")
        for part in line_ends:
            self._add(part)
            line = b"".join(self._parts)
            is_too_long = self._is_skipping
            self._begin_line()
            if not is_too_long:
                self._on_line(line)
        self._add(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end; bytes without an end of line are dropped."""
        del exc
        self._on_end()

    def _begin_line(self) -> None:
        self._parts.clear()
        self._line_bytes = 0
        self._is_skipping = False

    def _add(self, part: bytes) -> None:
        """Add a part to the line that has not ended yet, unless that is too long."""
        if self._is_skipping:
            return
        self._parts.append(part)
        self._line_bytes += len(part)
        if self._line_bytes > self._limit_bytes:
            self._is_skipping = True
            self._parts.clear()
            self._on_line(None)


REPORT_LIMIT_BYTES = 8 * 1_048_576
"""The longest message an attempt may send: more than a result may have, whose error is clearer."""

TOO_LONG = f"a result or report of more than {REPORT_LIMIT_BYTES} bytes"
NO_JSON = "a result or report that is no JSON"


class Listener(Protocol):
    """The attempt, or the attempts, in a slot."""

    def on_message(self, message: Mapping[str, Any]) -> None:
        """Receive a message of the process."""

    def on_fault(self, fault: str) -> None:
        """Receive a description of a message that could not be read."""

    def on_reports_closed(self) -> None:
        """Learn that no process has the pipe for reports any more."""

    def on_attempt_ended(self, ended: Mapping[str, Any] | None) -> None:
        """Receive how the supervisor saw the attempt end; None: the supervisor itself is gone."""


class Slot:
    """A supervisor and its handlers' process: for one attempt at a time, until one goes wrong.

    Attributes:
        package: the package whose handlers run here.
        process: the supervisor.
        workdir: the directory in which each attempt has one of its own.
        listener: the attempt at the moment.
        cpu_s: the processor time of the handlers' process, as last reported.
        loaded: set once its handlers are loaded, or never will be.
        secrets: the texts that are masked in its attempts' output and errors.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        package: HandlerPackage,
        process: asyncio.subprocess.Process,
        workdir: Path,
        orphans: Orphans | None,
        cover: Cover,
        lease: LeaseCell,
    ) -> None:
        self.package = package
        self.process = process
        self.workdir = workdir
        self.secrets = secrets_in(os.environ, package.pass_env)
        self._orphans = orphans
        self._cover = cover
        self._lease = lease
        self.listener: Listener | None = None
        self.cpu_s: float | None = None
        self.loaded = asyncio.Event()
        self._tasks: asyncio.WriteTransport | None = None
        self._lease_until = math.inf
        self._lapsed = False
        self._is_revoked = False
        self._attempts = 0
        self._is_open = True
        self._supervisor_reader: asyncio.Task[None] | None = None

    async def connect(self, task_pipe: int, report_pipe: int) -> None:
        """Connect this process's ends of the pipes for tasks and for reports."""
        loop = asyncio.get_running_loop()
        # uvloop's library closes a descriptor, and uvloop then closes the same number again: by
        # then it may be a file of another thread, whose closing would hit the next in turn.
        closes_itself = not isinstance(loop, uvloop.Loop)
        reader = LineReader(REPORT_LIMIT_BYTES, self._on_report_line, self._on_reports_closed)
        reports = os.fdopen(report_pipe, "rb", buffering=0, closefd=closes_itself)
        try:
            await loop.connect_read_pipe(lambda: reader, reports)
        except BaseException:
            os.close(task_pipe)
            raise
        tasks = os.fdopen(task_pipe, "wb", buffering=0, closefd=closes_itself)
        self._tasks, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, tasks)
        self._supervisor_reader = start_once("supervisor", self._read_supervisor())

    @property
    def is_alive(self) -> bool:
        """Whether it can run an attempt."""
        has_ended = self.process.returncode is not None
        is_running = self._is_open and not self.forbids_beginning and not has_ended
        return is_running and self._cover.holds

    @property
    def lapsed(self) -> bool:
        """Whether its lease was ever over: its supervisor may have ended for that."""
        return self._lapsed or monotonic() > self._lease_until

    @property
    def forbids_beginning(self) -> bool:
        """Whether its process ever had a reason not to begin an attempt."""
        return self.lapsed or self._is_revoked

    def next_attempt(self) -> int:
        """Count the next attempt; the process counts its directories likewise."""
        self._attempts += 1
        return self._attempts

    def workdir_of(self, attempt: int) -> Path:
        """Return the directory of the attempt of this number."""
        return self.workdir / str(attempt)

    def send_tasks(self, *tasks: Mapping[str, Any]) -> None:
        """Send tasks to the process, in one write."""
        pipe = self._tasks
        if pipe is not None and not pipe.is_closing():
            pipe.write(b"".join(map(_line, tasks)))

    def command(self, command: Mapping[str, Any]) -> None:
        """Send a command to the supervisor."""
        commands = self.process.stdin
        if commands is not None and not commands.is_closing():
            commands.write(_line(command))

    def renew(self, until: float) -> None:
        """Extend the lease to this time of the monotonic clock."""
        if until != self._lease_until and not self._is_revoked:
            before, self._lease_until = self._lease_until, until
            # The lease is written before the clock is read: if the process has refused an attempt
            # by the old lease, that was over by the clock here, too.
            self._lease.write(until)
            self._lapsed = self._lapsed or monotonic() > before
            self.command({"renew": until})

    def revoke(self) -> None:
        """Forbid for good that an attempt begins here, also one that was sent already."""
        self._is_revoked = True
        self._lease.write(-math.inf)

    def hang_up(self) -> None:
        """End all that still runs: to the supervisor, the end of its input is the worker's end."""
        self._is_open = False
        self.revoke()
        commands = self.process.stdin
        if commands is not None:
            commands.close()
        tasks = self._tasks
        if tasks is not None and not tasks.is_closing():
            tasks.abort()

    async def discard(self) -> None:
        """End it for good."""
        self.hang_up()
        await self.process.wait()
        if self._supervisor_reader is not None:
            await self._supervisor_reader
        self._lease.close()
        await asyncio.to_thread(remove, self.workdir)

    def _on_report_line(self, line: bytes | None) -> None:
        if line == b"":
            return
        message = None if line is None else parse_message(line)
        if message is None and self.listener is not None:
            self.listener.on_fault(TOO_LONG if line is None else NO_JSON)
        elif message is not None and message["type"] == "ready":
            self._on_ready(message)
        elif message is not None and self.listener is not None:
            self.listener.on_message(without_secrets(message, self.secrets))
        else:
            self.hang_up()  # A message without an attempt.

    def _on_ready(self, message: Mapping[str, Any]) -> None:
        if message.get("contract") == CONTRACT:
            self._record_cpu(message)
            self.loaded.set()
        elif self.listener is not None:
            self.listener.on_fault(unfit(self.package))
        else:
            logger.warning("%s", unfit(self.package))
            self.hang_up()

    def _record_cpu(self, message: Mapping[str, Any]) -> None:
        cpu_s = seconds(message.get("cpuTotal"))
        if cpu_s is not None:
            self.cpu_s = cpu_s

    def _on_reports_closed(self) -> None:
        self._is_open = False
        self.loaded.set()
        if self.listener is not None:
            self.listener.on_reports_closed()
        else:
            # It ended without an attempt, and its supervisor need not wait for an order.
            self.hang_up()

    async def _read_supervisor(self) -> None:
        if self.process.stdout is not None:
            async for line in self.process.stdout:
                self._on_supervisor_line(line)
        self._is_open = False
        # By itself it ends with 0, once nothing is left below it.
        if await self.process.wait() != 0 and self._orphans is not None:
            await self._orphans.end()
        if self.listener is not None:
            self.listener.on_attempt_ended(None)

    def _on_supervisor_line(self, line: bytes) -> None:
        if self.listener is not None:
            self.listener.on_attempt_ended(json.loads(line))


def _line(message: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # A path or a variable of the system need not be UTF-8.
        return json.dumps(message).encode() + b"\n"


def without_secrets(message: Mapping[str, Any], secrets: Sequence[str]) -> Mapping[str, Any]:
    """Return a message with these secrets masked in its texts about an error."""
    if not secrets:
        return message
    texts = {name: message[name] for name in _ERROR_FIELDS if name in message}
    masked_texts = {
        name: masked(text, secrets) for name, text in texts.items() if isinstance(text, str)
    }
    return {**message, **masked_texts}


_ERROR_FIELDS = ("message", "stack", "error_message")


async def start_slot(
    package: HandlerPackage, workdir: Path, orphans: Orphans | None, program: str = PROGRAM
) -> Slot:
    """Start a supervisor and its handlers' process.

    Args:
        package: the handlers.
        workdir: the directory below which its attempts work.
        orphans: ends the processes that a killed supervisor leaves.
        program: the Python program of the handlers' process.

    Raises:
        OSError: it could not be started; nothing of it is left.
    """
    cover = Cover(package.hidden, workdir)
    try:
        lease, (tasks, task_pipe, report_pipe, reports) = _channels()
    except OSError:
        # It is empty, and this takes no descriptor.
        os.rmdir(workdir)  # noqa: PTH106
        raise
    passed = (tasks, reports, lease.descriptor)
    try:
        require_descriptors(tasks)
        command = command_line(program, package)
        process = await _spawn(package, command, workdir, passed, orphans)
        slot = Slot(package, process, workdir, orphans, cover, lease)
    except BaseException:
        os.close(task_pipe)
        os.close(report_pipe)
        lease.close()
        remove(workdir)
        raise
    finally:
        for descriptor in passed:
            os.close(descriptor)
    try:
        await slot.connect(task_pipe, report_pipe)
    except BaseException:
        start_once("ended process", slot.discard())
        raise
    return slot


def _channels() -> tuple[LeaseCell, tuple[int, int, int, int]]:
    """Return the lease as a process sees it, and the ends of the pipes to it and from it."""
    lease = LeaseCell()
    try:
        return lease, pipes()
    except OSError:
        os.close(lease.descriptor)
        lease.close()
        raise


async def _spawn(
    package: HandlerPackage,
    command: Sequence[str],
    workdir: Path,
    passed: tuple[int, int, int],
    orphans: Orphans | None,
) -> asyncio.subprocess.Process:
    supervising = (
        sys.executable,
        "-I",
        "-S",
        supervisor.__file__,
        *map(str, passed),
        json.dumps({"view": view_of(package, workdir), "secret": list(package.pass_env)}),
    )
    # Shielded: a process that starts while its task is cancelled must still be ended. A failure is
    # raised to the caller.
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *supervising,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=passed,
            cwd=workdir,
            env=environment(workdir, package),
            start_new_session=True,
        )
    )
    if orphans is not None:
        orphans.expect(starting)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        if process.stdin is not None:
            process.stdin.close()
        raise
